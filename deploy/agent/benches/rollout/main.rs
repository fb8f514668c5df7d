//! How long it takes from the word to the first user of a new version, and what users notice: an agent and a router beside
//! what a script does, which is to pull, stop the old container and start the new one in its place. The same image, the
//! same engine, the same load, in turns. `cargo xtask bench rollout` runs it.
//!
//! The script gets every advantage: its old container is killed at once, and the server is up as soon as it runs.

#[expect(dead_code, reason = "what only tests ask of a host")]
#[path = "../../tests/live/host.rs"]
mod host;
#[expect(dead_code, reason = "what only tests ask with")]
#[path = "../../tests/live/http.rs"]
mod http;
mod load;
#[expect(dead_code, reason = "what only tests ask of a registry")]
#[path = "../../tests/live/registry.rs"]
mod registry;

use contract::ImageRef;
use host::{Host, release};
use load::Load;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

const RUNS: usize = 5;
/// Before the word, and after the new version's first answer.
const MARGIN: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(60);

struct Run {
    seconds: f64,
    sent: usize,
    failed: usize,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let (ours, script) = runtime.unwrap().block_on(measure());
    let ratios = ours
        .iter()
        .zip(&script)
        .map(|(ours, script)| ours.seconds / script.seconds);
    let ratio = median(ratios);
    let line = |name: &str, runs: &[Run]| {
        let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
        let (least, most) = (
            seconds.iter().copied().fold(f64::MAX, f64::min),
            seconds.iter().copied().fold(0.0, f64::max),
        );
        let (sent, failed) = (
            runs.iter().map(|run| run.sent).sum::<usize>(),
            runs.iter().map(|run| run.failed).sum::<usize>(),
        );
        format!(
            "{name:<16}{:>8.2} s  {:>14}  {failed} of {sent} requests failed\n",
            median(seconds.iter().copied()),
            format!("({least:.2}–{most:.2})")
        )
    };
    let text = format!(
        "from the word to the first answer of the new version, {RUNS} runs each\n{}{}ratio           {ratio:>8.2}×\n",
        line("agent, router", &ours),
        line("stop, then start", &script),
    );
    let cells = |runs: &[Run]| {
        runs.iter()
            .map(|run| json!({ "seconds": run.seconds, "sent": run.sent, "failed": run.failed }))
            .collect::<Vec<_>>()
    };
    println!(
        "{}",
        json!({ "text": text, "agent": cells(&ours), "script": cells(&script), "ratio": ratio })
    );
}

async fn measure() -> (Vec<Run>, Vec<Run>) {
    let (mut ours, mut script) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        eprintln!("run {run} of {RUNS}");
        ours.push(by_agent().await);
        script.push(by_script().await);
    }
    (ours, script)
}

async fn by_agent() -> Run {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let load = Load::on(host.listen);
    tokio::time::sleep(MARGIN).await;
    let since = Instant::now();
    host.publish(host.promoted()).await;
    end(load, since).await
}

async fn by_script() -> Run {
    // Its images, and no more of it.
    let mut host = Host::start().await;
    host.kill_agent();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = format!("bench-rollout-{}-{}", std::process::id(), address.port());
    let image = |n| host.registry.image(n);
    docker(&["pull", "--quiet", &image(1).to_string()]);
    run_container(&name, address, &image(1), 1);
    while http::try_get(address, "/version").await.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let load = Load::on(address);
    tokio::time::sleep(MARGIN).await;
    let since = Instant::now();
    let new = image(2);
    let replace = {
        let name = name.clone();
        tokio::task::spawn_blocking(move || {
            docker(&["pull", "--quiet", &new.to_string()]);
            docker(&["rm", "--force", &name]);
            run_container(&name, address, &new, 2);
        })
    };
    let run = end(load, since).await;
    replace.await.unwrap();
    docker(&["rm", "--force", &name]);
    run
}

async fn end(load: Load, since: Instant) -> Run {
    let new = release(2).to_string();
    let first = loop {
        if let Some(at) = load.first_answer(&new) {
            break at;
        }
        assert!(since.elapsed() < PATIENCE, "the new version never answered");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    tokio::time::sleep(MARGIN).await;
    let (sent, failed) = load.end().await;
    Run {
        seconds: first.duration_since(since).as_secs_f64(),
        sent,
        failed,
    }
}

fn run_container(name: &str, address: SocketAddr, image: &ImageRef, n: u64) {
    let (publish, version) = (format!("{address}:8080"), format!("RELEASE_ID={}", release(n)));
    docker(&[
        "run",
        "--detach",
        "--name",
        name,
        "--label",
        "xtask.test=1",
        "--publish",
        &publish,
        "--env",
        &version,
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        &image.to_string(),
    ]);
}

fn docker(args: &[&str]) {
    let output = Command::new("docker").args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {error}", args.join(" "));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
