//! The loop: start what should run, start it again when it ends, obey signals.

use crate::log::{self, LOG_BYTES};
use crate::program::{Program, Turn};
use crate::record;
use anyhow::Result;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

const LOG_CHECK: Duration = Duration::from_secs(1);

pub async fn supervise(binaries: &Path, config: &Path, socket: TcpListener) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut router = Program::new("router", binaries.join("router"), config.to_owned(), Some(socket));
    let mut agent = Program::new("agent", binaries.join("agent"), config.to_owned(), None);
    let mut log_check = tokio::time::interval(LOG_CHECK);
    // Routers that no longer accept, but still answer.
    let mut retired = JoinSet::new();
    loop {
        tokio::select! {
            turn = router.turn() => follow(&mut router, turn),
            turn = agent.turn() => follow(&mut agent, turn),
            _ = hangup.recv() => {
                tracing::info!("replacing the router");
                if let Some(old) = router.release() {
                    old.terminate();
                    retired.spawn(old.wait());
                }
                // At once, not when the old one has drained: it has stopped accepting.
                router.start();
            }
            Some(_) = retired.join_next() => continue,
            _ = log_check.tick() => {
                cut_logs(&[&router, &agent]);
                continue;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        if let Err(error) = record::write(router.record(), agent.record()) {
            tracing::error!(why = format!("{error:#}"), "others cannot find these processes");
        }
    }
    tracing::info!("ending agent and router");
    router.close_socket();
    for process in [agent.release(), router.release()].into_iter().flatten() {
        process.terminate();
        retired.spawn(process.wait());
    }
    while retired.join_next().await.is_some() {}
    record::remove();
    Ok(())
}

fn follow(program: &mut Program, turn: Turn) {
    match turn {
        Turn::Ended(how) => program.ended(&how),
        Turn::Due => program.start(),
    }
}

fn cut_logs(programs: &[&Program]) {
    for program in programs {
        if let Err(error) = log::cut(&program.log(), LOG_BYTES) {
            tracing::warn!(program = program.name, %error, "its log cannot be shortened");
        }
    }
}
