//! A release that is cut off: killed where it stands, or asked to end.

use crate::ask::{get, json};
use crate::project::{Project, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

#[test]
fn a_release_killed_in_its_canary_leaves_hosts_on_stable_and_is_resumed() {
    let project = Project::fixture();
    let good = project.released();
    let mut killed = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let cut_off = project.newest_release();
    let is_stable = || project.routers().iter().all(|router| serves_only(router, &good));
    eventually(
        "hosts return to stable when the lease ends",
        Duration::from_secs(30),
        is_stable,
    );
    project.resume(&cut_off);
    project.expect_serving(&cut_off);
}

#[test]
fn a_release_killed_once_in_every_stage_goes_live() {
    let project = Project::fixture();
    let good = project.released();
    let mut child = project.change_and_release();
    let has_begun = || !project.newest_journal().contains(&good);
    eventually("another release begins", Duration::from_secs(30), has_begun);
    let stages = ["build", "test", "staging", "approval", "production", "frontend", "bake"];
    for (number, stage) in stages.iter().enumerate() {
        let started = format!("\"event\":\"stage-started\",\"stage\":\"{stage}\"");
        project.wait_for_journal(&format!("{stage} begins"), &started);
        child.kill().unwrap();
        child.wait().unwrap();
        println!(
            "killed in {stage}, after {} entries",
            project.newest_journal().lines().count()
        );
        if number + 1 < stages.len() {
            child = project.begin_to_resume();
        }
    }
    let release = project.newest_release();
    project.resume(&release);
    project.expect_serving(&release);
    let (_, page) = get(&project.url("site"));
    assert!(page.contains("fixture front end"), "{page}");
}

#[test]
fn a_release_asked_to_end_in_its_canary_undoes_it_first_and_is_resumed_at_once() {
    let project = Project::fixture();
    let good = project.released();
    let child = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(130), "{stderr}");
    let release = project.newest_release();
    for expected in [
        "finishing or undoing what is in hand",
        &format!("`production` serves release {good}"),
        &format!("cargo xtask release --resume {release}"),
    ] {
        assert!(stderr.contains(expected), "no `{expected}` in {stderr}");
    }
    for router in project.routers() {
        assert!(serves_only(&router, &good), "{router}");
    }
    // Nobody has to wait for anything to run out.
    project.run(&["release", "--yes", "--resume", &release]).expect(0);
    project.expect_serving(&release);
}

pub const AT_A_QUARTER: &str = "\"stage\":\"production\",\"text\":\"25%\"";

fn serves_only(router: &str, release: &str) -> bool {
    get(&format!("{router}/version")).1.contains(release)
        && (0..20).all(|_| json(&format!("{router}/api/work"))["release"] == release)
}

impl Project {
    pub fn change_and_release(&self) -> Child {
        self.edit("web/style.css", "16px", "18px");
        self.spawn(&["release", "--yes"])
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A dead engine's lease has to run out first; until then the answer is who holds it.
    fn resume(&self, release: &str) {
        let mut resumed = self.run(&["release", "--yes", "--resume", release]);
        eventually("the lease of the killed run ends", Duration::from_secs(30), || {
            if resumed.code == 4 {
                resumed = self.run(&["release", "--yes", "--resume", release]);
            }
            resumed.code != 4
        });
        resumed.expect(0);
    }

    /// Once no dead engine's lease is in the way.
    fn begin_to_resume(&self) -> Child {
        for environment in ["staging", "production"] {
            self.run(&["unlock", environment, "--yes"]).expect(0);
        }
        self.spawn(&["release", "--yes", "--resume", &self.newest_release()])
    }

    pub fn newest_release(&self) -> String {
        let releases = self.run(&["releases", "--json"]).expect(0).event("releases");
        releases["releases"][0]["release"]["id"].as_str().unwrap().to_owned()
    }

    /// In the journal of the newest release.
    pub fn wait_for_journal(&self, what: &str, entry: &str) {
        let is_there = || self.newest_journal().contains(entry);
        eventually(what, Duration::from_secs(90), is_there);
    }

    fn newest_journal(&self) -> String {
        // Before the first release there is none.
        let releases = std::fs::read_dir(self.root.join(".release/releases"))
            .into_iter()
            .flatten();
        let newest = releases.flatten().map(|entry| entry.path()).max();
        newest
            .and_then(|path| std::fs::read_to_string(path.join("journal")).ok())
            .unwrap_or_default()
    }
}
