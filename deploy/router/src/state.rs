//! What a router must not forget, and how it may change. Pure: reading, writing and timing happen elsewhere.

use crate::clock::Moment;
use crate::hold::Hold;
use contract::{CONTRACT_VERSION, Generation, Role, RolloutId, Table, Weight};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub contract: u32,
    /// Rises with each start; counters are comparable only within one.
    pub epoch: u64,
    /// As the agent sent it, also after its lease lapsed.
    pub table: Table,
    /// The rollout whose lease ran out here; final.
    pub lapsed: Option<RolloutId>,
    /// When the table's lease runs out.
    pub deadline: Option<Moment>,
    /// Users wait, or are told to come back.
    #[serde(default)]
    pub hold: Option<Hold>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Flawed(String),
    #[error("generation {offered} is lower than {in_force}, which is in force")]
    Stale { offered: Generation, in_force: Generation },
    #[error("the lease of rollout {0} lapsed here, which is final; a later attempt needs a new rollout id")]
    Lapsed(RolloutId),
    #[error("nothing is on trial here: no lease is under way, so there is no fallback that is kept warm")]
    NothingOnTrial,
}

impl State {
    /// The state to start with. `first_epoch` must exceed every epoch of states that were lost.
    pub fn resume(previous: Option<State>, first_epoch: u64, now: &Moment) -> Self {
        let Some(previous) = previous else {
            let table = Table::default();
            return Self {
                contract: CONTRACT_VERSION,
                epoch: first_epoch,
                table,
                lapsed: None,
                deadline: None,
                hold: None,
            };
        };
        let deadline = match (&previous.deadline, &previous.table.lease) {
            (Some(deadline), _) if deadline.boot == now.boot => Some(deadline.clone()),
            // The machine was restarted: how long it was down cannot be told, so the lease counts from now, once.
            (_, Some(lease)) => Some(now.after_ms(lease.ttl_ms)),
            (_, None) => None,
        };
        let mut state = Self {
            contract: CONTRACT_VERSION,
            epoch: previous.epoch + 1,
            deadline,
            ..previous
        };
        state.lapse_if_due(now);
        state.hold = state.hold.filter(|hold| !hold.is_over(now));
        state
    }

    /// The state with `table` in force.
    pub fn accept(&self, table: Table, now: &Moment) -> Result<Self, Refused> {
        if let Some(flaw) = flaw(&table) {
            return Err(Refused::Flawed(flaw));
        }
        if table.generation < self.table.generation {
            return Err(Refused::Stale {
                offered: table.generation,
                in_force: self.table.generation,
            });
        }
        let deadline = match &table.lease {
            Some(lease) if self.lapsed == Some(lease.rollout) => return Err(Refused::Lapsed(lease.rollout)),
            Some(lease) => Some(self.deadline_for(&table, now.after_ms(lease.ttl_ms))),
            None => None,
        };
        let mut next = Self {
            table,
            deadline,
            ..self.clone()
        };
        next.lapse_if_due(now);
        Ok(next)
    }

    /// Only a new generation renews a lease: the same one, put again with other readiness, may not prolong it.
    fn deadline_for(&self, table: &Table, proposed: Moment) -> Moment {
        let rollout = |table: &Table| table.lease.as_ref().map(|lease| lease.rollout);
        match &self.deadline {
            Some(current) if table.generation == self.table.generation && rollout(table) == rollout(&self.table) => {
                if current.ms < proposed.ms {
                    current.clone()
                } else {
                    proposed
                }
            }
            _ => proposed,
        }
    }

    /// Returns whether the lease lapsed just now.
    pub fn lapse_if_due(&mut self, now: &Moment) -> bool {
        let is_due = self.deadline.as_ref().is_some_and(|deadline| deadline.ms <= now.ms);
        if is_due {
            self.lapsed = self.table.lease.as_ref().map(|lease| lease.rollout);
            self.deadline = None;
        }
        is_due
    }

    /// The state in which the lease has lapsed, however much of it was left. Once it has, this changes nothing.
    pub fn revert(&self) -> Result<Self, Refused> {
        let is_tried = |backend: &contract::Backend| backend.role == Role::Candidate;
        let lease = self.table.lease.as_ref();
        let lease = lease.filter(|_| self.table.backends.iter().any(is_tried));
        let lapsed = lease.ok_or(Refused::NothingOnTrial)?.rollout;
        Ok(Self {
            lapsed: Some(lapsed),
            deadline: None,
            ..self.clone()
        })
    }

    /// The table to route by: the agent's, or after a lapse the same with all weight on the stable backend.
    pub fn in_force(&self) -> Table {
        let mut table = self.table.clone();
        let is_lapsed = table
            .lease
            .as_ref()
            .is_some_and(|lease| self.lapsed == Some(lease.rollout));
        if is_lapsed {
            for backend in &mut table.backends {
                backend.weight = if backend.role == Role::Stable {
                    Weight::ALL
                } else {
                    Weight::NONE
                };
            }
        }
        table
    }
}

/// Counters and cookies go by release, so besides the contract's rules no release may be there twice.
pub fn flaw(table: &Table) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice = table.backends.iter().find(|backend| !seen.insert(backend.release));
    table
        .flaw()
        .or_else(|| twice.map(|backend| format!("release {} is there twice", backend.release)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Backend, ReleaseId, Replica, TableLease};

    const ROLLOUT: u64 = 77;

    fn at(ms: u64) -> Moment {
        Moment {
            boot: "this".into(),
            ms,
        }
    }

    fn table(generation: u64, ttl_ms: Option<u64>) -> Table {
        let backend = |id, role, weight| Backend {
            release: ReleaseId::from_parts(id, 0),
            role,
            weight: Weight::per_mille(weight).unwrap(),
            replicas: vec![Replica {
                address: ([127, 0, 0, 1], 1000 + id as u16).into(),
                ready: true,
            }],
        };
        Table {
            generation: Generation(generation),
            backends: vec![backend(1, Role::Stable, 750), backend(2, Role::Candidate, 250)],
            lease: ttl_ms.map(|ttl_ms| TableLease {
                rollout: RolloutId::from_parts(ROLLOUT, 0),
                ttl_ms,
            }),
            shield: false,
        }
    }

    fn weights(state: &State) -> Vec<u16> {
        state
            .in_force()
            .backends
            .iter()
            .map(|backend| backend.weight.as_per_mille())
            .collect()
    }

    fn empty() -> State {
        State::resume(None, 1, &at(0))
    }

    #[test]
    fn a_lower_generation_is_refused_and_the_same_one_is_not() {
        let state = empty().accept(table(5, None), &at(0)).unwrap();
        assert!(matches!(
            state.accept(table(4, None), &at(0)),
            Err(Refused::Stale { .. })
        ));
        assert!(state.accept(table(5, None), &at(0)).is_ok() && state.accept(table(6, None), &at(0)).is_ok());
    }

    #[test]
    fn a_lapse_returns_all_weight_to_stable_and_is_final_for_its_rollout() {
        let mut state = empty().accept(table(5, Some(1000)), &at(0)).unwrap();
        assert!(!state.lapse_if_due(&at(999)));
        assert_eq!(weights(&state), [750, 250]);
        assert!(state.lapse_if_due(&at(1000)));
        assert_eq!(weights(&state), [1000, 0]);
        assert!(matches!(
            state.accept(table(6, Some(1000)), &at(1000)),
            Err(Refused::Lapsed(_))
        ));

        // A settled table, or another rollout, is accepted; the lapse stays on record.
        let settled = state.accept(table(7, None), &at(1000)).unwrap();
        assert_eq!(
            (weights(&settled), settled.lapsed),
            (vec![750, 250], Some(RolloutId::from_parts(ROLLOUT, 0)))
        );
    }

    #[test]
    fn a_revert_is_a_lapse_before_its_time() {
        let state = empty().accept(table(5, Some(1000)), &at(0)).unwrap();
        let reverted = state.revert().unwrap();
        assert_eq!(weights(&reverted), [1000, 0]);
        assert_eq!(reverted.revert().unwrap(), reverted);
        for later in [5, 6] {
            let offered = reverted.accept(table(later, Some(1000)), &at(1));
            assert!(matches!(offered, Err(Refused::Lapsed(_))), "generation {later}");
        }
        let resumed = State::resume(Some(reverted), 0, &at(2));
        assert_eq!(weights(&resumed), [1000, 0]);
    }

    #[test]
    fn what_is_settled_or_alone_cannot_be_reverted() {
        assert_eq!(empty().revert(), Err(Refused::NothingOnTrial));
        let settled = empty().accept(table(5, None), &at(0)).unwrap();
        assert_eq!(settled.revert(), Err(Refused::NothingOnTrial));
        let mut alone = table(6, Some(1000));
        alone.backends.pop();
        alone.backends[0].weight = Weight::ALL;
        let alone = empty().accept(alone, &at(0)).unwrap();
        assert_eq!(alone.revert(), Err(Refused::NothingOnTrial));
    }

    #[test]
    fn only_a_new_generation_renews_a_lease() {
        let state = empty().accept(table(5, Some(1000)), &at(0)).unwrap();
        let again = state.accept(table(5, Some(1000)), &at(500)).unwrap();
        assert_eq!(again.deadline, Some(at(1000)));
        let sooner = state.accept(table(5, Some(100)), &at(500)).unwrap();
        assert_eq!(sooner.deadline, Some(at(600)));
        let renewed = state.accept(table(6, Some(1000)), &at(500)).unwrap();
        assert_eq!(renewed.deadline, Some(at(1500)));
        assert_eq!(
            state.accept(table(6, Some(u64::MAX)), &at(500)).unwrap().deadline,
            Some(at(u64::MAX))
        );
    }

    #[test]
    fn a_lease_runs_on_while_the_router_is_down() {
        let state = empty().accept(table(5, Some(1000)), &at(0)).unwrap();
        let resumed = State::resume(Some(state.clone()), 0, &at(400));
        assert_eq!(
            (resumed.epoch, resumed.deadline.clone(), weights(&resumed)),
            (2, Some(at(1000)), vec![750, 250])
        );
        let too_late = State::resume(Some(state.clone()), 0, &at(1000));
        assert_eq!(weights(&too_late), [1000, 0]);

        let other_boot = Moment {
            boot: "next".into(),
            ms: 10,
        };
        assert_eq!(
            State::resume(Some(state), 0, &other_boot).deadline,
            Some(other_boot.after_ms(1000))
        );
    }

    #[test]
    fn a_table_that_no_sound_agent_sends_is_refused() {
        let mut wrong_sum = table(1, None);
        wrong_sum.backends.pop();
        assert!(matches!(empty().accept(wrong_sum, &at(0)), Err(Refused::Flawed(_))));
        let mut twice = table(1, None);
        twice.backends[1].release = twice.backends[0].release;
        assert!(matches!(empty().accept(twice, &at(0)), Err(Refused::Flawed(_))));
        let mut one_address = table(1, None);
        one_address.backends[1].replicas = one_address.backends[0].replicas.clone();
        assert!(matches!(empty().accept(one_address, &at(0)), Err(Refused::Flawed(_))));
        for count in [0, 9] {
            let mut wrong_number = table(1, None);
            let replica = |port: u16| Replica {
                address: ([127, 0, 0, 1], 2000 + port).into(),
                ready: true,
            };
            wrong_number.backends[0].replicas = (0..count).map(replica).collect();
            assert!(matches!(empty().accept(wrong_number, &at(0)), Err(Refused::Flawed(_))));
        }
    }
}
