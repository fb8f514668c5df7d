//! A large fleet on one channel: what it asks of the store, and how soon it follows. The real engine leads the real agents;
//! the store is in memory, as far away as S3 is, and counts.
//!
//! `FLEET_HOSTS` says how many hosts; `cargo xtask test soak` says a thousand.

use super::cut::Cut;
use super::meter::Requests;
use super::providers::CONTROLLER;
use super::simulate;
use super::world::{Shape, World};
use crate::engine::{Event, Release};
use crate::plan::StageName;
use contract::{
    CONTRACT_VERSION, Counts, Digest, Fence, Generation, Health, HostName, Latency, Observed, ObservedReplica,
    ObservedVersion, ReleaseId, RouterReport, Weight,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_secs(2);
/// What S3 takes for a small object.
const LATENCY: Duration = Duration::from_millis(30);
const AT_REST: Duration = Duration::from_secs(30);
const SHORT: usize = 20;
/// In which agents that do not ask in step share the requests about evenly.
const SPAN: Duration = Duration::from_millis(200);
const DESIRED: &str = "channel/production/desired.json";
/// What somebody wants to hear: looked at in place of the other, now and then.
const ASKED: &str = "channel/production/asked.json";
/// Of this process, for a controller of a thousand hosts.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;

/// How many hosts, and whether that was asked for.
fn size() -> (usize, bool) {
    let asked = std::env::var("FLEET_HOSTS").ok().and_then(|text| text.parse().ok());
    (asked.unwrap_or(SHORT), asked.is_some())
}

fn shape(hosts: usize) -> Shape {
    Shape {
        hosts: Some(hosts),
        poll: POLL,
        latency: LATENCY,
    }
}

#[test]
fn a_fleet_follows_a_canary_release_for_a_few_reads_a_host_and_costs_nothing_to_speak_of_at_rest() {
    let (hosts, _) = size();
    let began = Instant::now();
    simulate(async {
        let world = World::shaped(&shape(hosts));
        println!(
            "fleet of {hosts} hosts, polling every {POLL:?}, the store {LATENCY:?} away (in memory, simulated time)"
        );
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        world.release(&first, &Cut::never()).await.expect_done();
        let recovery = world.meter.of(|who, key| who == "host-1" && key.contains("/observed/"));
        assert!(
            recovery.empty + recovery.full <= 1 && recovery.lists == 0,
            "{recovery:?}"
        );
        world.wait_out().await;

        expect_rest(&world, hosts).await;
        let released = follow(&world, &second).await;
        expect_few_reads(&world, hosts);
        println!("production took {released:.1?} of simulated time");
        println!("all of this took {:.1?} on this machine", began.elapsed());
    });
}

/// Nothing is released for a minute.
async fn expect_rest(world: &World, hosts: usize) {
    world.meter.begin();
    tokio::time::sleep(AT_REST).await;
    let polls = (AT_REST.as_secs_f64() / POLL.as_secs_f64()).round() as u64;
    let most = (AT_REST.as_secs_f64() / POLL.mul_f64(0.75).as_secs_f64()).ceil() as u64;
    let each = per_host(world, |key| key == DESIRED || key == ASKED);
    assert_eq!(each.len(), hosts);
    let all: Requests = each.values().copied().sum();
    let (busiest, of) = world.meter.busiest(SPAN);
    let share = of as f64 * SPAN.as_secs_f64() / AT_REST.as_secs_f64();
    let reports = world.meter.of(|_, key| key.contains("/observed/"));
    println!("at rest for {AT_REST:?}:");
    println!(
        "  conditional reads {} ({:.2} a host, {polls} polls), full reads {}, bytes {}",
        all.empty,
        all.empty as f64 / hosts as f64,
        all.full,
        all.full_bytes
    );
    println!("  most reads in {SPAN:?}: {busiest}, {share:.1} if they were spread evenly");
    println!(
        "  reports written {} ({:.2} a host and second), {} bytes each",
        reports.writes,
        reports.writes as f64 / hosts as f64 / AT_REST.as_secs_f64(),
        reports.written_bytes / reports.writes.max(1)
    );
    assert_eq!((all.full, all.full_bytes), (0, 0), "nothing changed");
    for (host, asked) in &each {
        assert!(asked.empty <= most, "{host} read {} times in {AT_REST:?}", asked.empty);
    }
    assert!(
        all.empty.abs_diff(polls * hosts as u64) <= polls * hosts as u64 / 20,
        "{}",
        all.empty
    );
    // Five standard deviations, if each falls anywhere.
    let surprising = share + 5.0 * share.sqrt();
    assert!(
        (busiest as f64) < surprising,
        "{busiest} of {of} reads within {SPAN:?}: in step"
    );
}

/// How long production took.
async fn follow(world: &World, release: &Release) -> Duration {
    world.meter.begin();
    world.release(release, &Cut::never()).await.expect_done();
    for host in &world.hosts["production"] {
        assert_eq!(host.serves().await, [format!("{} 100%", release.id)], "{}", host.name);
    }
    let journal = world.journal(release.id).await;
    let at = |wanted: fn(&Event) -> bool| journal.iter().find(|entry| wanted(&entry.event)).map(|entry| entry.at);
    let began = at(|event| {
        matches!(
            event,
            Event::StageStarted {
                stage: StageName::Production,
                ..
            }
        )
    });
    let ended = at(|event| {
        matches!(
            event,
            Event::StageFinished {
                stage: StageName::Production,
                ..
            }
        )
    });
    let (began, ended) = began.zip(ended).expect("production");
    Duration::try_from(ended.duration_since(began)).expect("time goes on")
}

fn expect_few_reads(world: &World, hosts: usize) {
    let generations = world.meter.writes(DESIRED);
    let each = per_host(world, |_| true);
    let documents: Vec<u64> = each.values().map(|requests| requests.full).collect();
    let (least, most) = (documents.iter().min().unwrap(), documents.iter().max().unwrap());
    let all: Requests = each.values().copied().sum();
    let controller = world
        .meter
        .of(|who, key| who == CONTROLLER && key.contains("/production/"));
    println!("a canary release of {generations} generations:");
    println!(
        "  documents read {least} to {most} a host, {} bytes each; conditional reads {:.1} a host; reports written {:.1} a host",
        all.full_bytes / all.full.max(1),
        all.empty as f64 / hosts as f64,
        all.writes as f64 / hosts as f64
    );
    let lag = world.meter.longest_lag(|who| each.contains_key(who));
    println!("  a generation reached the last host {lag:.1?} after it was written");
    println!(
        "  the controller listed {} times, read {} reports in full ({} bytes) and {} in vain",
        controller.lists, controller.full, controller.full_bytes, controller.empty
    );
    assert!(lag <= POLL.mul_f64(1.25) + 3 * LATENCY, "{lag:?}");
    for (host, asked) in &each {
        assert!(
            asked.full <= generations + 2,
            "{host} read {} documents of {generations}",
            asked.full
        );
    }
    // Whatever did not change is not asked for: at most what hosts wrote is read.
    assert!(
        controller.full <= all.writes + hosts as u64 && controller.empty <= controller.lists,
        "{controller:?}"
    );
}

/// What each host of production asked.
fn per_host(world: &World, of: impl Fn(&str) -> bool) -> BTreeMap<String, Requests> {
    let names = world.hosts["production"].iter().map(|host| host.name.clone());
    names
        .map(|name| (name.clone(), world.meter.of(|who, key| who == name && of(key))))
        .collect()
}

/// Reports of hosts that follow at once, whatever they are told; so that nobody but the controller is in this process.
#[test]
fn a_controller_holds_the_reports_of_its_hosts_and_little_else() {
    let (hosts, is_alone) = size();
    simulate(async {
        let mut world = World::shaped(&shape(0));
        let name = |number| HostName::parse(&format!("host-{number}")).unwrap();
        world.pipeline.production.migrate = None;
        world.pipeline.production.hosts = (1..=hosts).map(name).collect();
        let release = world.release_of("first", 1);
        let mut bytes = 0;
        for host in &world.pipeline.production.hosts {
            let report = serde_json::to_vec(&obedient(&world, host, release.id)).unwrap();
            bytes += report.len();
            let key = format!("channel/production/observed/{host}.json");
            world.store.write(&key, report, store::Condition::None).await.unwrap();
        }
        // Peaks before this one are forgotten.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS");
        world.release(&release, &Cut::never()).await.expect_done();
        let grown = memory("VmHWM").saturating_sub(before);
        println!(
            "controller of {hosts} hosts: {grown} bytes at most beside {before} before it began, for {bytes} bytes of reports"
        );
        assert!(!is_alone || grown < MOST_MEMORY, "{grown} bytes");
    });
}

fn obedient(world: &World, host: &HostName, release: ReleaseId) -> Observed {
    let highest = Generation::new(Fence(u32::MAX), 0);
    let version = |release| ObservedVersion {
        release,
        replicas: vec![ObservedReplica {
            container: "c".repeat(64),
            image: Digest::of(b"image"),
            address: ([127, 0, 0, 1], 1).into(),
            health: Health::Ready,
            restarts: 0,
        }],
        weight: Weight::ALL,
        counts: Counts {
            requests: 1_000_000,
            errors: 0,
        },
        latency: Latency::from_counts((0..Latency::BUCKETS as u64).map(|bucket| 1_000 * bucket)),
    };
    Observed {
        contract: CONTRACT_VERSION,
        app: world.pipeline.app.clone(),
        environment: world.pipeline.production.name.clone(),
        host: host.clone(),
        // Never silent.
        at: Timestamp::MAX,
        generation: highest,
        accepted: highest,
        rollout: None,
        versions: vec![version(release), version(ReleaseId::from_parts(9, 9))],
        router: Some(RouterReport {
            version: "1".to_owned(),
            epoch: 1,
            generation: highest,
            lapsed: None,
        }),
        tasks: Vec::new(),
        failure: None,
        refused: None,
        refused_ask: None,
        agent_version: "1".to_owned(),
    }
}

/// In bytes, as the kernel counts this process.
fn memory(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}
