//! What a simulated release builds, tests and publishes: each effect between two boundaries at which it can be cut off.

use super::cut::{Cut, Observed};
use super::host::serves;
use super::meter::Meter;
use super::site::Bucket;
use crate::build::Built;
use crate::context::Context;
use crate::engine::Release;
use crate::failure::{Failure, Result};
use crate::providers::{Hosting, Providers};
use crate::stages::frontend::FORWARD;
use crate::stages::load::{Figures, Loaded, Sides};
use crate::stages::test::Tested;
use channel::Channel;
use contract::{Digest, EnvironmentName, Generation, ImageRef, ReleaseId};
use frontend::{Live, Site, UploadReport};
use futures_util::future::LocalBoxFuture;
use pipeline::model::{Environment, Frontend, Hook, Load, Occasion, When};
use router::Control;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::Store;

/// Who the engine is to the channel's store.
pub const CONTROLLER: &str = "the controller";

const WORK: Duration = Duration::from_secs(2);
const LONG_WORK: Duration = Duration::from_secs(7);
const LONG_LINE: &str =
    "compiling instruments v1.2.3, the last of 240 crates, with more to say of it than a narrow terminal has room for";

#[derive(Debug)]
pub struct Simulated {
    pub store: Store,
    pub bucket: Arc<Bucket>,
    pub cut: Arc<Cut>,
    /// What the source tree is: its image follows from it.
    pub commit: String,
    /// How often tests still fail.
    pub failing: Arc<AtomicUsize>,
    /// Those of production: a front end must not go ahead of what it talks to.
    pub routers: Vec<Arc<Control>>,
    /// What cannot bear the load that is put on it.
    pub slow: Option<ReleaseId>,
    pub meter: Arc<Meter>,
}

/// Where one environment's channel lies in the store of the simulation.
pub fn channel_folder(environment: &EnvironmentName) -> String {
    format!("channel/{environment}/")
}

impl Providers for Simulated {
    fn channel(&self, context: &Context, environment: &EnvironmentName) -> Result<Channel> {
        let store = Observed::store(&self.store, channel_folder(environment), &self.cut);
        let store = self.meter.store(store, CONTROLLER);
        Ok(Channel::new(store, &context.pipeline.app, environment))
    }

    fn commits<'a>(
        &'a self,
        _: &'a Context,
        _: &'a str,
        to: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Vec<String>>>> {
        Box::pin(async move { Ok(Some(vec![format!("{to} a change")])) })
    }

    fn build<'a>(&'a self, context: &'a Context, _: &'a Release) -> LocalBoxFuture<'a, Result<Built>> {
        let built = async {
            context.report.progress(LONG_LINE);
            tokio::time::sleep(WORK).await;
            let image = ImageRef {
                repository: "registry.example/shop".to_owned(),
                digest: Digest::of(self.commit.as_bytes()),
            };
            Ok(Built {
                image,
                builder: "simulated".to_owned(),
                size: 1,
                uploaded: 1,
                compile_ms: 1,
                push_ms: 1,
            })
        };
        Box::pin(self.cut.around("building", built))
    }

    fn test<'a>(&'a self, _: &'a Context, _: &'a Release, _: &'a ImageRef) -> LocalBoxFuture<'a, Result<Tested>> {
        let tested = async {
            tokio::time::sleep(WORK).await;
            let take_one = |left: usize| left.checked_sub(1);
            if self
                .failing
                .try_update(Ordering::Relaxed, Ordering::Relaxed, take_one)
                .is_ok()
            {
                return Err(Failure::failed("2 of 9 tests failed"));
            }
            Ok(Tested {
                passed: 7,
                failed: 0,
                substitutes: Vec::new(),
                services_ms: 1,
                tests_ms: 1,
            })
        };
        Box::pin(self.cut.around("testing", tested))
    }

    fn smoke<'a>(
        &'a self,
        _: &'a Context,
        environment: &'a Environment,
        _: ReleaseId,
    ) -> LocalBoxFuture<'a, Result<usize>> {
        let checked = async { Ok(environment.smoke.len()) };
        Box::pin(self.cut.around("smoke checks", checked))
    }

    fn load<'a>(
        &'a self,
        _: &'a Context,
        _: &'a Environment,
        load: &'a Load,
        sides: Sides,
    ) -> LocalBoxFuture<'a, Result<Option<Loaded>>> {
        let figures = |release| {
            let p99_us = if self.slow == Some(release) { 900_000 } else { 10_000 };
            Figures {
                requests: 10,
                errors: 0,
                p50_us: p99_us,
                p99_us,
                longest_us: p99_us,
                kinds: BTreeMap::new(),
            }
        };
        let put = async move {
            tokio::time::sleep(load.duration).await;
            Ok(Some(Loaded {
                rps: load.rps,
                candidate: figures(sides.candidate),
                running: sides.running.map(figures),
            }))
        };
        Box::pin(self.cut.around("load", put))
    }

    fn hook<'a>(
        &'a self,
        _: &'a Context,
        _: &'a Release,
        hook: &'a Hook,
        _: Vec<(String, String)>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        let name = format!("hook {}", hook.command.join(" "));
        Box::pin(async move {
            // While traffic moves, longer than hosts follow a rollout unheard.
            let takes = if hook.when == When::After { LONG_WORK } else { WORK };
            let worked = async { tokio::time::sleep(takes).await };
            self.cut.around(&name, worked).await;
            Ok(())
        })
    }

    fn notify<'a>(&'a self, _: &'a Context, occasion: Occasion, _: &'a str) -> LocalBoxFuture<'a, ()> {
        let name = format!("notifying of {occasion:?}");
        Box::pin(async move { self.cut.around(&name, async {}).await })
    }

    fn hosting<'a>(&self, _: &'a Context, _: &'a Frontend) -> Result<Box<dyn Hosting + 'a>> {
        Ok(Box::new(SimulatedHosting {
            bucket: self.bucket.clone(),
            cut: self.cut.clone(),
            routers: self.routers.clone(),
        }))
    }
}

struct SimulatedHosting {
    bucket: Arc<Bucket>,
    cut: Arc<Cut>,
    routers: Vec<Arc<Control>>,
}

impl Hosting for SimulatedHosting {
    fn upload<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<UploadReport>> {
        let uploaded = async {
            self.bucket.upload(site.digest());
            Ok(UploadReport::default())
        };
        Box::pin(self.cut.around("uploading", uploaded))
    }

    fn live(&self) -> LocalBoxFuture<'_, Result<Option<Live>>> {
        Box::pin(async { Ok(self.bucket.live()) })
    }

    fn flip(&self, manifest: Digest, release: ReleaseId, generation: Generation) -> LocalBoxFuture<'_, Result<()>> {
        let flipped = async move { self.bucket.flip(manifest, release, generation).map_err(Failure::failed) };
        Box::pin(async move {
            if generation.sequence() == FORWARD && self.bucket.is_new(manifest) {
                for router in &self.routers {
                    let found = serves(router).await;
                    assert_eq!(found, [format!("{release} 100%")], "the front end goes ahead");
                }
            }
            self.cut.around("flipping", flipped).await
        })
    }

    fn invalidate(&self) -> LocalBoxFuture<'_, Result<()>> {
        let invalidated = async {
            self.bucket.invalidate();
            Ok(())
        };
        Box::pin(self.cut.around("invalidating", invalidated))
    }

    fn verify<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match self.bucket.served() == Some(site.digest()) {
                true => Ok(()),
                false => Err(Failure::failed("the CDN serves another front end")),
            }
        })
    }

    fn prune(&self, _: u32) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(self.cut.around("pruning", async { Ok(()) }))
    }
}
