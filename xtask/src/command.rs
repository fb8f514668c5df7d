//! The one place that starts other programs and waits for them.

use crate::failure::{Failure, OrFail, Result};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

/// The last lines kept for an error message.
const TAIL_LINES: usize = 30;
const LINE_CHARS: usize = 2_000;
const STDOUT_BYTES: usize = 4 * 1024 * 1024;

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    pub success: bool,
    /// stdout, whole, up to a bound.
    pub stdout: String,
    /// The last lines of both.
    pub tail: Vec<String>,
}

/// Runs to the end or the deadline, telling of each line as it comes. The program dies with this one.
pub async fn run(mut command: Command, deadline: Duration, mut on_line: impl FnMut(&str)) -> Result<Finished> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    forget_own_cargo(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let next = if missing {
            format!("install `{name}`, then run the command again")
        } else {
            "cargo xtask doctor".to_owned()
        };
        Failure::bad_input(format!("`{name}` cannot be started: {error}")).next(next)
    })?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(256);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, true, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, false, sender));
    }
    let mut finished = Finished {
        success: false,
        stdout: String::new(),
        tail: Vec::new(),
    };
    let reading = async {
        while let Some((from_stdout, line)) = receiver.recv().await {
            if from_stdout && finished.stdout.len() < STDOUT_BYTES {
                finished.stdout.push_str(&line);
                finished.stdout.push('\n');
            }
            // What people are shown is cut; what the program says to this one, such as an answer in JSON, is not.
            let line: String = line.chars().take(LINE_CHARS).collect();
            on_line(&line);
            // Cargo's messages for programs would crowd out those for people.
            if line.starts_with("{\"reason\":") {
                continue;
            }
            if finished.tail.len() == TAIL_LINES {
                finished.tail.remove(0);
            }
            finished.tail.push(line);
        }
        child.wait().await
    };
    match tokio::time::timeout(deadline, reading).await {
        Ok(status) => {
            let status = status.or_fail(|| format!("`{name}` cannot be waited for"))?;
            Ok(Finished {
                success: status.success(),
                ..finished
            })
        }
        Err(_) => Err(finished.tail.iter().fold(
            Failure::failed(format!(
                "`{name}` took longer than {} s and was ended",
                deadline.as_secs()
            )),
            |failure, line| failure.why(format!("| {line}")),
        )),
    }
}

/// Runs to the end or the deadline, for a person to watch: what it says on stderr goes straight there. Returns its stdout.
/// One that ends with 2, as this tool does, has touched nothing.
pub async fn show(mut command: Command, deadline: Duration) -> Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    forget_own_cargo(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    // Not `output()`, which would take stderr as well.
    let child = command.spawn().map_err(|error| {
        Failure::bad_input(format!("`{name}` cannot be started: {error}"))
            .next(format!("install `{name}`, then run the command again"))
    })?;
    let finished = tokio::time::timeout(deadline, child.wait_with_output())
        .await
        .map_err(|_| {
            let seconds = deadline.as_secs();
            Failure::failed(format!("`{name}` took longer than {seconds} s and was ended"))
        })?
        .or_fail(|| format!("`{name}` cannot be waited for"))?;
    let what = format!("`{name}` failed; it said why above");
    match finished.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
        Some(2) => Err(Failure::bad_input(what)),
        _ => Err(Failure::failed(what)),
    }
}

/// `cargo run` tells this program about its own package. Passed on to another cargo, that would look like a change of
/// environment to some build scripts, and each would undo what the other has compiled.
pub fn forget_own_cargo(command: &mut Command) {
    const OWN: [&str; 5] = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || OWN.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
}

async fn forward(stream: impl AsyncRead + Unpin, from_stdout: bool, to: tokio::sync::mpsc::Sender<(bool, String)>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes, not text: a program may print anything.
    while let Ok(read) = reader.read_until(b'\n', &mut line).await {
        if read == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if to.send((from_stdout, text)).await.is_err() {
            return;
        }
    }
}

/// A short question to a program: its stdout, or nothing if it failed.
pub async fn ask(program: &str, args: &[&str], folder: &Path) -> Result<Option<String>> {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder);
    let finished = run(command, Duration::from_secs(30), |_| {}).await?;
    Ok(finished.success.then(|| finished.stdout.trim_end().to_owned()))
}
