//! The static site, storage, and the local ground.

use super::Check;
use super::build::port;
use crate::form::Field;
use crate::model::{Frontend, Ground, Storage};
use crate::problem::Problem;

impl Check<'_> {
    /// The outer `None` is a problem, the inner one a release without a site.
    pub fn frontend(&mut self) -> Option<Option<Frontend>> {
        let text = match &self.settings.frontend {
            Field::Given(text) => text,
            Field::Absent => return Some(None),
            Field::Bad => return None,
        };
        let dir = self.require("frontend.dir", &text.dir, text.at, "the folder that holds the site");
        if !self.on_ground {
            self.require(
                "frontend.bucket",
                &text.bucket,
                text.at,
                "a bucket, because only the local ground has one of its own",
            );
        }
        Some(Some(Frontend {
            dir: dir?.value.clone(),
            entry: text.entry.or("index.html".into()).to_string_lossy().into_owned(),
            bucket: text.bucket.value(),
            distribution: text.distribution.value(),
            keep_releases: text.keep_releases.or(5),
        }))
    }

    /// The outer `None` is a problem, the inner one an app without storage.
    pub fn storage(&mut self) -> Option<Option<Storage>> {
        let text = match &self.settings.storage {
            Field::Given(text) => text,
            Field::Absent => return Some(None),
            Field::Bad => return None,
        };
        let bucket = self.require("storage.bucket", &text.bucket, text.at, "the bucket's name")?;
        let name = &bucket.value;
        let fits = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits || !(3..=40).contains(&name.len()) || name.starts_with('-') || name.ends_with('-') {
            let expected = "expected 3 to 40 lower-case letters, digits and inner hyphens";
            let message = format!("`{name}` cannot be a bucket's name");
            self.problems.push(Problem::new(bucket.at, message, expected));
            return None;
        }
        Some(Some(Storage {
            bucket: bucket.value.clone(),
        }))
    }

    pub fn ground(&mut self) -> Option<Ground> {
        let text = self.settings.ground.given()?;
        let ports = [
            &text.site,
            &text.production,
            &text.staging,
            &text.registry,
            &text.bucket,
        ];
        for (index, leaf) in ports.iter().enumerate() {
            let Some(leaf) = leaf.given() else { continue };
            let mut earlier = ports[..index].iter().filter_map(|earlier| earlier.given());
            if let Some(first) = earlier.find(|earlier| earlier.value == leaf.value) {
                let expected = format!("the first one is in line {}, column {}", first.at.line, first.at.column);
                self.problems.push(Problem::new(
                    leaf.at,
                    format!("port {} is given twice", leaf.value),
                    expected,
                ));
            }
        }
        let [site, production, staging, registry, bucket] = ports.map(|leaf| leaf.value().map(port));
        Some(Ground {
            site,
            production,
            staging,
            registry,
            bucket,
        })
    }
}
