//! The script for cloud-init: what a shell checker says of it, and what it refuses before it touches anything.

use crate::{UNITS, folder};
use std::process::{Command, Output};

fn script() -> String {
    std::fs::read_to_string(folder().join("user-data")).unwrap()
}

#[test]
fn the_shell_checker_has_nothing_to_say() {
    let output = Command::new("shellcheck").arg(folder().join("user-data")).output();
    let output = output.expect("`shellcheck`, of Debian's package of that name");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn it_fits_into_what_a_machine_is_told_at_its_launch() {
    // 16 KiB is all that EC2 takes, and seven sums with a URL are to go in.
    assert!(script().len() < 15 * 1024, "{} bytes", script().len());
}

#[test]
fn it_puts_every_unit_in_place() {
    for unit in UNITS {
        assert!(
            script().matches(unit).count() >= 2,
            "`{unit}` is neither expected nor put in place"
        );
    }
}

/// Its words up to where it would begin to change something.
fn run(fill_in: &[(&str, &str)]) -> Output {
    let (head, _) = script()
        .split_once("\nmain\n")
        .map(|(head, tail)| (head.to_owned(), tail.to_owned()))
        .unwrap();
    let mut text = head + "\ncheck_input\necho accepted\n";
    for (from, to) in fill_in {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Command::new("sh").args(["-c", &text]).output().unwrap()
}

#[test]
fn what_was_not_filled_in_is_named_before_anything_is_touched() {
    let as_anybody = ("[ \"$(id -u)\" -eq 0 ] || fail 'only root can do this'", ":");
    let url = ("BASE_URL=''", "BASE_URL='file:///srv'");
    let names = ["agent", "router", "host.json", "keys.json"].iter().chain(&UNITS);
    let sums: String = names.map(|name| format!("{}  {name}\n", "0".repeat(64))).collect();
    let sums = format!("SHA256SUMS='\n{sums}'");
    let sums = ("SHA256SUMS='\n'", sums.as_str());
    let host = ("HOST_NAME=$(hostname -s)", "HOST_NAME=i-0abc");
    let refused = |fill_in: &[(&str, &str)], words: &str| {
        let output = run(fill_in);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(words), "{words}: {text}");
        assert!(text.contains("FAILED while reading what was filled in"), "{text}");
    };
    refused(&[as_anybody, sums, host], "BASE_URL is empty");
    refused(&[as_anybody, url, host], "SHA256SUMS does not name `agent`");
    refused(
        &[as_anybody, url, sums, (host.0, "HOST_NAME='a b'")],
        "HOST_NAME `a b` is no host name",
    );
    let evil = format!(
        "{}{}  ../../etc/passwd\n'",
        sums.1.trim_end_matches('\''),
        "0".repeat(64)
    );
    refused(
        &[as_anybody, url, (sums.0, &evil), host],
        "SHA256SUMS names files, not paths",
    );
    let output = run(&[as_anybody, url, sums, host]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "accepted\n");
}
