//! `completions SHELL` prints a script for a shell. On TAB that script asks the program that was built last what may stand
//! there (`complete`): that compiles, starts and changes nothing, and keeps silent where it cannot tell.

mod candidates;
mod words;

use crate::cli::{Cli, Shell};
use crate::report::Report;
use candidates::candidates;
use clap::CommandFactory as _;
use std::fmt::Write as _;
use std::time::Duration;
use words::Words;

/// A store on the other side of the world must not hold up whoever types.
const PATIENCE: Duration = Duration::from_millis(500);

pub fn completions(shell: Shell, report: &Report) {
    let script = match shell {
        Shell::Bash => include_str!("completions/cargo-xtask.bash"),
        Shell::Zsh => include_str!("completions/cargo-xtask.zsh"),
        Shell::Fish => include_str!("completions/cargo-xtask.fish"),
    };
    report.data("completions", script, serde_json::json!({ "script": script }));
}

/// What the last of these words may become: a candidate a line, and after a tab what it is.
pub async fn complete(words: &[String]) {
    let mut cli = Cli::command();
    cli.build();
    let words = Words::read(&cli, words);
    let found = tokio::time::timeout(PATIENCE, candidates(&words)).await;
    let mut text = String::new();
    for (candidate, what) in found.unwrap_or_default() {
        let _ = writeln!(text, "{}{candidate}\t{what}", words.kept);
    }
    print!("{text}");
}
