//! The programs of the ground and of its hosts: built from the tool's own workspace, then copied aside, so that a later
//! build or clean-up of `target/` does not pull them out from under running processes.

use crate::command;
use crate::failure::{Failure, OrFail, Result};
use crate::project::{Project, tool_workspace};
use crate::report::Report;
use contract::Digest;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

const NAMES: [&str; 4] = ["agent", "ground", "router", "supervisor"];
const BUILD_WITHIN: Duration = Duration::from_secs(1800);

/// One build of all four.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub folder: PathBuf,
    /// Which build it is: changes when any of them does.
    pub version: String,
}

impl Binaries {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

pub async fn build(project: &Project, report: &Report) -> Result<Binaries> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(tool_workspace())
        .arg("build")
        .arg("--message-format=json-render-diagnostics");
    cargo.args(NAMES.iter().flat_map(|name| ["--package", name]));
    let finished = command::run(cargo, BUILD_WITHIN, |line| {
        if let Some(compiling) = line.trim_start().strip_prefix("Compiling ") {
            report.progress(format!("compiling the hosts' programs: {compiling}"));
        }
    })
    .await?;
    if !finished.success {
        let failure = Failure::failed("the hosts' programs do not compile");
        return Err(finished
            .tail
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))));
    }
    install(project, &executables(&finished.stdout))
}

/// Where cargo says it put them.
fn executables(messages: &str) -> Vec<PathBuf> {
    let executable = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    messages.lines().filter_map(executable).collect()
}

fn install(project: &Project, built: &[PathBuf]) -> Result<Binaries> {
    let failed = || "the hosts' programs cannot be copied".to_owned();
    let mut all = String::new();
    let mut contents = Vec::new();
    for name in NAMES {
        let source = built
            .iter()
            .find(|path| path.file_name().is_some_and(|file| file == name));
        let source = source.ok_or_else(|| Failure::failed(format!("cargo built no program `{name}`")))?;
        let bytes = std::fs::read(source).or_fail(failed)?;
        all.push_str(&Digest::of(&bytes).hex());
        contents.push((name, source.clone()));
    }
    let version = Digest::of(all.as_bytes()).short();
    let folder = project.state().join("bin").join(&version);
    for (name, source) in contents {
        copy_once(&source, &folder.join(name)).or_fail(failed)?;
    }
    Ok(Binaries { folder, version })
}

fn copy_once(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = to.with_extension("part");
    std::fs::copy(from, &partial)?;
    std::fs::rename(partial, to)
}
