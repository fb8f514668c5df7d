//! What to do about what the hosts say. Pure: state and observations in, one move out.

use contract::judge::{Judgement, Thresholds, Verdict, judge};
use contract::{Counts, Failure as HostFailure, Generation, HostName, Observed, ReleaseId, RolloutId, Weight};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Hosts that one line tells by name.
const NAMED: usize = 5;
/// A host that was no member until now may still report that the document before was not for it, until it has looked again.
const REFUSAL_COUNTS_AFTER: Duration = Duration::from_secs(5);

pub type Fleet = BTreeMap<HostName, Observed>;

/// The controller's side: what it published, and since when.
#[derive(Debug, Clone)]
pub struct Watch {
    pub hosts: Vec<HostName>,
    pub rollout: RolloutId,
    pub candidate: Option<ReleaseId>,
    pub stable: Option<ReleaseId>,
    /// With which this phase was first published; every later one says the same.
    pub generation: Generation,
    pub since_published: Duration,
    /// Since the hosts were last told that the controller lives.
    pub since_renewed: Duration,
    /// How long hosts may take to bring a generation into force.
    pub acknowledge_within: Duration,
    /// How long a host may say nothing.
    pub silent_after: Duration,
    pub renew_after: Option<Duration>,
    pub step: Option<Step>,
}

/// A weight that every host has in force, and what had been counted by then.
#[derive(Debug, Clone)]
pub struct Step {
    pub weight: Weight,
    pub bake: Duration,
    pub since_reached: Duration,
    pub before: Tally,
    pub thresholds: Thresholds,
}

/// Counts over all hosts, kept by host because a router that restarts counts from zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    by_host: BTreeMap<HostName, (Counts, Counts)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// Nothing to do yet; the text says what for.
    Wait(String),
    /// Say the same again, so that the hosts' lease does not run out.
    Renew,
    /// The generation is in force everywhere, and the step, if there is one, has been watched for long enough.
    Advance(Option<StepResult>),
    Revert(Reason),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    Host { host: HostName, failure: Box<HostFailure> },
    Refused { host: HostName, reason: String },
    Lapsed { host: HostName },
    Silent { host: HostName, for_s: Option<u64> },
    Late { hosts: Vec<HostName>, waited: Duration },
    Judged(StepResult),
}

/// What a step showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    pub weight: Weight,
    pub judgement: Judgement,
}

pub fn next(watch: &Watch, fleet: &Fleet, ages: &BTreeMap<HostName, Duration>) -> Move {
    if let Some(reason) = trouble(watch, fleet, ages) {
        return Move::Revert(reason);
    }
    let waiting = unacknowledged(watch, fleet);
    // A version may take longer to start than a lease lasts.
    let gives_up = matches!(waiting, Some(Move::Revert(_)));
    if !gives_up && watch.renew_after.is_some_and(|after| watch.since_renewed >= after) {
        return Move::Renew;
    }
    if let Some(waiting) = waiting {
        return waiting;
    }
    let Some(step) = &watch.step else {
        return Move::Advance(None);
    };
    let result = watch.judge(step, fleet);
    if result.judgement.verdict == Verdict::Fail {
        return Move::Revert(Reason::Judged(result));
    }
    if step.since_reached < step.bake {
        let left = (step.bake - step.since_reached).as_secs_f64().ceil();
        return Move::Wait(format!("{}, {left} s left; {}", step.weight, result.judgement));
    }
    Move::Advance(Some(result))
}

fn trouble(watch: &Watch, fleet: &Fleet, ages: &BTreeMap<HostName, Duration>) -> Option<Reason> {
    for host in &watch.hosts {
        let Some(observed) = fleet.get(host) else { continue };
        if let Some(failure) = observed
            .failure
            .as_ref()
            .filter(|failure| failure.rollout == watch.rollout)
        {
            return Some(Reason::Host {
                host: host.clone(),
                failure: Box::new(failure.clone()),
            });
        }
        let lapsed = observed.router.as_ref().and_then(|router| router.lapsed);
        if lapsed == Some(watch.rollout) {
            return Some(Reason::Lapsed { host: host.clone() });
        }
        if let Some(refused) = observed
            .refused
            .as_ref()
            .filter(|_| observed.accepted < watch.generation && watch.since_published >= REFUSAL_COUNTS_AFTER)
        {
            return Some(Reason::Refused {
                host: host.clone(),
                reason: refused.reason.clone(),
            });
        }
    }
    // A host that never spoke is given as long as one that fell silent.
    let silence = |host: &HostName| ages.get(host).copied().unwrap_or(watch.since_published);
    let silent = watch
        .hosts
        .iter()
        .find(|host| silence(host) > watch.silent_after && watch.since_published > watch.silent_after)?;
    Some(Reason::Silent {
        host: silent.clone(),
        for_s: ages.get(silent).map(Duration::as_secs),
    })
}

fn unacknowledged(watch: &Watch, fleet: &Fleet) -> Option<Move> {
    let acknowledged = |host: &&HostName| {
        fleet
            .get(*host)
            .is_some_and(|observed| observed.generation >= watch.generation)
    };
    let waiting: Vec<HostName> = watch.hosts.iter().filter(|host| !acknowledged(host)).cloned().collect();
    if waiting.is_empty() {
        return None;
    }
    if watch.since_published > watch.acknowledge_within {
        return Some(Move::Revert(Reason::Late {
            hosts: waiting,
            waited: watch.since_published,
        }));
    }
    Some(Move::Wait(format!("waiting for {}", named(&waiting))))
}

/// Of a large fleet the first few, and how many more: nobody reads a thousand names.
pub fn named(hosts: &[HostName]) -> String {
    let (first, rest) = hosts.split_at(hosts.len().min(NAMED));
    let names: Vec<&str> = first.iter().map(HostName::as_str).collect();
    match rest.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Watch {
    /// What stable and candidate have answered so far, by host.
    pub fn tally(&self, fleet: &Fleet) -> Tally {
        let counts = |observed: &Observed, release: Option<ReleaseId>| {
            release
                .and_then(|release| observed.version(release))
                .map(|version| version.counts)
                .unwrap_or_default()
        };
        let by_host = self.hosts.iter().filter_map(|host| {
            let observed = fleet.get(host)?;
            Some((
                host.clone(),
                (counts(observed, self.stable), counts(observed, self.candidate)),
            ))
        });
        Tally {
            by_host: by_host.collect(),
        }
    }

    fn judge(&self, step: &Step, fleet: &Fleet) -> StepResult {
        let (stable, candidate) = self.tally(fleet).since(&step.before);
        StepResult {
            weight: step.weight,
            judgement: judge(stable, candidate, step.thresholds),
        }
    }
}

impl Tally {
    fn since(&self, before: &Self) -> (Counts, Counts) {
        let nothing = (Counts::default(), Counts::default());
        self.by_host.iter().fold(nothing, |(stable, candidate), (host, now)| {
            let then = before.by_host.get(host).copied().unwrap_or_default();
            (stable + (now.0 - then.0), candidate + (now.1 - then.1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{
        AppName, CONTRACT_VERSION, Digest, EnvironmentName, Evidence, FailureKind, Fence, Health, Latency,
        ObservedReplica, ObservedVersion, RouterReport,
    };
    use jiff::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    fn release(number: u64) -> ReleaseId {
        ReleaseId::from_parts(number, 0)
    }

    fn rollout() -> RolloutId {
        RolloutId::from_parts(9, 9)
    }

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn watch() -> Watch {
        Watch {
            hosts: vec![host("a"), host("b")],
            rollout: rollout(),
            candidate: Some(release(2)),
            stable: Some(release(1)),
            generation: Generation::new(Fence(1), 5),
            since_published: 2 * SECOND,
            since_renewed: 2 * SECOND,
            acknowledge_within: 30 * SECOND,
            silent_after: 15 * SECOND,
            renew_after: Some(10 * SECOND),
            step: None,
        }
    }

    fn step(bake: Duration, since_reached: Duration) -> Option<Step> {
        let thresholds = Thresholds {
            max_error_per_mille: 10,
            min_requests: 20,
        };
        Some(Step {
            weight: Weight::parse("5%").unwrap(),
            bake,
            since_reached,
            before: Tally::default(),
            thresholds,
        })
    }

    fn observed(name: &str, sequence: u32, candidate: Counts) -> (HostName, Observed) {
        let version = |number, counts| ObservedVersion {
            release: release(number),
            replicas: vec![ObservedReplica {
                container: String::new(),
                image: Digest::of(b""),
                address: ([127, 0, 0, 1], 1).into(),
                health: Health::Ready,
                restarts: 0,
            }],
            weight: Weight::NONE,
            counts,
            latency: Latency::default(),
        };
        let generation = Generation::new(Fence(1), sequence);
        let observed = Observed {
            contract: CONTRACT_VERSION,
            app: AppName::parse("shop").unwrap(),
            environment: EnvironmentName::parse("production").unwrap(),
            host: host(name),
            at: Timestamp::UNIX_EPOCH,
            generation,
            accepted: generation,
            rollout: Some(rollout()),
            versions: vec![
                version(
                    1,
                    Counts {
                        requests: 1_000,
                        errors: 0,
                    },
                ),
                version(2, candidate),
            ],
            router: None,
            tasks: Vec::new(),
            failure: None,
            refused: None,
            refused_ask: None,
            agent_version: String::new(),
        };
        (host(name), observed)
    }

    fn fleet(sequence_a: u32, sequence_b: u32) -> Fleet {
        let healthy = Counts {
            requests: 50,
            errors: 0,
        };
        [observed("a", sequence_a, healthy), observed("b", sequence_b, healthy)].into()
    }

    fn fresh() -> BTreeMap<HostName, Duration> {
        [(host("a"), SECOND), (host("b"), SECOND)].into()
    }

    #[test]
    fn nothing_advances_before_every_host_has_acknowledged() {
        assert_eq!(
            next(&watch(), &fleet(5, 4), &fresh()),
            Move::Wait("waiting for b".to_owned())
        );
        assert_eq!(next(&watch(), &fleet(5, 5), &fresh()), Move::Advance(None));
    }

    #[test]
    fn of_a_large_fleet_the_first_few_are_named_and_the_rest_counted() {
        let hosts: Vec<HostName> = (1..=1_000).map(|number| host(&format!("host-{number}"))).collect();
        assert_eq!(named(&hosts[..2]), "host-1, host-2");
        assert_eq!(named(&hosts), "host-1, host-2, host-3, host-4, host-5 and 995 more");
    }

    #[test]
    fn a_step_is_watched_for_its_whole_bake() {
        let baking = Watch {
            step: step(5 * SECOND, SECOND),
            ..watch()
        };
        assert!(matches!(next(&baking, &fleet(5, 5), &fresh()), Move::Wait(_)));
        let baked = Watch {
            step: step(5 * SECOND, 5 * SECOND),
            ..watch()
        };
        assert!(matches!(next(&baked, &fleet(5, 5), &fresh()), Move::Advance(Some(_))));
    }

    #[test]
    fn a_failure_on_one_host_reverts_all() {
        let mut fleet = fleet(5, 5);
        let failure = HostFailure {
            rollout: rollout(),
            release: Some(release(2)),
            kind: FailureKind::Exited,
            summary: "exited with code 3".to_owned(),
            evidence: Evidence::default(),
        };
        fleet.get_mut(&host("b")).unwrap().failure = Some(failure.clone());
        let expected = Reason::Host {
            host: host("b"),
            failure: Box::new(failure),
        };
        assert_eq!(next(&watch(), &fleet, &fresh()), Move::Revert(expected));
    }

    #[test]
    fn a_failure_of_an_earlier_rollout_is_history() {
        let mut fleet = fleet(5, 5);
        fleet.get_mut(&host("b")).unwrap().failure = Some(HostFailure {
            rollout: RolloutId::from_parts(1, 1),
            release: None,
            kind: FailureKind::Pull,
            summary: String::new(),
            evidence: Evidence::default(),
        });
        assert_eq!(next(&watch(), &fleet, &fresh()), Move::Advance(None));
    }

    #[test]
    fn a_refusal_counts_once_the_host_had_time_to_look_at_what_is_meant_for_it() {
        let mut fleet = fleet(5, 5);
        let joined = fleet.get_mut(&host("b")).unwrap();
        let reason = "host `b` is not among the document's hosts".to_owned();
        (joined.generation, joined.accepted) = Default::default();
        joined.refused = Some(contract::Refusal {
            reason: reason.clone(),
            at: Timestamp::UNIX_EPOCH,
        });
        assert_eq!(next(&watch(), &fleet, &fresh()), Move::Wait("waiting for b".to_owned()));
        let later = Watch {
            since_published: REFUSAL_COUNTS_AFTER,
            ..watch()
        };
        let refused = Reason::Refused {
            host: host("b"),
            reason,
        };
        assert_eq!(next(&later, &fleet, &fresh()), Move::Revert(refused));
    }

    #[test]
    fn a_silent_host_reverts_all_but_a_quick_glance_is_not_silence() {
        let ages = [(host("a"), SECOND), (host("b"), 16 * SECOND)].into();
        assert_eq!(
            next(&watch(), &fleet(5, 5), &ages),
            Move::Advance(None),
            "published two seconds ago"
        );
        let later = Watch {
            since_published: 16 * SECOND,
            renew_after: None,
            ..watch()
        };
        let reason = Reason::Silent {
            host: host("b"),
            for_s: Some(16),
        };
        assert_eq!(next(&later, &fleet(5, 5), &ages), Move::Revert(reason));
    }

    #[test]
    fn a_lapsed_lease_is_final() {
        let mut fleet = fleet(5, 5);
        fleet.get_mut(&host("a")).unwrap().router = Some(RouterReport {
            version: String::new(),
            epoch: 1,
            generation: Generation::new(Fence(1), 5),
            lapsed: Some(rollout()),
        });
        assert_eq!(
            next(&watch(), &fleet, &fresh()),
            Move::Revert(Reason::Lapsed { host: host("a") })
        );
    }

    #[test]
    fn a_failing_candidate_is_not_baked_to_the_end() {
        let failing = Counts {
            requests: 10,
            errors: 10,
        };
        let fleet: Fleet = [observed("a", 5, failing), observed("b", 5, failing)].into();
        let baking = Watch {
            step: step(3600 * SECOND, SECOND),
            ..watch()
        };
        assert!(matches!(
            next(&baking, &fleet, &fresh()),
            Move::Revert(Reason::Judged(_))
        ));
    }

    #[test]
    fn only_what_came_since_the_step_began_is_judged() {
        let failing = Counts {
            requests: 10,
            errors: 10,
        };
        let fleet: Fleet = [observed("a", 5, failing), observed("b", 5, failing)].into();
        let mut baking = Watch {
            step: step(3600 * SECOND, SECOND),
            ..watch()
        };
        let before = baking.tally(&fleet);
        baking.step.as_mut().unwrap().before = before;
        assert!(matches!(next(&baking, &fleet, &fresh()), Move::Wait(_)));
    }

    #[test]
    fn a_lease_is_renewed_before_it_runs_out() {
        let due = Watch {
            since_renewed: 10 * SECOND,
            step: step(3600 * SECOND, SECOND),
            ..watch()
        };
        assert_eq!(next(&due, &fleet(5, 5), &fresh()), Move::Renew);
        assert_eq!(
            next(&due, &fleet(5, 4), &fresh()),
            Move::Renew,
            "while one still starts"
        );
        let too_late = Watch {
            since_published: 31 * SECOND,
            ..due
        };
        assert!(matches!(next(&too_late, &fleet(5, 4), &fresh()), Move::Revert(_)));
    }
}
