//! Both directions of the channel, each in a task of its own: neither may hold up what goes on on this host.

use crate::agent::Event;
use crate::contact::Contact;
use channel::{Channel, Poll};
use contract::{Observed, ObservedVersion};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// Well within the time after which a controller calls a host silent.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Counters change with every request; these alone can wait a little.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Passes on what is desired, whenever that changes.
pub async fn poll(channel: Channel, interval: Duration, events: mpsc::Sender<Event>) {
    let began = Instant::now();
    let mut contact = Contact::default();
    let mut known = None;
    let mut unreadable = None;
    loop {
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
        tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
    }
}

/// Writes what is observed: changes at once, counters every second, and a sign of life in any case. The time in a report
/// is when the agent looked, so that one that hangs falls silent.
pub async fn report(channel: Channel, mut observed: watch::Receiver<Option<Observed>>) {
    let began = Instant::now();
    let mut contact = Contact::default();
    let mut written: Option<(Observed, Instant)> = None;
    loop {
        let latest = observed.borrow_and_update().clone();
        if let Some(latest) = latest.filter(|latest| is_due(latest, written.as_ref())) {
            let outcome = tokio::time::timeout(REPORT_TIMEOUT, channel.report(&latest)).await;
            match outcome {
                Ok(Ok(())) => {
                    contact.found("the channel");
                    written = Some((latest, Instant::now()));
                }
                Ok(Err(error)) => contact.lost("the channel", format!("{error:#}"), began.elapsed()),
                Err(_) => contact.lost(
                    "the channel",
                    "a report was not taken in time".to_owned(),
                    began.elapsed(),
                ),
            }
        }
        if let Ok(Err(_)) = tokio::time::timeout(LOOK_AGAIN, observed.changed()).await {
            return;
        }
    }
}

fn is_due(latest: &Observed, written: Option<&(Observed, Instant)>) -> bool {
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
    let counters = Observed {
        at: before.at,
        ..latest.clone()
    } != *before;
    calm(latest) != calm(before)
        || (counters && at.elapsed() >= COUNTERS_EVERY)
        || (latest.at != before.at && at.elapsed() >= HEARTBEAT)
}
