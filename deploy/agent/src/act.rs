//! Carries one action out: what is quick at once, the rest as a job whose end is an event.

use crate::agent::{Agent, Event, Outcome};
use crate::containers;
use crate::decide::{Action, Cause};
use crate::evidence;
use crate::images;
use crate::router::PutError;
use crate::start::{Tools, Trouble};
use crate::world::{Confirmed, Container, Job, Slot};
use contract::{Desired, Evidence, Failure, FailureKind, ImageRef, Table, Task, Version};
use std::time::Duration;

/// Work that failed for a reason that may pass is not tried again at once.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

impl Agent {
    /// Returns whether there may be more to do in this turn.
    pub async fn act(&mut self, action: Action, desired: &Desired) -> bool {
        match action {
            Action::Wait => false,
            Action::Bring(table) => self.bring(table, desired).await,
            Action::Reroute(table) => self.reroute(table).await,
            Action::Drain(id) => {
                self.observer.note_drain(&id, Some(self.observer.now()));
                true
            }
            Action::Undrain(id) => {
                self.observer.note_drain(&id, None);
                true
            }
            for_the_engine => match self.observer.tools() {
                Some(tools) => self.use_engine(tools, for_the_engine, desired).await,
                None => false,
            },
        }
    }

    async fn use_engine(&mut self, tools: Tools, action: Action, desired: &Desired) -> bool {
        match action {
            Action::RunTask(task) => self.run_task(tools, *task, desired),
            Action::Start(version, replica) => self.start(tools, *version, replica, desired),
            Action::Revive(id) => self.revive(tools, &id, desired),
            Action::Retire(id) => self.retire(tools, &id, desired),
            Action::Prune(images) => self.prune(tools, images),
            Action::Prove(id) => return self.prove(tools, &id).await,
            Action::Fail { container, cause } => return self.give_up(tools, &container, cause, desired).await,
            Action::RemoveTask(id) => return is_done(tools.docker.remove(&id).await),
            Action::Wait | Action::Bring(_) | Action::Reroute(_) | Action::Drain(_) | Action::Undrain(_) => {}
        }
        true
    }

    /// The end of a job.
    pub fn finish(&mut self, job: Job, outcome: Outcome) {
        self.jobs.remove(&job);
        match outcome {
            Outcome::Finished => {}
            Outcome::Unfinished(error) => tracing::warn!("to be tried again: {error:#}"),
            // Not sooner: one that an agent forgot and then did not remove would stay for good.
            Outcome::Pruned(images) => self
                .state
                .change_anyway(|memory| memory.pulled.retain(|image| !images.contains(image))),
            Outcome::Task(result) => {
                tracing::info!(task = %result.id, exit_code = result.exit_code, "a task has ended");
                if let Err(error) = self.state.change(|memory| memory.note_task(result)) {
                    // The container still has it; the next attempt finds it there.
                    tracing::error!("the result of a task could not be kept: {error:#}");
                }
            }
            Outcome::Trouble(trouble) => {
                let (rollout, version, Trouble { kind, error, .. }) = *trouble;
                self.fail(evidence::of_trouble(rollout, &version, kind, &error));
            }
        }
    }

    async fn bring(&mut self, table: Table, desired: &Desired) -> bool {
        match self.observer.put(&table).await {
            Ok(status) => {
                self.confirmed = Some(Confirmed {
                    epoch: status.epoch,
                    table,
                });
                self.state.change_anyway(|memory| {
                    memory.in_force = Some(desired.clone());
                    memory.failure = None;
                });
                tracing::info!(generation = %desired.generation, "in force");
                true
            }
            Err(PutError::Refused(why)) => {
                self.fail(Failure {
                    rollout: desired.rollout,
                    release: desired.release.as_ref().map(|version| version.release),
                    kind: FailureKind::Router,
                    summary: format!(
                        "the router refused the table of generation {}: {why}",
                        desired.generation
                    ),
                    evidence: Evidence::default(),
                });
                true
            }
            Err(error @ PutError::Away(_)) => {
                tracing::warn!("{error}; trying again");
                false
            }
        }
    }

    async fn reroute(&mut self, table: Table) -> bool {
        match self.observer.put(&table).await {
            Ok(status) => {
                tracing::info!(generation = %table.generation, backends = ?table.backends, "rerouted");
                self.confirmed = Some(Confirmed {
                    epoch: status.epoch,
                    table,
                });
                true
            }
            Err(error) => {
                tracing::warn!("{error}; trying again");
                false
            }
        }
    }

    fn run_task(&mut self, tools: Tools, task: Task, desired: &Desired) {
        let rollout = desired.rollout;
        self.spawn(Job::Task(task.id), async move {
            match tools.run_task(&task).await {
                Ok(result) => Outcome::Task(result),
                Err(trouble) => settle(rollout, task.version, trouble),
            }
        });
    }

    fn start(&mut self, tools: Tools, version: Version, replica: u8, desired: &Desired) {
        let rollout = desired.rollout;
        self.spawn(Job::Start(version.release), async move {
            let slot = Slot {
                version: &version,
                replica,
            };
            match tools.start(slot, rollout).await {
                Ok(()) => Outcome::Finished,
                Err(trouble) => settle(rollout, version, trouble),
            }
        });
    }

    async fn prove(&mut self, tools: Tools, id: &str) -> bool {
        let is_done = is_done(containers::prove(&tools.docker, id).await);
        if is_done {
            self.observer.note_proven(id);
        }
        is_done
    }

    async fn give_up(&mut self, tools: Tools, id: &str, cause: Cause, desired: &Desired) -> bool {
        let Some(container) = self.find(id) else { return true };
        let failure = evidence::gather(&tools.docker, desired, &container, cause).await;
        self.fail(failure);
        true
    }

    fn revive(&mut self, tools: Tools, id: &str, desired: &Desired) {
        let Some(container) = self.find(id) else { return };
        self.observer.note_revival(id);
        let grace = Duration::from_millis(desired.drain.stop_ms);
        self.spawn(Job::Revive(id.to_owned()), async move {
            end(tools.revive(&container.id, &container.name, grace).await)
        });
    }

    fn retire(&mut self, tools: Tools, id: &str, desired: &Desired) {
        let Some(container) = self.find(id) else { return };
        let grace = Duration::from_millis(desired.drain.stop_ms);
        let logs = self.reach.folder().join("logs");
        self.spawn(Job::Retire(id.to_owned()), async move {
            end(tools.retire(&container.id, &container.name, grace, &logs).await)
        });
    }

    fn prune(&mut self, tools: Tools, images: Vec<ImageRef>) {
        self.spawn(Job::Prune, async move {
            images::prune(&tools.docker, &images).await;
            Outcome::Pruned(images)
        });
    }

    fn find(&self, id: &str) -> Option<Container> {
        self.observer
            .containers
            .iter()
            .find(|container| container.id == id)
            .cloned()
    }

    fn spawn(&mut self, job: Job, work: impl Future<Output = Outcome> + Send + 'static) {
        self.jobs.insert(job.clone());
        let events = self.events.clone();
        tokio::spawn(async move {
            // In a task of its own, so that even a panic ends the job.
            let outcome = match tokio::spawn(work).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Unfinished(error.into()),
            };
            if matches!(outcome, Outcome::Unfinished(_)) {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            // Nobody is left to be told when the agent ends.
            let _ = events.send(Event::Done(job, outcome)).await;
        });
    }
}

fn settle(rollout: contract::RolloutId, version: Version, trouble: Trouble) -> Outcome {
    if trouble.is_passing {
        return Outcome::Unfinished(trouble.error);
    }
    Outcome::Trouble(Box::new((rollout, version, trouble)))
}

fn end(result: anyhow::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Finished,
        Err(error) => Outcome::Unfinished(error),
    }
}

/// What failed is decided about again in the next turn.
fn is_done(result: anyhow::Result<()>) -> bool {
    if let Err(error) = &result {
        tracing::warn!("to be tried again: {error:#}");
    }
    result.is_ok()
}
