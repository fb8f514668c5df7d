//! What is asked of the store that holds a channel, and by whom: counted where an S3 server would charge for it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Backend, Condition, Read, Revision, Store, Surveyed, WriteError};

/// Counts, and lets every request take its time.
#[derive(Debug, Default)]
pub struct Meter {
    latency: Duration,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// By who asked, and where the document lies.
    requests: BTreeMap<(String, String), Requests>,
    /// When somebody asked for news and there was none.
    idle_at_ms: Vec<u64>,
    written_at_ms: BTreeMap<String, Vec<u64>>,
    /// By who read.
    longest_lag_ms: BTreeMap<String, u64>,
}

/// Bytes are those of documents, as they travel.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Conditional reads of what had not changed, and reads of what is not there: no document travels.
    pub empty: u64,
    pub full: u64,
    pub full_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
    pub lists: u64,
}

impl std::iter::Sum for Requests {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            empty: sum.empty + one.empty,
            full: sum.full + one.full,
            full_bytes: sum.full_bytes + one.full_bytes,
            writes: sum.writes + one.writes,
            written_bytes: sum.written_bytes + one.written_bytes,
            lists: sum.lists + one.lists,
        })
    }
}

impl Meter {
    /// As far away as S3 is.
    pub fn at(latency: Duration) -> Arc<Self> {
        Arc::new(Self {
            latency,
            counted: Mutex::default(),
        })
    }

    /// A part of a store, with whatever is asked of it put down to `who`.
    pub fn store(self: &Arc<Self>, store: Store, who: &str) -> Store {
        Store::new(Metered {
            store,
            who: who.to_owned(),
            meter: self.clone(),
        })
    }

    /// From zero.
    pub fn begin(&self) {
        *self.counted() = Counted::default();
    }

    /// What those asked of whom and of what this holds.
    pub fn of(&self, holds: impl Fn(&str, &str) -> bool) -> Requests {
        let counted = self.counted();
        let chosen = counted.requests.iter().filter(|((who, key), _)| holds(who, key));
        chosen.map(|(_, requests)| *requests).sum()
    }

    /// How often a document was written.
    pub fn writes(&self, key: &str) -> u64 {
        self.of(|_, of| of == key).writes
    }

    /// The most reads without news that fell into one span of time, of how many.
    pub fn busiest(&self, span: Duration) -> (usize, usize) {
        let counted = self.counted();
        let mut spans: BTreeMap<u64, usize> = BTreeMap::new();
        for at in &counted.idle_at_ms {
            *spans.entry(at / span.as_millis() as u64).or_default() += 1;
        }
        (spans.into_values().max().unwrap_or_default(), counted.idle_at_ms.len())
    }

    /// The longest that a document which was written had to wait for one of those who read it.
    pub fn longest_lag(&self, of: impl Fn(&str) -> bool) -> Duration {
        let counted = self.counted();
        let lags = counted.longest_lag_ms.iter().filter(|(who, _)| of(who));
        Duration::from_millis(lags.map(|(_, lag)| *lag).max().unwrap_or_default())
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_read(&self, who: &str, key: &str, read: &Read) {
        let now = super::milliseconds();
        let mut counted = self.counted();
        let of = counted.requests.entry((who.to_owned(), key.to_owned())).or_default();
        match read {
            Read::Found(bytes, _) => {
                of.full += 1;
                of.full_bytes += bytes.len() as u64;
                let written = counted
                    .written_at_ms
                    .get(key)
                    .and_then(|written| written.last().copied());
                let lag = written.map_or(0, |written| now - written);
                let longest = counted.longest_lag_ms.entry(who.to_owned()).or_default();
                *longest = lag.max(*longest);
            }
            Read::Unchanged | Read::Absent | Read::Oversized => {
                of.empty += 1;
                counted.idle_at_ms.push(now);
            }
        }
    }
}

#[derive(Debug)]
struct Metered {
    store: Store,
    who: String,
    meter: Arc<Meter>,
}

impl Metered {
    /// Nothing waits where no latency was asked for: then time goes as it would without this.
    async fn travel(&self) {
        if !self.meter.latency.is_zero() {
            tokio::time::sleep(self.meter.latency).await;
        }
    }

    /// Without the name of this store's kind, so that it can be compared with a key.
    fn place(&self, key: &str) -> String {
        self.store.locate(key).trim_start_matches("memory:").to_owned()
    }

    fn note(&self, key: &str, note: impl FnOnce(&mut Requests)) {
        let mut counted = self.meter.counted();
        note(counted.requests.entry((self.who.clone(), self.place(key))).or_default());
    }
}

impl Backend for Metered {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, anyhow::Result<Read>> {
        async move {
            self.travel().await;
            let read = self.store.read(key, known).await?;
            self.meter.note_read(&self.who, &self.place(key), &read);
            Ok(read)
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        async move {
            self.travel().await;
            let length = bytes.len() as u64;
            let revision = self.store.write(key, bytes, condition).await?;
            self.note(key, |requests| {
                requests.writes += 1;
                requests.written_bytes += length;
            });
            let mut counted = self.meter.counted();
            let written = counted.written_at_ms.entry(self.place(key)).or_default();
            written.push(super::milliseconds());
            Ok(revision)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            self.travel().await;
            self.note(key, |requests| requests.writes += 1);
            self.store.delete(key).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, anyhow::Result<Vec<String>>> {
        async move {
            self.travel().await;
            self.note(folder, |requests| requests.lists += 1);
            self.store.list(folder, limit).await
        }
        .boxed()
    }

    fn survey<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, anyhow::Result<Vec<Surveyed>>> {
        async move {
            self.travel().await;
            self.note(folder, |requests| requests.lists += 1);
            self.store.survey(folder, limit).await
        }
        .boxed()
    }

    fn locate(&self, key: &str) -> String {
        self.store.locate(key)
    }
}
