//! A bridge of the test's own, and what is left of earlier tests that were killed.
//!
//! All that is made here has a name that begins with `xe` and the id of the process that made it, so that whoever comes
//! later knows what nobody will take down any more.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

const PREFIX: &str = "xe";
/// Of `10.213.0.0/16`, the third byte: the first network that this machine knows nothing of is taken.
const NETWORKS: std::ops::Range<u8> = 16..240;

#[derive(Debug)]
pub struct Network {
    /// Of the bridge, and what the names of all else begin with. An interface's has 15 letters at most.
    pub name: String,
    third: u8,
}

impl Network {
    pub fn make() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "machines are made of namespaces, and only root makes those: run this test as root"
        );
        sweep();
        static COUNT: AtomicU8 = AtomicU8::new(0);
        let letter = char::from(b'a' + COUNT.fetch_add(1, Ordering::Relaxed) % 26);
        let name = format!("{PREFIX}{}{letter}", std::process::id());
        let network = Self { name, third: unused() };
        run("ip", &["link", "add", &network.name, "type", "bridge"]);
        let address = format!("{}/24", network.own());
        run("ip", &["address", "add", &address, "dev", &network.name]);
        run("ip", &["link", "set", &network.name, "up"]);
        network
    }

    /// Of this side of the bridge: where registry and channel are.
    pub fn own(&self) -> IpAddr {
        self.address(1)
    }

    pub fn address(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(10, 213, self.third, last).into()
    }

    pub fn all(&self) -> String {
        format!("10.213.{}.0/24", self.third)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        try_run("ip", &["link", "delete", &self.name]);
    }
}

fn unused() -> u8 {
    let known = output("ip", &["-4", "address"]) + &output("ip", &["-4", "route", "show", "table", "all"]);
    let mut free = NETWORKS.filter(|third| !known.contains(&format!("10.213.{third}.")));
    free.next().expect("every network of 10.213.0.0/16 is in use here")
}

/// Takes down what processes that are gone have left.
fn sweep() {
    for namespace in names_in("/run/netns") {
        remove_namespace(&namespace);
    }
    for link in names_in("/sys/class/net") {
        try_run("ip", &["link", "delete", &link]);
    }
    for folder in names_in(env!("CARGO_TARGET_TMPDIR")) {
        let _ = std::fs::remove_dir_all(Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder));
    }
    for hierarchy in hierarchies() {
        for group in names_in(hierarchy.to_str().unwrap_or_default()) {
            remove_groups(&hierarchy.join(group));
        }
    }
}

/// With all that still runs in it: nobody else's processes are in a namespace of this name.
pub fn remove_namespace(name: &str) {
    for process in output("ip", &["netns", "pids", name]).split_whitespace() {
        try_run("kill", &["-KILL", process]);
    }
    try_run("ip", &["netns", "delete", name]);
}

/// Control groups that an engine made its containers' own below.
pub fn remove_all_groups(name: &str) {
    for hierarchy in hierarchies() {
        remove_groups(&hierarchy.join(name));
    }
}

/// Of the first version, one for each kind of limit; of the second, the one.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let below = std::fs::read_dir(root).into_iter().flatten().flatten();
    let folders = below.map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.chain([root.to_owned()]).collect()
}

fn remove_groups(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// What lies there and was made by a test process that has ended.
fn names_in(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_left_over(name)).collect()
}

fn is_left_over(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse::<u32>().is_ok_and(|owner| !is_test(owner))
}

fn is_test(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.starts_with("engines"))
}

pub fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output();
    let done = done.unwrap_or_else(|error| panic!("`{program}` cannot be run: {error}"));
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {}: {why}", args.join(" "));
}

/// Where nothing is lost if it does not work.
pub fn try_run(program: &str, args: &[&str]) {
    let _ = Command::new(program).args(args).output();
}

fn output(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
        .unwrap_or_default()
}
