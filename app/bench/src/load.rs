//! As many clients as there are, each sending its next request as soon as the last was answered, for a while.

use crate::api::ApiClient;
use crate::kind::{Kind, Turn};
use crate::sql::SqlClient;
use anyhow::ensure;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Whom the requests go to.
#[derive(Debug)]
pub enum Client {
    Api(ApiClient),
    Sql(SqlClient),
}

/// What is sent: a kind of request, or the one that does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Kind(Kind),
    Version,
}

/// A client, and where its next request of each kind begins.
#[derive(Debug)]
pub struct Seat {
    pub client: Client,
    next: [u64; Kind::ALL.len()],
}

/// What one run of all clients came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub per_second: f64,
    pub p99_ms: f64,
}

impl Seat {
    /// Seats that begin far enough from each other give no like twice.
    pub fn new(client: Client, first: u64) -> Seat {
        Seat {
            client,
            next: [first; Kind::ALL.len()],
        }
    }

    pub async fn ask(&mut self, work: Work) -> anyhow::Result<()> {
        let Work::Kind(kind) = work else {
            return self.version().await;
        };
        let next = &mut self.next[kind as usize];
        let turn = Turn { kind, number: *next };
        *next += 1;
        match &mut self.client {
            Client::Api(client) => client.ask(turn).await,
            Client::Sql(client) => client.ask(turn).await,
        }
    }

    async fn version(&mut self) -> anyhow::Result<()> {
        if let Client::Api(client) = &mut self.client {
            let (status, _) = client.connection.send("GET", "/version", None, Bytes::new()).await?;
            ensure!(status == 200, "/version: expected 200, found {status}");
        }
        Ok(())
    }
}

pub async fn run(seats: &mut Vec<Seat>, work: Work, lasting: Duration) -> anyhow::Result<Run> {
    let since = Instant::now();
    let mut running = JoinSet::new();
    for mut seat in seats.drain(..) {
        running.spawn(async move {
            let mut took_us = Vec::new();
            while since.elapsed() < lasting {
                let asked = Instant::now();
                seat.ask(work).await?;
                took_us.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            anyhow::Ok((seat, took_us))
        });
    }
    let mut all_us = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (seat, took_us) = ended??;
        seats.push(seat);
        all_us.extend(took_us);
    }
    Ok(Run::of(all_us, since.elapsed()))
}

impl Run {
    fn of(mut took_us: Vec<u32>, lasted: Duration) -> Run {
        took_us.sort_unstable();
        let at = (took_us.len() * 99 / 100).min(took_us.len().saturating_sub(1));
        Run {
            per_second: took_us.len() as f64 / lasted.as_secs_f64(),
            p99_ms: took_us.get(at).map_or(0.0, |took| f64::from(*took) / 1_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_takes_longer_than_the_99th_percentile() {
        let run = Run::of((1..=1_000).rev().map(|ms| ms * 1_000).collect(), Duration::from_secs(2));
        assert_eq!((run.per_second, run.p99_ms), (500.0, 991.0));
        assert_eq!(
            Run::of(Vec::new(), Duration::from_secs(1)),
            Run {
                per_second: 0.0,
                p99_ms: 0.0
            }
        );
    }
}
