//! What a person sees, whole.

use super::super::Container;
use super::*;
use crate::commands::seen::Part;
use crate::world::tests::{config, document, version};
use contract::{Counts, Evidence, FailureKind, ReleaseId, Weight};

fn running(n: u64, part: Part, weight: u16) -> Version {
    Version {
        release: ReleaseId::from_parts(n, 0),
        part,
        weight: Weight::per_mille(weight).unwrap(),
        counts: Counts {
            requests: 812,
            errors: 3,
        },
        in_flight: 2,
        container: Some(Container {
            name: format!("shop-{n}"),
            image: version(n).image.digest,
            health: Health::Ready,
            restarts: 0,
            exit_code: None,
            out_of_memory: false,
            last_probe: None,
        }),
    }
}

fn status() -> Status {
    let config = config();
    let desired = document(5);
    Status {
        app: config.app,
        environment: config.environment,
        host: config.host,
        at: "2025-01-02T03:04:08Z".parse().unwrap(),
        agent_version: "0.1.0",
        agent_pid: Some(812),
        told: Answer::Given(Some(Told {
            generation: desired.generation,
            rollout: desired.rollout,
            release: Some(version(2).release),
            commit: Some("c0ffee".to_owned()),
            weight: Weight::per_mille(250).unwrap(),
            fallback: Some(version(1).release),
            accepted_at: desired.issued_at,
            lease_ttl_ms: Some(15_000),
            lapsed: false,
        })),
        in_force: Some(desired.generation),
        router: Answer::Given(RouterReport {
            version: "0.1.0".to_owned(),
            epoch: 7,
            generation: desired.generation,
            lapsed: None,
        }),
        engine: Answer::Given(()),
        versions: vec![running(2, Part::Candidate, 250), running(1, Part::Stable, 750)],
        failure: None,
        refused: None,
    }
}

#[test]
fn a_canary_is_shown_with_what_each_version_takes() {
    assert_eq!(
        show(&status()),
        "\
staging of shop on host-1

agent     0.1.0, process 812
router    0.1.0, epoch 7, generation 0.5
engine    answers
told      generation 0.5, rollout 00000000010000000000000000
          release 00000000020000000000000000 (commit c0ffee) at 25%
          beside 00000000010000000000000000, which is kept warm
          lease of 15 s, heard 3 s ago
in force  generation 0.5

version   release                      weight  health     requests  errors in flight restarts  container
candidate 00000000020000000000000000      25%  ready           812       3         2        0  shop-2
stable    00000000010000000000000000      75%  ready           812       3         2        0  shop-1
"
    );
}

#[test]
fn what_is_wrong_is_shown_with_its_evidence_and_what_to_type() {
    let mut broken = status();
    broken.agent_pid = None;
    broken.router = Answer::Silent("the router does not answer: Connection refused".to_owned());
    broken.engine = Answer::Silent("no Docker engine\nhint: install one".to_owned());
    broken.told = Answer::Given(None);
    broken.in_force = None;
    broken.versions.clear();
    broken.failure = Some(Failure {
        rollout: document(5).rollout,
        release: Some(version(2).release),
        kind: FailureKind::Exited,
        summary: "release 2 exited with code 3 before it was ready".to_owned(),
        evidence: Evidence {
            last_probe: Some("GET http://127.0.0.1:20001/readyz: 503".to_owned()),
            exit_code: Some(3),
            out_of_memory: false,
            listening: vec!["127.0.0.1:8080".to_owned()],
            log_tail: vec!["no such table".to_owned()],
        },
    });
    broken.refused = Some(Refusal {
        reason: "generation 0.3 does not rise above 0.4".to_owned(),
        at: broken.at,
    });
    assert_eq!(
        show(&broken),
        "\
staging of shop on host-1

agent     0.1.0, NOT RUNNING: what serves goes on serving, but nothing new is followed and nothing is reported
          start it: systemctl start release-agent
router    the router does not answer: Connection refused
          start it: systemctl start release-router
engine    no Docker engine
          hint: install one
told      nothing yet
in force  nothing yet

no version runs here

failed    release 2 exited with code 3 before it was ready
          in rollout 00000000010000000000000000
          last probe: GET http://127.0.0.1:20001/readyz: 503
          listens on: 127.0.0.1:8080
          | no such table

refused   generation 0.3 does not rise above 0.4
          at 2025-01-02 03:04:08 UTC
"
    );
}

#[test]
fn a_lapse_and_a_version_that_died_are_shown_where_they_matter() {
    let mut lapsed = status();
    if let Answer::Given(Some(told)) = &mut lapsed.told {
        told.lapsed = true;
    }
    let container = lapsed.versions[0].container.as_mut().unwrap();
    container.health = Health::Exited;
    container.exit_code = Some(137);
    container.out_of_memory = true;
    let text = show(&lapsed);
    assert!(
        text.contains("its lease lapsed here") && !text.contains("heard"),
        "{text}"
    );
    let died = "exited          812       3         2        0  shop-2\n          killed for using more memory than it may\n          exited with code 137\n";
    assert!(text.contains(died), "{text}");
}
