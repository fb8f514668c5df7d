//! How agent, router and supervisor begin: the host's configuration, a log on stderr, and a word to systemd where that
//! started them.

mod log;
pub mod notify;

use anyhow::{Context as _, Result, bail};
use contract::{CONTRACT_VERSION, HostConfig};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One app's configuration.
#[derive(Debug)]
pub struct Given {
    pub config: HostConfig,
    /// Where it lies, without links.
    pub path: PathBuf,
    /// What the paths in it are relative to; empty where that is the folder that the program runs in.
    pub folder: PathBuf,
}

/// The whole of the `main` of a program that has no more to be told than where `host.json` lies: `NAME HOST_JSON` runs
/// it, `NAME --check HOST_JSON` only says whether it could begin with that, and `NAME --version` what it is.
pub fn main(name: &str, run: impl FnOnce(HostConfig, &Path) -> Result<()>) -> ExitCode {
    begin(name, |paths| match paths {
        [path] => {
            let (config, path) = enter(path)?;
            run(config, &path)
        }
        _ => bail!("expected one argument: the path of `host.json`"),
    })
}

/// The same for a program that serves several apps of one host. It runs in the folder of the first.
pub fn main_for_several(name: &str, run: impl FnOnce(Vec<Given>) -> Result<()>) -> ExitCode {
    begin(name, |paths| {
        let mut given = Vec::new();
        for path in paths {
            let (config, path) = read(path)?;
            let folder = folder(&path)?.to_owned();
            given.push(Given { config, path, folder });
        }
        let Some(first) = given.first_mut() else {
            bail!("expected one argument or more: the path of `host.json`, for each app")
        };
        go_to(&first.folder)?;
        first.folder = PathBuf::new();
        run(given)
    })
}

fn begin(name: &str, run: impl FnOnce(&[PathBuf]) -> Result<()>) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let paths = |args: &[OsString]| args.iter().map(PathBuf::from).collect::<Vec<_>>();
    match args.as_slice() {
        [flag] if flag == "--version" => {
            println!("{}", version(name));
            ExitCode::SUCCESS
        }
        [flag, rest @ ..] if flag == "--check" => {
            let checked = paths(rest).iter().try_for_each(|path| read(path).map(drop));
            end(checked, |why| eprintln!("error: {why}"))
        }
        args => {
            log::to_stderr();
            end(run(&paths(args)), |why| tracing::error!("{why}"))
        }
    }
}

/// Programs of one checkout have one version.
pub fn version(name: &str) -> String {
    format!("{name} {}, contract {CONTRACT_VERSION}", env!("CARGO_PKG_VERSION"))
}

/// `run` gets the configuration and where it lies, and is run in that folder.
pub fn serve(path: &Path, run: impl FnOnce(HostConfig, &Path) -> Result<()>) -> ExitCode {
    log::to_stderr();
    let ended = enter(path).and_then(|(config, path)| run(config, &path));
    end(ended, |why| tracing::error!("{why}"))
}

fn end(ended: Result<()>, say: impl FnOnce(String)) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads `host.json` and goes to the folder that holds it, which the paths in it are relative to. Returns where it lies,
/// without links.
pub fn enter(path: &Path) -> Result<(HostConfig, PathBuf)> {
    let (config, path) = read(path)?;
    go_to(folder(&path)?)?;
    Ok((config, path))
}

fn read(path: &Path) -> Result<(HostConfig, PathBuf)> {
    let path = path
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", path.display()))?;
    let name = path.display();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{name}`"))?;
    let config: HostConfig = serde_json::from_str(&text).with_context(|| format!("`{name}` is not a host config"))?;
    if config.contract > CONTRACT_VERSION {
        bail!(
            "`{name}` has contract version {}; this program reads up to {CONTRACT_VERSION}",
            config.contract
        );
    }
    Ok((config, path))
}

fn folder(path: &Path) -> Result<&Path> {
    path.parent().context("a file lies in no folder")
}

fn go_to(folder: &Path) -> Result<()> {
    std::env::set_current_dir(folder).with_context(|| format!("cannot enter `{}`", folder.display()))
}
