//! What fails in the test stage: with evidence, with nothing left behind, and with what was serving still serving.

use crate::project::{Ended, Project, docker};

const TEST: &str = "test: { command: [\"true\"], timeout: 1m }";

/// Containers and networks of this project's test stages.
fn left_behind(project: &Project) -> String {
    let label = format!("label=xtask.test-stage={}", project.ground()["id"].as_str().unwrap());
    docker(&["ps", "--all", "--quiet", "--filter", &label]) + &docker(&["network", "ls", "--quiet", "--filter", &label])
}

/// The newest release failed with this evidence, and `doctor` tells of it.
#[track_caller]
fn expect_failed(project: &Project, ended: Ended, evidence: &[&str]) {
    let ended = ended.expect(1);
    let doctor = project.run(&["doctor"]).expect(2);
    for words in evidence {
        assert!(ended.stderr.contains(words), "expected `{words}`: {}", ended.all());
        assert!(
            doctor.stdout.contains(words),
            "expected `{words}` of doctor: {}",
            doctor.all()
        );
    }
    assert!(ended.stderr.contains("next: "), "{}", ended.all());
    assert_eq!(left_behind(project), "", "{}", ended.all());
}

#[test]
fn an_app_that_does_not_serve_its_tests_is_told_why() {
    let project = Project::fixture();
    let good = project.released();
    let faulty = "test: { command: [\"true\"], timeout: 1m, env: { clear: { FAULTY: \"yes\" } } }";
    project.edit("pipeline.yaml", TEST, faulty);
    let mut fault = "none";
    for (next, evidence) in [
        (
            "exit",
            &[
                "the app exited instead of serving",
                "exit code: 3",
                "| no such table: members",
            ][..],
        ),
        (
            "deaf",
            &["does not listen on port 8080", "expected 0.0.0.0:8080, found nothing"],
        ),
        (
            "bind",
            &[
                "expected 0.0.0.0:8080, found 127.0.0.1:8080",
                "| listening on 127.0.0.1:8080",
            ],
        ),
        (
            "never-ready",
            &[
                "was not ready within 6 s",
                "last probe: GET /readyz: 503 \"the cache is cold\"",
            ],
        ),
        (
            "migration",
            &["the migration exited with 7", "| table `posts` cannot be altered"],
        ),
    ] {
        let line = |fault: &str| format!("const FAULT: &str = \"{fault}\"");
        project.edit("src/main.rs", &line(fault), &line(next));
        fault = next;
        expect_failed(&project, project.run(&["release", "--yes"]), evidence);
        project.expect_serving(&good);
    }
}

#[test]
fn tests_that_fail_stop_the_release_and_what_they_printed_is_kept() {
    let project = Project::fixture();
    let good = project.released();
    let failing = "test: { command: [sh, -c, \"echo expected 201, found 500; exit 1\"], timeout: 1m }";
    project.edit("pipeline.yaml", TEST, failing);
    let ended = project.run(&["release", "--yes"]);
    let releases = project.run(&["releases", "--json"]).expect(0).event("releases");
    let id = releases["releases"][0]["release"]["id"].as_str().unwrap().to_owned();
    let next = format!("next: cargo xtask logs {id} test");
    assert!(ended.stderr.contains(&next), "{}", ended.all());
    expect_failed(&project, ended, &["failed: ", "| expected 201, found 500"]);
    let logs = project.run(&["logs", &id, "test"]).expect(0);
    assert!(logs.stdout.contains("expected 201, found 500"), "{}", logs.all());
    assert!(
        logs.stdout.contains("listening on 0.0.0.0:8080"),
        "the app's own log: {}",
        logs.all()
    );
    project.expect_serving(&good);
}

#[test]
fn a_database_that_never_gets_healthy_is_told_with_its_last_probe() {
    let project = Project::fixture();
    let service = "test:\n  command: [\"true\"]\n  services:\n    mysql:\n      { image: \"mysql:8.4\", port: 3306, database: fixture, \
                   username: fixture, password: TOKEN, command: [--socket=/tmp/elsewhere.sock], \
                   health: { command: [mysqladmin, ping, --socket=/nowhere], interval: 500ms, deadline: 8s } }";
    project.edit("pipeline.yaml", TEST, service);
    let ended = project.run(&["release", "--yes"]);
    expect_failed(
        &project,
        ended,
        &[
            "`mysql` of `staging` did not start",
            "did not become healthy",
            "last probe: exit code 1",
        ],
    );
    let running = project.docker(&["ps", "--all", "--quiet"]);
    assert_eq!(running, "", "the container that never came up is gone");
}
