//! What a release does beyond what it writes down: images and files it makes and publishes, checks it makes, hosts it
//! speaks to. The engine knows this list and nothing of who is behind it.

mod real;

pub use real::{INVALIDATED_WITHIN, Real};

use crate::build::Built;
use crate::context::Context;
use crate::engine::Release;
use crate::failure::Result;
use crate::stages::load::{Loaded, Sides};
use crate::stages::test::Tested;
use channel::Channel;
use contract::{Digest, EnvironmentName, Generation, ImageRef, ReleaseId};
use frontend::{Live, Site, UploadReport};
use futures_util::future::LocalBoxFuture;
use pipeline::model::{Environment, Frontend, Hook, Load, Occasion};
use std::fmt;

pub trait Providers: fmt::Debug {
    fn channel(&self, context: &Context, environment: &EnvironmentName) -> Result<Channel>;

    /// The commits between two, newest first, a line each; `None` where git does not know.
    fn commits<'a>(
        &'a self,
        context: &'a Context,
        from: &'a str,
        to: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Vec<String>>>>;

    fn build<'a>(&'a self, context: &'a Context, release: &'a Release) -> LocalBoxFuture<'a, Result<Built>>;

    fn test<'a>(
        &'a self,
        context: &'a Context,
        release: &'a Release,
        image: &'a ImageRef,
    ) -> LocalBoxFuture<'a, Result<Tested>>;

    /// How many smoke checks of the environment this release passed.
    fn smoke<'a>(
        &'a self,
        context: &'a Context,
        environment: &'a Environment,
        release: ReleaseId,
    ) -> LocalBoxFuture<'a, Result<usize>>;

    /// What both sides did under this load; `None` where no host is reached from here.
    fn load<'a>(
        &'a self,
        context: &'a Context,
        environment: &'a Environment,
        load: &'a Load,
        sides: Sides,
    ) -> LocalBoxFuture<'a, Result<Option<Loaded>>>;

    /// A command of the project, told these variables.
    fn hook<'a>(
        &'a self,
        context: &'a Context,
        release: &'a Release,
        hook: &'a Hook,
        told: Vec<(String, String)>,
    ) -> LocalBoxFuture<'a, Result<()>>;

    /// Whoever wants to know of this occasion.
    fn notify<'a>(&'a self, context: &'a Context, occasion: Occasion, text: &'a str) -> LocalBoxFuture<'a, ()>;

    fn hosting<'a>(&self, context: &'a Context, asked: &'a Frontend) -> Result<Box<dyn Hosting + 'a>>;
}

/// Where the front end is served from.
pub trait Hosting {
    fn upload<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<UploadReport>>;

    fn live(&self) -> LocalBoxFuture<'_, Result<Option<Live>>>;

    /// One write, after which users get what was uploaded. Refused once a higher generation is live.
    fn flip(&self, manifest: Digest, release: ReleaseId, generation: Generation) -> LocalBoxFuture<'_, Result<()>>;

    /// When this is done, nobody gets the entry document that was live before.
    fn invalidate(&self) -> LocalBoxFuture<'_, Result<()>>;

    /// What users get is what was uploaded.
    fn verify<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<()>>;

    fn prune(&self, keep: u32) -> LocalBoxFuture<'_, Result<()>>;
}
