//! The released app held against the document that it serves, and its pages in a browser.

use super::{cargo, leave_out_tests, member, release, repository, this_app};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// For one run of schemathesis.
const DEADLINE: Duration = Duration::from_secs(240);
/// Requests made up for each operation, in each of several ways.
const EXAMPLES: &str = "30";
/// Wrong passwords are counted by where they come from; whoever else signs in here is not to be held up.
const SENDER: &str = "X-Forwarded-For: 198.51.100.7";

#[test]
fn the_released_app_does_what_its_document_says_and_its_pages_work_in_a_browser() {
    let project = this_app();
    leave_out_tests(&project);
    release(&project);
    let url = project.url("production");

    let mut browser = cargo();
    browser.args(["test", "--quiet", "--package", "api-tests", "--test", "browser"]);
    run(browser.env("BASE_URL", &url));

    let python = python();
    let document = repository().join("app/openapi.json");
    run(Command::new(python.join("openapi-spec-validator")).arg(&document));
    let member = format!("Authorization: Bearer {}", member(&url));
    for who in [vec![], vec!["--header", &member]] {
        let mut examination = Command::new(python.join("schemathesis"));
        examination
            .arg("--config-file")
            .arg(repository().join("app/schemathesis.toml"));
        examination.args(["run", "--checks", "all", "--seed", "1", "--max-examples", EXAMPLES]);
        // One worker: two threads make it more likely that Python is at fault.
        examination.args(["--workers", "1", "--request-timeout", "20", "--header", SENDER]);
        // Where it fetches a document from it does not test.
        examination.args(who).args(["--url", &url]).arg(&document);
        // It leaves what it has learnt where it runs.
        run(examination.current_dir(&project.root));
    }
}

/// The programs that `app/schemathesis.txt` names, in an environment of their own that later runs find again.
fn python() -> PathBuf {
    let environment = repository().join("target/schemathesis");
    let programs = environment.join("bin");
    if !programs.join("pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    }
    let mut install = Command::new(programs.join("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(install.arg(repository().join("app/schemathesis.txt")));
    programs
}

/// What Python 3.11 before 3.11.8 says now and then of itself (python/cpython#106905). It says nothing of the API.
const INTERPRETERS_OWN_FAULT: &str = "AST constructor recursion depth mismatch";
const ATTEMPTS: usize = 5;

/// Runs to a good end in time, and shows the last of what was printed.
fn run(command: &mut Command) {
    let since = Instant::now();
    let (mut status, mut printed) = attempt(command);
    for _ in 1..ATTEMPTS {
        if status.success() || !printed.contains(INTERPRETERS_OWN_FAULT) {
            break;
        }
        println!("{}: {INTERPRETERS_OWN_FAULT}; once more", name(command));
        (status, printed) = attempt(command);
    }
    let name = name(command);
    assert!(
        status.success(),
        "`{name}`: {status} after {:?}\n{printed}",
        since.elapsed()
    );
    let said = printed
        .lines()
        .rfind(|line| line.contains("passed") || line.contains("OK"));
    println!(
        "{name}: {:.0} s, {}",
        since.elapsed().as_secs_f64(),
        said.unwrap_or_default().trim()
    );
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    program.display().to_string()
}

/// How it ended, and all it printed.
fn attempt(command: &mut Command) -> (ExitStatus, String) {
    let output = tempfile::NamedTempFile::new().unwrap();
    let (stdout, stderr) = (output.reopen().unwrap(), output.reopen().unwrap());
    let since = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > DEADLINE {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let printed = std::fs::read(output.path()).unwrap();
    (status, String::from_utf8_lossy(&printed).into_owned())
}
