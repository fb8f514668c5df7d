//! The ground itself: stopped, brought back, removed, and with its processes killed.

use crate::ask::get;
use crate::load::Load;
use crate::project::{Project, docker, eventually};
use rustix::process::{Signal, kill_process};
use std::time::Duration;

#[test]
fn stop_and_up_bring_back_the_same_and_purge_leaves_nothing() {
    let project = Project::fixture();
    let release = project.released();
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
    let release = project.released();
    let load = Load::gets(&project.routers(), "/api/work");
    let agents = project.agents();
    assert_eq!(agents.len(), 3);
    agents
        .into_iter()
        .for_each(|agent| kill_process(agent, Signal::KILL).unwrap());
    std::thread::sleep(Duration::from_secs(2));
    let report = load.end();
    assert_eq!(report.failures, Vec::<String>::new());
    project.expect_serving(&release);
    eventually("agents report again", Duration::from_secs(15), || {
        project.run(&["release", "--yes"]).stdout.contains("already live")
    });
}
