//! What of the ground runs, and what it printed.

use super::process::Identity;
use super::state::{self, GroundState};
use super::up::{expect_free, supervised_by_name};
use crate::failure::Failure;
use crate::project::Project;
use pipeline::model::Ground as Wanted;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
pub struct ProcessLine {
    pub name: String,
    pub pid: Option<u32>,
    pub serves: String,
}

#[derive(Debug)]
pub struct LogFile {
    pub name: String,
    pub path: PathBuf,
}

pub fn processes(project: &Project, state: &GroundState) -> Vec<ProcessLine> {
    let running = |path: PathBuf| {
        Identity::load(&path)
            .filter(Identity::is_running)
            .map(|identity| identity.pid)
    };
    let serves = format!(
        "site {}, registry {}, bucket {}",
        state.site, state.registry, state.bucket
    );
    let mut lines = vec![ProcessLine {
        name: "ground".to_owned(),
        pid: running(state::folder(project).join("process.json")),
        serves,
    }];
    for (environment, kept) in &state.environments {
        for (host, ports) in &kept.hosts {
            let folder = state::host_folder(project, environment, host);
            let pid = running(folder.join("process.json"));
            lines.push(ProcessLine {
                name: host.to_string(),
                pid,
                serves: format!("{environment} on {}", ports.listen),
            });
            for name in ["router", "agent"] {
                let pid = supervised_by_name(&folder, name).map(|identity| identity.pid);
                lines.push(ProcessLine {
                    name: format!("  {name}"),
                    pid,
                    serves: String::new(),
                });
            }
        }
    }
    lines
}

/// Fixed in pipeline.yaml, or kept for one of the ground's listeners whose process is not running, but taken by someone else.
pub fn taken_ports(project: &Project, wanted: &Wanted, state: Option<&GroundState>) -> Vec<Failure> {
    let mut taken: Vec<Failure> = state.map(|state| taken_of(project, state)).unwrap_or_default();
    let kept = state.map(GroundState::addresses).unwrap_or_default();
    let fixed = [
        ("site", wanted.site),
        ("production", wanted.production),
        ("staging", wanted.staging),
        ("registry", wanted.registry),
        ("bucket", wanted.bucket),
    ];
    for (what, port) in fixed.into_iter().filter_map(|(what, port)| Some((what, port?))) {
        if !kept.iter().any(|address| address.port() == port) {
            taken.extend(expect_free(what, port).err());
        }
    }
    taken
}

fn taken_of(project: &Project, state: &GroundState) -> Vec<Failure> {
    let runs = |path: PathBuf| Identity::load(&path).is_some_and(|identity| identity.is_running());
    let mut expected_free = Vec::new();
    if !runs(state::folder(project).join("process.json")) {
        expected_free.extend([
            ("site", state.site),
            ("registry", state.registry),
            ("bucket", state.bucket),
        ]);
        expected_free.push(("the edge's administration", state.admin));
        expected_free.extend(
            state
                .environments
                .iter()
                .map(|(name, kept)| (name.as_str(), kept.balancer)),
        );
    }
    for (environment, kept) in &state.environments {
        for (host, ports) in &kept.hosts {
            let folder = state::host_folder(project, environment, host);
            // A router that outlived its supervisor holds the port by right; `up` takes it over.
            if !runs(folder.join("process.json")) && supervised_by_name(&folder, "router").is_none() {
                expected_free.push((host.as_str(), ports.listen));
            }
        }
    }
    expected_free
        .into_iter()
        .filter_map(|(what, address)| expect_free(what, address.port()).err())
        .collect()
}

pub fn logs(project: &Project) -> Vec<LogFile> {
    let mut logs = vec![LogFile {
        name: "ground".to_owned(),
        path: state::folder(project).join("ground.log"),
    }];
    let Ok(Some(state)) = GroundState::load(project) else {
        return Vec::new();
    };
    for (environment, kept) in &state.environments {
        for host in kept.hosts.keys() {
            let folder = state::host_folder(project, environment, host);
            for program in ["agent", "router", "supervisor"] {
                logs.push(LogFile {
                    name: format!("{host}/{program}"),
                    path: folder.join(format!("{program}.log")),
                });
            }
        }
    }
    logs.retain(|log| log.path.exists());
    logs
}
