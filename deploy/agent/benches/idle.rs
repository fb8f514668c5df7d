//! What agent and router cost on a host where nothing happens: memory, and processor time over half a minute. One version
//! runs settled, polled for and probed as often as on a host of one's own. `cargo xtask bench idle` runs it.

#[expect(dead_code, reason = "what only tests ask of a host")]
#[path = "../tests/live/host.rs"]
mod host;
#[expect(dead_code, reason = "what only tests ask with")]
#[path = "../tests/live/http.rs"]
mod http;
#[expect(dead_code, reason = "what only tests ask of a registry")]
#[path = "../tests/live/registry.rs"]
mod registry;

use contract::{Desired, HealthGate};
use host::Host;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// As `deploy/ec2` sets it up.
const POLL_MS: u64 = 1_000;
const PROBE_MS: u64 = 500;
const SETTLING: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let figures = runtime.unwrap().block_on(measure());
    println!("{figures}");
}

async fn measure() -> Value {
    let mut host = Host::start().await;
    host.poll_every(POLL_MS);
    let settled = host.settled();
    let gate = HealthGate {
        interval_ms: PROBE_MS,
        ..settled.gate.clone()
    };
    host.bring(Desired { gate, ..settled }).await;
    tokio::time::sleep(SETTLING).await;
    let programs = host.programs();
    let before = programs.map(|(_, pid)| processor_ns(pid));
    tokio::time::sleep(WATCHED).await;
    let mut text = format!(
        "idle for {} s, one version, polls every {} s, probes every {PROBE_MS} ms\n",
        WATCHED.as_secs(),
        POLL_MS / 1_000
    );
    let mut cells = Vec::new();
    for ((name, pid), before) in programs.into_iter().zip(before) {
        let share = (processor_ns(pid) - before) as f64 / WATCHED.as_nanos() as f64 * 100.0;
        let (resident, own) = (memory(pid, "VmRSS:"), memory(pid, "RssAnon:"));
        text.push_str(&format!(
            "{name:<8}{share:>7.3} % of a processor  {:>6.1} MB resident, {:.1} MB of its own\n",
            resident as f64 / 1e6,
            own as f64 / 1e6
        ));
        cells
            .push(json!({ "program": name, "processor_percent": share, "resident_bytes": resident, "own_bytes": own }));
    }
    json!({ "text": text, "programs": cells })
}

/// Of all its threads, those that ended included.
fn processor_ns(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before it may hold anything, a parenthesis included.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 1_000_000_000 / rustix::param::clock_ticks_per_second()
}

fn memory(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}
