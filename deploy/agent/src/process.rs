//! Whether this host's agent runs: it leaves word of itself beside what it remembers, for whoever asks on the host.

use anyhow::{Context as _, Result};
use contract::ProcessRecord;
use std::fs;
use std::path::Path;

const NAME: &str = "process.json";

pub fn note_own(folder: &Path) -> Result<()> {
    let pid = std::process::id();
    let start_time = machine::start_time(pid).context("this process is not in /proc")?;
    let write = || -> Result<()> {
        fs::create_dir_all(folder)?;
        let temporary = folder.join(format!("{NAME}.new"));
        fs::write(&temporary, serde_json::to_vec(&ProcessRecord { pid, start_time })?)?;
        Ok(fs::rename(temporary, folder.join(NAME))?)
    };
    write().with_context(|| format!("cannot write `{}`", folder.join(NAME).display()))
}

/// The agent's process, if it lives: one that only has the same id is another.
pub fn running(folder: &Path) -> Option<u32> {
    let record: ProcessRecord = serde_json::from_slice(&fs::read(folder.join(NAME)).ok()?).ok()?;
    (machine::start_time(record.pid) == Some(record.start_time)).then_some(record.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_or_another_s_is_not_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(running(dir.path()), None);
        note_own(dir.path()).unwrap();
        assert_eq!(running(dir.path()), Some(std::process::id()));
        let record = ProcessRecord {
            pid: std::process::id(),
            start_time: 1,
        };
        fs::write(dir.path().join(NAME), serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(running(dir.path()), None);
    }
}
