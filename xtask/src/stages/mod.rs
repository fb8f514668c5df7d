//! The stages of a release, one file each. A stage does its part and says what it found; whether to go on, stop or undo is
//! the engine's to decide.

pub mod approval;
pub mod environment;
pub mod frontend;
pub mod hook;
pub mod load;
pub mod migration;
pub mod smoke;
pub mod test;

use crate::build::Built;
use crate::plan::SourceFacts;
use crate::report::{bytes, seconds};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// What a stage found: kept in the journal, shown in one line.
pub trait Outcome: Serialize + DeserializeOwned {
    fn summary(&self) -> String;
}

impl Outcome for SourceFacts {
    fn summary(&self) -> String {
        format!("{} on {}", self.short(), self.branch.as_deref().unwrap_or("no branch"))
    }
}

impl Outcome for Built {
    fn summary(&self) -> String {
        let uploaded = if self.uploaded == 0 {
            "nothing new to push".to_owned()
        } else {
            format!("pushed {}", bytes(self.uploaded))
        };
        let push = seconds(Duration::from_millis(self.push_ms));
        format!(
            "{} {} by {}, {uploaded} in {push}",
            self.image.digest.short(),
            bytes(self.size),
            self.builder
        )
    }
}
