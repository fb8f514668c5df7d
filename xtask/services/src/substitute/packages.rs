//! Debian packages and what they depend on, fetched into a private root.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// Server, client (for the health check) and time zones. The second server is for Ubuntu 22.04, which has no other name.
pub(super) const WANTED: [&[&str]; 2] = [
    &["mariadb-server-core", "mariadb-client-core", "tzdata"],
    &["mariadb-server-core-10.6", "mariadb-client-core-10.6", "tzdata"],
];
const UPDATE_TIMEOUT: Duration = Duration::from_secs(120);
const FETCH_TIMEOUT: Duration = Duration::from_secs(300);
const UNPACK_TIMEOUT: Duration = Duration::from_secs(60);

/// Downloaded, and verified by apt against the distribution's keys.
pub(super) struct Packages {
    pub debs: Vec<PathBuf>,
    /// `MariaDB 10.11.6 from Debian packages`
    pub name: String,
}

pub(super) async fn fetch(dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<Packages> {
    let config = private_root(dir).await?;
    progress("reading the package lists of the distribution");
    // Not checked: one third-party source that fails must not matter, and a distribution that fails shows below.
    let updated = run(apt(&config).args(["-q", "update"]), UPDATE_TIMEOUT).await?;
    progress("fetching MariaDB and its libraries");
    let mut failures = last_lines(&updated);
    for wanted in WANTED {
        let mut install = apt(&config);
        install.args(["-q", "-y", "--download-only", "install"]).args(wanted);
        let fetched = run(&mut install, FETCH_TIMEOUT).await?;
        if fetched.status.success() {
            return found(dir);
        }
        failures.push_str(&last_lines(&fetched));
    }
    bail!("apt-get could not fetch {:?}:\n{failures}", WANTED[0])
}

impl Packages {
    /// Unpacks them into a root file system; their scripts are not run.
    pub(super) async fn unpack(&self, dir: &Path) -> Result<PathBuf> {
        let root = dir.join("root");
        std::fs::create_dir(&root).with_context(|| format!("creating `{}`", root.display()))?;
        for deb in &self.debs {
            let mut unpack = Command::new("dpkg");
            let unpacked = run(unpack.arg("-x").arg(deb).arg(&root), UNPACK_TIMEOUT).await?;
            ensure!(
                unpacked.status.success(),
                "unpacking `{}`: {}\nhint: is there room in `{}`? 300 MB are needed",
                deb.display(),
                last_lines(&unpacked),
                dir.display()
            );
        }
        Ok(root)
    }
}

/// Directories and a configuration of apt's own, so that it neither needs nor changes anything of the system's. Sources and
/// keys are the machine's; its hooks are left out, because they would touch the system's caches.
async fn private_root(dir: &Path) -> Result<PathBuf> {
    for sub in ["state/lists/partial", "cache/archives/partial", "log", "parts"] {
        std::fs::create_dir_all(dir.join(sub)).with_context(|| format!("creating `{sub}` in `{}`", dir.display()))?;
    }
    let dump = run(Command::new("apt-config").arg("dump"), UPDATE_TIMEOUT).await?;
    let dump = String::from_utf8_lossy(&dump.stdout);
    // Proxies and certificate authorities.
    let network = dump
        .lines()
        .filter(|line| line.starts_with("Acquire::http") && !line.ends_with(" \"\";"));
    let at = dir.display();
    let config = format!(
        "Dir::State \"{at}/state\";\nDir::State::status \"{at}/status\";\nDir::Cache \"{at}/cache\";\nDir::Log \"{at}/log\";\n\
         Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"{at}/parts\";\nAPT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\nAcquire::Retries \"2\";\n\
         Acquire::http::Timeout \"15\";\nAcquire::https::Timeout \"15\";\n{}\n",
        network.collect::<Vec<_>>().join("\n")
    );
    std::fs::write(dir.join("status"), "").context("writing an empty package status")?;
    let path = dir.join("apt.conf");
    std::fs::write(&path, config).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path)
}

fn apt(config: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", config);
    command
}

async fn run(command: &mut Command, timeout: Duration) -> Result<Output> {
    command
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    match tokio::time::timeout(timeout, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{program}` is not on this machine: the substitute is made of Debian or Ubuntu packages")
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("running `{program}`")),
        Err(_late) => bail!("`{program}` did not finish within {} s", timeout.as_secs()),
    }
}

fn found(dir: &Path) -> Result<Packages> {
    let archives = dir.join("cache/archives");
    let entries = std::fs::read_dir(&archives).with_context(|| format!("reading `{}`", archives.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut debs: Vec<PathBuf> = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect();
    debs.sort();
    let version = debs
        .iter()
        .find_map(|deb| server_version(&deb.file_name()?.to_string_lossy()));
    let version = version.context("apt-get fetched no MariaDB server")?;
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let distribution = if os_release.lines().any(|line| line == "ID=ubuntu") {
        "Ubuntu"
    } else {
        "Debian"
    };
    Ok(Packages {
        debs,
        name: format!("MariaDB {version} from {distribution} packages"),
    })
}

/// `10.11.6` of `mariadb-server-core_1%3a10.11.6-0+deb12u1_amd64.deb`.
fn server_version(file_name: &str) -> Option<String> {
    let (package, rest) = file_name.split_once('_')?;
    let version = package.starts_with("mariadb-server-core").then_some(rest)?;
    let upstream = version.rsplit("%3a").next()?;
    Some(upstream.split(['-', '_', '+', '~']).next()?.to_owned())
}

fn last_lines(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_the_package_tools_is_told_so() {
        let error = run(&mut Command::new("no-such-apt-get"), UNPACK_TIMEOUT)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`no-such-apt-get` is not on this machine") && error.contains("Debian or Ubuntu"),
            "{error}"
        );
    }

    #[test]
    fn the_version_is_read_from_the_package_file() {
        let version = |name| server_version(name);
        assert_eq!(
            version("mariadb-server-core_1%3a10.11.6-0+deb12u1_amd64.deb").as_deref(),
            Some("10.11.6")
        );
        assert_eq!(
            version("mariadb-server-core-10.6_1%3a10.6.22-0ubuntu0.22.04.1_amd64.deb").as_deref(),
            Some("10.6.22")
        );
        assert_eq!(version("libc6_2.36-9+deb12u4_amd64.deb"), None);
    }
}
