//! Which document this host follows: the one it knew, the one the channel holds, or still the one before.

use crate::accept::{self, Refused};
use crate::agent::Agent;
use crate::decide;
use crate::state::Accepted;
use anyhow::anyhow;
use contract::{Desired, Envelope, Refusal, SignatureError};
use std::time::Duration;

const RECOVERY_TIMEOUT: Duration = Duration::from_secs(10);

impl Agent {
    /// Goes on with the document that was accepted before the restart. Its lease has been running since it came; between
    /// two agents only the wall clock can tell for how long.
    pub fn resume(&mut self) {
        let memory = self.state.memory();
        let Some((accepted, desired)) = memory.accepted.as_ref().zip(memory.desired()) else {
            return;
        };
        let age = self.reach.now().duration_since(accepted.at);
        let age = Duration::try_from(age).unwrap_or_default();
        let ttl = desired
            .lease_ttl_ms
            .filter(|_| decide::has_lease(&desired))
            .map(Duration::from_millis);
        self.lease_until = ttl.map(|ttl| self.observer.now() + ttl.saturating_sub(age));
        self.desired = Some(desired);
        if memory.failure.is_some() {
            self.plan_retry();
        }
    }

    /// Takes in what the channel holds, if this host should follow it.
    pub fn consider(&mut self) {
        let Some(published) = self.published.clone() else {
            return;
        };
        let envelope = match published {
            Ok(envelope) => envelope,
            Err(why) => return self.refuse(why),
        };
        if !self.know_highest() {
            return;
        }
        let is_known = self
            .state
            .memory()
            .accepted
            .as_ref()
            .is_some_and(|known| known.envelope == envelope);
        if is_known {
            self.note_refusal(None);
            return;
        }
        let trusted = match self.trust.set() {
            Ok(trusted) => trusted,
            Err(error) => return self.refuse(format!("{error:#}")),
        };
        match accept::judge(&envelope, &trusted, &self.config, self.state.memory()) {
            Ok(desired) => {
                if desired.keys > trusted.version {
                    self.trust.ask.notify_one();
                }
                self.follow(envelope, desired);
            }
            Err(Refused::Signature(SignatureError::UnknownKey(key))) if self.trust.may_be_new(&key) => {}
            Err(why @ Refused::Signature(SignatureError::UnknownKey(_))) => {
                let keys = self
                    .trust
                    .refused()
                    .map(|keys| format!("; the channel's key sets: {keys}"));
                self.refuse(format!("{why}{}", keys.unwrap_or_default()));
            }
            Err(why) => self.refuse(why.to_string()),
        }
    }

    fn follow(&mut self, envelope: Envelope, desired: Desired) {
        let is_new_rollout = self
            .desired
            .as_ref()
            .is_none_or(|before| before.rollout != desired.rollout);
        let at = self.reach.now();
        let noted = self.state.change(|memory| {
            memory.highest = Some(desired.generation);
            memory.accepted = Some(Accepted { envelope, at });
            memory.failure = memory
                .failure
                .take()
                .filter(|failure| failure.rollout == desired.rollout);
        });
        if let Err(error) = noted {
            return self.refuse(format!("the document cannot be recorded here: {error:#}"));
        }
        tracing::info!(
            generation = %desired.generation, rollout = %desired.rollout, weight = %desired.weight,
            release = ?desired.release.as_ref().map(|version| version.release.to_string()), "accepted"
        );
        if is_new_rollout {
            self.observer.begin_rollout();
            self.retry = None;
        }
        let ttl = desired.lease_ttl_ms.filter(|_| decide::has_lease(&desired));
        self.lease_until = ttl.map(|ttl_ms| self.observer.now() + Duration::from_millis(ttl_ms));
        self.note_refusal(None);
        self.desired = Some(desired);
    }

    /// What was in force stays so.
    fn refuse(&mut self, reason: String) {
        if self.refused.as_ref().is_none_or(|before| before.reason != reason) {
            tracing::warn!("refused: {reason}");
            let at = self.reach.now();
            self.note_refusal(Some(Refusal { reason, at }));
        }
    }

    /// Remembered for whoever asks on this host; an agent that was restarted judges anew.
    fn note_refusal(&mut self, refusal: Option<Refusal>) {
        self.refused = refusal.clone();
        self.state.change_anyway(|memory| memory.refused = refusal);
    }

    /// Without a memory, this host's last report says which tasks were run and what failed. Until it was asked for, nothing
    /// may be reported, because that would replace it.
    pub async fn recover(&mut self) -> bool {
        if self.is_recovered {
            return true;
        }
        // Its own alone: in a fleet that is started at once, each reading all would be a million reads of a thousand.
        let own = self.channel.read_report(&self.config.host);
        let own = match tokio::time::timeout(RECOVERY_TIMEOUT, own).await {
            Ok(own) => own,
            Err(_) => Err(anyhow!("no answer within {} s", RECOVERY_TIMEOUT.as_secs())),
        };
        let recovered = own.and_then(|own| {
            let Some(own) = own else { return Ok(()) };
            self.state.change(|memory| {
                memory.tasks = own.tasks;
                memory.failure = own.failure;
            })
        });
        match recovered {
            Ok(()) => self.is_recovered = true,
            Err(error) => self
                .recovery
                .lost("this host's last report", format!("{error:#}"), self.observer.now()),
        }
        self.is_recovered
    }

    /// Without a memory, the router knows the highest generation that was in force.
    fn know_highest(&mut self) -> bool {
        if self.state.memory().highest.is_some() {
            return true;
        }
        let Some(router) = &self.observer.router_status else {
            return false;
        };
        let in_force = router.generation;
        let noted = self.state.change(|memory| memory.highest = Some(in_force));
        if let Err(error) = &noted {
            tracing::error!("{error:#}");
        }
        noted.is_ok()
    }
}
