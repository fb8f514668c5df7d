//! Releases on a real ground: real engine, registry, hosts, containers and traffic. `cargo xtask test release` runs these,
//! one at a time.

#[path = "release/load.rs"]
mod load;
#[path = "release/project.rs"]
mod project;

use load::Load;
use project::{Ended, Project, docker, eventually};
use serde_json::Value;
use std::io::Read as _;
use std::time::Duration;

fn get(url: &str) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        match client.get(url).send().await {
            Ok(response) => (
                response.status().as_u16(),
                plain(&response.bytes().await.unwrap_or_default()),
            ),
            Err(error) => (0, format!("{error:?}")),
        }
    })
}

/// As a browser would read it: what is published is compressed.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    match flate2::read::GzDecoder::new(bytes).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn json(url: &str) -> Value {
    let (status, body) = get(url);
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}"))
}

fn released(project: &Project) -> String {
    let live = project.run(&["release", "--yes", "--json"]).expect(0).event("live");
    live["release"]["id"].as_str().unwrap().to_owned()
}

/// Digests of the running app containers, one a host.
fn running_digests(project: &Project) -> Vec<String> {
    let ids = project.docker(&["ps", "--quiet", "--filter", "label=xtask.release"]);
    let image = |id: &str| docker(&["inspect", "--format", "{{.Config.Image}}", id]);
    ids.lines()
        .map(|id| image(id).split('@').nth(1).unwrap_or_default().to_owned())
        .collect()
}

fn expect_serving(project: &Project, release: &str) {
    for router in project.routers() {
        assert_eq!(json(&format!("{router}/version"))["release"], release, "{router}");
    }
}

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
        running_digests(&project),
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
    let second = released(&project);
    assert_ne!(second, release);
    assert!(get(&project.url("site")).1.contains("fixture front end 2"));
    expect_serving(&project, &second);

    project.run(&["rollback", "production"]).expect(0);
    expect_serving(&project, release);
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
    expect_serving(&project, &id);
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
    expect_serving(&project, &id);
}

/// Releases a faulty version over a good one, under load.
fn release_fault(fault: &str) -> (Ended, load::LoadReport) {
    let project = Project::fixture();
    let good = released(&project);
    project.edit(
        "src/main.rs",
        "const FAULT: &str = \"none\"",
        &format!("const FAULT: &str = \"{fault}\""),
    );
    project.commit(fault);
    let load = Load::gets(&project.routers(), "/api/work");
    let ended = project.run(&["release", "--yes"]);
    // A little longer, so that what goes wrong after the end of the command is seen as well.
    std::thread::sleep(Duration::from_millis(500));
    let report = load.end();
    expect_serving(&project, &good);
    eventually(
        "only staging's container and the two good ones are left",
        Duration::from_secs(20),
        || {
            project
                .docker(&["ps", "--all", "--quiet", "--filter", "label=xtask.release"])
                .lines()
                .count()
                == 3
        },
    );
    println!(
        "{fault}: exit {}, {} requests, {} failed",
        ended.code,
        report.sent,
        report.failures.len()
    );
    (ended, report)
}

#[track_caller]
fn expect_unharmed(fault: &str, evidence: &[&str]) {
    let (ended, load) = release_fault(fault);
    let ended = ended.expect(1);
    for words in evidence {
        assert!(ended.stderr.contains(words), "expected `{words}`: {}", ended.all());
    }
    assert!(
        ended.stderr.contains("now: `production` serves release"),
        "{}",
        ended.all()
    );
    assert_eq!(load.failures, Vec::<String>::new(), "{} requests", load.sent);
    assert!(load.sent > 500, "only {} requests: no load", load.sent);
}

#[test]
fn a_version_that_never_gets_ready_costs_no_request() {
    expect_unharmed("never-ready", &["503", "the cache is cold"]);
}

#[test]
fn a_version_that_exits_at_once_costs_no_request() {
    expect_unharmed("exit", &["exit code: 3", "no such table: members"]);
}

#[test]
fn a_version_that_listens_nowhere_costs_no_request() {
    expect_unharmed("deaf", &["8080"]);
}

#[test]
fn a_version_bound_to_loopback_is_told_so() {
    expect_unharmed("bind", &["127.0.0.1:8080"]);
}

#[test]
fn a_migration_that_fails_starts_no_new_version() {
    expect_unharmed("migration", &["exited with 7", "cannot be altered"]);
}

#[test]
fn a_version_that_answers_500_is_rolled_back_after_a_handful() {
    let (ended, load) = release_fault("500");
    let ended = ended.expect(1);
    assert!(ended.stderr.contains("the candidate failed at 5%"), "{}", ended.all());
    let share = load.failures.len() as f64 / load.sent as f64;
    assert!(
        share < 0.06,
        "{} of {} requests failed: it went further than its first step",
        load.failures.len(),
        load.sent
    );
    assert!(
        load.failures.iter().all(|failure| failure.contains("500")),
        "{:?}",
        load.failures.first()
    );
}

#[test]
fn stop_and_up_bring_back_the_same_and_purge_leaves_nothing() {
    let project = Project::fixture();
    let release = released(&project);
    let (site, before) = (project.url("site"), project.ground());

    project.run(&["local", "stop"]).expect(0);
    assert_eq!(get(&site).0, 0, "stopped means stopped");
    assert_eq!(project.docker(&["ps", "--quiet"]), "");
    project.run(&["local", "up"]).expect(0);
    assert_eq!(project.ground(), before, "the same ports");
    assert!(get(&site).1.contains("fixture front end 1"));
    eventually("production serves the release again", Duration::from_secs(20), || {
        project
            .routers()
            .iter()
            .all(|router| get(&format!("{router}/version")).1.contains(&release))
    });
    let again = project.run(&["release", "--yes"]).expect(0);
    assert!(again.stdout.contains("already live"), "{}", again.all());

    project.run(&["local", "down"]).expect(0);
    assert_eq!(project.docker(&["ps", "--all", "--quiet"]), "");
    project.run(&["local", "up"]).expect(0);
    eventually("containers are made again", Duration::from_secs(30), || {
        project
            .routers()
            .iter()
            .all(|router| get(&format!("{router}/version")).1.contains(&release))
    });

    let registry = before["registry"].as_str().unwrap().to_owned();
    let id = before["id"].as_str().unwrap().to_owned();
    project.run(&["local", "down", "--purge"]).expect(0);
    assert!(!project.root.join(".release").exists());
    for (what, args) in [
        ("containers", ["ps", "--all", "--quiet"].as_slice()),
        ("networks", &["network", "ls", "--quiet"]),
        ("volumes", &["volume", "ls", "--quiet"]),
    ] {
        let left = docker(&[args, &["--filter", &format!("label=xtask.ground={id}")]].concat());
        assert_eq!(left, "", "{what} are left");
    }
    let images = docker(&["images", "--digests", "--format", "{{.Repository}}"]);
    assert!(!images.lines().any(|image| image.starts_with(&registry)), "{images}");
    let root = project.root.to_string_lossy().into_owned();
    let mine = |pid: &std::fs::DirEntry| {
        std::fs::read_to_string(pid.path().join("cmdline")).is_ok_and(|line| line.contains(&root))
    };
    let left: Vec<_> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(mine)
        .map(|pid| pid.file_name())
        .collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
}

#[test]
fn a_router_and_an_agent_that_are_killed_come_back_without_a_failed_request() {
    let project = Project::fixture();
    let release = released(&project);
    let load = Load::gets(&project.routers(), "/api/work");
    let status = project
        .run(&["local", "status", "--json"])
        .expect(0)
        .event("local-status");
    let agents: Vec<u64> = status["processes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|process| process["name"].as_str().unwrap().trim() == "agent")
        .map(|process| process["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(agents.len(), 3);
    for agent in &agents {
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(*agent as i32).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    }
    std::thread::sleep(Duration::from_secs(2));
    let report = load.end();
    assert_eq!(report.failures, Vec::<String>::new());
    expect_serving(&project, &release);
    eventually("agents report again", Duration::from_secs(15), || {
        project.run(&["release", "--yes"]).stdout.contains("already live")
    });
}

#[test]
fn a_release_that_was_killed_in_the_middle_is_resumed() {
    let project = Project::fixture();
    let good = released(&project);
    project.edit("web/style.css", "16px", "18px");
    let mut killed = project.command(&["release", "--yes"]).spawn().unwrap();
    let shifting = || {
        let newest = newest_journal(&project);
        newest.contains("\"stage\":\"production\",\"text\":\"25%\"")
    };
    eventually("the canary reaches 25%", Duration::from_secs(90), shifting);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let releases = project.run(&["releases", "--json"]).expect(0).event("releases");
    let cut_off = releases["releases"][0]["release"]["id"].as_str().unwrap().to_owned();
    eventually(
        "hosts return to stable when the lease ends",
        Duration::from_secs(30),
        || {
            project
                .routers()
                .iter()
                .all(|router| get(&format!("{router}/version")).1.contains(&good))
                && (0..20).all(|_| json(&format!("{}/api/work", project.routers()[0]))["release"] == good.as_str())
        },
    );
    // The lease of the killed run has to run out first; until then the answer is who holds it, and exit code 4.
    let mut resumed = project.run(&["release", "--yes", "--resume", &cut_off]);
    eventually("the lease of the killed run ends", Duration::from_secs(30), || {
        if resumed.code == 4 {
            resumed = project.run(&["release", "--yes", "--resume", &cut_off]);
        }
        resumed.code != 4
    });
    resumed.expect(0);
    expect_serving(&project, &cut_off);
}

fn newest_journal(project: &Project) -> String {
    let mut releases: Vec<_> = std::fs::read_dir(project.root.join(".release/releases"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    releases.sort();
    releases
        .last()
        .and_then(|path| std::fs::read_to_string(path.join("journal")).ok())
        .unwrap_or_default()
}
