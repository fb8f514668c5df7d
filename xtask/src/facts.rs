//! What is found out about the world before a release begins: what the plan is made from.

use crate::build::Built;
use crate::clock;
use crate::context::bucket_access;
use crate::engine::{self, Entry, Event, History, Journal, Records, Release};
use crate::failure::Result;
use crate::local::{Ground, GroundState, SITE_BUCKET};
use crate::plan::{Begun, Facts, Running, SourceFacts, StageName, Upload, config_digest};
use crate::project::Project;
use contract::Digest;
use frontend::{Publisher, Site};
use pipeline::model::{Environment, Pipeline};
use std::time::Duration;

/// An older release that was begun is not carried on.
const LOOKED_AT: usize = 20;
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// What the records say.
pub async fn facts(records: &Records, pipeline: &Pipeline, source: SourceFacts) -> Result<Facts> {
    let config = config_digest(pipeline);
    Ok(Facts {
        now: clock::now(),
        begun: begun(records, pipeline, &source, config).await?,
        source,
        config,
        staging: running(records, &pipeline.staging).await?,
        production: running(records, &pipeline.production).await?,
        upload: None,
    })
}

async fn running(records: &Records, environment: &Environment) -> Result<Option<Running>> {
    let history = History::load(records, &environment.name).await?;
    let Some(settled) = history.latest() else {
        return Ok(None);
    };
    // Whatever the journal of an old release is like, it is in nobody's way.
    let entries = Journal::read(records, settled.version.release)
        .await
        .unwrap_or_default();
    let built = engine::outcome(&entries, StageName::Build).cloned();
    let built = built.and_then(|outcome| serde_json::from_value::<Built>(outcome).ok());
    Ok(Some(Running {
        image_bytes: built.map(|built| built.size),
        ..settled.running()
    }))
}

/// The newest release of this source and configuration, if it can be carried on.
async fn begun(records: &Records, pipeline: &Pipeline, source: &SourceFacts, config: Digest) -> Result<Option<Begun>> {
    let newest = Release::newest(records, LOOKED_AT).await?;
    let fits = |release: &&Release| {
        release.source == *source && release.config == config && release.profile == pipeline.profile
    };
    let Some(release) = newest.iter().find(fits) else {
        return Ok(None);
    };
    let entries = Journal::read(records, release.id).await.unwrap_or_default();
    let is_over = |entry: &Entry| matches!(entry.event, Event::Finished | Event::Rejected { .. });
    let done = StageName::ALL
        .into_iter()
        .filter(|stage| engine::outcome(&entries, *stage).is_some())
        .collect::<Vec<_>>();
    let begun = Begun {
        release: release.id,
        done,
    };
    Ok((!begun.done.is_empty() && !entries.iter().any(is_over)).then_some(begun))
}

/// Only where the bucket can be seen as things are: a plan brings nothing up.
pub async fn upload(project: &Project, pipeline: &Pipeline) -> Option<Upload> {
    let asked = pipeline.frontend.as_ref()?;
    let files = frontend::read_dir(&project.root.join(&asked.dir)).ok()?;
    let site = Site::from_files(files, &asked.entry).ok()?;
    let state = GroundState::load(project).ok()?;
    let ground = state.map(|state| Ground {
        project: project.clone(),
        state,
    });
    let access = bucket_access(ground.as_ref()).ok()?;
    let bucket = asked.bucket.clone().unwrap_or_else(|| SITE_BUCKET.to_owned());
    let publisher = Publisher::new(access.client(), bucket, asked.entry.clone());
    let planned = tokio::time::timeout(SEEN_WITHIN, publisher.plan(&site))
        .await
        .ok()?
        .ok()?;
    Some(Upload {
        files: planned.to_send.len(),
        bytes: planned.bytes,
        unchanged: planned.unchanged,
    })
}
