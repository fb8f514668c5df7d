//! What can be typed.

use crate::plan::StageName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use pipeline::{HOUR, SECOND, Time};
use std::time::Duration;

/// From a commit to live production traffic.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// One versioned JSON object a line on stdout instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// The overlay of pipeline.yaml to use.
    #[arg(long, global = true, default_value = "local", value_name = "NAME")]
    pub profile: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build, test, stage, approve, shift traffic, publish, watch
    Release(ReleaseArgs),
    /// What `release` would do
    Plan,
    /// Say yes to a release that waits, and carry it to the end
    Approve { id: String },
    /// Say no to a release that waits
    Reject {
        id: String,
        #[arg(long)]
        reason: String,
    },
    /// Back to the previous good release, or to the one named
    Rollback(RollbackArgs),
    /// Let an environment run nothing; its data is kept
    Stop {
        environment: String,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Let it run again what it settled on last
    Start { environment: String },
    /// Run a command once, with the image, configuration and secrets of what an environment runs
    ///
    /// A container of its own runs it on one host, beside what serves, and is removed afterwards. CMD and ARGS are given to
    /// the image's entry point, as by `docker run`. They are kept for good with who asked and how it ended (`show ID`), and
    /// whoever may read the channel can read them: put no secret there, the command has those of the environment in its
    /// variables.
    ///
    /// Ends with the command's own exit code, and with 124 if the command took too long. What the tool itself could not do
    /// ends with its usual codes and a line that begins with `error:`: 2 nothing was run, 4 the environment is being
    /// changed, 5 it is not known whether it ran, 130 the wait was ended and the command was not. `--json` tells them apart
    /// by the event `executed`, which is there if the command ended.
    Exec(ExecArgs),
    /// Take an environment's lease from a release whose machine is gone for good
    Unlock {
        environment: String,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// What runs where, and who is changing it
    Status,
    /// Releases, newest first
    Releases,
    /// One release: what it is and what it did
    Show { id: String },
    /// What the programs of a stage printed, or with --app what the app prints on an environment's hosts
    Logs(LogsArgs),
    /// What is in the way of a release, and what to type about it
    Doctor {
        /// Install what is missing, where that is known how
        #[arg(long)]
        install: bool,
    },
    /// The local ground
    #[command(subcommand)]
    Local(LocalCommand),
    /// The key that signs desired state
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Write the JSON Schema of pipeline.yaml
    Schema {
        /// Only say whether the file is as it should be
        #[arg(long)]
        check: bool,
    },
    /// Run the tests, by tier
    Test(TestArgs),
    /// Look for inputs that agents and routers cannot bear
    Fuzz(FuzzArgs),
    /// Fill an environment with demo data
    Seed(SeedArgs),
    /// Measure, against a peer in the same run
    Bench(BenchArgs),
    /// A script that completes these commands in a shell
    Completions { shell: Shell },
    /// What that script asks on TAB
    #[command(hide = true)]
    Complete {
        #[arg(last = true)]
        words: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Approve without being asked; recorded as such
    #[arg(long)]
    pub yes: bool,
    /// Go on with a release that was cut off
    #[arg(long, value_name = "ID")]
    pub resume: Option<String>,
    /// Promote this image (`REPOSITORY@sha256:…`) instead of building one
    #[arg(long, value_name = "IMAGE", conflicts_with = "resume")]
    pub image: Option<String>,
    /// End with this stage; `--resume` goes on from there
    #[arg(long, value_name = "STAGE")]
    pub to: Option<StageName>,
    /// Carry this stage and those after it out again, although they were done
    #[arg(long, value_name = "STAGE", requires = "resume")]
    pub from: Option<StageName>,
    /// Carry out this stage, again if it was done, and end with it
    #[arg(long, value_name = "STAGE", requires = "resume", conflicts_with_all = ["from", "to"])]
    pub only: Option<StageName>,
    /// Shorten every bake to a tenth; health gate, judge and approval stay
    #[arg(long, requires = "reason")]
    pub fast: bool,
    /// Change production although it is frozen
    #[arg(long, requires = "reason")]
    pub despite_freeze: bool,
    /// Why; recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Install a missing Docker engine without asking
    #[arg(long, conflicts_with = "no_install")]
    pub install: bool,
    /// Never install anything, not even after asking
    #[arg(long)]
    pub no_install: bool,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    pub environment: String,
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,
    /// Although the release was not seen running on the schema there is now
    #[arg(long, requires = "reason")]
    pub unproven: bool,
    /// Why; recorded
    #[arg(long, value_name = "TEXT", requires = "unproven")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A release; with --app an environment
    #[arg(value_name = "ID|ENV")]
    pub id: String,
    #[arg(conflicts_with = "app")]
    pub stage: Option<StageName>,
    /// What the app itself prints, on every host; also while a release is under way
    #[arg(long)]
    pub app: bool,
    /// Go on with what is printed from now on; of a stage, until its release ends
    #[arg(short, long)]
    pub follow: bool,
    /// Only what this one prints
    #[arg(long, value_name = "VERSION", requires = "app")]
    pub version: Option<Which>,
    /// So many of the last lines of each container, at most 1000
    #[arg(long, value_name = "N", requires = "app", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub lines: u32,
    /// Only on this host
    #[arg(long, value_name = "HOST", requires = "app")]
    pub host: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Stable,
    Candidate,
}

#[derive(Debug, Args)]
pub struct ExecArgs {
    pub environment: String,
    /// The host that runs it; the environment's first unless named
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Stop the command if it takes longer, from 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = timeout)]
    pub timeout: Duration,
    /// What to run
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    type Timeout = Time<SECOND, HOUR>;
    Timeout::parse(text).ok_or_else(|| format!("expected a time {}, such as `30s`", Timeout::bounds()))
}

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// `staging` or `production`. Left out on the local ground: production, which is what the site shows
    pub environment: Option<String>,
    /// Where the environment answers, where its hosts are real
    #[arg(long)]
    pub url: Option<String>,
    /// Passed on to the program that seeds
    #[arg(last = true, value_name = "ARGS")]
    pub rest: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// Bring the ground up, or back
    Up,
    /// End its processes and stop its containers; everything is kept
    Stop,
    /// Remove processes, containers and networks; releases, keys and data are kept
    Down {
        /// Remove data, images and `.release/` as well
        #[arg(long)]
        purge: bool,
    },
    /// What of it runs, and where
    Status,
    /// What its processes printed
    Logs { name: Option<String> },
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the first signing key and the set of keys hosts trust
    New,
    /// Sign with a new key from now on; hosts go on trusting the one before
    Rotate,
    /// Let hosts trust no key but the one that signs
    Retire,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Of `image`, `engine`, `router`, and those in pipeline.yaml; all without a name
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Install Debian packages that a peer comes in
    #[arg(long)]
    pub install: bool,
}

#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Of `admin`, `agent-state`, `desired`, `head`, `observed`, `router-state`; all without a name
    pub targets: Vec<String>,
    /// For each of them
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Of `unit`, `registries`, `stores`, `release`, `api` and `faults`, all without a name; and `soak` and `hosts`, which
    /// take long
    pub tiers: Vec<String>,
    /// Install Debian packages that a tier needs
    #[arg(long)]
    pub install: bool,
}
