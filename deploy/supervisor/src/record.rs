//! `supervisor.json`: which processes are this host's.

use anyhow::{Context, Result};
use contract::{ProcessRecord, SupervisorRecord};
use std::fs::File;
use std::io::Write;

const PATH: &str = "supervisor.json";

pub fn write(router: Option<ProcessRecord>, agent: Option<ProcessRecord>) -> Result<()> {
    let supervisor = process(std::process::id()).context("this process is not in /proc")?;
    let record = SupervisorRecord {
        supervisor,
        router,
        agent,
    };
    let save = || -> Result<()> {
        let temporary = format!("{PATH}.new");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer_pretty(&mut file, &record)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(std::fs::rename(temporary, PATH)?)
    };
    save().with_context(|| format!("cannot write `{PATH}`"))
}

pub fn remove() {
    if let Err(error) = std::fs::remove_file(PATH) {
        tracing::warn!(%error, "cannot remove `{PATH}`");
    }
}

pub fn process(pid: u32) -> Option<ProcessRecord> {
    Some(ProcessRecord {
        pid,
        start_time: machine::start_time(pid)?,
    })
}
