//! Looks at the engine and the router, and keeps what is only known by watching: probes, drains, back-off.

use crate::agent::Event;
use crate::contact::Contact;
use crate::containers::{self, Found};
use crate::probe;
use crate::reach::Reach;
use crate::readings::{Reading, Readings};
use crate::router::{PutError, Router};
use crate::start::Tools;
use crate::world::{Container, Moment, TaskContainer};
use anyhow::{Result, anyhow};
use contract::{HealthGate, HostConfig, RouterStatus, Table};
use docker::{Docker, Status};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a sign of life of one that did not answer. It may take connections long before it does, as while it starts, and
/// documents and leases do not wait for it.
const ENGINE_SIGN: Duration = Duration::from_secs(1);
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// As many passes in a row end a back-off.
const RECOVERED_AFTER: u32 = 10;

#[derive(Debug)]
pub struct Observer {
    config: Arc<HostConfig>,
    reach: Arc<dyn Reach>,
    began: Instant,
    events: mpsc::Sender<Event>,
    docker: Option<Docker>,
    pub engine: Contact,
    pub engine_answers: bool,
    router: Router,
    pub router_contact: Contact,
    pub router_status: Option<RouterStatus>,
    pub containers: Vec<Container>,
    pub tasks: Vec<TaskContainer>,
    watched: BTreeMap<String, Watched>,
}

/// What is known of one container beyond what the engine says.
#[derive(Debug)]
struct Watched {
    proven: bool,
    since: Moment,
    /// As the engine says it. Another one is another life, of which nothing has been read yet.
    started_at: Option<String>,
    restarts_before: u32,
    readings: Readings,
    probe: Option<(HealthGate, AbortHandle)>,
    draining_since: Option<Moment>,
    again_at: Moment,
    revivals: u32,
}

impl Observer {
    pub fn new(config: Arc<HostConfig>, reach: Arc<dyn Reach>, events: mpsc::Sender<Event>) -> Self {
        let router = Router::new(reach.clone());
        Self {
            config,
            reach,
            began: Instant::now(),
            events,
            docker: None,
            engine: Contact::default(),
            engine_answers: false,
            router,
            router_contact: Contact::default(),
            router_status: None,
            containers: Vec::new(),
            tasks: Vec::new(),
            watched: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> Moment {
        self.began.elapsed()
    }

    pub fn tools(&self) -> Option<Tools> {
        Some(Tools {
            docker: self.docker.clone()?,
            config: self.config.clone(),
            reach: self.reach.clone(),
            events: self.events.clone(),
        })
    }

    /// Looks at everything once. What does not answer leaves what was seen before.
    pub async fn look(&mut self, gate: Option<&HealthGate>) {
        let (seen, status) = tokio::join!(self.see(), self.router.status());
        self.note_router(status);
        match seen {
            Ok((docker, found, tasks)) => {
                self.engine.found("the Docker engine");
                self.engine_answers = true;
                self.docker = Some(docker);
                self.tasks = tasks;
                if let Err(error) = self.take_in(found, gate).await {
                    tracing::warn!("a container could not be looked at: {error:#}");
                }
            }
            Err(error) => {
                self.engine_answers = false;
                self.engine.lost("the Docker engine", format!("{error:#}"), self.now());
            }
        }
    }

    async fn see(&self) -> Result<(Docker, Vec<Found>, Vec<TaskContainer>)> {
        let see = async {
            let docker = self.engine().await?;
            let summaries = containers::list(&docker, &self.config).await?;
            let mut found = Vec::new();
            for summary in &summaries {
                found.extend(containers::look(&docker, summary).await?);
            }
            let tasks = summaries.iter().filter_map(containers::as_task).collect();
            Ok((docker, found, tasks))
        };
        let late = |_| anyhow!("no answer within {} s", ENGINE_TIMEOUT.as_secs());
        tokio::time::timeout(ENGINE_TIMEOUT, see).await.map_err(late)?
    }

    async fn engine(&self) -> Result<Docker> {
        let Some(docker) = &self.docker else {
            return self.reach.engine().await;
        };
        if !self.engine_answers {
            let late = |_| anyhow!("no sign of life within {} s", ENGINE_SIGN.as_secs());
            tokio::time::timeout(ENGINE_SIGN, docker.api().ping())
                .await
                .map_err(late)??;
        }
        Ok(docker.clone())
    }

    pub async fn put(&mut self, table: &Table) -> Result<RouterStatus, PutError> {
        let answer = self.router.put(table).await;
        if let Ok(status) = &answer {
            self.router_status = Some(status.clone());
        }
        answer
    }

    fn note_router(&mut self, status: Result<RouterStatus, PutError>) {
        match status {
            Ok(status) => {
                self.router_contact.found("the router");
                self.router_status = Some(status);
            }
            Err(error) => {
                self.router_status = None;
                self.router_contact.lost("the router", error.to_string(), self.now());
            }
        }
    }

    async fn take_in(&mut self, found: Vec<Found>, gate: Option<&HealthGate>) -> Result<()> {
        let now = self.now();
        self.watched.retain(|id, watched| {
            let is_there = found.iter().any(|found| found.state.id == *id);
            if !is_there {
                watched.stop_probing();
            }
            is_there
        });
        for found in &found {
            self.watch(found, gate, now).await?;
        }
        let containers = found.into_iter().filter_map(|found| {
            let watched = self.watched.get(&found.state.id)?;
            Some(watched.container(found))
        });
        self.containers = containers.collect();
        Ok(())
    }

    async fn watch(&mut self, found: &Found, gate: Option<&HealthGate>, now: Moment) -> Result<()> {
        let id = &found.state.id;
        let is_running = found.state.status == Status::Running;
        if !self.watched.contains_key(id) {
            let Some(docker) = &self.docker else { return Ok(()) };
            let proven = containers::is_proven(docker, id).await?;
            let watched = Watched::new(found, proven, now);
            self.watched.insert(id.clone(), watched);
        }
        let Some(watched) = self.watched.get_mut(id) else {
            return Ok(());
        };
        if watched.started_at != found.state.started_at {
            watched.started_at.clone_from(&found.state.started_at);
            watched.readings.forget();
        }
        match gate.filter(|_| is_running) {
            Some(gate) if watched.probe.as_ref().is_none_or(|(current, _)| current != gate) => {
                watched.stop_probing();
                let (id, events) = (id.clone(), self.events.clone());
                let note = async move |reading| events.send(Event::Probed(id.clone(), reading)).await.is_ok();
                let task = tokio::spawn(probe::watch(self.reach.clone(), found.address, gate.clone(), note));
                watched.probe = Some((gate.clone(), task.abort_handle()));
            }
            Some(_) => {}
            None if is_running => {}
            None => {
                watched.stop_probing();
                watched.readings.forget();
            }
        }
        Ok(())
    }

    /// Returns whether this may change a decision.
    pub fn note_reading(&mut self, id: &str, reading: &Reading) -> bool {
        let Some(watched) = self.watched.get_mut(id) else {
            return false;
        };
        let changes = watched.readings.note(reading);
        if watched.readings.passes >= RECOVERED_AFTER {
            watched.revivals = 0;
        }
        changes || !watched.proven
    }

    pub fn note_proven(&mut self, id: &str) {
        self.with(id, |watched| watched.proven = true);
    }

    pub fn note_drain(&mut self, id: &str, since: Option<Moment>) {
        self.with(id, |watched| watched.draining_since = since);
    }

    /// Each time it takes longer until the next.
    pub fn note_revival(&mut self, id: &str) {
        let now = self.now();
        self.with(id, |watched| {
            let pause = FIRST_BACK_OFF * 2_u32.saturating_pow(watched.revivals.min(10));
            watched.revivals += 1;
            watched.again_at = now + pause.min(LONGEST_BACK_OFF);
            watched.stop_probing();
            watched.readings.forget();
        });
    }

    /// What was restarted before this rollout says nothing about it.
    pub fn begin_rollout(&mut self) {
        for container in &self.containers {
            if let Some(watched) = self.watched.get_mut(&container.id) {
                watched.restarts_before = container.restarts;
            }
        }
    }

    fn with(&mut self, id: &str, change: impl FnOnce(&mut Watched)) {
        if let Some(watched) = self.watched.get_mut(id) {
            change(watched);
        }
    }
}

impl Watched {
    fn new(found: &Found, proven: bool, since: Moment) -> Self {
        let state = &found.state;
        Self {
            proven,
            since,
            started_at: state.started_at.clone(),
            restarts_before: state.restart_count,
            readings: Readings::unknown(proven && state.status == Status::Running),
            probe: None,
            draining_since: None,
            again_at: Moment::ZERO,
            revivals: 0,
        }
    }

    fn container(&self, found: Found) -> Container {
        Container {
            release: found.identity.release,
            replica: found.identity.replica,
            image: found.identity.image,
            address: found.address,
            status: found.state.status,
            exit_code: found.state.exit_code,
            out_of_memory: found.state.out_of_memory,
            pid: found.state.pid,
            proven: self.proven,
            since: self.since,
            fresh_restarts: found.state.restart_count.saturating_sub(self.restarts_before),
            restarts: found.state.restart_count,
            readings: self.readings.clone(),
            draining_since: self.draining_since,
            again_at: self.again_at,
            id: found.state.id,
            name: found.state.name,
        }
    }

    fn stop_probing(&mut self) {
        if let Some((_, task)) = self.probe.take() {
            task.abort();
        }
    }
}
