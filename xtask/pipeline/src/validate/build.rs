//! From a commit to an image, and where images and orders are kept.

use super::Check;
use crate::form::{Field, Leaf, List};
use crate::model::{Build, Builder, Place, Registry, RegistryAuth, Source};
use crate::scalar::Prose;
use crate::text;

impl Check<'_> {
    pub fn source(&self) -> Source {
        let text = self.settings.source.or_empty(self.settings.at);
        Source {
            branch: text.branch.or("main".to_owned()),
            require_branch: text.require_branch.or(true),
            require_clean: text.require_clean.or(true),
        }
    }

    pub fn build(&self) -> Build {
        let text = self.settings.build.or_empty(self.settings.at);
        let package = text.package.or(self.app_name());
        Build {
            binary: text.binary.or(package.clone()),
            package,
            builder: text.builder.or(Builder::Auto),
            dockerfile: text.dockerfile.or("Dockerfile".into()),
            args: text
                .args
                .given()
                .map_or(&[][..], |args| &args.entries)
                .iter()
                .map(|(name, leaf)| (name.value.clone(), leaf.value.clone()))
                .collect(),
            port: port(text.port.or(8080)),
            healthcheck: words(&text.healthcheck),
        }
    }

    pub fn registry(&mut self) -> Registry {
        let text = self.settings.registry.or_empty(self.settings.at);
        if !self.on_ground {
            self.require(
                "registry.repository",
                &text.repository,
                text.at,
                "a repository, because only the local ground has a registry of its own",
            );
        }
        let repository = text.repository.value();
        let auth = if repository.is_some() {
            RegistryAuth::DockerConfig
        } else {
            RegistryAuth::Anonymous
        };
        Registry {
            auth: text.auth.or(auth),
            ca_file: text.ca_file.value(),
            repository,
        }
    }

    pub fn channel(&mut self) -> Option<Place> {
        if !self.on_ground {
            self.require(
                "channel",
                &self.settings.channel,
                self.settings.at,
                "a `directory` or `s3`, because hosts of their own must reach it",
            );
        }
        match &self.settings.channel {
            Field::Absent if !self.on_ground => None,
            channel => self.place("channel", channel),
        }
    }

    pub fn store(&mut self) -> Option<Place> {
        self.place("store", &self.settings.store)
    }

    fn place(&mut self, key: &str, place: &Field<text::Place>) -> Option<Place> {
        let text = match place {
            Field::Given(text) => text,
            Field::Absent => return Some(Place::Directory(None)),
            Field::Bad => return None,
        };
        match &text.s3 {
            Field::Given(s3) => self.s3(key, s3),
            Field::Absent => Some(Place::Directory(text.directory.value())),
            Field::Bad => None,
        }
    }

    fn s3(&mut self, key: &str, text: &text::S3) -> Option<Place> {
        let bucket = self.require(&format!("{key}.s3.bucket"), &text.bucket, text.at, "the bucket's name");
        let region = self.require(
            &format!("{key}.s3.region"),
            &text.region,
            text.at,
            "the bucket's region",
        );
        Some(Place::S3 {
            bucket: bucket?.value.clone(),
            prefix: text.prefix.or(self.app_name()),
            region: region?.value.clone(),
            endpoint: text.endpoint.value(),
        })
    }
}

/// The arguments listed; none if there is no list.
pub fn words(list: &Field<List<Leaf<Prose>>>) -> Vec<String> {
    list.given().map_or_else(Vec::new, |list| {
        list.items.iter().map(|item| item.value.clone()).collect()
    })
}

/// Ports are read as numbers of 1 to 65535.
pub fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
