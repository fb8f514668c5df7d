//! Staging with one host, production with two, a store, a bucket and a site to publish; and engines that work on them.

use super::Simulated;
use super::containers::Containers;
use super::cut::{Cut, Observed};
use super::host::{Host, Place, engine};
use super::meter::Meter;
use super::providers::{self, channel_folder};
use super::site::Bucket;
use crate::commands::release;
use crate::context::Context;
use crate::engine::{
    self as release_engine, Asked, Entry, Event, History, How, Journal, Lease, Records, Release, Run, Schema, Unproven,
};
use crate::facts::facts;
use crate::failure::{Exit, Failure, Result};
use crate::interrupt::Interrupt;
use crate::keys::Signer;
use crate::plan::{self, Plan, SourceFacts, StageName};
use crate::project::Project;
use crate::report::{Mode, Report};
use crate::screen::Screen;
use contract::{Desired, HostName, KeySet, ReleaseId, SigningKey};
use futures_util::future::LocalBoxFuture;
use pipeline::model::Pipeline;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use store::{Memory, Store};

const PIPELINE: &str = "
version: 1
app: shop
test: { command: [make, check] }
migrate: { command: [migrate], timeout: 1m }
health: { interval: 1s, deadline: 15s }
environments:
  staging:
    smoke: [{ path: /version, status: 200 }]
    load: { rps: 1, duration: 7s, paths: [/], p99: 100ms }
    lease_ttl: 6s
  production:
    approval: { timeout: 5m }
    canary:
      steps: [{ weight: 5%, bake: 2s }, { weight: 50%, bake: 2s }, { weight: 100% }]
    bake: 5s
    lease_ttl: 6s
    smoke: [{ path: /version, status: 200 }]
frontend: { dir: web, entry: index.html }
hooks:
  - { before: build, command: [one] }
  - { after: production, command: [another] }
notify: [{ webhook: TOLD }]
";
const POLL: Duration = Duration::from_millis(200);
/// No release takes longer, whatever happens.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Everything that runs out by itself has run out after it: the engine's lease, and that of a rollout.
const LONG_ENOUGH: Duration = Duration::from_secs(16);

/// For an approval of this pipeline.
pub const TOO_LATE: Duration = Duration::from_secs(301);

pub struct World {
    pub pipeline: Pipeline,
    pub hosts: BTreeMap<String, Vec<Host>>,
    pub bucket: Arc<Bucket>,
    /// How often tests still fail.
    pub failing: Arc<AtomicUsize>,
    /// The release that cannot bear load.
    pub slow: Option<ReleaseId>,
    pub store: Store,
    /// What engines say, and how.
    pub shown: Shown,
    /// What is asked of the channels.
    pub meter: Arc<Meter>,
    seed: [u8; 32],
    folder: tempfile::TempDir,
    _time: Simulated,
}

/// How large a world is, and how far away its channels are.
#[derive(Debug)]
pub struct Shape {
    /// Of production, if there are to be others than there usually are.
    pub hosts: Option<usize>,
    pub poll: Duration,
    pub latency: Duration,
}

#[derive(Debug)]
pub struct Shown {
    pub mode: Mode,
    pub screen: Screen,
}

/// How an engine's life ended.
#[derive(Debug)]
pub enum Ended {
    Done,
    Failed(Failure),
    CutOff,
}

impl Ended {
    #[track_caller]
    pub fn expect_done(self) {
        assert!(matches!(self, Self::Done), "{self:?}");
    }

    #[track_caller]
    pub fn expect_failed(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            ended => panic!("{ended:?}"),
        }
    }

    async fn of(work: impl Future<Output = Result<()>>, cut: &Cut) -> Self {
        tokio::select! {
            biased;
            () = cut.died() => Self::CutOff,
            ended = Self::in_time(work, cut) => ended,
        }
    }

    async fn in_time(work: impl Future<Output = Result<()>>, cut: &Cut) -> Self {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(())) => Self::Done,
            Ok(Err(failure)) => Self::Failed(failure),
            Err(_) => panic!("still not over after {PATIENCE:?}: {:?}", cut.boundaries()),
        }
    }
}

/// What counts in the end, whatever happened on the way: ids of releases, not generations or times.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub desired: BTreeMap<String, String>,
    pub histories: BTreeMap<String, Vec<String>>,
    pub serving: BTreeMap<String, Vec<String>>,
    pub running: BTreeMap<String, Vec<String>>,
    pub held: BTreeMap<String, bool>,
    pub site: Option<(String, bool)>,
    pub journals: BTreeMap<ReleaseId, Vec<String>>,
    /// What changed the schema, and what is proven on which.
    pub schemas: BTreeMap<String, Vec<String>>,
}

impl World {
    pub fn new() -> Self {
        Self::shaped(&Shape {
            hosts: None,
            poll: POLL,
            latency: Duration::ZERO,
        })
    }

    pub fn shaped(shape: &Shape) -> Self {
        let time = Simulated::begin();
        // In memory where there is such a place: agents and routers sync their files, which a disk takes its time for.
        let folder = ["/dev/shm", "/tmp"]
            .iter()
            .find_map(|place| tempfile::tempdir_in(place).ok());
        let folder = folder.expect("a folder");
        let root = folder.path();
        std::fs::create_dir_all(root.join("web")).expect("a folder");
        let mut pipeline = pipeline::load("pipeline.yaml", PIPELINE, "local").expect("a pipeline");
        if let Some(hosts) = shape.hosts {
            let name = |number| HostName::parse(&format!("host-{number}")).expect("a name");
            pipeline.production.hosts = (1..=hosts).map(name).collect();
        }
        let meter = Meter::at(shape.latency);
        let seed = [7; 32];
        let keys = KeySet {
            version: 1,
            keys: vec![SigningKey::from_seed(seed).public()],
        };
        let trusted_keys = root.join("trusted.json");
        std::fs::write(&trusted_keys, serde_json::to_vec(&keys).expect("keys")).expect("a file");
        let store = Store::new(Memory::default());
        let mut hosts = BTreeMap::new();
        for (number, environment) in plan::environments(&pipeline).into_iter().enumerate() {
            let place = Place {
                pipeline: &pipeline,
                environment,
                store: Observed::store(&store, channel_folder(&environment.name), &Cut::never()),
                folder: root.join("hosts"),
                trusted_keys: trusted_keys.clone(),
                secrets: root.join("secrets"),
                first_port: 20_000 + 100 * number as u16,
                poll: shape.poll,
                meter: meter.clone(),
            };
            let started = environment.hosts.iter().map(|name| Host::start(&place, name));
            hosts.insert(environment.name.to_string(), started.collect());
        }
        Self {
            pipeline,
            hosts,
            bucket: Arc::default(),
            failing: Arc::default(),
            slow: None,
            store,
            shown: Shown {
                mode: Mode::Plain,
                screen: Screen::kept(80),
            },
            meter,
            seed,
            folder,
            _time: time,
        }
    }

    pub fn report(&self, cut: &Cut) -> Report {
        let Shown { mode, screen } = &self.shown;
        let interrupt = cut.interrupt.clone().unwrap_or_else(Interrupt::new);
        Report::shown(*mode, screen.clone(), interrupt)
    }

    /// What engines tell CI.
    pub fn summary(&self) -> PathBuf {
        self.folder.path().join("summary.md")
    }

    /// An engine's view of this world, up to its end.
    pub fn context(&self, cut: &Arc<Cut>, commit: &str) -> Context {
        let folder = self.folder.path();
        std::fs::write(folder.join("web/index.html"), format!("<p>{commit}</p>")).expect("a file");
        Context {
            project: Project {
                root: folder.to_owned(),
            },
            pipeline: self.pipeline.clone(),
            report: self.report(cut),
            docker: engine(&Arc::<Containers>::default()).expect("an engine"),
            ground: None,
            key: Signer::first(SigningKey::from_seed(self.seed)),
            records: Records::new(Observed::store(&self.store, String::new(), cut)),
            providers: Box::new(providers::Simulated {
                store: self.store.clone(),
                bucket: self.bucket.clone(),
                cut: cut.clone(),
                commit: commit.to_owned(),
                failing: self.failing.clone(),
                routers: self.hosts["production"].iter().map(Host::router).collect(),
                slow: self.slow,
                meter: self.meter.clone(),
            }),
            summary: Some(self.summary()),
        }
    }

    /// Its id is the same in every world.
    pub fn release_of(&self, commit: &str, number: u64) -> Release {
        let source = SourceFacts {
            commit: commit.to_owned(),
            branch: Some("main".to_owned()),
            dirty: None,
        };
        Release {
            id: ReleaseId::from_parts(number, 0),
            ..release_engine::release_of(&self.pipeline, source)
        }
    }

    /// From wherever it stands to live, with the approval it waits for; or to where it is cut off.
    pub async fn release(&self, release: &Release, cut: &Arc<Cut>) -> Ended {
        Ended::of(self.carry(release, cut), cut).await
    }

    /// The same, but where it is cut off it is only suspended: its end can be waited for once it is revived.
    pub async fn suspend<'a>(&'a self, release: &'a Release, cut: &'a Arc<Cut>) -> LocalBoxFuture<'a, Ended> {
        let mut suspended = Box::pin(Ended::in_time(self.carry(release, cut), cut));
        tokio::select! {
            () = cut.died() => suspended,
            ended = &mut suspended => panic!("{ended:?}"),
        }
    }

    async fn carry(&self, release: &Release, cut: &Arc<Cut>) -> Result<()> {
        loop {
            match self.go(release, cut).await {
                Err(failure) if failure.exit == Exit::Parked => self.approve(release, cut).await?,
                ended => return ended,
            }
        }
    }

    /// From wherever it stands to live, or to where it waits.
    pub async fn go(&self, release: &Release, cut: &Arc<Cut>) -> Result<()> {
        let context = self.context(cut, &release.source.commit);
        let plan = self.plan(release).await?;
        let mut run = match Release::load(&context.records, release.id).await {
            Ok(known) => Run::resume(&context, plan, known).await?,
            Err(_) => Run::begin(&context, plan, release.clone()).await?,
        };
        release::carry(&mut run, &How::Ask, Duration::ZERO).await
    }

    pub async fn plan(&self, release: &Release) -> Result<Plan> {
        let facts = facts(&self.records(), &self.pipeline, release.source.clone()).await?;
        Ok(plan::plan(&self.pipeline, &facts))
    }

    /// To staging and no further.
    pub async fn stage(&self, release: &Release) -> Result<()> {
        let context = self.context(&Cut::never(), &release.source.commit);
        let plan = self.plan(release).await?;
        let mut run = Run::begin(&context, plan, release.clone()).await?;
        run.until = Some(StageName::Staging);
        run.go(&How::Ask).await.map(drop)
    }

    pub async fn approve(&self, release: &Release, cut: &Arc<Cut>) -> Result<()> {
        let records = Records::new(Observed::store(&self.store, String::new(), cut));
        let asked = self.pipeline.production.approval.as_ref().expect("an approval");
        release_engine::approve(&records, asked, release).await
    }

    pub fn records(&self) -> Records {
        Records::new(self.store.clone())
    }

    /// The migration of a release brings the schema of each environment to this.
    pub fn bring(&self, release: &Release, schema: u64) {
        for host in self.hosts.values().flatten() {
            host.containers.bring(release.id, schema);
        }
    }

    pub async fn roll_back(&self, release: &Release, cut: &Arc<Cut>) -> Ended {
        self.return_to(release, None, cut).await
    }

    pub async fn return_to(&self, release: &Release, unproven: Option<&Unproven>, cut: &Arc<Cut>) -> Ended {
        let rolled_back = async {
            let context = self.context(cut, &release.source.commit);
            let production = &self.pipeline.production;
            let history = History::load(&context.records, &production.name).await?;
            let mut settled = history.settled.iter();
            let target = settled.find(|settled| settled.version.release == release.id);
            let target = target.ok_or_else(|| Failure::bad_input("it never ran there"))?;
            release_engine::roll_back(&context, production, target, unproven).await
        };
        Ended::of(rolled_back, cut).await
    }

    /// On the last host of production.
    pub async fn exec(&self, command: &[&str], cut: &Arc<Cut>) -> Ended {
        let context = self.context(cut, "any");
        let production = &self.pipeline.production;
        let asked = Asked {
            host: production.hosts.last().expect("a host").clone(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout: Duration::from_secs(60),
        };
        let executed = async { release_engine::exec(&context, production, &asked).await.map(drop) };
        Ended::of(executed, cut).await
    }

    pub async fn stop(&self, cut: &Arc<Cut>) -> Ended {
        let context = self.context(cut, "any");
        let stopped = async {
            release_engine::stop(&context, &self.pipeline.production)
                .await
                .map(drop)
        };
        Ended::of(stopped, cut).await
    }

    pub async fn start(&self, cut: &Arc<Cut>) -> Ended {
        let context = self.context(cut, "any");
        let started = async {
            release_engine::start(&context, &self.pipeline.production)
                .await
                .map(drop)
        };
        Ended::of(started, cut).await
    }

    pub async fn wait_out(&self) {
        tokio::time::sleep(LONG_ENOUGH).await;
    }

    pub async fn journal(&self, release: ReleaseId) -> Vec<Entry> {
        Journal::read(&self.records(), release).await.expect("a journal")
    }

    /// Nobody holds an environment, and no host is in the middle of a rollout.
    pub async fn expect_at_rest(&self, after: &str) {
        let records = self.records();
        for environment in plan::environments(&self.pipeline) {
            let lease = Lease::read(&records, &environment.name).await.expect("a lease");
            assert_eq!(lease.holder, None, "asked to end {after}");
            let key = format!("{}desired.json", channel_folder(&environment.name));
            if let Some((bytes, _)) = self.store.get(&key).await.expect("a store") {
                assert!(!describe(&bytes).ends_with("leased"), "asked to end {after}");
            }
        }
    }

    pub async fn outcome(&self, releases: &[&Release]) -> Outcome {
        // Old containers drain and go, and hosts say so.
        self.wait_out().await;
        let records = self.records();
        let mut outcome = Outcome {
            desired: BTreeMap::new(),
            histories: BTreeMap::new(),
            serving: BTreeMap::new(),
            running: BTreeMap::new(),
            held: BTreeMap::new(),
            site: self.bucket.live().map(|live| {
                let is_served = self.bucket.served() == Some(live.manifest);
                (format!("{} of {}", live.manifest.short(), live.release), is_served)
            }),
            journals: BTreeMap::new(),
            schemas: BTreeMap::new(),
        };
        for environment in plan::environments(&self.pipeline) {
            let name = environment.name.to_string();
            let key = format!("{}desired.json", channel_folder(&environment.name));
            let desired = self.store.get(&key).await.expect("a store");
            let desired = desired.map_or("nothing".to_owned(), |(bytes, _)| describe(&bytes));
            outcome.desired.insert(name.clone(), desired);
            let history = History::load(&records, &environment.name).await.expect("a history");
            let settled = history.settled.iter().map(|settled| {
                let withdrawn = if settled.withdrawn { " (withdrawn)" } else { "" };
                format!("{}{withdrawn}", settled.version.release)
            });
            outcome.histories.insert(name.clone(), settled.collect());
            let schema = Schema::load(&records, &environment.name).await.expect("a schema");
            outcome.schemas.insert(name.clone(), describe_schema(&schema));
            let lease = Lease::read(&records, &environment.name).await.expect("a lease");
            let holder = lease.holder.filter(|holder| Some(holder.expires_at) > super::now());
            outcome.held.insert(name.clone(), holder.is_some());
            for host in &self.hosts[&name] {
                outcome.serving.insert(host.name.clone(), host.serves().await);
                outcome.running.insert(host.name.clone(), host.containers.running());
            }
        }
        for release in releases {
            let stages = self
                .journal(release.id)
                .await
                .into_iter()
                .filter_map(|entry| match entry.event {
                    Event::StageFinished { stage, .. } => Some(stage.to_string()),
                    Event::Finished => Some("live".to_owned()),
                    _ => None,
                });
            // A stage that was begun again finished twice.
            let mut once: Vec<String> = Vec::new();
            for stage in stages {
                once.retain(|known| *known != stage);
                once.push(stage);
            }
            outcome.journals.insert(release.id, once);
        }
        outcome
    }
}

/// Neither times nor numbers of requests; and what a change was called is not known if it was not seen.
fn describe_schema(schema: &Schema) -> Vec<String> {
    let changes = schema
        .changes
        .iter()
        .map(|change| format!("{} by {}", change.schema, change.by));
    let mut lines: Vec<String> = changes.collect();
    let proofs = schema.compatible.iter();
    lines.extend(proofs.map(|proof| format!("{} on {}: {:?}", proof.release, proof.schema, proof.proven_by)));
    lines.extend(schema.begun.iter().map(|begun| format!("begun by {begun}")));
    lines
}

fn describe(bytes: &[u8]) -> String {
    let envelope: contract::Envelope = serde_json::from_slice(bytes).expect("an envelope");
    let desired: Desired = serde_json::from_str(&envelope.document).expect("a document");
    let release = desired
        .release
        .map_or("nothing".to_owned(), |version| version.release.to_string());
    let task = if desired.task.is_some() { ", with a task" } else { "" };
    let lease = if desired.lease_ttl_ms.is_some() { ", leased" } else { "" };
    format!("{release} {}{task}{lease}", desired.weight)
}
