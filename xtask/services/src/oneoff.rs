//! A program run once in a container, fed on its standard input.

use anyhow::{Context, Result, ensure};
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};
use docker::{Docker, Owner};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const TIMEOUT: Duration = Duration::from_secs(120);
/// Of its output: enough for an error message.
const KEPT_OUTPUT_BYTES: usize = 16 << 10;

pub(crate) struct OneOff {
    pub name: String,
    pub image: String,
    pub owner: Owner,
    /// Program and arguments.
    pub command: Vec<String>,
    pub stdin: Vec<u8>,
}

impl OneOff {
    /// Runs it to its end without a network and returns the id of the stopped container. On failure the container is
    /// removed, and its last output is in the error.
    pub(crate) async fn run(self, docker: &Docker) -> Result<String> {
        let name = self.name.clone();
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let body = ContainerCreateBody {
            image: Some(self.image),
            user: Some(format!("{}:{}", self.owner.uid, self.owner.gid)),
            entrypoint: Some(self.command),
            cmd: Some(Vec::new()),
            open_stdin: Some(true),
            stdin_once: Some(true),
            attach_stdin: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = docker.api().create_container(Some(options), body).await;
        let id = created.with_context(|| format!("creating container `{name}`"))?.id;
        let ran = tokio::time::timeout(TIMEOUT, feed(docker, &id, &self.stdin)).await;
        let ran = ran.with_context(|| format!("container `{name}` did not finish within {} s", TIMEOUT.as_secs()));
        match ran.and_then(|ran| ran.with_context(|| format!("running container `{name}`"))) {
            Ok(()) => Ok(id),
            Err(error) => {
                docker.remove(&id).await?;
                Err(error)
            }
        }
    }
}

async fn feed(docker: &Docker, id: &str, stdin: &[u8]) -> Result<()> {
    let options = AttachContainerOptionsBuilder::default()
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let mut attached = docker
        .api()
        .attach_container(id, Some(options))
        .await
        .context("attaching")?;
    docker.start(id).await?;
    let write = async {
        // A program that fails early closes its input; its exit code says more than the broken pipe.
        let _ = attached.input.write_all(stdin).await;
        let _ = attached.input.shutdown().await;
    };
    let read = async {
        let mut kept = Vec::new();
        while let Some(Ok(part)) = attached.output.next().await {
            let (LogOutput::StdErr { message } | LogOutput::StdOut { message }) = part else {
                continue;
            };
            kept.extend_from_slice(&message);
            let surplus = kept.len().saturating_sub(KEPT_OUTPUT_BYTES);
            kept.drain(..surplus);
        }
        String::from_utf8_lossy(&kept).into_owned()
    };
    let ((), output) = tokio::join!(write, read);
    let code = docker.wait(id, TIMEOUT).await?;
    ensure!(
        code == Some(0),
        "exit code {code:?} instead of 0; its last output:\n{}",
        output.trim_end()
    );
    Ok(())
}
