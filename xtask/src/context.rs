//! What a command works with: the project, its pipeline, and the outside world as this profile has it.

use crate::engine::Records;
use crate::failure::{Failure, OrFail, Result};
use crate::keys::{self, Signer};
use crate::local::{self, Ground};
use crate::project::Project;
use crate::providers::{Providers, Real};
use crate::redact;
use crate::report::Report;
use crate::summary;
use channel::Channel;
use contract::{ChannelPlace, EnvironmentName};
use docker::Docker;
use pipeline::model::Pipeline;
use std::path::PathBuf;
use store::S3Access;

#[derive(Debug)]
pub struct Context {
    pub project: Project,
    pub pipeline: Pipeline,
    pub report: Report,
    pub docker: Docker,
    /// The embedded ground, up; `None` where the profile names real hosts.
    pub ground: Option<Ground>,
    pub key: Signer,
    pub records: Records,
    pub providers: Box<dyn Providers>,
    /// Where CI wants to be told in Markdown.
    pub summary: Option<PathBuf>,
}

impl Context {
    /// Brings the ground up where the profile has one.
    pub async fn open(project: Project, pipeline: Pipeline, report: Report, docker: Docker) -> Result<Self> {
        let ground = match &pipeline.ground {
            Some(wanted) => Some(local::up(&docker, &project, &pipeline, wanted, &report).await?),
            None => None,
        };
        let key = if ground.is_some() {
            keys::load_or_create(&project)?
        } else {
            keys::load(&project)?
        };
        for webhook in &pipeline.notify {
            if let Ok(address) = std::env::var(&webhook.webhook) {
                redact::learn(&address);
            }
        }
        let records = Records::open(&project, &pipeline)?;
        Ok(Self {
            records,
            project,
            pipeline,
            report,
            docker,
            ground,
            key,
            providers: Box::new(Real),
            summary: summary::page(),
        })
    }

    pub fn channel(&self, environment: &EnvironmentName) -> Result<Channel> {
        self.providers.channel(self, environment)
    }

    pub fn bucket_access(&self) -> Result<S3Access> {
        bucket_access(self.ground.as_ref())
    }
}

/// The bucket store of the front end: the embedded one, or S3 with keys from the environment.
pub fn bucket_access(ground: Option<&Ground>) -> Result<S3Access> {
    match ground {
        Some(ground) => ground
            .bucket_access()
            .or_fail(|| "the embedded bucket cannot be reached".to_owned()),
        None => {
            let region = std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
            let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok();
            S3Access::from_env(region, endpoint)
                .map_err(|error| Failure::bad_input("S3 cannot be reached").why(format!("{error:#}")))
        }
    }
}

/// The channel of one environment. The embedded bucket is reached with the keys of the ground, any other place with those
/// of this machine.
pub fn open_channel(
    project: &Project,
    pipeline: &Pipeline,
    ground: Option<&Ground>,
    environment: &EnvironmentName,
) -> Result<Channel> {
    let place = project.place(&pipeline.channel, "channel");
    if let (
        ChannelPlace::S3 {
            bucket,
            prefix,
            endpoint: None,
            ..
        },
        Some(ground),
    ) = (&place, ground)
    {
        let access = ground
            .bucket_access()
            .or_fail(|| "the embedded bucket cannot be reached".to_owned())?;
        return Ok(Channel::s3(&access, bucket.clone(), prefix, &pipeline.app, environment));
    }
    Channel::open(&place, &pipeline.app, environment)
        .map_err(|error| Failure::bad_input("the channel cannot be reached").why(format!("{error:#}")))
}
