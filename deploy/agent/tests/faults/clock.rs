//! The wall clock is set back in the middle of a canary. Leases go by the monotonic one.

use crate::ground::{is_back, weights};
use crate::host::{Host, release};
use crate::load::Load;
use crate::socket::Socket;
use contract::{Desired, ImageConfig};
use jiff::{SignedDuration, Timestamp};
use std::process::Command;
use std::time::Instant;

/// For a process whose wall clock is off by what a file says.
fn variables(host: &Host) -> Vec<(&'static str, String)> {
    set_clock(host, "+0");
    let asked = Command::new("faketime")
        .args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"])
        .output();
    let library = asked.expect("faketime is installed").stdout;
    vec![
        ("LD_PRELOAD", String::from_utf8(library).unwrap().trim().to_owned()),
        (
            "FAKETIME_TIMESTAMP_FILE",
            host.path("clock").to_str().unwrap().to_owned(),
        ),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ]
}

fn set_clock(host: &Host, offset: &str) {
    let new = host.path("clock.new");
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, host.path("clock")).unwrap();
}

#[tokio::test]
async fn a_clock_set_back_an_hour_in_a_canary_changes_neither_rollout_nor_lease() {
    let mut host = Host::lay_out(ImageConfig::default()).await;
    let variables = variables(&host);
    let _socket = Socket::start(&mut host, &variables);
    host.start_agent_told("host.json", &variables);
    let leased = |host: &Host, per_mille| Desired {
        lease_ttl_ms: Some(8_000),
        ..host.canary(per_mille, "well")
    };
    host.bring(host.settled()).await;
    host.bring(leased(&host, 250)).await;
    let load = Load::on(host.listen);
    load.flows(100).await;

    set_clock(&host, "-3600");
    let hour = SignedDuration::from_mins(50);
    let is_old = |seen: &contract::Observed| Timestamp::now().duration_since(seen.at) > hour;
    host.sees("the agent's clock is an hour behind", is_old).await;
    for per_mille in [400, 500, 1000] {
        // Fails where a document is refused.
        let seen = host.bring(leased(&host, per_mille)).await;
        assert_eq!(weights(&seen), (1000 - per_mille, per_mille));
        load.flows(50).await;
    }
    // For an agent that is started by a clock that was set back, too.
    let renewed = Instant::now();
    host.bring(leased(&host, 1000)).await;
    host.kill_agent();
    host.start_agent_told("host.json", &variables);
    host.sees("all goes to version 2", |seen| {
        is_old(seen) && weights(seen) == (0, 1000)
    })
    .await;
    load.flows(50).await;
    let early = host.agent_log().contains("its lease ran out");
    assert!(!early || renewed.elapsed().as_secs() >= 8, "the lease ran out too soon");

    // Nobody renews it any more.
    host.sees("version 1 has everything again", is_back).await;
    let lasted = renewed.elapsed();
    assert!((7..30).contains(&lasted.as_secs()), "a lease of 8 s lasted {lasted:?}");
    let now = Instant::now();
    load.flows(50).await;
    assert!(load.latest(release(2)).is_none_or(|latest| latest < now));
    println!(
        "  a lease of 8 s was over, and its candidate gone, after {:.1} s",
        lasted.as_secs_f64()
    );
    load.end().print_unharmed("clock set back an hour in a canary");
}
