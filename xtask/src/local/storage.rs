//! The embedded bucket store as the app sees it: a bucket of its own in each environment and in tests, with keys that open
//! no other, at an address that containers reach by name.

use super::Ground;
use super::state::GroundState;
use crate::failure::{Failure, OrFail, Result};
use crate::project::Project;
use crate::secrets::Vault;
use contract::{BucketGuest, EnvironmentName, SecretName};
use docker::Docker;
use pipeline::model::{Pipeline, Storage};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// This machine, to containers.
const HOST: &str = "storage";
/// Any will do: signatures carry it, and nothing else asks.
const REGION: &str = "us-east-1";
/// Of a thousand objects each.
const MOST_PAGES: usize = 100;

/// One place's bucket.
#[derive(Debug, Clone)]
pub struct AppStorage {
    pub bucket: String,
    vault: Vault,
}

impl AppStorage {
    /// `place` is an environment, or `test`.
    pub fn of(project: &Project, storage: &Storage, place: &EnvironmentName) -> Self {
        Self {
            bucket: format!("{place}-{}", storage.bucket),
            vault: Vault::new(place.clone(), project.secrets(place)),
        }
    }

    /// Those of all environments and of tests; none for an app without storage.
    pub fn all(project: &Project, pipeline: &Pipeline) -> Result<Vec<Self>> {
        let Some(storage) = &pipeline.storage else {
            return Ok(Vec::new());
        };
        let environments = crate::plan::environments(pipeline).map(|environment| environment.name.clone());
        let places = environments.into_iter().chain([test()?]);
        Ok(places.map(|place| Self::of(project, storage, &place)).collect())
    }

    /// Makes up the keys, where there are none yet.
    pub fn guest(&self) -> Result<BucketGuest> {
        let [access, secret] = key_names()?;
        self.vault.complete(&[access.clone(), secret.clone()])?;
        Ok(BucketGuest {
            bucket: self.bucket.clone(),
            access_key: self.vault.path(&access),
            secret_key: self.vault.path(&secret),
        })
    }

    /// What the app is told, but for the keys.
    pub fn variables(&self, state: &GroundState) -> BTreeMap<String, String> {
        let port = state.bucket.port();
        [
            ("S3_ENDPOINT", format!("http://{HOST}:{port}")),
            ("S3_PUBLIC_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("S3_REGION", REGION.to_owned()),
            ("S3_BUCKET", self.bucket.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Removes what tests left in it.
    pub async fn empty(&self, ground: &Ground) -> anyhow::Result<()> {
        let client = ground.bucket_access()?.client();
        for _ in 0..MOST_PAGES {
            let page = client.list_objects_v2().bucket(&self.bucket).send().await?;
            if page.contents().is_empty() {
                return Ok(());
            }
            for key in page.contents().iter().filter_map(|object| object.key()) {
                client.delete_object().bucket(&self.bucket).key(key).send().await?;
            }
        }
        anyhow::bail!("`{}` holds more than {MOST_PAGES} pages of objects", self.bucket)
    }

    pub fn keys(&self) -> Result<[(SecretName, services::Secret); 2]> {
        let [access, secret] = key_names()?;
        Ok([
            (access.clone(), self.vault.read(&access)?),
            (secret.clone(), self.vault.read(&secret)?),
        ])
    }
}

pub fn key_names() -> Result<[SecretName; 2]> {
    let name = |name: &str| SecretName::parse(name).or_fail(|| format!("`{name}` is no name of a secret"));
    Ok([name("AWS_ACCESS_KEY_ID")?, name("AWS_SECRET_ACCESS_KEY")?])
}

/// The place of the test stage.
pub fn test() -> Result<EnvironmentName> {
    EnvironmentName::parse("test").or_fail(|| "`test` is no name of a place".to_owned())
}

/// Names containers know, and where they lead: this machine's address on the ground's own network, for an app with storage.
pub async fn hosts(docker: &Docker, pipeline: &Pipeline, state: &GroundState) -> Result<BTreeMap<String, IpAddr>> {
    if pipeline.storage.is_none() {
        return Ok(BTreeMap::new());
    }
    let name = format!("{}-{}", pipeline.app, state.id);
    let labels = [(super::GROUND_LABEL.to_owned(), state.id.clone())].into();
    let failed = || format!("the network `{name}` cannot be made");
    let network = docker.ensure_network(&name, &labels).await.or_fail(failed)?;
    let gateway = network.gateway.ok_or_else(|| {
        Failure::failed(format!("this machine has no address on the network `{name}`"))
            .why("expected a gateway, which the engine's bridge networks have")
    })?;
    Ok([(HOST.to_owned(), gateway)].into())
}
