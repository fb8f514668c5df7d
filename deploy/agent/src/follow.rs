//! Both directions of the channel, each in a task of its own: neither may hold up what goes on on this host.

use crate::agent::Event;
use crate::asks::Asks;
use crate::contact::Contact;
use crate::jitter::Jitter;
use channel::{Channel, Poll};
use contract::{Envelope, Observed, ObservedVersion};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// More or less; well within the time after which a controller calls a host silent.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Counters change with every request. Those of a version beside another are what a candidate is judged by, and can wait a
/// little; those of one alone can wait for the next sign of life, which costs a fleet at rest a quarter of the writes.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// A document by an unknown key asks for them as long as it is there.
const KEYS_PAUSE: Duration = Duration::from_secs(2);
const KEYS_EVERY: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Looks at one document each time: now and then at what is asked, else at what is desired.
#[derive(Debug)]
pub struct Polling {
    pub interval: Duration,
    pub jitter: Jitter,
    pub asks: Asks,
}

impl Polling {
    /// Passes on what is desired, whenever that changes.
    pub async fn poll(mut self, channel: Channel, events: mpsc::Sender<Event>) {
        let began = Instant::now();
        let mut contact = Contact::default();
        let mut known = None;
        let mut unreadable = None;
        let mut is_leased = false;
        loop {
            if self.asks.has_turn() {
                self.asks.look().await;
                // A lease is renewed by what is desired: that does not wait for a turn then.
                if !is_leased {
                    self.pause().await;
                    continue;
                }
            }
            let polled = match tokio::time::timeout(POLL_TIMEOUT, channel.poll_desired(known.as_ref())).await {
                Ok(polled) => polled,
                Err(_) => Err(anyhow::anyhow!("no answer within {} s", POLL_TIMEOUT.as_secs())),
            };
            let news = match polled {
                Ok(poll) => {
                    contact.found("the channel");
                    match poll {
                        Poll::Unchanged | Poll::Absent => None,
                        Poll::Changed(envelope, revision) => {
                            is_leased = has_lease(&envelope);
                            known = Some(revision);
                            unreadable = None;
                            Some(Ok(envelope))
                        }
                        Poll::Unreadable(why) if unreadable.as_ref() == Some(&why) => None,
                        Poll::Unreadable(why) => {
                            known = None;
                            unreadable = Some(why.clone());
                            Some(Err(why))
                        }
                    }
                }
                Err(error) => {
                    contact.lost("the channel", format!("{error:#}"), began.elapsed());
                    None
                }
            };
            if let Some(news) = news
                && events.send(Event::Published(Box::new(news))).await.is_err()
            {
                return;
            }
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        let interval = self.interval.max(SHORTEST_INTERVAL);
        tokio::time::sleep(self.jitter.around(interval)).await;
    }
}

/// As the document says, whoever signed it: all that depends on it is how often it is looked at.
fn has_lease(envelope: &Envelope) -> bool {
    #[derive(serde::Deserialize)]
    struct Lease {
        lease_ttl_ms: Option<u64>,
    }
    serde_json::from_str::<Lease>(&envelope.document).is_ok_and(|lease| lease.lease_ttl_ms.is_some())
}

/// Passes on the channel's key sets: at the start, when asked to, and now and then, because whoever signs with a key that
/// was dropped meanwhile will not say so.
pub async fn keys(channel: Channel, ask: Arc<Notify>, events: mpsc::Sender<Event>) {
    loop {
        let found = match tokio::time::timeout(POLL_TIMEOUT, channel.read_keys()).await {
            Ok(found) => found
                .map(|found| found.map(|(chain, _)| chain))
                .map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no answer within {} s", POLL_TIMEOUT.as_secs())),
        };
        if events.send(Event::Keys(Box::new(found))).await.is_err() {
            return;
        }
        tokio::time::sleep(KEYS_PAUSE).await;
        // Asked or not.
        let _ = tokio::time::timeout(KEYS_EVERY, ask.notified()).await;
    }
}

/// Writes what is observed: changes at once, counters of two versions every second, and a sign of life in any case. The
/// time in a report is when the agent looked, so that one that hangs falls silent.
pub async fn report(channel: Channel, mut jitter: Jitter, mut observed: watch::Receiver<Option<Observed>>) {
    let began = Instant::now();
    let mut contact = Contact::default();
    let mut written: Option<(Observed, Instant)> = None;
    let mut heartbeat = HEARTBEAT;
    loop {
        let latest = observed.borrow_and_update().clone();
        if let Some(latest) = latest.filter(|latest| is_due(latest, written.as_ref(), heartbeat)) {
            let outcome = tokio::time::timeout(REPORT_TIMEOUT, channel.report(&latest)).await;
            match outcome {
                Ok(Ok(())) => {
                    contact.found("the channel");
                    written = Some((latest, Instant::now()));
                    heartbeat = jitter.around(HEARTBEAT);
                }
                Ok(Err(error)) => contact.lost("the channel", format!("{error:#}"), began.elapsed()),
                Err(_) => contact.lost(
                    "the channel",
                    "a report was not taken in time".to_owned(),
                    began.elapsed(),
                ),
            }
        }
        if let Ok(Err(_)) = tokio::time::timeout(jitter.around(LOOK_AGAIN), observed.changed()).await {
            return;
        }
    }
}

fn is_due(latest: &Observed, written: Option<&(Observed, Instant)>, heartbeat: Duration) -> bool {
    let Some((before, at)) = written else { return true };
    let calm = |observed: &Observed| {
        let versions = observed.versions.iter().map(|version| ObservedVersion {
            counts: Default::default(),
            latency: Default::default(),
            ..version.clone()
        });
        Observed {
            at: before.at,
            versions: versions.collect(),
            ..observed.clone()
        }
    };
    let counters = || {
        latest.versions.len() > 1
            && Observed {
                at: before.at,
                ..latest.clone()
            } != *before
    };
    calm(latest) != calm(before)
        || (at.elapsed() >= COUNTERS_EVERY && counters())
        || (at.elapsed() >= heartbeat && latest.at != before.at)
}
