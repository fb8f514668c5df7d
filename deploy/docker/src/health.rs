//! Waiting for a container to be healthy, and the evidence when it is not.

use crate::{ContainerState, Docker, Status};
use bollard::models::ContainerInspectResponse;
use std::fmt;
use std::time::{Duration, Instant};

/// Polled, because an event sent before the stream is open would be missed; a poll costs the engine about a millisecond.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 30;
/// 128 + SIGKILL.
const KILLED: i64 = 137;
const OOM_NOTE_LIMIT: Duration = Duration::from_millis(500);

/// A container that is not healthy, and everything known about why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    pub waited: Duration,
    /// What it was at the end: `starting`, `unhealthy`, `exited`, `gone`, `without a health check`, …
    pub status: String,
    /// What the last health check printed, with its exit code.
    pub last_probe: Option<String>,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    pub log_tail: Vec<String>,
}

impl Docker {
    /// How long it took to become healthy. Ends early when it cannot any more: it exited for good, it is gone, or it has no
    /// health check.
    pub async fn wait_healthy(&self, id: &str, deadline: Duration) -> Result<Duration, Unhealthy> {
        let began = Instant::now();
        let mut status = "not reported by the engine".to_owned();
        loop {
            let left = deadline.saturating_sub(began.elapsed());
            match tokio::time::timeout(left, self.inspect(id)).await {
                Err(_late) => return Err(self.unhealthy(id, began, &status).await),
                Ok(Err(error)) => return Err(self.unhealthy(id, began, &format!("unknown ({error:#})")).await),
                Ok(Ok(None)) => return Err(self.unhealthy(id, began, "gone").await),
                Ok(Ok(Some(state))) => match verdict(&state) {
                    Verdict::Healthy => return Ok(began.elapsed()),
                    Verdict::Never(status) => return Err(self.unhealthy(id, began, &status).await),
                    Verdict::NotYet(now) => status = now,
                },
            }
            tokio::time::sleep(POLL_INTERVAL.min(deadline.saturating_sub(began.elapsed()))).await;
        }
    }

    /// Gathers what can still be read; what cannot is left out, so that the evidence never hides the failure.
    async fn unhealthy(&self, id: &str, began: Instant, status: &str) -> Unhealthy {
        let waited = began.elapsed();
        let found = self.inspect_after_kill(id).await;
        let probes = found
            .as_ref()
            .and_then(|found| found.state.as_ref()?.health.as_ref()?.log.as_ref());
        let last_probe = probes.and_then(|probes| probes.last()).map(|probe| {
            let output = probe.output.as_deref().unwrap_or_default().trim();
            format!("exit code {}: {output}", probe.exit_code.unwrap_or_default())
        });
        let state = found.map(ContainerState::from_api);
        Unhealthy {
            waited,
            status: status.to_owned(),
            last_probe,
            exit_code: state.as_ref().and_then(|state| state.exit_code),
            out_of_memory: state.is_some_and(|state| state.out_of_memory),
            log_tail: self.logs_tail(id, LOG_LINES).await.unwrap_or_default(),
        }
    }

    /// The engine learns of an exit and of its cause on two ways: a kill for want of memory may be noted a moment later.
    async fn inspect_after_kill(&self, id: &str) -> Option<ContainerInspectResponse> {
        let limit = Instant::now() + OOM_NOTE_LIMIT;
        loop {
            let found = self.api().inspect_container(id, None).await.ok()?;
            let state = found.state.as_ref()?;
            let killed = state.running != Some(true) && state.exit_code == Some(KILLED);
            if !killed || state.oom_killed == Some(true) || Instant::now() >= limit {
                return Some(found);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

enum Verdict {
    Healthy,
    NotYet(String),
    Never(String),
}

fn verdict(state: &ContainerState) -> Verdict {
    match (state.status, state.health.as_deref()) {
        (Status::Exited, _) => Verdict::Never("exited".to_owned()),
        (Status::Dead, _) => Verdict::Never("dead".to_owned()),
        (Status::Running, Some("healthy")) => Verdict::Healthy,
        (Status::Running, None) => Verdict::Never("without a health check".to_owned()),
        // Unhealthy is no end: a server that was slow to start recovers.
        (Status::Running, Some(health)) => Verdict::NotYet(health.to_owned()),
        (Status::Restarting, _) => Verdict::NotYet("restarting".to_owned()),
        (Status::Paused, _) => Verdict::NotYet("paused".to_owned()),
        (Status::Created, _) => Verdict::NotYet("not started".to_owned()),
    }
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not healthy after {:.1} s: it is {}",
            self.waited.as_secs_f64(),
            self.status
        )?;
        if let Some(code) = self.exit_code {
            write!(f, ", exit code {code}")?;
        }
        if self.out_of_memory {
            write!(f, ", killed for want of memory")?;
        }
        match &self.last_probe {
            Some(probe) => write!(f, "\nlast probe: {probe}")?,
            None => write!(f, "\nlast probe: none was made")?,
        }
        match self.log_tail.as_slice() {
            [] => write!(f, "\nlast log lines: none"),
            lines => write!(f, "\nlast log lines:\n  {}", lines.join("\n  ")),
        }
    }
}

impl std::error::Error for Unhealthy {}
