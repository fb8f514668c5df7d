//! One machine that cannot run what the others can.

use crate::fleet::Fleet;
use crate::host_json::Setup;
use crate::next::Reason;
use crate::versions::{host_name, release};
use crate::wait::rounds;
use contract::{Failure, FailureKind};
use std::io::Write as _;

/// Full, up to the last byte.
fn fill(path: &std::path::Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let block = vec![0; 1 << 20];
    while file.write_all(&block).is_ok() {}
}

/// Gives version 2 up as the controller does, and returns why; the machine must be the second.
async fn is_given_up(fleet: &mut Fleet) -> Failure {
    let second = fleet.version(2);
    let reason = fleet.controller.roll_out(second).await.unwrap_err();
    let Reason::Host { host, failure } = reason else {
        panic!("{reason:#?}")
    };
    assert_eq!(
        (&host, failure.release),
        (&host_name(2), Some(release(2))),
        "{failure:#?}"
    );
    fleet.controller.revert().await.unwrap();
    fleet.are_all_on(1).await;
    *failure
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_of_three_cannot_run_the_candidate_all_end_on_the_old_release_and_it_says_why() {
    for _ in 0..rounds() {
        // What serves holds the only port there is.
        let narrow = Setup {
            ports: 1,
            ..Setup::default()
        };
        let mut fleet = Fleet::with(&[Setup::default(), narrow, Setup::default()], 3).await;
        let load = fleet.load();
        let failure = is_given_up(&mut fleet).await;
        assert_eq!(failure.kind, FailureKind::Start);
        assert!(
            failure.summary.contains("no port is free among the 1 from"),
            "{}",
            failure.summary
        );
        load.flows(100).await;
        println!("one of three cannot run the candidate: {}", failure.summary);
        load.end()
            .await
            .expect_none_failed("three machines, of which one has no port for the candidate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_room_pulls_nothing_serves_on_and_follows_once_there_is_room() {
    for _ in 0..rounds() {
        let small = Setup {
            data_mb: 300,
            ..Setup::default()
        };
        let mut fleet = Fleet::with(&[Setup::default(), small], 2).await;
        let load = fleet.load();
        let filler = fleet.machines[1].data("filler");
        fill(&filler);
        let failure = is_given_up(&mut fleet).await;
        assert_eq!(failure.kind, FailureKind::Disk);
        assert!(
            failure.summary.contains("`/run/machine/data` has 0 MB free"),
            "{}",
            failure.summary
        );
        let docker = fleet.machines[1].docker().await.unwrap();
        let image = fleet.registry.image(2).to_string();
        assert!(!docker.has_image(&image).await.unwrap(), "nothing was pulled");
        println!("an engine without room: {}", failure.summary);

        std::fs::remove_file(&filler).unwrap();
        let second = fleet.version(2);
        fleet.controller.roll_out(second).await.unwrap();
        fleet.are_all_on(2).await;
        load.flows(100).await;
        load.end()
            .await
            .expect_none_failed("two machines, of which one had no room for an image");
    }
}
