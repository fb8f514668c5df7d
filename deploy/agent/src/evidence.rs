//! Why a version was given up, with what a person needs to see why.

use crate::decide::Cause;
use crate::world::Container;
use contract::{Desired, Evidence, Failure, FailureKind, RolloutId, Version};
use docker::Docker;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const LOG_LINES: usize = 40;
/// Traffic may be waiting for this: evidence is worth seconds, not more.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// `None` for what could not be read.
pub type Listening = Option<BTreeSet<SocketAddr>>;

pub async fn gather(docker: &Docker, desired: &Desired, container: &Container, cause: Cause) -> Failure {
    let (log_tail, ended) = tokio::join!(
        tokio::time::timeout(LOG_PATIENCE, docker.logs_tail(&container.id, LOG_LINES)),
        tokio::time::timeout(LOG_PATIENCE, before_restart(docker, container, cause)),
    );
    let container = &ended.unwrap_or_else(|_| container.clone());
    let log_tail = match log_tail {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => vec![format!("(its log could not be read: {error:#})")],
        Err(_) => vec!["(its log could not be read in time)".to_owned()],
    };
    let listening = container
        .pid
        .and_then(|pid| machine::listening_in_container(&container.id, pid));
    let port = desired.version(container.release).map_or(0, |version| version.port);
    let (kind, what) = explain(container, cause, port, desired.gate.deadline_ms, &listening);
    Failure {
        rollout: desired.rollout,
        release: Some(container.release),
        kind,
        summary: format!("release {} {what}", container.release),
        evidence: Evidence {
            last_probe: container.readings.last.clone(),
            exit_code: container.exit_code,
            out_of_memory: container.out_of_memory,
            listening: listening.iter().flatten().map(SocketAddr::to_string).collect(),
            log_tail,
        },
    }
}

/// Proven, it was started again by the engine, which then shows nothing of how it ended.
async fn before_restart(docker: &Docker, container: &Container, cause: Cause) -> Container {
    let mut container = container.clone();
    if cause != Cause::Died || !container.is_running() {
        return container;
    }
    let found = docker.inspect(&container.id).await.ok().flatten();
    let started = found.and_then(|state| state.started_at?.parse::<jiff::Timestamp>().ok());
    let Some(started) = started else { return container };
    if let Ok(Some(ended)) = docker.last_end(&container.id, started.as_second() + 1).await {
        container.exit_code = Some(ended.exit_code);
        container.out_of_memory = ended.out_of_memory;
    }
    container
}

/// For work that failed before there was a container to look at.
pub fn of_trouble(rollout: RolloutId, version: &Version, kind: FailureKind, error: &anyhow::Error) -> Failure {
    let what = match kind {
        FailureKind::Pull => "its image could not be pulled",
        FailureKind::Disk => "its image was not pulled",
        FailureKind::Task => "its task could not be run",
        _ => "no container could be started",
    };
    let summary = format!("release {}: {what}: {error:#}", version.release);
    Failure {
        rollout,
        release: Some(version.release),
        kind,
        summary,
        evidence: Evidence::default(),
    }
}

/// What happened, to follow "release …".
fn explain(
    container: &Container,
    cause: Cause,
    port: u16,
    deadline_ms: u64,
    listening: &Listening,
) -> (FailureKind, String) {
    match cause {
        Cause::Exited => (
            FailureKind::Exited,
            format!("{} before it was ready", how_it_ended(container)),
        ),
        Cause::Died if container.is_running() => (
            FailureKind::Exited,
            format!("{} while it was on trial, and was restarted", how_it_ended(container)),
        ),
        Cause::Died => (
            FailureKind::Exited,
            format!("{} while it was on trial", how_it_ended(container)),
        ),
        Cause::Hangs => (
            FailureKind::NotReady,
            "stopped answering while it was on trial".to_owned(),
        ),
        Cause::StaysUnready => (
            FailureKind::NotReady,
            "became unready while it was on trial and stayed so".to_owned(),
        ),
        Cause::NotReadyInTime => match not_listening(container, port, listening) {
            Some(what) => (FailureKind::NotListening, what),
            None => (
                FailureKind::NotReady,
                format!("was not ready within {:?}", Duration::from_millis(deadline_ms)),
            ),
        },
    }
}

fn how_it_ended(container: &Container) -> String {
    match (container.out_of_memory, container.exit_code) {
        (true, _) => "was killed for using more memory than it may".to_owned(),
        (false, Some(code)) => format!("exited with code {code}"),
        (false, None) => "ended".to_owned(),
    }
}

/// In words, if nothing can be reached at the port.
fn not_listening(container: &Container, port: u16, listening: &Listening) -> Option<String> {
    let Some(listening) = listening else {
        // Not even a bad answer: the container's sockets cannot be seen, but this can.
        return (!container.readings.answered).then(|| format!("answers nothing on port {port}"));
    };
    if listening.iter().any(|socket| machine::is_reachable(socket, port)) {
        return None;
    }
    let on_port: Vec<_> = listening
        .iter()
        .filter(|socket| socket.port() == port)
        .map(SocketAddr::to_string)
        .collect();
    let others: Vec<_> = listening.iter().map(SocketAddr::to_string).collect();
    Some(match (on_port.is_empty(), others.is_empty()) {
        (false, _) => format!("listens on {} only; expected 0.0.0.0:{port}", on_port.join(", ")),
        (true, false) => format!("listens on {}, not on port {port}", others.join(", ")),
        (true, true) => format!("listens on nothing; expected 0.0.0.0:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::{Outcome, Reading};
    use crate::world::tests::container;
    use docker::Status;

    fn sockets(texts: &[&str]) -> Listening {
        Some(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn probed(answered: bool) -> Container {
        let mut container = container(1);
        let ready = Outcome {
            passed: false,
            answered,
            text: "GET http://x/readyz: 503".to_owned(),
        };
        container.readings.note(&Reading {
            ready: ready.clone(),
            live: ready,
        });
        container
    }

    fn late(container: &Container, listening: &Listening) -> (FailureKind, String) {
        explain(container, Cause::NotReadyInTime, 8080, 5_000, listening)
    }

    #[test]
    fn a_wrong_bind_is_named_with_what_was_expected() {
        let (kind, text) = late(&probed(false), &sockets(&["127.0.0.1:8080"]));
        assert_eq!(kind, FailureKind::NotListening);
        assert_eq!(text, "listens on 127.0.0.1:8080 only; expected 0.0.0.0:8080");
    }

    #[test]
    fn a_wrong_port_and_no_port_at_all_are_told_apart() {
        let (_, text) = late(&probed(false), &sockets(&["0.0.0.0:80"]));
        assert_eq!(text, "listens on 0.0.0.0:80, not on port 8080");
        let (_, text) = late(&probed(false), &sockets(&[]));
        assert_eq!(text, "listens on nothing; expected 0.0.0.0:8080");
    }

    #[test]
    fn what_listens_and_answers_badly_is_not_ready() {
        for listening in [sockets(&["0.0.0.0:8080"]), sockets(&["[::]:8080"]), None] {
            let (kind, text) = late(&probed(true), &listening);
            assert_eq!(kind, FailureKind::NotReady);
            assert_eq!(text, "was not ready within 5s");
        }
    }

    #[test]
    fn without_a_look_inside_silence_says_enough() {
        assert_eq!(
            late(&probed(false), &None),
            (FailureKind::NotListening, "answers nothing on port 8080".to_owned())
        );
    }

    #[test]
    fn an_exit_is_told_by_its_code_or_by_memory() {
        let ended = |code, out_of_memory| {
            let ended = Container {
                status: Status::Exited,
                exit_code: Some(code),
                out_of_memory,
                ..container(1)
            };
            explain(&ended, Cause::Exited, 8080, 5_000, &None).1
        };
        assert_eq!(ended(3, false), "exited with code 3 before it was ready");
        assert_eq!(
            ended(137, true),
            "was killed for using more memory than it may before it was ready"
        );
    }
}
