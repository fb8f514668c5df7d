//! The router beside nginx and HAProxy: the same two backends and weights, an access log and counters in all, and the same
//! load, in turns, because these machines' speed drifts. `cargo xtask bench router` runs it.
//!
//! Load, backends and the proxy share the machine, so that requests a second are those of all three together; what a
//! proxy itself costs is said by its own CPU time.

mod backend;
mod figures;
mod load;
mod process;
mod proxies;

use figures::{Cell, Figures};
use load::Load;
use proxies::Proxy;
use std::time::Duration;

const RUNS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1_500);
const CONNECTIONS: [usize; 3] = [1, 32, 256];
const LARGE: usize = 1 << 20;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(measure())?;
    println!("{}", figures.to_json());
    Ok(())
}

async fn measure() -> anyhow::Result<Figures> {
    let dir = tempfile::tempdir()?;
    let backends = [backend::start().await?, backend::start().await?];
    let proxies = Proxy::start_all(dir.path(), backends).await?;
    let mut figures = Figures::default();
    for (path, name) in [("/small", "small"), ("/large", "1 MB")] {
        for connections in CONNECTIONS {
            for run in 1..=RUNS {
                eprintln!("{name} answers, {connections} connections: run {run} of {RUNS}");
                for proxy in &proxies {
                    let load = Load {
                        address: proxy.address,
                        path,
                        connections,
                    };
                    load.put_on(WARM_UP).await?;
                    let before = proxy.cpu_time();
                    let answered = load.put_on(MEASURED).await?;
                    let cpu = proxy.cpu_time() - before;
                    let cell = Cell {
                        answers: name,
                        connections,
                        proxy: proxy.name,
                    };
                    figures.note(cell, &answered, cpu);
                }
            }
        }
    }
    for proxy in &proxies {
        figures.note_memory(proxy.name, proxy.version.clone(), proxy.memory());
    }
    Ok(figures)
}
