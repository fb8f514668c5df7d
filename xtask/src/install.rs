//! Changes to the machine itself: packages of Debian and Ubuntu, only where that was asked for or agreed to.

use crate::command;
use crate::failure::{Failure, Result};
use docker::{Docker, EngineError};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Debian and Ubuntu, where the engine is one package away.
pub fn knows_package() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// The distribution's own package.
pub async fn engine() -> Result<()> {
    if !knows_package() {
        return Err(Failure::bad_input(
            "this machine has no `apt-get`, so the Docker engine is not installed from here",
        )
        .next("install Docker Engine as https://docs.docker.com/engine/install/ says, then run the command again"));
    }
    packages(&["docker.io".to_owned()]).await?;
    start_engine().await
}

/// The package starts its engine where an init system runs; in a container or a chroot somebody else has to.
async fn start_engine() -> Result<()> {
    let answers = async |within: Duration| {
        let since = Instant::now();
        loop {
            match Docker::connect().await {
                Err(EngineError::Missing { .. } | EngineError::Unreachable { .. }) if since.elapsed() < within => {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(EngineError::Missing { .. } | EngineError::Unreachable { .. }) => return false,
                // What else may be wrong with it is for the next connection to say.
                _ => return true,
            }
        }
    };
    if answers(Duration::from_secs(10)).await {
        return Ok(());
    }
    as_root(&["service", "docker", "start"]).await?;
    if answers(Duration::from_secs(30)).await {
        return Ok(());
    }
    Err(
        Failure::bad_input("the Docker engine was installed, but does not answer")
            .next("sudo journalctl --unit docker, or the end of /var/log/docker.log"),
    )
}

/// Debian packages, by name.
pub async fn packages(packages: &[String]) -> Result<()> {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    as_root(&["apt-get", "update"]).await?;
    // Nobody is there to answer for a configuration file that was changed by hand: it stays.
    let install = [
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "--option=Dpkg::Options::=--force-confold",
    ];
    as_root(&[&install, packages.as_slice()].concat()).await
}

/// A command that changes the machine: shown before it runs, and as it runs.
async fn as_root(words: &[&str]) -> Result<()> {
    let words = match rustix::process::geteuid().is_root() {
        true => words.to_vec(),
        false => [&["sudo"], words].concat(),
    };
    let [program, args @ ..] = words.as_slice() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    eprintln!("$ {}", words.join(" "));
    let finished = command::run(command, Duration::from_secs(900), |line| eprintln!("  {line}")).await?;
    if finished.success {
        return Ok(());
    }
    let failure = Failure::bad_input(format!("`{}` failed", words.join(" ")));
    Err(finished
        .tail
        .iter()
        .fold(failure, |failure, line| failure.why(format!("| {line}"))))
}
