//! What is asked of hosts, and what they say to it.

use crate::{Channel, Poll, PublishError};
use anyhow::{Context as _, Result, bail};
use contract::{AskId, Envelope, HostName, Said};
use store::{Condition, Read, Revision, WriteError};

const ASKED: &str = "asked.json";
/// Of one host, at once: a host that lost its memory in the middle of many asks finds the rest the next time.
const MOST_ASKS: usize = 20;
/// Of one ask: as many as a host leaves there, and some.
const MOST_PARTS: usize = 400;

impl Channel {
    /// Replaces the ask that has the `expected` revision, or makes the first one where none is expected.
    pub async fn ask(&self, envelope: &Envelope, expected: Option<&Revision>) -> Result<Revision, PublishError> {
        self.replace(ASKED, envelope, expected).await
    }

    /// What is asked now, unless it is what is known already.
    pub async fn poll_asked(&self, known: Option<&Revision>) -> Result<Poll> {
        self.poll(ASKED, known).await
    }

    /// One part of this host's answer.
    pub async fn say(&self, said: &Said) -> Result<()> {
        let bytes = serde_json::to_vec(said).context("cannot write what is said as JSON")?;
        let key = part_key(&said.host, said.ask, said.sequence);
        match self.store.write(&key, bytes, Condition::None).await {
            Ok(_) => Ok(()),
            Err(WriteError::Conflict) => bail!("an unconditional write of `{key}` was refused"),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// `None` where it is not said yet, or not any more.
    pub async fn read_said(&self, host: &HostName, ask: AskId, sequence: u32) -> Result<Option<Said>> {
        let key = part_key(host, ask, sequence);
        let said: Said = match self.store.read(&key, None).await? {
            Read::Absent | Read::Unchanged => return Ok(None),
            Read::Oversized => bail!(store::oversized(&self.store.locate(&key))),
            Read::Found(bytes, _) => self.parse(&key, &bytes)?,
        };
        let (app, environment) = (&self.app, &self.environment);
        if (&said.host, said.ask, said.sequence) != (host, ask, sequence)
            || (&said.app, &said.environment) != (app, environment)
        {
            bail!(
                "`{}` was written for something else: part {} of ask {} by `{}`, {} of `{}`",
                self.store.locate(&key),
                said.sequence,
                said.ask,
                said.host,
                said.environment,
                said.app
            );
        }
        Ok(Some(said))
    }

    /// Numbers of the parts of a host's answer that are there, in order.
    pub async fn parts(&self, host: &HostName, ask: AskId) -> Result<Vec<u32>> {
        let names = self.store.list(&ask_folder(host, ask), MOST_PARTS).await?;
        let number = |name: &String| name.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A host takes back a part that nobody will read any more.
    pub async fn take_back(&self, host: &HostName, ask: AskId, sequence: u32) -> Result<()> {
        self.store.delete(&part_key(host, ask, sequence)).await
    }

    /// A host takes back what it said to all asks but this one.
    pub async fn take_back_others(&self, host: &HostName, kept: Option<AskId>) -> Result<()> {
        let folders = self.store.list(&host_folder(host), MOST_ASKS).await?;
        let asks = folders.iter().filter_map(|name| AskId::parse(name).ok());
        for ask in asks.filter(|ask| Some(*ask) != kept) {
            for sequence in self.parts(host, ask).await? {
                self.take_back(host, ask, sequence).await?;
            }
        }
        Ok(())
    }
}

fn host_folder(host: &HostName) -> String {
    format!("said/{host}/")
}

fn ask_folder(host: &HostName, ask: AskId) -> String {
    format!("{}{ask}/", host_folder(host))
}

fn part_key(host: &HostName, ask: AskId, sequence: u32) -> String {
    format!("{}{sequence}.json", ask_folder(host, ask))
}
