//! `cargo xtask`: the release tool's door. Parses, dispatches, and ends with the exit code that scripts branch on.

mod build;
mod cli;
mod clock;
mod command;
mod commands;
mod context;
mod engine;
mod facts;
mod failure;
mod files;
mod gate;
mod git;
mod hearing;
mod http;
mod ids;
mod install;
mod interrupt;
mod keys;
mod local;
mod notify;
mod plain;
mod plan;
mod preflight;
mod project;
mod providers;
#[cfg(test)]
mod proxies;
mod redact;
mod report;
mod rollout;
mod screen;
mod secrets;
#[cfg(test)]
mod simulation;
mod stages;
mod stand;
mod summary;
mod user;

use clap::Parser as _;
use cli::{Cli, Command};
use failure::{Exit, Failure, Result};
use report::Report;
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    redact::learn_environment();
    let cli = Cli::parse();
    let report = Report::new(cli.json);
    start_log();
    // Whoever installed a provider first did the same; there is only one to choose.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.failure(&Failure::failed(format!("no threads to run on: {error}")));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = dispatch(cli, &report) => result,
            left = interrupted(&report) => Err(left),
        }
    });
    // Work that is still under way on other threads is of no use to anyone now.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// What libraries say, for whoever looks for a fault in this tool: `RUST_LOG` asks for it.
fn start_log() {
    let asked = std::env::var("RUST_LOG")
        .ok()
        .and_then(|text| text.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(tracing::Level::ERROR));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(log).with(filter).init();
}

async fn dispatch(cli: Cli, report: &Report) -> Result<()> {
    let profile = cli.profile.as_str();
    match cli.command {
        Command::Release(args) => commands::release::release(profile, args, report).await,
        Command::Plan => commands::plan::plan(profile, report).await,
        Command::Approve { id } => commands::approve::approve(profile, &id, report).await,
        Command::Reject { id, reason } => commands::approve::reject(profile, &id, &reason, report).await,
        Command::Rollback(args) => commands::rollback::rollback(profile, args, report).await,
        Command::Stop { environment, yes } => commands::stop::stop(profile, &environment, yes, report).await,
        Command::Start { environment } => commands::stop::start(profile, &environment, report).await,
        Command::Exec(args) => commands::exec::exec(profile, args, report).await,
        Command::Unlock { environment, yes } => commands::unlock::unlock(profile, &environment, yes, report).await,
        Command::Status => commands::status::status(profile, report).await,
        Command::Releases => commands::releases::releases(profile, report).await,
        Command::Show { id } => commands::releases::show(profile, &id, report).await,
        Command::Logs(args) => commands::logs::logs(profile, args, report).await,
        Command::Doctor { install } => commands::doctor::doctor(profile, install, report).await,
        Command::Local(command) => commands::local::local(profile, command, report).await,
        Command::Keys(command) => commands::keys::keys(profile, &command, report).await,
        Command::Schema { check } => commands::schema::schema(check, report),
        Command::Test(args) => commands::test::test(args, report).await,
        Command::Fuzz(args) => commands::fuzz::fuzz(args, report).await,
        Command::Seed(args) => commands::seed::seed(profile, args, report).await,
        Command::Completions { shell } => {
            commands::completions::completions(shell, report);
            Ok(())
        }
        Command::Complete { words } => {
            commands::completions::complete(&words).await;
            Ok(())
        }
        Command::Bench(args) => commands::bench::bench(profile, &args, report).await,
    }
}

/// Returns when it is time to leave, whatever is under way.
async fn interrupted(report: &Report) -> Failure {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let mut wanted = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    wanted().await;
    if !report.interrupt.ask() {
        return interrupt::cancelled();
    }
    report.note("finishing or undoing what is in hand; once more to leave at once");
    wanted().await;
    interrupt::cancelled()
        .world("whatever was on its way to an environment returns to the stable version when its lease ends")
        .next("cargo xtask releases, then cargo xtask release --resume ID")
}
