//! `bench engine`: what the engine itself costs, beside what it writes down and reads.
//!
//! No ground and no containers: a store in a folder beside the project's own, and releases that never left it.

use crate::commands::releases;
use crate::context::Context;
use crate::engine::{Event, Journal, Records, Release, Run, journal_key, release_of};
use crate::facts::facts;
use crate::failure::{Failure, OrFail, Result};
use crate::git;
use crate::interrupt::Interrupt;
use crate::keys;
use crate::plan::{self, SourceFacts, StageName};
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::providers::Real;
use crate::report::{Mode, Report};
use crate::screen::Screen;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use store::Store;

const RELEASES: usize = 1_000;
const RUNS: usize = 200;

pub async fn engine(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let source = git::facts(&project).await?;
    // On the same disk as what it stands for.
    let folder = tempfile::tempdir_in(state_folder(&project)?).or_fail(|| "no folder to measure in".to_owned())?;
    let records = Records::new(Store::directory(folder.path().join("store")));
    report.note(&format!("making {RELEASES} past releases"));
    let past = past_releases(&records, &pipeline, &source).await?;
    let context = Context {
        report: Report::shown(Mode::Plain, Screen::Nowhere, Interrupt::new()),
        docker: preflight::engine(Install::Never).await?,
        ground: None,
        key: keys::load_or_create(&project)?,
        records: records.clone(),
        providers: Box::new(Real),
        summary: None,
        project,
        pipeline,
    };
    report.note(&format!("measuring, {RUNS} runs each"));
    let facts_now = facts(&records, &context.pipeline, source.clone()).await?;
    let plan = plan::plan(&context.pipeline, &facts_now);
    let (mut stage, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let release = release_of(&context.pipeline, source.clone());
        let mut run = Run::begin(&context, plan.clone(), release).await?;
        let since = Instant::now();
        run.stage(StageName::Source, async |_| Ok(source.clone())).await?;
        stage.push(since.elapsed());
        // That it begins, and that it ends.
        plain.push(append(&folder.path().join("plain"), 2)?);
    }
    let planned = timed(async || {
        let facts = facts(&records, &context.pipeline, source.clone()).await?;
        Ok(plan::plan(&context.pipeline, &facts).to_string().len())
    });
    let shown = timed(async || {
        let release = Release::find(&records, &past.to_string()).await?;
        let entries = Journal::read(&records, release.id).await?;
        Ok(releases::text(&release, &entries).len())
    });
    let again = timed(async || {
        let release = Release::find(&records, &past.to_string()).await?;
        let mut run = Run::resume(&context, plan.clone(), release).await?;
        run.go(&crate::engine::How::Yes).await.map(|_| 0)
    });
    let figures = Figures {
        stage: median(stage),
        plain: median(plain),
        planned: planned.await?,
        shown: shown.await?,
        again: again.await?,
    };
    figures.say(report);
    Ok(())
}

struct Figures {
    stage: Duration,
    /// As many lines appended to a file and synced.
    plain: Duration,
    planned: Duration,
    shown: Duration,
    again: Duration,
}

impl Figures {
    fn say(&self, report: &Report) {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let ratio = self.stage.as_secs_f64() / self.plain.as_secs_f64();
        let text = format!(
            "engine, {RUNS} runs each, median, among {RELEASES} past releases\n  \
             a stage that does nothing        {:.2} ms, {ratio:.2}× as many lines appended and synced ({:.2} ms)\n  \
             plan                             {:.2} ms\n  \
             show                             {:.2} ms\n  \
             release that is live already     {:.2} ms",
            ms(self.stage),
            ms(self.plain),
            ms(self.planned),
            ms(self.shown),
            ms(self.again),
        );
        let data = serde_json::json!({
            "ratio": ratio, "stage_ms": ms(self.stage), "plain_ms": ms(self.plain), "plan_ms": ms(self.planned),
            "show_ms": ms(self.shown), "again_ms": ms(self.again), "releases": RELEASES,
        });
        report.data("bench-engine", &text, data);
    }
}

fn state_folder(project: &Project) -> Result<std::path::PathBuf> {
    let folder = project.state();
    std::fs::create_dir_all(&folder).or_fail(|| format!("`{}` cannot be made", folder.display()))?;
    Ok(folder)
}

/// Each with a journal as long as that of a whole release; returns one from their middle.
async fn past_releases(
    records: &Records,
    pipeline: &pipeline::model::Pipeline,
    source: &SourceFacts,
) -> Result<contract::ReleaseId> {
    let mut middle = None;
    let mut written: Option<Vec<u8>> = None;
    for number in 0..RELEASES {
        let release = release_of(pipeline, source.clone());
        release.save(records).await?;
        match &written {
            // One is written as releases write them; the others are copies of it.
            Some(bytes) => {
                let (key, bytes) = (journal_key(release.id), bytes.clone());
                let kept = records.store().write(&key, bytes, store::Condition::None).await;
                kept.map_err(|_| Failure::failed("a journal cannot be written"))?;
            }
            None => {
                let mut journal = Journal::open(records, release.id).await?;
                for stage in StageName::ALL {
                    journal.append(Event::StageStarted { stage }).await?;
                    let (outcome, summary) = (serde_json::json!({ "figures": "x".repeat(300) }), "done".to_owned());
                    let took_ms = 1;
                    let finished = Event::StageFinished {
                        stage,
                        took_ms,
                        summary,
                        outcome,
                    };
                    journal.append(finished).await?;
                }
                journal.append(Event::Finished).await?;
                let kept = records.store().get(&journal_key(release.id)).await;
                written = kept
                    .or_fail(|| "a journal cannot be read".to_owned())?
                    .map(|(bytes, _)| bytes);
            }
        }
        if number == RELEASES / 2 {
            middle = Some(release.id);
        }
    }
    middle.ok_or_else(|| Failure::failed("no release was made"))
}

fn append(path: &Path, lines: usize) -> Result<Duration> {
    let failed = || format!("`{}` cannot be written", path.display());
    let since = Instant::now();
    for _ in 0..lines {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .or_fail(failed)?;
        file.write_all(&[b'x'; 200]).or_fail(failed)?;
        file.sync_all().or_fail(failed)?;
    }
    Ok(since.elapsed())
}

async fn timed(mut work: impl AsyncFnMut() -> Result<usize>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let since = Instant::now();
        work().await?;
        times.push(since.elapsed());
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
