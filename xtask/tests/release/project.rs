//! A project in a folder of its own, with a ground of its own, released by the real tool.

use crate::ask::json;
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Removes its ground and its folder when dropped.
pub struct Project {
    pub root: PathBuf,
    folder: tempfile::TempDir,
}

/// What a command of the tool printed, and how it ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The whole of it, for a failing assertion.
    pub fn all(&self) -> String {
        format!(
            "exit {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    /// The line of the `--json` stream with this event.
    #[track_caller]
    pub fn event(&self, name: &str) -> serde_json::Value {
        let mut events = self
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events
            .find(|event| event["event"] == name)
            .unwrap_or_else(|| panic!("no event `{name}`: {}", self.all()))
    }
}

impl Project {
    /// The small fixture service.
    pub fn fixture() -> Self {
        let project = Self::empty();
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture"),
            &project.root,
        );
        project.commit("begin");
        project
    }

    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("xtask-release-").tempdir().unwrap();
        let root = folder.path().join("project");
        std::fs::create_dir(&root).unwrap();
        Self { root, folder }
    }

    pub fn commit(&self, message: &str) {
        if !self.root.join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "--quiet",
            "--message",
            message,
        ]);
    }

    pub fn git(&self, args: &[&str]) {
        let status = Command::new("git").args(args).current_dir(&self.root).status().unwrap();
        assert!(status.success(), "git {args:?}");
    }

    /// Replaces text in a file; it must be there.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.root.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in {file}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The release tool as this test was built with.
    pub fn tool() -> &'static str {
        env!("CARGO_BIN_EXE_xtask")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.command_by(Self::tool(), args)
    }

    /// Another program, started as the tool would be: in the project, with no terminal.
    pub fn command_by(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root).stdin(Stdio::null());
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Self::end(&mut self.command(args))
    }

    /// Runs it to its end.
    pub fn end(command: &mut Command) -> Ended {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Ended {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Ports and id of this project's ground.
    pub fn ground(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.root.join(".release/ground/state.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Each production host's router.
    pub fn routers(&self) -> Vec<String> {
        self.routers_of("production")
    }

    pub fn routers_of(&self, environment: &str) -> Vec<String> {
        let ground = self.ground();
        let hosts = ground["environments"][environment]["hosts"]
            .as_object()
            .unwrap()
            .clone();
        hosts
            .values()
            .map(|host| format!("http://{}", host["listen"].as_str().unwrap()))
            .collect()
    }

    /// The agents of all its hosts.
    pub fn agents(&self) -> Vec<Pid> {
        let status = self.run(&["local", "status", "--json"]).expect(0).event("local-status");
        let processes = status["processes"].as_array().unwrap().iter();
        let agents = processes.filter(|process| process["name"].as_str().unwrap().trim() == "agent");
        let pid = |process: &serde_json::Value| Pid::from_raw(process["pid"].as_i64().unwrap() as i32).unwrap();
        agents.map(pid).collect()
    }

    pub fn url(&self, name: &str) -> String {
        let ground = self.ground();
        let address = match name {
            "site" => ground["site"].as_str(),
            environment => ground["environments"][environment]["balancer"].as_str(),
        };
        format!("http://{}", address.unwrap())
    }

    /// Releases without being asked, and gives the id of what went live.
    pub fn released(&self) -> String {
        let live = self.run(&["release", "--yes", "--json"]).expect(0).event("live");
        live["release"]["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn expect_serving(&self, release: &str) {
        for router in self.routers() {
            assert_eq!(json(&format!("{router}/version"))["release"], release, "{router}");
        }
    }

    /// Digests of the running app containers, one a host.
    pub fn running_digests(&self) -> Vec<String> {
        let ids = self.docker(&["ps", "--quiet", "--filter", "label=xtask.release"]);
        let image = |id: &str| docker(&["inspect", "--format", "{{.Config.Image}}", id]);
        ids.lines()
            .map(|id| image(id).split('@').nth(1).unwrap_or_default().to_owned())
            .collect()
    }

    /// Names and states of this ground's containers.
    pub fn docker(&self, args: &[&str]) -> String {
        let filter = format!("label=xtask.ground={}", self.ground()["id"].as_str().unwrap());
        docker(&[args, &["--filter", &filter]].concat())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a person needs to see why, before it is gone.
            eprintln!("{}", self.run(&["local", "logs"]).stdout);
        }
        let _ = self.run(&["local", "down", "--purge"]);
        let _ = &self.folder;
    }
}

pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Every file below, with its content.
pub fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        // What git keeps for itself changes when it is asked.
        if entry.file_name() == ".git" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files_below(&entry.path())),
            false if entry.file_type().unwrap().is_file() => {
                found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
            // A socket has no content.
            false => {}
        }
    }
    found.sort();
    found
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "target" || name == ".release" || name == ".git" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Polls until `done`, and says what was waited for when it never comes.
#[track_caller]
pub fn eventually(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < within, "not within {} s: {what}", within.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}
