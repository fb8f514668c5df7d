//! A command, once, with what an environment's release has.

use crate::cut_off::AT_A_QUARTER;
use crate::project::{Project, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::{Duration, Instant};

impl Project {
    fn exec(&self, args: &[&str]) -> crate::project::Ended {
        self.run(&[&["exec", "production"], args].concat())
    }

    /// The document that production's hosts follow.
    fn desired(&self) -> Value {
        let path = self.root.join(".release/channel/fixture/production/desired.json");
        let envelope: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        serde_json::from_str(envelope["document"].as_str().unwrap()).unwrap()
    }

    fn tasks_running(&self) -> String {
        self.docker(&["ps", "--quiet", "--filter", "label=xtask.task"])
    }
}

#[test]
fn a_command_has_what_the_release_has_its_exit_code_is_passed_on_and_it_is_recorded() {
    let project = Project::fixture();
    let refused = project.exec(&["--", "say", "hello"]).expect(2).all();
    assert!(refused.contains("runs nothing"), "{refused}");
    let release = project.released();
    let before = project.desired();

    let said = project.exec(&["--", "say", "hello"]).expect(0);
    assert!(
        said.stdout.contains(&format!("hello as {release}, greeting hello\n")),
        "{}",
        said.all()
    );
    assert!(said.stdout.contains("with the token [masked]\n"), "{}", said.all());
    let failed = project
        .exec(&["--host", "production-2", "--", "say", "exit", "7"])
        .expect(7)
        .all();
    assert!(
        failed.contains("ended: `say exit 7` on production-2 exited with 7"),
        "{failed}"
    );
    let since = Instant::now();
    let late = project
        .exec(&["--timeout", "2s", "--", "say", "wait", "60"])
        .expect(124);
    assert!(
        late.stdout.contains("waiting") && late.stderr.contains("took too long"),
        "{}",
        late.all()
    );
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    let long = project
        .run(&["exec", "production", "--json", "--", "say", "count", "150"])
        .expect(0);
    let executed = long.event("executed");
    assert_eq!(
        (&executed["output"][0], &executed["output"][99]),
        (&"51".into(), &"150".into()),
        "{executed}"
    );
    assert_eq!(
        (&executed["left_out"], &executed["exit_code"]),
        (&true.into(), &0.into())
    );
    assert!(
        long.event("note")["text"]
            .as_str()
            .unwrap()
            .contains("the last 100 lines"),
        "{}",
        long.all()
    );

    // Nothing of what runs is another than before, nor is anything left.
    let mut after = project.desired();
    for changed in ["generation", "rollout", "issued_at"] {
        after[changed] = before[changed].clone();
    }
    assert_eq!(after, before);
    project.expect_serving(&release);
    eventually("its containers are gone", Duration::from_secs(10), || {
        project
            .docker(&["ps", "--all", "--quiet", "--filter", "label=xtask.task"])
            .is_empty()
    });
    let shown = project.run(&["show", &release]).expect(0).stdout;
    for expected in [
        "`say hello` exited with 0",
        "production-2 by",
        "`say exit 7` exited with 7",
        "`say wait 60` took too long and was stopped",
    ] {
        assert!(shown.contains(expected), "no {expected}: {shown}");
    }
    let kept = project.run(&["logs", &release]).expect(0).stdout;
    assert!(
        kept.contains("$ say hello") && kept.contains("hello as") && kept.contains("token [masked]"),
        "{kept}"
    );

    for (args, words) in [
        (["--timeout", "0s", "--", "say"].as_slice(), "from 1s to 1h"),
        (&["--timeout", "2h", "--", "say"], "from 1s to 1h"),
        (&["--host", "nowhere", "--", "say"], "known: production-1, production-2"),
        (&["--", ""], "found an empty one"),
        (&["--"], "<CMD>"),
    ] {
        let refused = project.exec(args).expect(2).all();
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_command_waits_for_no_release_and_killed_half_way_it_is_not_run_again() {
    let project = Project::fixture();
    let good = project.released();
    let mut command = project.spawn(&["exec", "production", "--", "say", "wait", "20"]);
    eventually("the command runs", Duration::from_secs(30), || {
        !project.tasks_running().is_empty()
    });
    let container = project.tasks_running();
    command.kill().unwrap();
    command.wait().unwrap();
    assert!(!project.desired()["task"].is_null());
    let locked = project.exec(&["--", "say", "meanwhile"]).expect(4).all();
    assert!(locked.contains("is being changed by release"), "{locked}");
    project.expect_serving(&good);

    // The next one, once the lease of the dead one is over, goes on beside what still runs.
    let mut next = project.exec(&["--", "say", "next"]);
    eventually("the lease of the killed run ends", Duration::from_secs(30), || {
        if next.code == 4 {
            next = project.exec(&["--", "say", "next"]);
        }
        next.code != 4
    });
    assert!(next.expect(0).stdout.contains("next as"));
    assert!(project.desired()["task"].is_null());
    eventually("the first one has ended", Duration::from_secs(40), || {
        !project.tasks_running().contains(&container)
    });
    project.exec(&["--", "say", "last"]).expect(0);
    let shown = project.run(&["show", &good]).expect(0).stdout;
    assert!(
        shown.contains("`say wait 20` exited with 0"),
        "its end is noted by the next: {shown}"
    );
    assert_eq!(shown.matches("`say wait 20`").count(), 1, "{shown}");

    // While a release is under way nothing is run.
    let mut release = project.change_and_release();
    project.wait_for_journal("the canary reaches 25%", AT_A_QUARTER);
    let locked = project.exec(&["--", "say", "meanwhile"]).expect(4).all();
    assert!(locked.contains("is being changed by release"), "{locked}");
    assert!(release.wait().unwrap().success());
    let shown = project.run(&["show", &good]).expect(0).stdout;
    assert!(!shown.contains("meanwhile"), "{shown}");

    // Whoever stops waiting is told what becomes of the command.
    let command = project.spawn(&["exec", "production", "--", "say", "wait", "5"]);
    eventually("the command runs", Duration::from_secs(30), || {
        !project.tasks_running().is_empty()
    });
    kill_process(Pid::from_child(&command), Signal::INT).unwrap();
    let output = command.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("runs the command on to its end"), "{said}");
    project.exec(&["--", "say", "at once"]).expect(0);
}
