//! The one place that starts other programs and waits for them.

use crate::failure::{Failure, OrFail, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
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
        // Its own group, so that what it starts ends with it.
        .process_group(0)
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
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
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
            group.0 = None;
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
    while let Ok(true) = next_line(&mut reader, &mut line).await {
        // Bytes, not text: a program may print anything.
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if to.send((from_stdout, text)).await.is_err() {
            return;
        }
    }
}

/// Whether there was one. What is longer than all that is kept is cut.
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = read.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(read.len(), |end| end + 1);
        let room = STDOUT_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&read[..length.min(room)]);
        reader.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// A program and all that it started, ended with whoever waits for it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already, or somebody else's by now: neither is of interest any more.
            let _ = kill_process_group(group, Signal::KILL);
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

/// Whether this could be started by its name alone.
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn what_hangs_is_ended_with_all_that_it_started() {
        let mut told = Vec::new();
        let hangs = shell("sleep 600 & echo $!; wait");
        let failure = run(hangs, Duration::from_secs(3), |line| told.push(line.to_owned())).await;
        let failure = failure.unwrap_err();
        assert!(failure.to_string().contains("took longer than"), "{failure}");
        let sleeps = format!("/proc/{}/stat", told[0]);
        // A zombie, until whoever inherits it looks.
        let has_ended = || std::fs::read_to_string(&sleeps).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..250 {
            if has_ended() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{sleeps} is still there");
    }

    #[tokio::test]
    async fn a_hundred_megabytes_in_one_line_or_many_are_read_and_not_kept() {
        for script in [
            "head -c 100000000 /dev/zero | tr '\\0' x",
            "yes 0123456789 | head -c 100000000",
        ] {
            let finished = run(shell(script), Duration::from_secs(120), |_| {}).await.unwrap();
            assert!(finished.success);
            assert!(
                finished.stdout.len() <= STDOUT_BYTES + LINE_CHARS,
                "{}",
                finished.stdout.len()
            );
            assert!(finished.tail.iter().all(|line| line.len() <= LINE_CHARS));
        }
    }
}
