//! Waits until a container serves, and says in detail why it does not.

use crate::failure::{Failure, OrFail, Result};
use contract::HealthGate;
use docker::{Docker, Status};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

pub struct Gate<'a> {
    pub docker: &'a Docker,
    pub container: &'a str,
    pub host_port: u16,
    pub container_port: u16,
    pub health: &'a HealthGate,
}

impl Gate<'_> {
    /// Ready as often in a row as the gate asks for, before its deadline.
    pub async fn wait(&self, mut progress: impl FnMut(String)) -> Result<()> {
        let url = format!("http://127.0.0.1:{}{}", self.host_port, self.health.ready_path);
        let client = crate::http::client(Duration::from_millis(self.health.timeout_ms));
        let since = Instant::now();
        let mut passes = 0;
        let mut last_probe = "not probed yet".to_owned();
        while passes < self.health.passes {
            match probe(&client, &url).await {
                Ok(()) => passes += 1,
                Err(found) => (passes, last_probe) = (0, found),
            }
            progress(format!("waiting for GET {}: {last_probe}", self.health.ready_path));
            let state = self
                .docker
                .inspect(self.container)
                .await
                .or_fail(|| "the container cannot be seen".to_owned())?;
            let Some(state) = state else {
                return Err(Failure::failed("the container is gone"));
            };
            if matches!(state.status, Status::Exited | Status::Dead) {
                let code = state
                    .exit_code
                    .map_or_else(|| "unknown".to_owned(), |code| code.to_string());
                let failure = Failure::failed("the app exited instead of serving").why(format!("exit code: {code}"));
                let memory = if state.out_of_memory {
                    "killed for using more memory than it may"
                } else {
                    ""
                };
                return Err(self.with_log(failure.why(memory)).await);
            }
            if since.elapsed() > Duration::from_millis(self.health.deadline_ms) {
                return Err(self.late(state.pid, &last_probe).await);
            }
            tokio::time::sleep(Duration::from_millis(self.health.interval_ms)).await;
        }
        Ok(())
    }

    async fn late(&self, pid: Option<i64>, last_probe: &str) -> Failure {
        let port = self.container_port;
        let listening = pid.and_then(|pid| machine::listening_in_container(self.container, pid));
        let deaf = listening.filter(|found| !found.iter().any(|address| machine::is_reachable(address, port)));
        let failure = match deaf {
            Some(found) => {
                let found: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
                let found = if found.is_empty() {
                    "nothing".to_owned()
                } else {
                    found.join(", ")
                };
                Failure::failed(format!(
                    "the app runs, but does not listen on port {port} of its container"
                ))
                .why(format!("expected 0.0.0.0:{port}, found {found}"))
            }
            None => Failure::failed(format!(
                "the app was not ready within {} s",
                self.health.deadline_ms / 1000
            )),
        };
        self.with_log(failure.why(format!("last probe: GET {}: {last_probe}", self.health.ready_path)))
            .await
    }

    async fn with_log(&self, failure: Failure) -> Failure {
        let lines = self.docker.logs_tail(self.container, 20).await.unwrap_or_default();
        lines
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}")))
    }
}

async fn probe(client: &reqwest::Client, url: &str) -> Result<(), String> {
    match client.get(url).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status().as_u16();
            let body: String = response.text().await.unwrap_or_default().chars().take(200).collect();
            Err(format!("{status} {}", body.trim()))
        }
        Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
        Err(error) if error.is_connect() => Err("connection refused".to_owned()),
        Err(_) => Err("the connection was closed without an answer".to_owned()),
    }
}

/// A loopback port nobody has just now.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
