//! What the app prints, heard from its hosts: settled, in a canary, and with an ask that nobody may make.

use crate::ask::get;
use crate::cut_off::AT_A_QUARTER;
use crate::project::{Project, eventually};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A command that goes on, and what it has printed so far.
struct Following {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Following {
    fn start(project: &Project, args: &[&str]) -> Self {
        let mut command = project.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stdout, heard) = (child.stdout.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line);
            }
        });
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    #[track_caller]
    fn hears(&self, what: &str, within: Duration, is_it: impl Fn(&str) -> bool) -> Duration {
        let since = Instant::now();
        eventually(&format!("{what} in {:#?}", self.lines()), within, || {
            self.lines().iter().any(|line| is_it(line))
        });
        since.elapsed()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn lines_of_every_host_and_of_both_versions_are_heard_while_a_canary_is_under_way() {
    let project = Project::fixture();
    let good = project.released();
    let routers = project.routers();
    for router in &routers {
        get(&format!("{router}/say/one"));
    }
    let said = project.run(&["logs", "production", "--app"]).expect(0);
    for host in ["production-1", "production-2"] {
        let line = format!("{host} stable    | {good} says one\n");
        assert!(said.stdout.contains(&line), "no `{line}`: {}", said.all());
    }
    let one = project
        .run(&["logs", "production", "--app", "--host", "production-2", "--lines", "1"])
        .expect(0);
    assert_eq!(
        one.stdout,
        format!("production-2 stable    | {good} says one\n"),
        "{}",
        one.all()
    );
    let none = project
        .run(&["logs", "production", "--app", "--version", "candidate"])
        .expect(2)
        .all();
    assert!(none.contains("has no such version now"), "{none}");

    let following = Following::start(&project, &["logs", "production", "--app", "-f", "--json"]);
    following.hears("what was printed before", SOON, |line| line.contains("says one"));
    get(&format!("{}/say/later", routers[0]));
    let took = following.hears("what is printed later", SOON, |line| line.contains("says later"));
    println!("a line was heard {} ms after it was printed", took.as_millis());
    let mut release = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    for number in 0..60 {
        get(&format!("{}/say/canary-{number}", routers[number % 2]));
    }
    let by = |version: &'static str| {
        move |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["version"] == version && line["line"].as_str().is_some_and(|line| line.contains("says canary"))
        }
    };
    following.hears("the candidate", SOON, by("candidate"));
    following.hears("the stable version", SOON, by("stable"));
    // Nothing of this is in the release's way.
    assert!(release.wait().unwrap().success());
    for line in following.lines() {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["v"], &line["event"]), (&1.into(), &"line".into()), "{line}");
        assert!(
            line["host"].is_string() && line["time"].is_string() && line["release"].is_string(),
            "{line}"
        );
        let text = line["line"].as_str().unwrap();
        let is_own = !text.contains(" says ") || text.starts_with(line["release"].as_str().unwrap());
        assert!(is_own, "{line}");
    }

    // One is answered at a time: the newest. The other is told, within seconds.
    let newer = Following::start(&project, &["logs", "production", "--app", "-f"]);
    let mut older = following;
    eventually("the older one ends", SOON, || older.child.try_wait().unwrap().is_some());
    assert_eq!(older.child.wait().unwrap().code(), Some(4));
    let said = older.lines().pop().unwrap();
    assert!(said.contains("now answer") && said.contains("instead"), "{said}");
    get(&format!("{}/say/newer", routers[1]));
    newer.hears("what is printed now", SOON, |line| {
        line.contains("production-2 stable    | ") && line.ends_with("says newer")
    });
}

#[test]
fn a_forged_ask_is_refused_by_every_host_and_traffic_is_as_before() {
    let project = Project::fixture();
    let good = project.released();
    project.run(&["logs", "production", "--app"]).expect(0);
    let path = project.root.join(".release/channel/fixture/production/asked.json");
    let genuine = std::fs::read_to_string(&path).unwrap();
    let forged = genuine.replace("\\\"lines\\\":100", "\\\"lines\\\":999");
    assert_ne!(forged, genuine);
    std::fs::write(&path, forged).unwrap();
    let refused = || {
        let status = project.run(&["status"]).expect(0).stdout;
        status.matches("an ask refused: the signature by key").count() == 2
    };
    eventually("both hosts refuse it", SOON, refused);
    project.expect_serving(&good);
    for router in project.routers() {
        assert_eq!(get(&format!("{router}/api/work")).0, 200);
    }
    // It is in nobody's way.
    let second = {
        project.edit("web/style.css", "16px", "18px");
        project.released()
    };
    project.expect_serving(&second);
    project.run(&["logs", "production", "--app"]).expect(0);
    eventually("nothing is refused any more", SOON, || {
        !project.run(&["status"]).stdout.contains("an ask refused")
    });
}

#[test]
fn what_a_stage_prints_is_followed_until_its_release_ends() {
    let project = Project::fixture();
    project.edit(
        "pipeline.yaml",
        "test: { command: [\"true\"], timeout: 1m }",
        "test: { command: [sh, -c, \"echo begun; while test ! -e .release/go; do sleep 0.1; done; echo ended\"], timeout: 1m }",
    );
    let mut release = project.spawn(&["release", "--yes"]);
    project.wait_for_journal("the test stage", "\"event\":\"stage-started\",\"stage\":\"test\"");
    let id = project.newest_release();
    let following = Following::start(&project, &["logs", &id, "test", "-f"]);
    following.hears("what it printed", Duration::from_secs(60), |line| {
        line == "test.log | begun"
    });
    std::fs::write(project.root.join(".release/go"), "").unwrap();
    following.hears("what it prints later", SOON, |line| line == "test.log | ended");
    assert!(release.wait().unwrap().success());
    let mut following = following;
    eventually("it ends with the release", SOON, || {
        following.child.try_wait().unwrap().is_some()
    });
    assert!(following.child.wait().unwrap().success());
    assert_eq!(following.lines(), ["test.log | begun", "test.log | ended"]);
}
