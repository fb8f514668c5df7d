//! Docker, a registry, S3, git, and hosts that listen: the world outside of tests.

use super::{Hosting, Providers};
use crate::build::{self, Built};
use crate::context::{Context, open_channel};
use crate::engine::Release;
use crate::failure::{OrFail, Result};
use crate::git;
use crate::local::SITE_BUCKET;
use crate::notify;
use crate::stages::load::{self, Loaded, Sides};
use crate::stages::test::{self, Tested};
use crate::stages::{hook, smoke};
use channel::Channel;
use contract::{Digest, EnvironmentName, Generation, ImageRef, ReleaseId};
use frontend::{Edge, Live, Publisher, Site, UploadReport};
use futures_util::future::LocalBoxFuture;
use pipeline::model::{Environment, Frontend, Hook, Load, Occasion};
use std::net::SocketAddr;
use std::time::Duration;

pub const INVALIDATED_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Real;

impl Providers for Real {
    fn channel(&self, context: &Context, environment: &EnvironmentName) -> Result<Channel> {
        let Context {
            project,
            pipeline,
            ground,
            ..
        } = context;
        open_channel(project, pipeline, ground.as_ref(), environment)
    }

    fn commits<'a>(
        &'a self,
        context: &'a Context,
        from: &'a str,
        to: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Vec<String>>>> {
        Box::pin(git::commits_between(&context.project, from, to))
    }

    fn build<'a>(&'a self, context: &'a Context, release: &'a Release) -> LocalBoxFuture<'a, Result<Built>> {
        match &release.promotes {
            Some(image) => Box::pin(build::promote(context, image)),
            None => Box::pin(build::build(context)),
        }
    }

    fn test<'a>(
        &'a self,
        context: &'a Context,
        release: &'a Release,
        image: &'a ImageRef,
    ) -> LocalBoxFuture<'a, Result<Tested>> {
        Box::pin(test::test(context, release, image))
    }

    fn smoke<'a>(
        &'a self,
        context: &'a Context,
        environment: &'a Environment,
        release: ReleaseId,
    ) -> LocalBoxFuture<'a, Result<usize>> {
        let routers = routers(context, environment);
        Box::pin(async move { smoke::smoke(&environment.name, &routers, &environment.smoke, release).await })
    }

    fn load<'a>(
        &'a self,
        context: &'a Context,
        environment: &'a Environment,
        load: &'a Load,
        sides: Sides,
    ) -> LocalBoxFuture<'a, Result<Option<Loaded>>> {
        Box::pin(async move {
            let routers = routers(context, environment);
            if routers.is_empty() {
                let name = &environment.name;
                let text = format!("no load check: the hosts of `{name}` are not reached from here");
                context.report.note(&text);
                return Ok(None);
            }
            load::put(&context.report, load, &routers, sides).await.map(Some)
        })
    }

    fn hook<'a>(
        &'a self,
        context: &'a Context,
        release: &'a Release,
        hook: &'a Hook,
        told: Vec<(String, String)>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(hook::hook(context, release, hook, told))
    }

    fn notify<'a>(&'a self, context: &'a Context, occasion: Occasion, text: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(notify::notify(context, occasion, text))
    }

    fn hosting<'a>(&self, context: &'a Context, asked: &'a Frontend) -> Result<Box<dyn Hosting + 'a>> {
        let bucket = asked.bucket.clone().unwrap_or_else(|| SITE_BUCKET.to_owned());
        let s3 = context.bucket_access()?.client();
        Ok(Box::new(BucketAndEdge {
            context,
            entry: &asked.entry,
            publisher: Publisher::new(s3, bucket, asked.entry.clone()),
        }))
    }
}

/// Of the ground's hosts: others are not reached from here.
fn routers(context: &Context, environment: &Environment) -> Vec<SocketAddr> {
    let ground = context.ground.as_ref();
    ground
        .map(|ground| ground.routers(&environment.name))
        .unwrap_or_default()
}

/// The edge is the ground's: a CDN in front of a bucket of one's own is not reached from here.
struct BucketAndEdge<'a> {
    context: &'a Context,
    entry: &'a str,
    publisher: Publisher,
}

impl Hosting for BucketAndEdge<'_> {
    fn upload<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<UploadReport>> {
        Box::pin(async move {
            let report = &self.context.report;
            let progress = |progress: frontend::Progress| {
                report.progress(format!("{} of {} files", progress.sent, progress.of));
            };
            let uploaded = self.publisher.upload(site, progress).await;
            uploaded.or_fail(|| "the front end cannot be uploaded".to_owned())
        })
    }

    fn live(&self) -> LocalBoxFuture<'_, Result<Option<Live>>> {
        Box::pin(async move {
            let live = self.publisher.live().await;
            live.or_fail(|| "the live front end cannot be read".to_owned())
        })
    }

    fn flip(&self, manifest: Digest, release: ReleaseId, generation: Generation) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let flipped = self.publisher.flip(manifest, release, generation).await;
            flipped
                .map(drop)
                .or_fail(|| "the front end cannot be flipped".to_owned())
        })
    }

    fn invalidate(&self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let Some(ground) = &self.context.ground else {
                return Ok(());
            };
            let failed = || "the edge did not invalidate the entry document".to_owned();
            let edge = Edge::new(ground.edge_admin()).or_fail(failed)?;
            let entry = format!("/{}", self.entry);
            let id = edge.invalidate(&["/", &entry]).await.or_fail(failed)?;
            edge.wait(&id, INVALIDATED_WITHIN).await.map(drop).or_fail(failed)
        })
    }

    fn verify<'a>(&'a self, site: &'a Site) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Some(ground) = &self.context.ground else {
                return Ok(());
            };
            let verified = frontend::verify(site, &ground.site_url()).await;
            verified
                .map(drop)
                .or_fail(|| "what is served is not what was published".to_owned())
        })
    }

    fn prune(&self, keep: u32) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let pruned = self.publisher.prune(keep).await;
            pruned.map(drop).or_fail(|| "old assets cannot be removed".to_owned())
        })
    }
}
