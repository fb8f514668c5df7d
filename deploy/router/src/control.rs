//! The table in force: taken from the agent, kept on disk, swapped under the requests, reverted when its lease runs out.

use crate::clock::{Clock, Moment};
use crate::counters::Versions;
use crate::hold::Hold;
use crate::limits::FIRST_TABLE;
use crate::pool::Pools;
use crate::refusal::Refusal;
use crate::routes::Routes;
use crate::state::{Refused, State};
use crate::state_file::{Loaded, StateFile};
use anyhow::Result;
use arc_swap::ArcSwap;
use contract::{Generation, ReplicaStatus, RouterStatus, Table, VersionStatus, Weight};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

const TABLE_CHECK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Control {
    /// Requests read this and nothing else here.
    pub routes: ArcSwap<Routes>,
    clock: Clock,
    /// What the last router knew cannot be read any more.
    is_lost: bool,
    held: Mutex<Held>,
    /// A lease may have come or gone.
    changed: Notify,
    /// Users that were made to wait may go on.
    released: Notify,
}

#[derive(Debug)]
struct Held {
    state: State,
    versions: Versions,
    pools: Pools,
    /// `None` once given up to the next router.
    file: Option<Arc<StateFile>>,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("this router is stopping; its successor answers here in a moment")]
    Stopping,
    #[error("the table could not be made durable and is not in force: {0:#}")]
    NotSaved(anyhow::Error),
    #[error("all weight is back on the stable version, but a router started now would not know of it: {0:#}")]
    NotKept(anyhow::Error),
}

impl Control {
    /// Starts from what the last router knew, so that a restarted one serves before the agent says anything.
    pub fn start(state_path: &Path, clock: Clock) -> Result<Self> {
        let file = StateFile::open(state_path)?;
        let loaded = file.load()?;
        let is_lost = loaded == Loaded::Lost;
        let previous = match loaded {
            Loaded::State(state) => Some(*state),
            Loaded::Nothing | Loaded::Lost => None,
        };
        // Without a predecessor's epoch, the time is a number that exceeds all of them.
        let state = State::resume(previous, crate::clock::unix_seconds(), &clock.now());
        if let Err(error) = file.save(&state) {
            // Serving matters more: the next table that cannot be saved is refused by name.
            tracing::error!(
                why = format!("{error:#}"),
                "the new epoch could not be saved; serving all the same"
            );
        }
        let (mut versions, mut pools) = (Versions::default(), Pools::default());
        let routes = Routes::build(state.in_force(), state.hold.clone(), &mut versions, &mut pools);
        tracing::info!(
            epoch = state.epoch, generation = %state.table.generation, backends = routes.backends.len(),
            "routing by the last table"
        );
        let held = Mutex::new(Held {
            state,
            versions,
            pools,
            file: Some(Arc::new(file)),
        });
        Ok(Self {
            routes: ArcSwap::from_pointee(routes),
            clock,
            is_lost,
            held,
            changed: Notify::new(),
            released: Notify::new(),
        })
    }

    /// Returns at once, unless the table was lost. Then the agent, which sees that, brings it in a moment, and until then
    /// users had better wait in the listening socket's queue than hear that there is nobody for them.
    pub async fn await_table(&self) {
        if !self.is_lost {
            return;
        }
        let deadline = tokio::time::Instant::now() + FIRST_TABLE;
        while self.held.lock().await.state.table.generation == Generation::default() {
            if tokio::time::Instant::now() >= deadline {
                return tracing::warn!(
                    "no table came within {} s; accepting all the same",
                    FIRST_TABLE.as_secs()
                );
            }
            tokio::time::sleep(TABLE_CHECK).await;
        }
    }

    /// On disk first, then in force: a table that was acknowledged survives anything.
    pub async fn put(&self, table: Table) -> Result<RouterStatus, PutError> {
        let mut held = self.held.lock().await;
        let file = held.file.clone().ok_or(PutError::Stopping)?;
        let next = held.state.accept(table, &self.clock.now())?;
        if next != held.state {
            save(file, next.clone()).await.map_err(PutError::NotSaved)?;
            tracing::info!(generation = %next.table.generation, table = %describe(&next.in_force()), "new table");
            self.install(&mut held, next);
        }
        Ok(status(&mut held, &self.clock.now()))
    }

    /// Makes users wait or come back, or lets them go on.
    pub async fn hold(&self, asked: Option<contract::Hold>) -> Result<RouterStatus, PutError> {
        let mut held = self.held.lock().await;
        let file = held.file.clone().ok_or(PutError::Stopping)?;
        let next = State {
            hold: asked.map(|asked| Hold::begin(&asked, &self.clock.now())),
            ..held.state.clone()
        };
        if next != held.state {
            save(file, next.clone()).await.map_err(PutError::NotSaved)?;
            tracing::warn!(hold = ?next.hold, "users are held, or let go on");
            self.install(&mut held, next);
            self.released.notify_waiters();
        }
        Ok(status(&mut held, &self.clock.now()))
    }

    /// Lets a request through: at once, unless users are held.
    pub async fn pass_hold(&self) -> Result<(), Refusal> {
        while self.routes.load().hold.is_some() {
            let released = self.released.notified();
            let now = self.clock.now();
            let until = match &self.routes.load().hold {
                Some(Hold::Maintenance { retry_after_s }) => return Err(Refusal::Held(*retry_after_s)),
                Some(hold @ Hold::Pause { until }) if !hold.is_over(&now) => until.ms,
                _ => return Ok(()),
            };
            let _ = tokio::time::timeout(Duration::from_millis(until - now.ms), released).await;
        }
        Ok(())
    }

    /// Lets the lease lapse now. In force first, then on disk, as when it runs out.
    pub async fn revert(&self) -> Result<RouterStatus, PutError> {
        let mut held = self.held.lock().await;
        let file = held.file.clone().ok_or(PutError::Stopping)?;
        let next = held.state.revert()?;
        if next != held.state {
            tracing::warn!(rollout = ?next.lapsed, "reverted by hand: all weight returns to the stable version");
            self.install(&mut held, next.clone());
            save(file, next).await.map_err(PutError::NotKept)?;
        }
        Ok(status(&mut held, &self.clock.now()))
    }

    pub async fn status(&self) -> RouterStatus {
        status(&mut *self.held.lock().await, &self.clock.now())
    }

    /// Returns traffic to the stable backend whenever a lease runs out. Never ends.
    pub async fn watch_lease(&self) {
        loop {
            let remaining = {
                let held = self.held.lock().await;
                let now = self.clock.now();
                held.state
                    .deadline
                    .as_ref()
                    .map(|deadline| Duration::from_millis(deadline.ms.saturating_sub(now.ms)))
            };
            match remaining {
                None => self.changed.notified().await,
                Some(remaining) if remaining.is_zero() => self.lapse().await,
                Some(remaining) => tokio::select! {
                    () = self.changed.notified() => (),
                    () = tokio::time::sleep(remaining) => (),
                },
            }
        }
    }

    /// In force first, then on disk: safety does not wait for a full disk. A restarted router sees the deadline passed
    /// and comes to the same conclusion.
    async fn lapse(&self) {
        let mut held = self.held.lock().await;
        let mut next = held.state.clone();
        if !next.lapse_if_due(&self.clock.now()) {
            return;
        }
        tracing::warn!(rollout = ?next.lapsed, "the lease ran out: all weight returns to the stable version");
        self.install(&mut held, next.clone());
        let Some(file) = held.file.clone() else { return };
        if let Err(error) = save(file, next).await {
            tracing::error!(why = format!("{error:#}"), "the lapse could not be saved");
        }
    }

    fn install(&self, held: &mut Held, state: State) {
        let routes = Routes::build(
            state.in_force(),
            state.hold.clone(),
            &mut held.versions,
            &mut held.pools,
        );
        self.routes.store(Arc::new(routes));
        held.state = state;
        self.changed.notify_one();
    }

    /// Lets the next router have the state file. Nothing is written by this one from here on.
    pub async fn give_up(&self) {
        self.held.lock().await.file = None;
    }
}

async fn save(file: Arc<StateFile>, state: State) -> Result<()> {
    // Syncing a file takes milliseconds, at times many; requests do not wait behind it.
    tokio::task::spawn_blocking(move || file.save(&state)).await?
}

fn status(held: &mut Held, now: &Moment) -> RouterStatus {
    let table = held.state.in_force();
    let weight = |release| {
        let backend = table.backends.iter().find(|backend| backend.release == release);
        backend.map_or(Weight::NONE, |backend| backend.weight)
    };
    held.versions
        .forget_finished(|release| table.backends.iter().any(|backend| backend.release == *release));
    let replica = |address| {
        let mut backends = table.backends.iter();
        backends.find(|backend| backend.replicas.iter().any(|replica| replica.address == address))
    };
    held.pools.forget_finished(|address| replica(*address).is_some());
    let replicas = held.pools.iter().map(|pool| ReplicaStatus {
        address: pool.address,
        routed: replica(pool.address).is_some_and(|backend| backend.weight > Weight::NONE),
        in_flight: pool.in_flight(),
    });
    let versions = held.versions.iter().map(|(release, counters)| VersionStatus {
        release: *release,
        weight: weight(*release),
        in_flight: counters.in_flight(),
        counts: counters.counts(),
        latency: counters.latency(),
        shielded: counters.shielded(),
    });
    RouterStatus {
        router_version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: held.state.epoch,
        generation: held.state.table.generation,
        lapsed: held.state.lapsed,
        hold: held
            .state
            .hold
            .iter()
            .find(|hold| !hold.is_over(now))
            .map(|hold| hold.status(now)),
        versions: versions.collect(),
        replicas: replicas.collect(),
    }
}

fn describe(table: &Table) -> String {
    let replica = |replica: &contract::Replica| {
        let unready = if replica.ready { "" } else { " (not ready)" };
        format!("{}{unready}", replica.address)
    };
    let line = |backend: &contract::Backend| {
        let replicas: Vec<String> = backend.replicas.iter().map(replica).collect();
        format!("{} {} at {}", backend.release, backend.weight, replicas.join(" and "))
    };
    table.backends.iter().map(line).collect::<Vec<_>>().join(", ")
}
