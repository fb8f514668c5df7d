//! Who we are to a registry: the release tool when it pushes, a host when it pulls, by the same rules.

mod docker_config;
mod ecr;

use docker_config::DockerConfig;
use std::fmt;
use std::path::PathBuf;

/// Credentials were needed, and could not be had. Says where they were looked for, never what was found there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credentials in {place} cannot be used: {why}")]
pub struct Unusable {
    pub place: String,
    pub why: String,
}

impl Unusable {
    fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            why: why.into(),
        }
    }
}

/// Where credentials come from. They are looked up when a registry first asks, not before.
#[derive(Debug, Clone, Default)]
pub enum CredentialSource {
    #[default]
    Anonymous,
    /// `config.json` and the helpers it names, in this directory or, if none is given, where Docker looks.
    DockerConfig {
        directory: Option<PathBuf>,
    },
    /// The environment variables `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
    Env,
    /// A token of Amazon ECR, by the keys of this process, container or instance.
    Ecr,
    /// What `docker login` left, and for a registry of Amazon ECR of which it knows nothing, a token.
    Host,
    Given(Login),
}

#[derive(Debug, Clone)]
pub enum Login {
    Password {
        username: String,
        password: Secret,
    },
    /// What a token server gave once, to be shown instead of a password.
    IdentityToken(Secret),
}

/// Text that never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the request that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl CredentialSource {
    /// What a host has of its own: the variables where they are set, else what `docker login` left, else its role.
    pub fn of_this_host() -> Self {
        match std::env::var_os("REGISTRY_USERNAME") {
            Some(_) => Self::Env,
            None => Self::Host,
        }
    }

    /// For the registry at this `host[:port]`. `None`: nobody in particular.
    pub async fn login(&self, host: &str) -> Result<Option<Login>, Unusable> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Given(login) => Ok(Some(login.clone())),
            Self::Env => from_variables(|name| std::env::var(name).ok()).map(Some),
            Self::DockerConfig { directory } => {
                let directory = directory.clone().or_else(default_directory);
                let unset = || Unusable::new("Docker's config", "neither DOCKER_CONFIG nor HOME is set");
                from_config(directory.ok_or_else(unset)?, host).await
            }
            Self::Ecr => ecr::login(host).await.map(Some),
            // A service of the system has no HOME, and needs none.
            Self::Host => match (default_directory(), aws::Registry::of(host)) {
                (None, None) => Ok(None),
                (None, Some(_)) => ecr::login(host).await.map(Some),
                (Some(directory), registry) => match (from_config(directory, host).await?, registry) {
                    (None, Some(_)) => ecr::login(host).await.map(Some),
                    (found, _) => Ok(found),
                },
            },
        }
    }
}

async fn from_config(directory: PathBuf, host: &str) -> Result<Option<Login>, Unusable> {
    DockerConfig::read(&directory.join("config.json"))
        .await?
        .login(host)
        .await
}

fn default_directory() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")))
}

fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Login, Unusable> {
    let required = |name: &str| {
        let missing = || Unusable::new("the environment", format!("{name} is not set"));
        read(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let username = required("REGISTRY_USERNAME")?;
    Ok(Login::Password {
        username,
        password: Secret::new(required("REGISTRY_PASSWORD")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_variables_are_needed_and_the_missing_one_is_named() {
        let given = |pairs: &'static [(&str, &str)]| {
            from_variables(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.to_string())
            })
        };
        let login = given(&[("REGISTRY_USERNAME", "ann"), ("REGISTRY_PASSWORD", "hunter2")]).unwrap();
        assert_eq!(
            format!("{login:?}"),
            r#"Password { username: "ann", password: Secret(…) }"#
        );
        let problem = given(&[("REGISTRY_USERNAME", "ann"), ("REGISTRY_PASSWORD", "")]).unwrap_err();
        assert!(
            problem.to_string().contains("REGISTRY_PASSWORD is not set"),
            "{problem}"
        );
    }
}
