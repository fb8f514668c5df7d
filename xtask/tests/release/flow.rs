//! The way of a commit to live traffic, and back.

use crate::ask::{get, json};
use crate::listener::Listener;
use crate::project::{Project, eventually};
use std::time::Duration;

#[test]
fn a_commit_goes_live_and_the_same_again_changes_nothing() {
    let project = Project::fixture();
    let live = project.run(&["release", "--yes", "--json"]).expect(0).event("live");
    let (release, digest) = (
        live["release"]["id"].as_str().unwrap(),
        live["release"]["image"].as_str().unwrap(),
    );
    let digest = digest.split('@').nth(1).unwrap();

    let (status, page) = get(&project.url("site"));
    assert!(status == 200 && page.contains("fixture front end 1"), "{status} {page}");
    for environment in ["staging", "production"] {
        let version = json(&format!("{}/version", project.url(environment)));
        assert_eq!(version["release"], release);
        assert_eq!(version["commit"].as_str().unwrap().len(), 40, "{version}");
    }
    assert_eq!(
        json(&format!("{}/api/version", project.url("site")))["release"],
        release,
        "through the edge"
    );
    assert_eq!(
        project.running_digests(),
        [digest; 3],
        "one container on staging, one on each production host"
    );

    let again = project.run(&["release", "--yes"]).expect(0);
    assert!(
        again.stdout.contains(&format!("release {release} is already live")),
        "{}",
        again.all()
    );

    project.edit("web/index.html", "front end 1", "front end 2");
    project.commit("a new front end");
    let second = project.released();
    assert_ne!(second, release);
    assert!(get(&project.url("site")).1.contains("fixture front end 2"));
    project.expect_serving(&second);

    project.run(&["rollback", "production"]).expect(0);
    project.expect_serving(release);
    assert!(
        get(&project.url("site")).1.contains("fixture front end 1"),
        "the front end goes back with the API"
    );
}

#[test]
fn without_a_terminal_a_release_parks_and_approve_carries_it_to_live() {
    let project = Project::fixture();
    let parked = project.run(&["release"]).expect(3);
    let next = parked
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("next: cargo xtask approve "))
        .unwrap_or_default();
    let id = next
        .split_whitespace()
        .next()
        .unwrap_or_else(|| panic!("{}", parked.all()))
        .to_owned();
    assert_eq!(json(&format!("{}/version", project.url("staging")))["release"], id);
    assert_eq!(
        get(&format!("{}/version", project.url("production"))).0,
        503,
        "production runs nothing yet"
    );

    project.run(&["approve", &id[..4]]).expect(0);
    project.expect_serving(&id);
    project.run(&["approve", &id]).expect(2);

    project.edit("web/style.css", "16px", "17px");
    let parked = project.run(&["release", "--json"]).expect(3).event("failure");
    let second = parked["what"]
        .as_str()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    project
        .run(&["reject", &second, "--reason", "not on a Friday"])
        .expect(0);
    let refused = project.run(&["approve", &second]).expect(6);
    assert!(refused.stderr.contains("not on a Friday"), "{}", refused.all());
    project.expect_serving(&id);
}

#[test]
fn an_image_that_is_there_is_promoted_unchanged_and_one_that_is_not_is_named() {
    let project = Project::fixture();
    let first = project.run(&["release", "--yes", "--json"]).expect(0).event("live");
    let image = first["release"]["image"].as_str().unwrap();
    project.edit("web/style.css", "16px", "18px");
    project.commit("a change of the front end alone");
    let promoted = project.run(&["release", "--yes", "--json", "--image", image]).expect(0);
    let release = promoted.event("live")["release"].clone();
    assert_eq!(release["image"], image);
    assert_ne!(release["id"], first["release"]["id"]);
    project.expect_serving(release["id"].as_str().unwrap());

    let (repository, _) = image.split_once('@').unwrap();
    let unknown = format!("{repository}@sha256:{}", "0".repeat(64));
    let refused = project.run(&["release", "--yes", "--image", &unknown]).expect(2).all();
    assert!(
        refused.contains(&format!("`{unknown}` cannot be promoted")),
        "{refused}"
    );
    let no_digest = project
        .run(&["release", "--yes", "--image", "shop:latest"])
        .expect(2)
        .all();
    assert!(no_digest.contains("an image by digest"), "{no_digest}");
    project.expect_serving(release["id"].as_str().unwrap());
}

#[test]
fn a_release_ends_with_the_stage_that_was_asked_for_and_goes_on_from_there() {
    let project = Project::fixture();
    let staged = project
        .run(&["release", "--yes", "--json", "--to", "staging"])
        .expect(0);
    let stopped = staged.event("stopped");
    assert_eq!(stopped["stage"], "staging");
    let release = stopped["release"]["id"].as_str().unwrap().to_owned();
    let version = json(&format!("{}/version", project.url("staging")));
    assert_eq!(version["release"], release.as_str());
    let refused = project.run(&["release", "--yes", "--to", "frontend"]).expect(2).all();
    assert!(refused.contains("production, front end and bake are one"), "{refused}");

    let again = project
        .run(&["release", "--json", "--resume", &release, "--only", "test"])
        .expect(0);
    assert_eq!(again.event("stopped")["stage"], "test");
    let live = project
        .run(&["release", "--yes", "--json", "--resume", &release])
        .expect(0);
    assert_eq!(live.event("live")["release"]["id"], release.as_str());
    project.expect_serving(&release);

    // And nothing at all, on purpose.
    let refused = project.run(&["stop", "production"]).expect(6).all();
    assert!(refused.contains("cargo xtask stop production --yes"), "{refused}");
    project.run(&["stop", "production", "--yes"]).expect(0);
    let filters = ["label=xtask.environment=production", "label=xtask.release"];
    let listed = || project.docker(&["ps", "--quiet", "--filter", filters[0], "--filter", filters[1]]);
    eventually("its containers have drained", Duration::from_secs(15), || {
        listed().is_empty()
    });
    project.run(&["start", "production"]).expect(0);
    project.expect_serving(&release);
}

#[test]
fn hooks_run_around_their_stages_and_whoever_wants_to_know_is_told() {
    let project = Project::fixture();
    let told = Listener::start();
    project.edit(
        "pipeline.yaml",
        "frontend: { dir",
        "hooks:\n  - { before: build, command: [sh, -c, 'echo $RELEASE_STAGE $WHO > .release/before-build'], env: { WHO: me } }\n  \
         - { after: production, command: [sh, -c, 'echo $RELEASE_ID $RELEASE_IMAGE; test ! -e .release/stumble'] }\n\
         notify: [{ webhook: TOLD_AT }]\nfrontend: { dir",
    );
    let mut release = project.command(&["release", "--json"]);
    let parked = Project::end(release.env("TOLD_AT", &told.address)).expect(3);
    assert_eq!(
        std::fs::read_to_string(project.root.join(".release/before-build")).unwrap(),
        "build me\n"
    );
    let id = parked.event("failure")["what"]
        .as_str()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(told.next().contains("waits for approval"));

    // One that fails takes the release back, with what it printed.
    std::fs::write(project.root.join(".release/stumble"), "").unwrap();
    let mut approve = project.command(&["approve", &id]);
    let failed = Project::end(approve.env("TOLD_AT", &told.address)).expect(1).all();
    assert!(
        failed.contains("after production failed") && failed.contains(&format!("| {id} ")),
        "{failed}"
    );
    assert!(told.next().contains("is rolled back"));
    assert!(told.next().contains("did not go live"));

    std::fs::remove_file(project.root.join(".release/stumble")).unwrap();
    // Nobody listens any more: no release fails because of that, and the address is not shown.
    let gone = told.address.clone();
    drop(told);
    let mut resume = project.command(&["release", "--yes", "--resume", &id]);
    let live = Project::end(resume.env("TOLD_AT", &gone)).expect(0).all();
    assert!(live.contains("who listens at `TOLD_AT` could not be told"), "{live}");
    assert!(!live.contains(&gone), "{live}");
    let log = project
        .root
        .join(format!(".release/releases/{id}/logs/production-after.log"));
    assert!(std::fs::read_to_string(log).unwrap().contains("@sha256:"));
}
