//! The loop: look, take documents in, decide and act until there is nothing more to do, report.

use crate::asks::Asks;
use crate::contact::Contact;
use crate::decide::{self, Action};
use crate::follow;
use crate::jitter::Jitter;
use crate::observe::Observer;
use crate::reach::Reach;
use crate::readings::Reading;
use crate::report::{self, Standing};
use crate::shelf::Shelf;
use crate::start::Trouble;
use crate::state::State;
use crate::trust::{KeyFiles, Trust};
use crate::world::{Confirmed, Failed, Job, Moment, World};
use anyhow::Result;
use channel::Channel;
use contract::{
    Desired, Envelope, FailureKind, HostConfig, ImageRef, KeyChain, Observed, Refusal, RolloutId, TaskResult, Version,
};
use host::notify::Pulse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A turn ends however much there is to do, so that the report and the lease get theirs.
const MAX_ACTIONS: usize = 32;
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// While something is starting or draining.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// What reaches the loop from tasks of their own.
#[derive(Debug)]
pub enum Event {
    /// What the channel now holds, or why that is no document.
    Published(Box<Result<Envelope, String>>),
    /// Why an ask is not answered, or that the latest is.
    AskRefused(Option<String>),
    Probed(String, Reading),
    /// This agent begins to pull an image.
    Pulling(ImageRef),
    /// How trust passed on, by the channel, or why that cannot be read.
    Keys(Box<Result<Option<KeyChain>, String>>),
    Done(Job, Outcome),
}

#[derive(Debug)]
pub enum Outcome {
    Finished,
    /// Will be decided about again.
    Unfinished(anyhow::Error),
    Task(TaskResult),
    /// These were removed, or are in use and no longer this agent's.
    Pruned(Vec<ImageRef>),
    Trouble(Box<(RolloutId, Version, Trouble)>),
}

#[derive(Debug)]
pub struct Agent {
    pub config: Arc<HostConfig>,
    pub reach: Arc<dyn Reach>,
    pub channel: Channel,
    pub observer: Observer,
    pub state: State,
    pub events: mpsc::Sender<Event>,
    pub jobs: BTreeSet<Job>,
    pub confirmed: Option<Confirmed>,
    /// The document that is followed.
    pub desired: Option<Desired>,
    pub lease_until: Option<Moment>,
    pub published: Option<Result<Envelope, String>>,
    pub refused: Option<Refusal>,
    pub refused_ask: Option<Refusal>,
    /// When a failure of what was in force before may be tried again, and how often it was.
    pub retry: Option<(Moment, u32)>,
    /// What an agent without a memory can learn from its last report is known.
    pub is_recovered: bool,
    pub recovery: Contact,
    pub shelf: Shelf,
    pub trust: Trust,
}

/// Never ends by itself, unless it cannot begin.
pub async fn run(config: HostConfig, reach: Arc<dyn Reach>) -> Result<()> {
    let channel = reach.channel(&config)?;
    let (events, mut inbox) = mpsc::channel(256);
    let (reports, to_report) = watch::channel(None::<Observed>);
    let asks = Asks::new(&config, &reach, channel.clone(), events.clone());
    let pauses = |task| Jitter::of(&config.host, task);
    let polling = follow::Polling {
        interval: Duration::from_millis(config.poll_interval_ms),
        jitter: pauses("polling"),
        asks,
    };
    tokio::spawn(polling.poll(channel.clone(), events.clone()));
    tokio::spawn(follow::report(channel.clone(), pauses("reporting"), to_report));
    let mut agent = Agent::new(config, reach, channel.clone(), events.clone())?;
    tokio::spawn(follow::keys(channel, agent.trust.ask.clone(), events));
    let mut pulse = Pulse::default();
    loop {
        reports.send_replace(agent.turn().await);
        pulse.beat();
        let pause = tokio::time::sleep(agent.pause());
        tokio::pin!(pause);
        let mut is_due = false;
        while !is_due {
            tokio::select! {
                () = &mut pause => is_due = true,
                Some(event) = inbox.recv() => {
                    is_due = agent.note(event);
                    while let Ok(event) = inbox.try_recv() {
                        is_due |= agent.note(event);
                    }
                }
            }
        }
    }
}

impl Agent {
    fn new(config: HostConfig, reach: Arc<dyn Reach>, channel: Channel, events: mpsc::Sender<Event>) -> Result<Self> {
        let config = Arc::new(config);
        let state = State::open(reach.folder())?;
        let trust = Trust::new(KeyFiles::new(config.trusted_keys.clone(), reach.folder()));
        let observer = Observer::new(config.clone(), reach.clone(), events.clone());
        tracing::info!(
            app = %config.app, environment = %config.environment, host = %config.host,
            highest = ?state.memory().highest, "following"
        );
        let is_recovered = state.memory().highest.is_some();
        let mut agent = Self {
            config,
            reach,
            channel,
            observer,
            state,
            events,
            jobs: BTreeSet::new(),
            confirmed: None,
            desired: None,
            lease_until: None,
            published: None,
            refused: None,
            refused_ask: None,
            retry: None,
            is_recovered,
            recovery: Contact::default(),
            shelf: Shelf::default(),
            trust,
        };
        agent.resume();
        Ok(agent)
    }

    /// Returns whether a turn is due.
    fn note(&mut self, event: Event) -> bool {
        match event {
            Event::Published(published) => self.published = Some(*published),
            Event::AskRefused(reason) => {
                let at = self.reach.now();
                self.refused_ask = reason.map(|reason| Refusal { reason, at });
            }
            Event::Probed(id, reading) => return self.observer.note_reading(&id, &reading),
            Event::Pulling(image) => self.state.change_anyway(|memory| memory.note_pulled(image)),
            Event::Keys(found) => self.trust.note(*found),
            Event::Done(job, outcome) => self.finish(job, outcome),
        }
        true
    }

    async fn turn(&mut self) -> Option<Observed> {
        self.look().await;
        if !self.recover().await {
            return None;
        }
        self.consider();
        for _ in 0..MAX_ACTIONS {
            self.note_lapse();
            let Some(desired) = self.desired.clone() else { break };
            let action = decide::next(&desired, &self.world(), self.observer.now());
            if action == Action::Wait || !self.act(action, &desired).await {
                break;
            }
            self.look().await;
        }
        Some(self.report())
    }

    async fn look(&mut self) {
        let gate = self.desired.as_ref().map(|desired| desired.gate.clone());
        self.observer.look(gate.as_ref()).await;
        self.weigh().await;
    }

    fn note_lapse(&mut self) {
        let Some(desired) = &self.desired else { return };
        let rollout = desired.rollout;
        let is_lapsed = decide::is_lapsed(desired, &self.world(), self.observer.now());
        if is_lapsed && !self.state.memory().lapsed.contains(&rollout) {
            tracing::warn!(%rollout, "its lease ran out: this host returns to the fallback and never follows it again");
            self.state.change_anyway(|memory| memory.note_lapse(rollout));
        }
    }

    pub fn world(&self) -> World {
        let memory = self.state.memory();
        World {
            host: self.config.host.clone(),
            engine: self.observer.engine_answers,
            containers: self.observer.containers.clone(),
            tasks: self.observer.tasks.clone(),
            results: memory.tasks.iter().map(|result| result.id).collect(),
            router: self.observer.router_status.clone(),
            confirmed: self.confirmed.clone(),
            in_force: memory.in_force.clone(),
            failed: memory.failure.as_ref().map(|failure| Failed {
                rollout: failure.rollout,
                again_at: self.retry.map(|(at, _)| at),
            }),
            lapsed: memory.lapsed.iter().copied().collect(),
            lease_until: self.lease_until,
            jobs: self.jobs.clone(),
            pulled: self.shelf.of(&memory.pulled),
            image_budget_bytes: self.config.images.budget_mb.saturating_mul(1 << 20),
        }
    }

    /// Gives the rollout up, for good unless it is about what was in force before: that is tried again, ever more
    /// rarely, because there is nothing else to serve with.
    pub fn fail(&mut self, failure: contract::Failure) {
        if self
            .desired
            .as_ref()
            .is_none_or(|desired| desired.rollout != failure.rollout)
        {
            tracing::info!("no longer of interest: {}", failure.summary);
            return;
        }
        tracing::error!("{}", failure.summary);
        self.state.change_anyway(|memory| memory.failure = Some(failure));
        self.plan_retry();
    }

    pub fn plan_retry(&mut self) {
        let Some(desired) = &self.desired else { return };
        let memory = self.state.memory();
        let failed = memory.failure.as_ref().and_then(|failure| failure.release);
        let served = memory
            .in_force
            .as_ref()
            .and_then(|document| document.version(failed?))
            .is_some();
        let is_settled = desired.lease_ttl_ms.is_none() && desired.task.is_none();
        self.retry = (served && is_settled).then(|| {
            let attempts = self.retry.map_or(0, |(_, attempts)| attempts);
            let pause = FIRST_RETRY * 2_u32.saturating_pow(attempts.min(10));
            (self.observer.now() + pause.min(LONGEST_RETRY), attempts + 1)
        });
    }

    fn report(&self) -> Observed {
        let now = self.observer.now();
        let engine = self.observer.engine.trouble(now).map(|why| (FailureKind::Start, why));
        let router = self
            .observer
            .router_contact
            .trouble(now)
            .map(|why| (FailureKind::Router, why));
        let standing = Standing {
            config: &self.config,
            memory: self.state.memory(),
            desired: self.desired.as_ref(),
            refused: self.refused.clone(),
            refused_ask: self.refused_ask.clone(),
            trouble: engine.or(router).map(|(kind, why)| (kind, why.to_owned())),
        };
        report::compose(&self.world(), standing, self.reach.now())
    }

    fn pause(&self) -> Duration {
        let is_moving = |container: &crate::world::Container| !container.proven || container.draining_since.is_some();
        let is_busy = !self.jobs.is_empty() || self.observer.containers.iter().any(is_moving);
        let pause = if is_busy { BUSY_PAUSE } else { IDLE_PAUSE };
        let now = self.observer.now();
        // A lease that has run out was dealt with in the turn before.
        let lease = self.lease_until.filter(|until| *until > now).map(|until| until - now);
        lease.map_or(pause, |lease| lease.min(pause))
    }
}
