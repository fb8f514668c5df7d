//! The way of a commit to live traffic, and back.

use crate::ask::{get, json};
use crate::project::Project;

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
