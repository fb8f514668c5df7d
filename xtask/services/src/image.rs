//! From the image a service names to an image this engine has.

use crate::pull::{self, PullFailure};
use crate::substitute;
use anyhow::{Context, Result, bail};
use docker::Docker;
use pipeline::model::Service;
use serde::{Deserialize, Serialize};

/// An image that is on this engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceImage {
    /// The tag it was found or built under.
    pub reference: String,
    /// `sha256:…`: what is started, whatever the tag means by then.
    pub id: String,
    /// What it really is, if not the image the service names: `MariaDB 10.11.6 from Debian packages`.
    pub substitute: Option<String>,
}

/// Which server an image holds, by the last part of its name: `mysql`, `docker.io/library/mariadb:11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    MySql,
    MariaDb,
}

impl Family {
    pub(crate) fn of(image: &str) -> Option<Self> {
        let path = image.split('@').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default().split(':').next() {
            Some("mysql") => Some(Self::MySql),
            Some("mariadb") => Some(Self::MariaDb),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }
}

/// Finds the service's image: on this engine, in its registry, or (where allowed) a substitute from Debian packages.
///
/// Whether the registry answers is decided within seconds. `progress` gets a line now and then.
pub async fn resolve_image(
    docker: &Docker,
    service_name: &str,
    service: &Service,
    allow_substitute: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<ServiceImage> {
    let wanted = &service.image;
    if Family::of(wanted).is_none() {
        bail!("service `{service_name}`: expected a `mysql` or `mariadb` image, found `{wanted}`");
    }
    if let Some(id) = docker.image_id(wanted).await? {
        return Ok(ServiceImage {
            reference: wanted.clone(),
            id,
            substitute: None,
        });
    }
    let failure = match pull::pull(docker, wanted, progress).await {
        Ok(()) => {
            let id = docker.image_id(wanted).await?;
            let id = id.with_context(|| format!("`{wanted}` was pulled, but is not on the engine"))?;
            return Ok(ServiceImage {
                reference: wanted.clone(),
                id,
                substitute: None,
            });
        }
        Err(failure) => failure,
    };
    match failure {
        PullFailure::NoSuchImage(why) => bail!(
            "service `{service_name}`: its registry has no image `{wanted}`: {why}\n\
             hint: correct `image` of the service, or `docker login` if the image is private"
        ),
        PullFailure::NotReached(why) if allow_substitute => {
            progress(&format!(
                "`{wanted}` cannot be pulled ({why}); using MariaDB from Debian packages in its place"
            ));
            let by_hand = || {
                format!(
                    "service `{service_name}`: `{wanted}` cannot be pulled ({why}), and no substitute could be built\n\
                     hint: where the registry can be reached `docker pull {wanted} && docker save {wanted} > image.tar`, \
                     then here `docker load < image.tar`"
                )
            };
            substitute::ensure(docker, progress).await.with_context(by_hand)
        }
        PullFailure::NotReached(why) => bail!(
            "service `{service_name}`: image `{wanted}` cannot be pulled: {why}\n\
             hint: set `test.allow_substitute: true` to use MariaDB from Debian packages in its place, or load the \
             image by hand with `docker load`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_read_from_the_last_part_of_the_name() {
        for image in [
            "mysql",
            "mysql:8.4",
            "docker.io/library/mysql:8",
            "127.0.0.1:5000/a/mysql@sha256:00",
        ] {
            assert_eq!(Family::of(image), Some(Family::MySql), "{image}");
        }
        assert_eq!(
            Family::of("public.ecr.aws/docker/library/mariadb:11.4"),
            Some(Family::MariaDb)
        );
        for image in ["postgres:17", "mysql/mysql-server:8.0", "", "mysqlx"] {
            assert_eq!(Family::of(image), None, "{image}");
        }
    }
}
