//! To the registry that pipeline.yaml names, or to the embedded one.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::redact;
use crate::report::{Report, bytes};
use oci::registry::{CredentialSource, Login, Progress, RegistryError};
use oci::{BuiltImage, Client, ClientOptions, Repository};
use pipeline::model::RegistryAuth;
use std::sync::atomic::{AtomicU64, Ordering};

/// `host:port/path`.
pub fn repository(context: &Context) -> Result<String> {
    match (&context.pipeline.registry.repository, &context.ground) {
        (Some(repository), _) => Ok(repository.clone()),
        (None, Some(ground)) => Ok(ground.repository(&context.pipeline.app)),
        (None, None) => Err(
            Failure::bad_input("pipeline.yaml names no registry, and this profile has no ground")
                .next("name one under `registry.repository`"),
        ),
    }
}

fn credentials(context: &Context) -> CredentialSource {
    match context.pipeline.registry.auth {
        RegistryAuth::Anonymous => CredentialSource::Anonymous,
        RegistryAuth::DockerConfig => CredentialSource::DockerConfig { directory: None },
        RegistryAuth::Env => CredentialSource::Env,
        RegistryAuth::Ecr => CredentialSource::Ecr,
    }
}

/// Who the engine of this machine is to say it is, where it pulls or pushes for us.
pub async fn login(context: &Context) -> Result<Option<Login>> {
    let repository = repository(context)?;
    let registry = repository.split('/').next().unwrap_or_default();
    let login = credentials(context).login(registry).await.map_err(|error| {
        Failure::bad_input(error.to_string()).next(format!("docker login {registry}, or set `registry.auth`"))
    })?;
    if let Some(Login::Password { password: secret, .. } | Login::IdentityToken(secret)) = &login {
        redact::learn(secret.reveal());
    }
    Ok(login)
}

pub fn client(context: &Context) -> Result<Client> {
    let registry = &context.pipeline.registry;
    let ca_file = registry.ca_file.as_ref().map(|path| context.project.root.join(path));
    Client::new(ClientOptions {
        credentials: credentials(context),
        ca_file,
        ..ClientOptions::default()
    })
    .map_err(|error| Failure::bad_input(format!("the registry cannot be talked to: {error}")))
}

/// Only what is missing; returns the bytes that were.
pub async fn push(context: &Context, client: &Client, repository: &Repository, image: &BuiltImage) -> Result<u64> {
    let progress = Pushing {
        report: &context.report,
        total: AtomicU64::new(0),
    };
    let pushed = client
        .push(repository, image, &[], &progress)
        .await
        .map_err(|error| refused(&error))?;
    Ok(pushed.uploaded_bytes)
}

fn refused(error: &RegistryError) -> Failure {
    let text = error.to_string();
    let (why, hint) = text.split_once("\nhint: ").unwrap_or((&text, "cargo xtask doctor"));
    Failure::failed("the image cannot be pushed").why(why).next(hint)
}

/// Shows the bytes as they go.
struct Pushing<'a> {
    report: &'a Report,
    total: AtomicU64,
}

impl Progress for Pushing<'_> {
    fn total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    fn bytes(&self, sent: u64) {
        let total = self.total.load(Ordering::Relaxed);
        self.report
            .progress(format!("pushing {} of {}", bytes(sent), bytes(total)));
    }
}
