//! Says what the app prints, in parts, for as long as it is asked for. Everything about it is bounded: how often a part is
//! written, how large it is, what waits to be said, and how many parts lie there. What the app prints faster is dropped,
//! and how much was is said.

use crate::containers;
use crate::reach::Reach;
use anyhow::{Context as _, Result};
use channel::Channel;
use contract::{AskId, Asked, CONTRACT_VERSION, HostConfig, HostName, ReleaseId, Said, SaidLine};
use docker::{Docker, LinesWanted};
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const PART_EVERY: Duration = Duration::from_secs(1);
/// For those who wait for the last lines of what runs.
const FIRST_PART_AFTER: Duration = Duration::from_millis(250);
const PART_BYTES: usize = 256 * 1024;
/// What waits to be said: more than the last lines that may be asked for need.
const WAITING_BYTES: usize = 1024 * 1024;
/// Besides the words of a line, in a document.
const LINE_BYTES: usize = 110;
/// Parts that lie there for a reader that is behind.
const KEPT_PARTS: u32 = 120;
/// For a reader that comes late; then nothing is left of an ask.
const KEPT_FOR: Duration = Duration::from_secs(60);
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// An ask, and until when by the clock of this process.
#[derive(Debug, Clone)]
pub struct InForce {
    pub asked: Asked,
    pub until: Instant,
}

#[derive(Debug)]
pub struct Saying {
    pub config: Arc<HostConfig>,
    pub reach: Arc<dyn Reach>,
    pub channel: Channel,
}

/// What was printed and not said yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<SaidLine>,
    bytes: usize,
    dropped: u64,
    trouble: Option<String>,
}

/// Where an answer stands.
struct Answer {
    sequence: u32,
    /// An agent before this one said everything up to here.
    said_until: Option<Timestamp>,
    /// By container.
    readers: BTreeMap<String, Reader>,
    waiting: Arc<Mutex<Waiting>>,
    is_first_look: bool,
}

/// Of one container; ends with it, and is begun again when that is.
struct Reader {
    task: JoinHandle<()>,
    /// The time of the latest line.
    read_until: Arc<Mutex<Option<Timestamp>>>,
}

/// What a reader hands over.
struct Source {
    release: ReleaseId,
    wanted: LinesWanted,
    /// Nothing of what was said already.
    after: Option<Timestamp>,
    now: Timestamp,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Saying {
    /// Ends when the ask does, and takes everything back some time later, unless another ask came in between.
    pub async fn answer(self, mut asked: watch::Receiver<InForce>) {
        loop {
            if let Err(error) = self.say_all(&mut asked).await {
                tracing::warn!("an ask cannot be answered: {error:#}");
            }
            match tokio::time::timeout(KEPT_FOR, asked.changed()).await {
                // Renewed late.
                Ok(Ok(())) => {}
                // What lies there is the next answer's to take back.
                Ok(Err(_replaced)) => return,
                Err(_) => return take_back(self.channel, self.config.host.clone()).await,
            }
        }
    }

    async fn say_all(&self, asked: &mut watch::Receiver<InForce>) -> Result<()> {
        let id = asked.borrow().asked.id;
        let mut answer = self.begin(id).await?;
        let mut pause = FIRST_PART_AFTER;
        loop {
            let InForce { asked: current, until } = asked.borrow_and_update().clone();
            if let Err(error) = timely(self.read_more(&current, &mut answer)).await {
                answer.waiting().trouble = Some(format!("{error:#}"));
            }
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(pause.min(left)).await;
            pause = PART_EVERY;
            // Replaced by another ask: nobody reads this any more.
            if asked.has_changed().is_err() {
                return Ok(());
            }
            let is_renewed = asked.has_changed().unwrap_or(false);
            let is_read = !current.logs.follow && answer.readers.values().all(|reader| reader.task.is_finished());
            let is_over = until <= Instant::now() && !is_renewed;
            let is_last = is_over || (is_read && answer.waiting().bytes <= PART_BYTES);
            // What cannot be written now waits, within its bounds.
            let said = self.say(&current, &mut answer, is_last).await;
            if let Err(error) = &said {
                tracing::warn!("what the app prints could not be said: {error:#}");
            }
            if is_over || (is_last && said.is_ok()) {
                return Ok(());
            }
        }
    }

    async fn begin(&self, ask: AskId) -> Result<Answer> {
        let host = &self.config.host;
        timely(self.channel.take_back_others(host, Some(ask))).await?;
        let parts = timely(self.channel.parts(host, ask)).await?;
        let said_until = match parts.last() {
            Some(last) => timely(self.channel.read_said(host, ask, *last))
                .await?
                .map(|said| said.at),
            None => None,
        };
        Ok(Answer {
            sequence: parts.last().map_or(0, |last| last + 1),
            said_until,
            readers: BTreeMap::new(),
            waiting: Arc::default(),
            is_first_look: true,
        })
    }

    /// Begins to read containers that are not read yet.
    async fn read_more(&self, asked: &Asked, answer: &mut Answer) -> Result<()> {
        let is_first_look = answer.is_first_look;
        if !is_first_look && !asked.logs.follow {
            return Ok(());
        }
        let docker = self.reach.engine().await.context("the Docker engine does not answer")?;
        for found in containers::list(&docker, &self.config).await? {
            let Some(release) = containers::release_of(&found) else {
                continue;
            };
            let is_wanted = asked.logs.releases.is_empty() || asked.logs.releases.contains(&release);
            let earlier = answer.readers.get(&found.id);
            if !is_wanted || earlier.is_some_and(|reader| !reader.task.is_finished()) {
                continue;
            }
            let read_until = earlier
                .and_then(|reader| *lock(&reader.read_until))
                .or(answer.said_until);
            // One that was not there when all others were looked at has said nothing before.
            let tail = (is_first_look && read_until.is_none()).then_some(asked.logs.lines);
            let wanted = LinesWanted {
                tail,
                since: read_until.and_then(|at| i32::try_from(at.as_second()).ok()),
                follow: asked.logs.follow,
            };
            let source = Source {
                release,
                wanted,
                after: read_until,
                now: self.reach.now(),
            };
            let reader = Reader::begin(docker.clone(), found.id.clone(), source, answer.waiting.clone());
            answer.readers.insert(found.id, reader);
        }
        answer.is_first_look = false;
        Ok(())
    }

    async fn say(&self, asked: &Asked, answer: &mut Answer, is_last: bool) -> Result<()> {
        let HostConfig {
            app, environment, host, ..
        } = self.config.as_ref();
        let (lines, dropped, trouble) = answer.waiting().part();
        if lines.is_empty() && dropped == 0 && trouble.is_none() && !is_last {
            return Ok(());
        }
        let sequence = answer.sequence;
        let said = Said {
            contract: CONTRACT_VERSION,
            app: app.clone(),
            environment: environment.clone(),
            host: host.clone(),
            ask: asked.id,
            sequence,
            at: self.reach.now(),
            lines,
            dropped,
            trouble,
            is_last,
        };
        if let Err(error) = timely(self.channel.say(&said)).await {
            answer.waiting().put_back(said);
            return Err(error);
        }
        answer.sequence += 1;
        match sequence.checked_sub(KEPT_PARTS) {
            Some(old) => timely(self.channel.take_back(host, asked.id, old)).await,
            None => Ok(()),
        }
    }
}

/// Nothing that this host ever said is left there.
pub async fn take_back(channel: Channel, host: HostName) {
    if let Err(error) = timely(channel.take_back_others(&host, None)).await {
        tracing::warn!("what was said to an ask that is over could not be taken back: {error:#}");
    }
}

async fn timely<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || format!("no answer within {} s", STEP_TIMEOUT.as_secs());
    tokio::time::timeout(STEP_TIMEOUT, step).await.with_context(late)?
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    fn begin(docker: Docker, id: String, source: Source, waiting: Arc<Mutex<Waiting>>) -> Self {
        let Source {
            release,
            wanted,
            after,
            now,
        } = source;
        // Of one that is begun again, only what it prints from now on is new, however few lines were wanted before.
        let read_until = Arc::new(Mutex::new(Some(after.unwrap_or(now))));
        let latest = read_until.clone();
        let task = tokio::spawn(async move {
            let each = |at: &str, text: &str| {
                let Ok(at) = at.parse::<Timestamp>() else { return };
                // The engine is asked for whole seconds, in which lines may have been said already.
                if after.is_none_or(|after| at > after) {
                    *lock(&latest) = Some(at);
                    lock(&waiting).push(release, at, text);
                }
            };
            if let Err(error) = docker.lines(&id, wanted, each).await {
                tracing::warn!("{error:#}");
            }
        });
        Self { task, read_until }
    }
}

impl Answer {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

impl Waiting {
    fn push(&mut self, release: ReleaseId, at: Timestamp, text: &str) {
        let bytes = spelled(text);
        if self.bytes + bytes > WAITING_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        let text = text.to_owned();
        self.lines.push_back(SaidLine { release, at, text });
    }

    /// As many lines as a part holds, what was dropped since the part before, and what is in the way.
    fn part(&mut self) -> (Vec<SaidLine>, u64, Option<String>) {
        let mut room = PART_BYTES;
        let mut lines = Vec::new();
        while let Some(line) = self.lines.front() {
            let bytes = spelled(&line.text);
            let Some(rest) = room.checked_sub(bytes) else { break };
            room = rest;
            self.bytes -= bytes;
            lines.extend(self.lines.pop_front());
        }
        (lines, std::mem::take(&mut self.dropped), self.trouble.take())
    }

    /// What could not be written is said with the next part.
    fn put_back(&mut self, said: Said) {
        self.dropped += said.dropped;
        self.trouble = self.trouble.take().or(said.trouble);
        for line in said.lines.into_iter().rev() {
            self.bytes += spelled(&line.text);
            self.lines.push_front(line);
        }
    }
}

/// How many bytes a line takes in a document, at most.
fn spelled(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    bytes.sum::<usize>() + LINE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(lines: usize, text: &str) -> Waiting {
        let mut waiting = Waiting::default();
        for _ in 0..lines {
            waiting.push(ReleaseId::from_parts(1, 1), Timestamp::UNIX_EPOCH, text);
        }
        waiting
    }

    #[test]
    fn what_is_printed_faster_than_it_can_be_said_is_dropped_and_counted() {
        let text = "x".repeat(1_000);
        let mut waiting = waiting(2_000, &text);
        let kept = waiting.lines.len();
        assert!(waiting.bytes <= WAITING_BYTES && kept < 1_000, "{kept}");
        let (lines, dropped, _) = waiting.part();
        assert_eq!(dropped as usize, 2_000 - kept);
        assert!(lines.len() * text.len() <= PART_BYTES && lines.len() > 200);
        let (_, dropped, _) = waiting.part();
        assert_eq!(dropped, 0, "said once");
        while !waiting.part().0.is_empty() {}
        assert_eq!(waiting.bytes, 0);
    }

    #[test]
    fn however_its_lines_are_spelled_a_part_is_a_document_of_bounded_size() {
        let mut waiting = waiting(2_000, &"\u{1}\"\\".repeat(300));
        let (lines, ..) = waiting.part();
        assert!(serde_json::to_vec(&lines).unwrap().len() <= PART_BYTES);
    }

    #[test]
    fn what_could_not_be_written_is_said_with_the_next_part_in_its_order() {
        let mut waiting = waiting(0, "");
        for text in ["one", "two", "three"] {
            waiting.push(ReleaseId::from_parts(1, 1), Timestamp::UNIX_EPOCH, text);
        }
        let before = waiting.bytes;
        let (lines, ..) = waiting.part();
        waiting.push(ReleaseId::from_parts(1, 1), Timestamp::UNIX_EPOCH, "four");
        let host = crate::world::tests::config();
        waiting.put_back(Said {
            contract: CONTRACT_VERSION,
            app: host.app,
            environment: host.environment,
            host: host.host,
            ask: contract::AskId::from_parts(1, 1),
            sequence: 0,
            at: Timestamp::UNIX_EPOCH,
            lines,
            dropped: 3,
            trouble: None,
            is_last: false,
        });
        assert_eq!(waiting.bytes, before + spelled("four"));
        let (lines, dropped, _) = waiting.part();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((texts, dropped), (vec!["one", "two", "three", "four"], 3));
    }
}
