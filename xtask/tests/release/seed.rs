//! Demo data: the program of pipeline.yaml, told where the environment answers.

use crate::project::Project;

const SEED: &str = "seed: { command: [sh, -c, 'echo \"made at $BASE_URL with $*\"', seed], timeout: 10s }\n";

fn with_seed(seed: &str) -> Project {
    let project = Project::fixture();
    project.edit("pipeline.yaml", "frontend: { dir", &format!("{seed}frontend: {{ dir"));
    project
}

#[test]
fn the_program_is_told_where_the_environment_answers() {
    let project = with_seed(SEED);
    let args = [
        "seed",
        "staging",
        "--profile",
        "remote",
        "--url",
        "http://127.0.0.1:9",
        "--",
        "--more",
    ];
    let ended = project.run(&args).expect(0);
    assert_eq!(ended.stdout, "made at http://127.0.0.1:9 with --more\n");
    let ended = project.run(&[&["--json"][..], &args].concat()).expect(0);
    assert_eq!(ended.event("seeded")["environment"], "staging");
}

#[test]
fn nothing_is_seeded_that_was_not_meant() {
    let project = with_seed(SEED);
    for (args, says) in [
        (&["seed"][..], "there is no ground yet"),
        (&["seed", "moon"], "there is no environment `moon`"),
        (&["seed", "--profile", "remote"], "say which environment"),
        (
            &["seed", "production", "--profile", "remote"],
            "does not say where `production` answers",
        ),
    ] {
        let ended = project.run(args).expect(2);
        assert!(ended.stderr.contains(says), "expected `{says}`: {}", ended.all());
        assert_eq!(ended.stdout, "", "{args:?}");
    }
    let refusing = with_seed("seed: { command: [sh, -c, 'exit 2'] }\n");
    let refused = refusing
        .run(&["seed", "staging", "--url", "http://127.0.0.1:9"])
        .expect(2);
    assert!(!refused.stderr.contains("what was made"), "{}", refused.all());
    let none = Project::fixture().run(&["seed"]).expect(2);
    assert!(
        none.stderr.contains("names no program that makes demo data"),
        "{}",
        none.all()
    );
}

#[test]
fn a_program_that_fails_half_way_leaves_the_world_astray() {
    let project = with_seed("seed: { command: [sh, -c, 'echo why >&2; exit 3'] }\n");
    let ended = project
        .run(&["seed", "staging", "--url", "http://127.0.0.1:9"])
        .expect(5);
    assert!(
        ended.stderr.contains("why\n") && ended.stderr.contains("what was made so far is there"),
        "{}",
        ended.all()
    );
}
