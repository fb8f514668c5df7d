//! Where the simulated front end is served from.

use contract::{Digest, Generation, ReleaseId};
use frontend::Live;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub struct Bucket(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    uploaded: BTreeSet<Digest>,
    live: Option<Live>,
    been_live: BTreeSet<Digest>,
    /// What the CDN still serves; it takes an invalidation to serve what is live.
    served: Option<Digest>,
}

impl Bucket {
    pub fn upload(&self, site: Digest) {
        self.with(|state| state.uploaded.insert(site));
    }

    pub fn live(&self) -> Option<Live> {
        self.with(|state| state.live.clone())
    }

    /// Nobody has seen it yet.
    pub fn is_new(&self, site: Digest) -> bool {
        self.with(|state| !state.been_live.contains(&site))
    }

    pub fn served(&self) -> Option<Digest> {
        self.with(|state| state.served)
    }

    pub fn invalidate(&self) {
        self.with(|state| state.served = state.live.as_ref().map(|live| live.manifest));
    }

    /// As the real one: never back in generations, and only to what is there.
    pub fn flip(&self, manifest: Digest, release: ReleaseId, generation: Generation) -> Result<(), String> {
        self.with(|state| {
            if let Some(live) = state.live.as_ref().filter(|live| live.generation > generation) {
                return Err(format!("{} is live, newer than {generation}", live.generation));
            }
            if !state.uploaded.contains(&manifest) {
                return Err(format!("{manifest} was never uploaded"));
            }
            state.been_live.insert(manifest);
            state.live = Some(Live {
                manifest,
                generation,
                release,
                etag: generation.to_string(),
                previous: Vec::new(),
            });
            Ok(())
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
