//! The front end: assets first, the entry document last in one write, then the CDN, then a look at what is served.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::local::SITE_BUCKET;
use crate::report::bytes;
use crate::rollout::StepResult;
use contract::{Digest, Fence, Generation, ReleaseId};
use frontend::{Edge, Publisher, Site};
use pipeline::model;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const INVALIDATED_WITHIN: Duration = Duration::from_secs(60);
/// The order of flips under one fence: there, and back again if need be.
const FORWARD: u32 = 1;
const BACK: u32 = 2;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    pub manifest: Digest,
    pub sent: usize,
    pub sent_bytes: u64,
    pub unchanged: usize,
}

impl Outcome for Published {
    fn summary(&self) -> String {
        let sent = match self.sent {
            0 => "nothing new to send".to_owned(),
            sent => format!("{sent} files sent ({})", bytes(self.sent_bytes)),
        };
        format!("{} live, {sent}, {} unchanged", self.manifest.short(), self.unchanged)
    }
}

/// What the bake showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baked {
    pub result: Option<StepResult>,
}

impl Outcome for Baked {
    fn summary(&self) -> String {
        self.result.map_or_else(
            || "settled".to_owned(),
            |result| format!("settled; {}", result.judgement),
        )
    }
}

/// A change of the live front end, and the way back from it.
#[derive(Debug, Clone)]
pub struct Flip {
    fence: Fence,
    /// What was live before, and of which release; `None` before the first.
    before: Option<(Digest, ReleaseId)>,
}

/// Uploads, flips, invalidates and verifies. `flipped` is filled in as soon as users may have seen something new.
pub async fn publish(
    context: &Context,
    asked: &model::Frontend,
    release: ReleaseId,
    fence: Fence,
    flipped: &mut Option<Flip>,
) -> Result<Published> {
    let folder = context.project.root.join(&asked.dir);
    let files =
        frontend::read_dir(&folder).or_fail(|| format!("the front end `{}` cannot be read", folder.display()))?;
    let site = Site::from_files(files, &asked.entry)
        .or_fail(|| format!("the front end `{}` is not sound", folder.display()))?;
    let publisher = publisher(context, asked)?;
    let report = &context.report;
    let progress =
        |progress: frontend::Progress| report.progress(format!("{} of {} files", progress.sent, progress.of));
    let uploaded = publisher
        .upload(&site, progress)
        .await
        .or_fail(|| "the front end cannot be uploaded".to_owned())?;
    let live = publisher
        .live()
        .await
        .or_fail(|| "the live front end cannot be read".to_owned())?;
    *flipped = Some(Flip {
        fence,
        before: live.map(|live| (live.manifest, live.release)),
    });
    let generation = Generation::new(fence, FORWARD);
    publisher
        .flip(site.digest(), release, generation)
        .await
        .or_fail(|| "the front end cannot be flipped".to_owned())?;
    report.progress("invalidating");
    invalidate(context, &asked.entry).await?;
    report.progress("comparing what is served");
    verify(context, &site).await?;
    Ok(Published {
        manifest: site.digest(),
        sent: uploaded.sent,
        sent_bytes: uploaded.sent_bytes,
        unchanged: uploaded.unchanged,
    })
}

impl Flip {
    /// One write, and users get the front end of another release; for `rollback`.
    pub async fn to(context: &Context, manifest: Digest, release: ReleaseId, fence: Fence) -> Result<Self> {
        if let Some(asked) = &context.pipeline.frontend {
            let generation = Generation::new(fence, FORWARD);
            publisher(context, asked)?
                .flip(manifest, release, generation)
                .await
                .or_fail(|| "the front end cannot be flipped".to_owned())?;
        }
        Ok(Self { fence, before: None })
    }

    /// Makes live what was live before.
    pub async fn back(&self, context: &Context) -> Result<()> {
        let (Some(asked), Some((manifest, release))) = (&context.pipeline.frontend, self.before) else {
            return Ok(());
        };
        let generation = Generation::new(self.fence, BACK);
        publisher(context, asked)?
            .flip(manifest, release, generation)
            .await
            .or_fail(|| "the front end cannot be flipped back".to_owned())?;
        Ok(())
    }

    /// What may take its time once traffic has moved.
    pub async fn finish(&self, context: &Context) -> Result<()> {
        match &context.pipeline.frontend {
            Some(asked) => invalidate(context, &asked.entry).await,
            None => Ok(()),
        }
    }

    /// The same after a failure, which it must not hide.
    pub async fn settle_back(&self, context: &Context, failure: Failure) -> Failure {
        match self.finish(context).await {
            Ok(()) => failure,
            Err(trouble) => failure.why(format!(
                "and the CDN may serve the front end for a while yet: {}",
                trouble.what
            )),
        }
    }
}

/// Old assets go only once nobody can be sent to them any more; failing to remove them fails no release.
pub async fn prune(context: &Context, asked: &model::Frontend) {
    let pruned = match publisher(context, asked) {
        Ok(publisher) => publisher
            .prune(asked.keep_releases)
            .await
            .or_fail(|| "old assets cannot be removed".to_owned()),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = pruned {
        context.report.note(&failure.to_string());
    }
}

fn publisher(context: &Context, asked: &model::Frontend) -> Result<Publisher> {
    let bucket = asked.bucket.clone().unwrap_or_else(|| SITE_BUCKET.to_owned());
    Ok(Publisher::new(
        context.bucket_access()?.client(),
        bucket,
        asked.entry.clone(),
    ))
}

async fn invalidate(context: &Context, entry: &str) -> Result<()> {
    let Some(ground) = &context.ground else { return Ok(()) };
    let failed = || "the edge did not invalidate the entry document".to_owned();
    let edge = Edge::new(ground.edge_admin()).or_fail(failed)?;
    let entry = format!("/{entry}");
    let paths = ["/", &entry];
    let id = edge.invalidate(&paths).await.or_fail(failed)?;
    edge.wait(&id, INVALIDATED_WITHIN).await.or_fail(failed)?;
    Ok(())
}

async fn verify(context: &Context, site: &Site) -> Result<()> {
    let Some(ground) = &context.ground else { return Ok(()) };
    frontend::verify(site, &ground.site_url())
        .await
        .or_fail(|| "what is served is not what was published".to_owned())?;
    Ok(())
}
