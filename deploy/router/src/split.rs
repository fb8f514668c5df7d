//! Which backend a request goes to. Pure.
//!
//! Each user, or each request of a client without cookies, has a bucket from 0 to 999. Candidates own the lowest buckets,
//! in the table's order, each as many as its weight; the stable backend owns the rest. So a user is on the candidate
//! exactly when `bucket < weight`, and raising the weight only ever moves users onto it.

use contract::{Backend, ReleaseId, Replica, Role, Weight};
use std::net::SocketAddr;

pub const BUCKETS: u16 = 1000;

/// What a returning user's cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sticky {
    pub release: ReleaseId,
    pub bucket: u16,
}

/// The bucket to use: the cookie's, unless the release it names is gone; then the user is drawn anew, so that the same
/// few people are not the first to meet every candidate.
pub fn bucket(backends: &[Backend], sticky: Option<Sticky>, drawn: u16) -> u16 {
    match sticky {
        Some(sticky) if backends.iter().any(|backend| backend.release == sticky.release) => sticky.bucket,
        _ => drawn,
    }
}

/// The backend that a bucket belongs to, whether or not it is ready; `None` only without backends.
pub fn assigned(backends: &[Backend], bucket: u16) -> Option<usize> {
    let mut bound = 0;
    for (index, backend) in backends
        .iter()
        .enumerate()
        .filter(|(_, backend)| backend.role == Role::Candidate)
    {
        bound += backend.weight.as_per_mille();
        if bucket < bound {
            return Some(index);
        }
    }
    stable(backends)
}

/// The backends to try for a request assigned to `first`, best first and never empty: ready ones that have a share of the
/// traffic, and where there are none, the stable one all the same.
pub fn order(backends: &[Backend], first: usize) -> Vec<usize> {
    let may = |index: &usize| backends[*index].is_ready() && backends[*index].weight > Weight::NONE;
    let stable = stable(backends);
    let others = (0..backends.len()).filter(|index| *index != first && Some(*index) != stable);
    let mut order: Vec<usize> = Vec::with_capacity(backends.len());
    for index in std::iter::once(first).chain(stable).chain(others) {
        // A stable backend without weight still serves those who cannot be served otherwise.
        let last_resort = Some(index) == stable && backends[index].is_ready();
        if (may(&index) || last_resort) && !order.contains(&index) {
            order.push(index);
        }
    }
    if order.is_empty() {
        order.push(stable.unwrap_or(first));
    }
    order
}

/// Which of a version's replicas takes a request: the one with the fewest requests, among the ready ones or, where there
/// is none, among all. Between equals `drawn` decides. `None` when all have been tried.
pub fn replica(
    replicas: &[Replica],
    in_flight: impl Fn(usize) -> u64,
    tried: impl Fn(SocketAddr) -> bool,
    drawn: u16,
) -> Option<usize> {
    let count = replicas.len();
    let any_ready = replicas.iter().any(|replica| replica.ready);
    let mut turn = (0..count).map(|step| (usize::from(drawn) + step) % count);
    let may = |index: &usize| {
        let Replica { address, ready } = replicas[*index];
        (ready || !any_ready) && !tried(address)
    };
    match count {
        // The usual case, in which nothing has to be compared.
        1 => turn.find(may),
        _ => turn.filter(may).min_by_key(|index| in_flight(*index)),
    }
}

/// Whether users are being divided at all; if not, nobody needs a cookie.
pub fn is_split(backends: &[Backend]) -> bool {
    backends.iter().filter(|backend| backend.weight > Weight::NONE).count() > 1
}

fn stable(backends: &[Backend]) -> Option<usize> {
    backends.iter().position(|backend| backend.role == Role::Stable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn replica(port: u16, ready: bool) -> Replica {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1000 + port));
        Replica { address, ready }
    }

    fn backend(id: u64, role: Role, weight: u16, ready: bool) -> Backend {
        Backend {
            release: ReleaseId::from_parts(id, 0),
            role,
            weight: Weight::per_mille(weight).unwrap(),
            replicas: vec![replica(id as u16, ready)],
        }
    }

    fn canary(weight: u16) -> Vec<Backend> {
        vec![
            backend(1, Role::Stable, 1000 - weight, true),
            backend(2, Role::Candidate, weight, true),
        ]
    }

    #[test]
    fn random_requests_divide_within_three_sigma_of_the_weight() {
        for weight in [1, 50, 250, 500, 999] {
            let (requests, p) = (200_000, f64::from(weight) / 1000.0);
            let to_candidate = (0..requests)
                .filter(|_| assigned(&canary(weight), rand::random_range(0..BUCKETS)) == Some(1))
                .count();
            let sigma = (f64::from(requests) * p * (1.0 - p)).sqrt();
            let expected = f64::from(requests) * p;
            // Five draws at 3σ would fail one run in 75 by chance; 4.5σ fails one in 30,000 and still sees a bias of 1 %.
            assert!(
                (to_candidate as f64 - expected).abs() < 4.5 * sigma,
                "{to_candidate} of {requests} at {weight} ‰"
            );
        }
    }

    #[test]
    fn a_user_is_on_the_candidate_exactly_below_its_weight_and_never_moves_back() {
        for bucket in 0..BUCKETS {
            let mut was_on_candidate = false;
            for weight in [0, 1, 50, 250, 500, 999, 1000] {
                let on_candidate = assigned(&canary(weight), bucket) == Some(1);
                assert_eq!(on_candidate, bucket < weight);
                assert!(
                    on_candidate || !was_on_candidate,
                    "bucket {bucket} moved back at {weight} ‰"
                );
                was_on_candidate = on_candidate;
            }
        }
    }

    #[test]
    fn several_candidates_each_get_their_share() {
        let backends = [
            backend(1, Role::Candidate, 100, true),
            backend(2, Role::Stable, 700, true),
            backend(3, Role::Candidate, 200, true),
        ];
        let share = |index| {
            (0..BUCKETS)
                .filter(|bucket| assigned(&backends, *bucket) == Some(index))
                .count()
        };
        assert_eq!([share(0), share(1), share(2)], [100, 700, 200]);
    }

    #[test]
    fn a_cookie_keeps_its_bucket_until_its_release_is_gone() {
        let sticky = |id| {
            Some(Sticky {
                release: ReleaseId::from_parts(id, 0),
                bucket: 7,
            })
        };
        assert_eq!(bucket(&canary(50), sticky(1), 900), 7);
        assert_eq!(bucket(&canary(50), sticky(2), 900), 7);
        assert_eq!(bucket(&canary(50), sticky(3), 900), 900);
        assert_eq!(bucket(&canary(50), None, 900), 900);
    }

    #[test]
    fn only_ready_backends_with_a_share_are_tried_and_stable_when_there_is_none() {
        let pair = |stable_ready, weight, candidate_ready| {
            vec![
                backend(1, Role::Stable, 1000 - weight, stable_ready),
                backend(2, Role::Candidate, weight, candidate_ready),
            ]
        };
        let cases = [
            // (stable ready, candidate's weight, candidate ready), assigned, order
            ((true, 50, true), 1, vec![1, 0]),
            ((true, 50, true), 0, vec![0, 1]),
            ((true, 50, false), 1, vec![0]),
            ((false, 50, true), 0, vec![1]),
            ((false, 50, false), 1, vec![0]),
            // A candidate without weight takes no users, whatever happens to the stable one.
            ((true, 0, true), 0, vec![0]),
            ((false, 0, true), 0, vec![0]),
            // A stable one without weight catches what the candidate drops.
            ((true, 1000, true), 1, vec![1, 0]),
            ((true, 1000, false), 1, vec![0]),
        ];
        for ((stable_ready, weight, candidate_ready), first, expected) in cases {
            let backends = pair(stable_ready, weight, candidate_ready);
            let case = (stable_ready, weight, candidate_ready, first);
            assert_eq!(order(&backends, first), expected, "{case:?}");
        }
    }

    #[test]
    fn of_a_versions_replicas_the_one_with_the_fewest_requests_is_asked() {
        let three = [replica(1, true), replica(2, true), replica(3, false)];
        let choose = |replicas: &[Replica], load: [u64; 3], tried: &[u16], drawn| {
            let tried = |address: SocketAddr| tried.contains(&(address.port() - 1000));
            super::replica(replicas, |index| load[index], tried, drawn)
        };
        assert_eq!(choose(&three, [5, 4, 0], &[], 0), Some(1));
        assert_eq!(choose(&three, [4, 5, 0], &[], 1), Some(0));
        // What was tried is not asked again, and what is not ready only when nothing is.
        assert_eq!(choose(&three, [5, 4, 0], &[2], 0), Some(0));
        assert_eq!(choose(&three, [5, 4, 0], &[1, 2], 0), None);
        let none_ready = three.map(|replica| Replica {
            ready: false,
            ..replica
        });
        assert_eq!(choose(&none_ready, [5, 4, 0], &[], 0), Some(2));
        // Equals take turns.
        let turns = (0..6).map(|drawn| choose(&none_ready, [7; 3], &[], drawn).unwrap());
        assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(choose(&three[..1], [9; 3], &[], 999), Some(0));
        assert_eq!(choose(&three[..1], [9; 3], &[1], 999), None);
    }

    #[test]
    fn without_backends_nobody_is_assigned() {
        assert_eq!(assigned(&[], 0), None);
        assert!(!is_split(&[]) && !is_split(&canary(0)) && !is_split(&canary(1000)) && is_split(&canary(1)));
    }
}
