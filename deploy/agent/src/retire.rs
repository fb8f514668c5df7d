//! The end of a container: time to finish, its last words kept, then gone.

use crate::start::{Tools, is_port_conflict};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

const LINES_KEPT: usize = 1_000;
const FILES_KEPT: usize = 10;

impl Tools {
    pub async fn retire(&self, id: &str, name: &str, grace: Duration, logs: &Path) -> Result<()> {
        self.docker.stop(id, grace).await?;
        let kept = match self.docker.logs_tail(id, LINES_KEPT).await {
            Ok(lines) if lines.is_empty() => Ok(()),
            Ok(lines) => keep(logs, name, &lines),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            // No reason to keep a container that nobody needs.
            tracing::warn!(container = name, "its last words could not be kept: {error:#}");
        }
        self.docker.remove(id).await?;
        tracing::info!(container = name, "removed");
        Ok(())
    }

    /// Starts a stopped container again, or restarts one that hangs. Where its port has been taken meanwhile it is
    /// removed, and a new one is made elsewhere.
    pub async fn revive(&self, id: &str, name: &str, grace: Duration) -> Result<()> {
        tracing::warn!(container = name, "starting it again");
        self.docker.stop(id, grace).await?;
        match self.docker.start(id).await {
            Err(error) if is_port_conflict(&error) => {
                tracing::warn!(
                    container = name,
                    "it cannot have its port back and is made anew: {error:#}"
                );
                self.docker.remove(id).await
            }
            other => other,
        }
    }
}

/// The newest few containers' last lines, each in a file of its own.
fn keep(folder: &Path, name: &str, lines: &[String]) -> Result<()> {
    let write = || -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.log")), lines.join("\n") + "\n")?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            files.push((
                entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                entry.path(),
            ));
        }
        files.sort();
        let surplus = files.len().saturating_sub(FILES_KEPT);
        files[..surplus]
            .iter()
            .try_for_each(|(_, path)| fs::remove_file(path))?;
        Ok(())
    };
    write().with_context(|| format!("cannot keep logs in `{}`", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_logs_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..FILES_KEPT + 3 {
            keep(dir.path(), &format!("c{n}"), &["last words".to_owned()]).unwrap();
            let old = SystemTime::UNIX_EPOCH + Duration::from_secs(n as u64);
            let file = fs::File::options()
                .write(true)
                .open(dir.path().join(format!("c{n}.log")))
                .unwrap();
            file.set_modified(old).unwrap();
        }
        keep(dir.path(), "latest", &["bye".to_owned()]).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("latest.log")).unwrap(), "bye\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), FILES_KEPT);
        assert!(!dir.path().join("c0.log").exists());
    }
}
