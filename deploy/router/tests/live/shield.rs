//! Users are kept from what a candidate gets wrong.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, table};
use contract::{Counts, Table};

fn canary(stable: &Backend, candidate: &Backend, weight: u16) -> Table {
    Table {
        shield: true,
        ..table(1, &[(stable, 1000 - weight), (candidate, weight)])
    }
}

async fn start() -> (Backend, Backend, Router) {
    let (stable, candidate) = (Backend::start(1).await, Backend::failing(2).await);
    let router = Router::start().await;
    router.put(&canary(&stable, &candidate, 500)).await.expect_status(200);
    (stable, candidate, router)
}

#[tokio::test]
async fn a_failure_on_the_candidate_is_answered_by_stable_and_still_counts() {
    let (_stable, candidate, router) = start().await;
    for path in ["/", "/break", "/fail"] {
        for _ in 0..20 {
            let reply = router.get(path).await;
            // What fails on both fails.
            let expected = match path {
                "/" => 200,
                "/break" => 502,
                _ => 500,
            };
            reply.expect_status(expected);
        }
    }
    let status = router.status().await;
    let found = status
        .versions
        .iter()
        .find(|version| version.release == candidate.release)
        .unwrap();
    let failed = candidate.requests();
    assert_eq!(
        found.counts,
        Counts {
            requests: failed,
            errors: failed
        }
    );
    assert_eq!(found.shielded, failed);
    assert!((15..=45).contains(&failed), "{failed} of 60 at 50 %");
}

#[tokio::test]
async fn what_is_not_safe_to_ask_twice_is_not() {
    let (stable, candidate, router) = start().await;
    let (mut good, mut bad) = (0, 0);
    for (method, body) in [
        ("POST", "x"),
        ("PUT", "x"),
        ("DELETE", ""),
        ("PATCH", "x"),
        ("GET", "x"),
    ] {
        for _ in 0..10 {
            let reply = client::request(router.address, method, "/", &[], body.into())
                .await
                .unwrap();
            match reply.status.as_u16() {
                200 => good += 1,
                500 => bad += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(
        (stable.requests(), candidate.requests()),
        (good, bad),
        "each was sent once"
    );
    assert_eq!(router.status().await.versions[1].shielded, 0);
}

#[tokio::test]
async fn a_tester_sees_the_failure() {
    let (stable, candidate, router) = start().await;
    let release = candidate.release.to_string();
    let reply = client::get(router.address, "/", &[(contract::TESTER_HEADER, &release)]).await;
    reply.expect_status(500);
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn the_shield_ends_where_stable_would_have_to_bear_too_much_more() {
    let (stable, candidate, router) = start().await;
    router
        .put(&Table {
            generation: contract::Generation(2),
            ..canary(&stable, &candidate, 1000)
        })
        .await
        .expect_status(200);
    let mut seen = 0;
    for _ in 0..400 {
        seen += u64::from(router.get("/").await.status == 500);
    }
    // A hundred at once, and a tenth of what comes (each shielded request is picked for twice, which earns twice).
    let shielded = 400 - seen;
    assert!((130..=160).contains(&shielded), "{shielded} of 400 were shielded");
    assert_eq!((stable.requests(), candidate.requests()), (shielded, 400));
}

#[tokio::test]
async fn without_a_shield_users_see_what_the_candidate_answers() {
    let (stable, candidate) = (Backend::start(1).await, Backend::failing(2).await);
    let router = Router::start().await;
    router
        .put(&table(1, &[(&stable, 0), (&candidate, 1000)]))
        .await
        .expect_status(200);
    router.get("/").await.expect_status(500);
}
