//! Keys, renewed before they run out.

use crate::AwsError;
use crate::instance::Instance;
use crate::source::{self, Source};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// A call that begins with keys about to run out may end without.
const RENEWED_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Cheap to clone; all clones share what was fetched. `Debug` shows no key.
#[derive(Clone)]
pub struct Keys {
    source: Arc<Source>,
    fetched: Arc<Mutex<Option<Credentials>>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match &*self.source {
            Source::Given(_) => "given",
            Source::Container(_) => "container",
            Source::Instance(_) => "instance",
        };
        write!(f, "Keys({from})")
    }
}

impl Keys {
    pub fn given(access_key: impl Into<String>, secret_key: impl Into<String>, session_token: Option<String>) -> Self {
        Self::of(Source::Given(source::given(
            access_key.into(),
            secret_key.into(),
            session_token,
        )))
    }

    /// Those of this process, container or instance. Nothing is asked for yet.
    pub fn of_this_host() -> Result<Self, AwsError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Source::find(variable, source::is_instance).map(Self::of)
    }

    /// Of the instance whose metadata service this is.
    pub fn of_instance(endpoint: String) -> Self {
        Self::of(Source::Instance(Instance::at(Some(endpoint))))
    }

    fn of(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            fetched: Arc::default(),
        }
    }

    pub async fn get(&self) -> Result<Credentials, AwsError> {
        if let Source::Given(keys) = &*self.source {
            return Ok(keys.clone());
        }
        // Whoever comes meanwhile waits for the same answer.
        let mut fetched = self.fetched.lock().await;
        let now = SystemTime::now();
        if let Some(keys) = fetched.as_ref().filter(|keys| lasts(keys, now + RENEWED_BEFORE)) {
            return Ok(keys.clone());
        }
        let asked = match &*self.source {
            Source::Given(keys) => Ok(keys.clone()),
            Source::Container(container) => container.keys().await,
            Source::Instance(instance) => instance.keys().await,
        };
        match (asked, fetched.as_ref().filter(|keys| lasts(keys, now))) {
            (Ok(keys), _) => {
                *fetched = Some(keys.clone());
                Ok(keys)
            }
            (Err(error), Some(before)) => {
                tracing::warn!("keys could not be renewed, those before still count: {error}");
                Ok(before.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn lasts(keys: &Credentials, until: SystemTime) -> bool {
    keys.expiry().is_none_or(|expiry| expiry > until)
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.get().await.map_err(CredentialsError::provider_error) })
    }
}
