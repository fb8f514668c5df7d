//! The front end: assets first, the entry document last in one write, then the CDN, then a look at what is served.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::report::{bytes, counted};
use crate::rollout::StepResult;
use contract::{Digest, Fence, Generation, ReleaseId};
use frontend::Site;
use pipeline::model;
use serde::{Deserialize, Serialize};

/// The order of flips under one fence: there, and back again if need be.
pub const FORWARD: u32 = 1;
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
            sent => format!("{} sent ({})", counted(sent, "file"), bytes(self.sent_bytes)),
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
    let hosting = context.providers.hosting(context, asked)?;
    let uploaded = hosting.upload(&site).await?;
    Flip::make(context, asked, site.digest(), (release, fence), flipped).await?;
    context.report.progress("invalidating");
    hosting.invalidate().await?;
    context.report.progress("comparing what is served");
    hosting.verify(&site).await?;
    Ok(Published {
        manifest: site.digest(),
        sent: uploaded.sent,
        sent_bytes: uploaded.sent_bytes,
        unchanged: uploaded.unchanged,
    })
}

impl Flip {
    /// One write, and users get another front end. `flipped` is there before it may have happened.
    pub async fn make(
        context: &Context,
        asked: &model::Frontend,
        manifest: Digest,
        (release, fence): (ReleaseId, Fence),
        flipped: &mut Option<Self>,
    ) -> Result<()> {
        let hosting = context.providers.hosting(context, asked)?;
        let live = hosting.live().await?;
        let before = live.map(|live| (live.manifest, live.release));
        *flipped = Some(Self { fence, before });
        hosting.flip(manifest, release, Generation::new(fence, FORWARD)).await
    }

    /// Makes live what was live before.
    pub async fn back(&self, context: &Context) -> Result<()> {
        let (Some(asked), Some((manifest, release))) = (&context.pipeline.frontend, self.before) else {
            return Ok(());
        };
        let hosting = context.providers.hosting(context, asked)?;
        hosting.flip(manifest, release, Generation::new(self.fence, BACK)).await
    }

    /// What may take its time once traffic has moved.
    pub async fn finish(&self, context: &Context) -> Result<()> {
        match &context.pipeline.frontend {
            Some(asked) => context.providers.hosting(context, asked)?.invalidate().await,
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
    let pruned = match context.providers.hosting(context, asked) {
        Ok(hosting) => hosting.prune(asked.keep_releases).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = pruned {
        context.report.note(&failure.to_string());
    }
}
