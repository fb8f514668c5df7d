//! New messages, brought from the database to the connections of this process, whichever process took them.
//!
//! Ids of messages may become visible out of order, for a transaction may take a lower one and commit later. So nothing
//! is resumed from them: each member's messages are numbered in the inbox, under a lock held until the commit, and a
//! connection gets exactly the numbers after the one it has. The ids serve only to notice which members have something
//! new, in one query for all; what that misses because it became visible too late is found by the sweep.

use super::message::{Message, Row, select_messages};
use crate::app::App;
use crate::database::{Pool, patiently};
use crate::members::MemberId;
use sqlx::{FromRow, QueryBuilder};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Between two looks when there is nothing new in this process, and when there is.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// After the database has failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Ids at least this old are taken to be all visible; the sweep finds those that were not.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// The first look goes back by so many ids instead.
const FIRST_LOOK_BACK: u64 = 1_000;
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
const SWEEP_MOST_MEMBERS: usize = 1_000;
/// Messages that wait for one connection to take them. The rest waits in the database.
const QUEUE_MESSAGES: usize = 32;
const MOST_SPANS_A_QUERY: usize = 50;

/// A message as it goes over the wire, with the number it has for the member.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub seq: u64,
    pub message: std::sync::Arc<Message>,
}

#[derive(Debug, Default)]
pub struct Feed {
    listeners: Mutex<Listeners>,
    look: Notify,
}

#[derive(Debug, Default)]
struct Listeners {
    newest_id: u64,
    by_id: HashMap<u64, Listener>,
}

#[derive(Debug)]
struct Listener {
    member: MemberId,
    /// The number of the last message that was queued.
    queued: u64,
    /// The number of the newest message there is known to be.
    newest: u64,
    queue: mpsc::Sender<Delivery>,
}

/// Ends with the connection that holds it.
#[derive(Debug)]
pub struct Subscription<'a> {
    feed: &'a Feed,
    id: u64,
    pub deliveries: mpsc::Receiver<Delivery>,
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        self.feed.listeners().by_id.remove(&self.id);
    }
}

/// The numbers of one member after `after`, up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    member: u64,
    after: u64,
    to: u64,
}

impl Feed {
    /// From the message after number `after`, `newest` being the newest there is.
    pub fn subscribe(&self, member: MemberId, after: u64, newest: u64) -> Subscription<'_> {
        let (queue, deliveries) = mpsc::channel(QUEUE_MESSAGES);
        let mut listeners = self.listeners();
        listeners.newest_id += 1;
        let id = listeners.newest_id;
        let listener = Listener {
            member,
            queued: after,
            newest,
            queue,
        };
        listeners.by_id.insert(id, listener);
        self.look();
        Subscription {
            feed: self,
            id,
            deliveries,
        }
    }

    /// Looks now rather than in a moment.
    pub fn look(&self) {
        self.look.notify_one();
    }

    pub fn connections_of(&self, member: MemberId) -> usize {
        let listeners = self.listeners();
        listeners
            .by_id
            .values()
            .filter(|listener| listener.member == member)
            .count()
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> Vec<MemberId> {
        self.listeners()
            .by_id
            .values()
            .map(|listener| listener.member)
            .collect()
    }

    fn note(&self, newest: &HashMap<MemberId, u64>) {
        for listener in self.listeners().by_id.values_mut() {
            let seq = newest.get(&listener.member).copied().unwrap_or(0);
            listener.newest = listener.newest.max(seq);
        }
    }

    /// What is there and has room in a queue; members connected twice are usually asked for once.
    fn wanted(&self) -> Vec<Span> {
        let listeners = self.listeners();
        let spans: BTreeSet<Span> = listeners.by_id.values().filter_map(Listener::wanted).collect();
        spans.into_iter().take(MOST_SPANS_A_QUERY).collect()
    }

    fn hand_out(&self, spans: &[Span], deliveries: &HashMap<(MemberId, u64), Delivery>) {
        for listener in self.listeners().by_id.values_mut() {
            let Some(span) = listener.wanted().filter(|wanted| spans.contains(wanted)) else {
                continue;
            };
            for seq in span.after + 1..=span.to {
                let delivery = deliveries.get(&(listener.member, seq));
                // A queue that has filled up meanwhile gets the rest when it has room again.
                if delivery.is_some_and(|delivery| listener.queue.try_send(delivery.clone()).is_err()) {
                    break;
                }
                listener.queued = seq;
            }
        }
    }
}

impl Listener {
    fn wanted(&self) -> Option<Span> {
        let room = u64::try_from(self.queue.capacity()).unwrap_or(u64::MAX);
        let to = self.newest.min(self.queued.saturating_add(room));
        (to > self.queued).then_some(Span {
            member: self.member.0,
            after: self.queued,
            to,
        })
    }
}

/// Looks for new messages while anyone is connected, and ends when the process stops and nobody is any more.
pub async fn follow(app: App) {
    let mut tail = None;
    loop {
        if app.feed.members().is_empty() {
            tail = None;
            tokio::select! {
                () = app.feed.look.notified() => {}
                () = app.draining() => return,
            }
            continue;
        }
        let rest = match patiently(look(&app, &mut tail)).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK_INTERVAL - LOOK_PAUSE,
            Err(error) => {
                tracing::warn!(cause = %error, "cannot look for new messages");
                TROUBLE_PAUSE
            }
        };
        tokio::time::sleep(LOOK_PAUSE).await;
        tokio::select! {
            () = app.feed.look.notified() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Which ids are looked at again and again, because lower ones may yet become visible: all after `settled`.
struct Tail {
    settled: u64,
    newest: u64,
    moved: Instant,
    swept: Instant,
}

/// Whether there is more to bring at once.
async fn look(app: &App, tail: &mut Option<Tail>) -> sqlx::Result<bool> {
    let (pool, feed) = (&app.database.pool, &app.feed);
    let now = Instant::now();
    let tail = match tail {
        Some(tail) => tail,
        None => {
            let newest = newest_id(pool).await?;
            tail.insert(Tail {
                settled: newest.saturating_sub(FIRST_LOOK_BACK),
                newest,
                moved: now,
                swept: now,
            })
        }
    };
    let (newest_id, news) = news(pool, tail.settled).await?;
    tail.newest = tail.newest.max(newest_id);
    feed.note(&news);
    if now.duration_since(tail.swept) >= SWEEP_INTERVAL {
        sweep(pool, feed).await?;
        tail.swept = now;
    }
    let spans = feed.wanted();
    if !spans.is_empty() {
        feed.hand_out(&spans, &fetch(pool, &spans).await?);
    }
    // What was the newest at the last move has been looked at for that long.
    if now.duration_since(tail.moved) >= SETTLED_AFTER {
        (tail.settled, tail.moved) = (tail.newest, now);
    }
    Ok(!feed.wanted().is_empty())
}

async fn newest_id(pool: &Pool) -> sqlx::Result<u64> {
    let newest: Option<u64> = sqlx::query_scalar("SELECT MAX(message_id) FROM inbox_entries")
        .fetch_one(pool)
        .await?;
    Ok(newest.unwrap_or(0))
}

/// The newest id, and the newest number of each member who got one after `settled`: answered from one index alone.
async fn news(pool: &Pool, settled: u64) -> sqlx::Result<(u64, HashMap<MemberId, u64>)> {
    let rows: Vec<(MemberId, u64, u64)> = sqlx::query_as(
        "SELECT member_id, MAX(seq), MAX(message_id) FROM inbox_entries WHERE message_id > ? GROUP BY member_id",
    )
    .bind(settled)
    .fetch_all(pool)
    .await?;
    let newest_id = rows.iter().map(|(_, _, id)| *id).max().unwrap_or(0);
    let newest = rows.into_iter().map(|(member, seq, _)| (member, seq)).collect();
    Ok((newest_id, newest))
}

/// Asks each connected member's inbox, a thousand at a time.
async fn sweep(pool: &Pool, feed: &Feed) -> sqlx::Result<()> {
    for members in feed.members().chunks(SWEEP_MOST_MEMBERS) {
        let mut query = QueryBuilder::new("SELECT member_id, last_seq FROM inboxes WHERE member_id IN (");
        let mut ids = query.separated(", ");
        for member in members {
            ids.push_bind(*member);
        }
        let rows: Vec<(MemberId, u64)> = query.push(")").build_query_as().fetch_all(pool).await?;
        feed.note(&rows.into_iter().collect());
    }
    Ok(())
}

#[derive(FromRow)]
struct Entry {
    member_id: MemberId,
    seq: u64,
    #[sqlx(flatten)]
    message: Row,
}

async fn fetch(pool: &Pool, spans: &[Span]) -> sqlx::Result<HashMap<(MemberId, u64), Delivery>> {
    let mut query = QueryBuilder::new(select_messages!(
        "entries.member_id, entries.seq, ",
        "inbox_entries AS entries JOIN messages ON messages.id = entries.message_id"
    ));
    query.push("WHERE FALSE");
    for span in spans {
        query.push(" OR (entries.member_id = ").push_bind(span.member);
        query.push(" AND entries.seq > ").push_bind(span.after);
        query.push(" AND entries.seq <= ").push_bind(span.to).push(")");
    }
    let entries: Vec<Entry> = query.build_query_as().fetch_all(pool).await?;
    let deliveries = entries.into_iter().map(|entry| {
        let delivery = Delivery {
            seq: entry.seq,
            message: std::sync::Arc::new(entry.message.into()),
        };
        ((entry.member_id, entry.seq), delivery)
    });
    Ok(deliveries.collect())
}
