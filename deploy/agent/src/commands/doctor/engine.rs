//! The Docker engine, what it outlives, its disk, and the ports it can be told to publish on.

use super::{Finding, files};
use crate::commands::seen;
use crate::containers;
use crate::reach::Reach;
use anyhow::Result;
use contract::{HostConfig, PortRange};
use docker::Docker;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn examine(config: &HostConfig, reach: &dyn Reach) -> Vec<Finding> {
    let looked = async {
        let docker = seen::engine(reach).await?;
        look(&docker, config).await
    };
    let looked = tokio::time::timeout(PATIENCE, looked).await;
    match looked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs()))) {
        Ok(findings) => findings,
        Err(error) => vec![Finding::in_the_way(
            "engine",
            format!("{error:#}"),
            "no version can be started, stopped or looked at; what runs goes on running",
            "systemctl status docker",
        )],
    }
}

async fn look(docker: &Docker, config: &HostConfig) -> Result<Vec<Finding>> {
    let version = docker.api().version().await?;
    let info = docker.api().info().await?;
    let text = |found: Option<String>| found.unwrap_or_else(|| "?".to_owned());
    let mut findings = vec![Finding::fine(
        "engine",
        format!("Docker {}, API {}", text(version.version), text(version.api_version)),
    )];
    findings.push(live_restore(info.live_restore_enabled == Some(true)));
    // Seen from here; an engine in a virtual machine has its disk elsewhere.
    let root = info.docker_root_dir.unwrap_or_default();
    if Path::new(&root).is_dir() {
        findings.push(files::disk("disk of the engine", Path::new(&root)));
    }
    let listed = containers::list(docker, config).await?;
    let held: BTreeSet<u16> = listed.iter().filter_map(containers::held_port).collect();
    findings.push(ports(config.containers.ports, &held, &machine::ports_listened_on()));
    Ok(findings)
}

fn live_restore(is_on: bool) -> Finding {
    match is_on {
        true => Finding::fine("live-restore", "on: containers outlive the engine"),
        false => Finding::weak(
            "live-restore",
            "off",
            "when the engine restarts or is upgraded, every version on this host ends with it",
            "put \"live-restore\": true into /etc/docker/daemon.json, then: systemctl reload docker",
        ),
    }
}

fn ports(range: PortRange, own: &BTreeSet<u16>, listened_on: &BTreeSet<u16>) -> Finding {
    let what = "ports";
    let last = range.ports().last().unwrap_or(range.first);
    let foreign: Vec<String> = range
        .ports()
        .filter(|port| listened_on.contains(port) && !own.contains(port))
        .map(|port| match machine::holder_of(port) {
            Some(holder) => format!("{port} by {holder}"),
            None => port.to_string(),
        })
        .collect();
    let used = range.ports().filter(|port| own.contains(port)).count();
    let free = range.ports().count() - used - foreign.len();
    let found = format!("{free} of {}-{last} free, {used} held by own containers", range.first);
    let next = "end what holds them, or change `containers.ports` in host.json and restart the agent";
    match (free, foreign.is_empty()) {
        (0, _) => Finding::in_the_way(
            what,
            format!("{found}, held by others: {}", foreign.join(", ")),
            "no further version can be started",
            next,
        ),
        (_, true) => Finding::fine(what, found),
        (_, false) => Finding::weak(
            what,
            format!("{found}, held by others: {}", foreign.join(", ")),
            "these ports are passed over; a rollout needs two that are free",
            next,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn ports_are_in_the_way_only_when_none_is_left() {
        let range = PortRange {
            first: 30_001,
            count: 3,
        };
        let check = |own: &[u16], listening: &[u16]| {
            let finding = ports(
                range,
                &own.iter().copied().collect(),
                &listening.iter().copied().collect(),
            );
            (finding.state, finding.found)
        };
        assert_eq!(
            check(&[30_001], &[30_001, 80]),
            (
                State::Fine,
                "2 of 30001-30003 free, 1 held by own containers".to_owned()
            )
        );
        let (state, found) = check(&[30_001], &[30_001, 30_002]);
        assert_eq!(state, State::Weak);
        assert!(found.ends_with("held by others: 30002"), "{found}");
        assert_eq!(check(&[30_001, 30_002, 30_003], &[]).0, State::InTheWay);
    }

    #[test]
    fn an_engine_that_takes_its_containers_with_it_is_told_with_the_consequence() {
        let finding = live_restore(false);
        assert_eq!(finding.state, State::Weak);
        assert!(finding.why.unwrap().contains("every version on this host ends with it"));
        assert_eq!(live_restore(true).state, State::Fine);
    }
}
