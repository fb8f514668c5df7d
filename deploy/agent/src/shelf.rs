//! How large the images are that this agent pulled: asked of the engine once each.

use crate::agent::Agent;
use crate::world::PulledImage;
use contract::{Digest, ImageRef};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Shelf(BTreeMap<Digest, u64>);

impl Shelf {
    /// Oldest first, as they were given. One that was not weighed yet weighs nothing.
    pub fn of(&self, pulled: &[ImageRef]) -> Vec<PulledImage> {
        let weighed = pulled.iter().map(|image| PulledImage {
            image: image.clone(),
            bytes: self.0.get(&image.digest).copied().unwrap_or(0),
        });
        weighed.collect()
    }
}

impl Agent {
    /// Only while nothing is under way, because only then is anything pruned, and what is not there then was never pulled
    /// to its end, or was removed by somebody else.
    pub async fn weigh(&mut self) {
        let Some(tools) = self.observer.tools().filter(|_| self.observer.engine_answers) else {
            return;
        };
        if !self.jobs.is_empty() {
            return;
        }
        let pulled = self.state.memory().pulled.clone();
        self.shelf
            .0
            .retain(|digest, _| pulled.iter().any(|image| image.digest == *digest));
        for image in pulled {
            if self.shelf.0.contains_key(&image.digest) {
                continue;
            }
            match tools.docker.image_bytes(&image.to_string()).await {
                Ok(Some(bytes)) => drop(self.shelf.0.insert(image.digest, bytes)),
                Ok(None) => self
                    .state
                    .change_anyway(|memory| memory.pulled.retain(|known| *known != image)),
                Err(error) => return tracing::debug!("images cannot be weighed now: {error:#}"),
            }
        }
    }
}
