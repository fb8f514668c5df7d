//! What can be typed.

use crate::plan::StageName;
use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// What the programs of a stage printed
    Logs { id: String, stage: Option<StageName> },
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
    /// Fill an environment with demo data
    Seed(SeedArgs),
    /// Measure, against a peer in the same run
    Bench {
        /// Of `image`, `engine`, and those in pipeline.yaml; all without a name
        name: Vec<String>,
    },
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
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Of `unit`, `registries`, `stores`, `release`, `api`; all without a name
    pub tiers: Vec<String>,
    /// Install Debian packages that a tier needs
    #[arg(long)]
    pub install: bool,
}
