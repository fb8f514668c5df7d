//! What somebody wants to hear from this host: looked for now and then, judged like a desired document, and answered by a
//! task of its own. Nothing else on this host depends on it.

use crate::accept::{self, Refused};
use crate::agent::Event;
use crate::reach::Reach;
use crate::saying::{self, InForce, Saying};
use crate::trust::KeyFiles;
use channel::{Channel, Poll};
use contract::{AskId, Asked, Envelope, HostConfig, KeySet};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use store::Revision;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_secs(10);
/// One look in so many is for what is asked, while nothing is.
const IDLE_TURN: u32 = 4;
/// While something is: renewals have to be seen in time.
const BUSY_TURN: u32 = 2;

#[derive(Debug)]
pub struct Asks {
    config: Arc<HostConfig>,
    reach: Arc<dyn Reach>,
    channel: Channel,
    events: mpsc::Sender<Event>,
    turn: u32,
    known: Option<Revision>,
    /// The latest that was heard, answered or not.
    latest: Option<(AskId, Timestamp)>,
    /// That what it is answered with is stopped when this is dropped or replaced.
    answering: Option<watch::Sender<InForce>>,
    refused: Option<String>,
}

/// What an ask means here.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    /// For so long from now on.
    Answer(Box<Asked>, Duration),
    /// It is for other hosts, or was over before this agent began.
    Nothing,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NotAnswered {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the ask is out of bounds: {0}")]
    Unbounded(String),
    #[error("the ask was issued at {found}, not after the latest that was heard here, of {latest}")]
    Stale { found: Timestamp, latest: Timestamp },
}

impl Asks {
    pub fn new(config: &HostConfig, reach: &Arc<dyn Reach>, channel: Channel, events: mpsc::Sender<Event>) -> Self {
        Self {
            config: Arc::new(config.clone()),
            reach: reach.clone(),
            channel,
            events,
            turn: 0,
            known: None,
            latest: None,
            answering: None,
            refused: None,
        }
    }

    /// Whether this look is for what is asked. The first never is: what is desired comes first.
    pub fn has_turn(&mut self) -> bool {
        let is_busy = self.answering.as_ref().is_some_and(|answering| !answering.is_closed());
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(1);
        is_for_asks(turn, is_busy)
    }

    /// What cannot be read now is looked for again; that the channel is away is said by whoever looks for what is desired.
    pub async fn look(&mut self) {
        let polled = tokio::time::timeout(TIMEOUT, self.channel.poll_asked(self.known.as_ref())).await;
        let outcome = match polled {
            Ok(Ok(Poll::Changed(envelope, revision))) => {
                self.known = Some(revision);
                self.take_in(&envelope)
            }
            Ok(Ok(Poll::Unreadable(why))) => {
                self.known = None;
                Err(why)
            }
            _ => return,
        };
        self.tell(outcome.err()).await;
    }

    fn take_in(&mut self, envelope: &Envelope) -> Result<(), String> {
        let files = KeyFiles::new(self.config.trusted_keys.clone(), self.reach.folder());
        let trusted = files.set().map_err(|error| format!("{error:#}"))?;
        let judged = judge(envelope, &trusted, &self.config, self.latest, self.reach.now());
        match judged.map_err(|refused| refused.to_string())? {
            Judged::Answer(asked, lasts) => self.answer(*asked, lasts),
            Judged::Nothing => {
                // Whatever was asked before is not asked any more.
                self.answering = None;
                if self.latest.is_none() {
                    tokio::spawn(saying::take_back(self.channel.clone(), self.config.host.clone()));
                }
            }
        }
        if let Ok(Asked { id, issued_at, .. }) = envelope.open(&trusted) {
            self.latest = Some((id, issued_at));
        }
        Ok(())
    }

    fn answer(&mut self, asked: Asked, lasts: Duration) {
        let in_force = InForce {
            until: Instant::now() + lasts,
            asked,
        };
        let is_renewed = self.answering.as_ref().is_some_and(|answering| {
            let is_same = answering.borrow().asked.id == in_force.asked.id;
            is_same && answering.send(in_force.clone()).is_ok()
        });
        if is_renewed {
            return;
        }
        tracing::info!(ask = %in_force.asked.id, by = ?in_force.asked.by, "asked for what the app prints");
        let (answering, asked) = watch::channel(in_force);
        self.answering = Some(answering);
        let saying = Saying {
            config: self.config.clone(),
            reach: self.reach.clone(),
            channel: self.channel.clone(),
        };
        tokio::spawn(saying.answer(asked));
    }

    async fn tell(&mut self, refused: Option<String>) {
        if refused == self.refused {
            return;
        }
        if let Some(why) = &refused {
            tracing::warn!("an ask is not answered: {why}");
        }
        self.refused = refused.clone();
        // The loop that reports is gone only when this agent is.
        let _ = self.events.send(Event::AskRefused(refused)).await;
    }
}

/// Counted from 0.
fn is_for_asks(turn: u32, is_busy: bool) -> bool {
    let every = if is_busy { BUSY_TURN } else { IDLE_TURN };
    turn % every == every - 1
}

fn judge(
    envelope: &Envelope,
    trusted: &KeySet,
    config: &HostConfig,
    latest: Option<(AskId, Timestamp)>,
    now: Timestamp,
) -> Result<Judged, NotAnswered> {
    let asked: Asked = accept::open(envelope, trusted)?;
    accept::expect_here((&asked.app, &asked.environment), config)?;
    let lasts = asked.lasts().map_err(NotAnswered::Unbounded)?;
    let found = asked.issued_at;
    match latest {
        // An agent that has heard nothing yet does not know for how long this has been there.
        None if asked.until <= now => return Ok(Judged::Nothing),
        Some((_, latest)) if found <= latest => return Err(NotAnswered::Stale { found, latest }),
        _ => {}
    }
    Ok(match asked.logs.hosts.contains(&config.host) {
        true => Judged::Answer(Box::new(asked), lasts),
        false => Judged::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::tests::config;
    use contract::{AppName, CONTRACT_VERSION, HostName, LogsAsked, SigningKey};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Issued at second 100, for 30 seconds.
    fn asked() -> Asked {
        Asked {
            contract: CONTRACT_VERSION,
            app: config().app,
            environment: config().environment,
            id: AskId::from_parts(1, 1),
            issued_at: at(100),
            until: at(130),
            by: "mina".to_owned(),
            logs: LogsAsked {
                hosts: vec![config().host],
                releases: Vec::new(),
                lines: 100,
                follow: true,
            },
        }
    }

    fn judged(asked: &Asked, latest: Option<i64>, now: i64) -> Result<Judged, String> {
        let key = SigningKey::from_seed([1; 32]);
        let trusted = KeySet {
            version: 1,
            keys: vec![key.public()],
        };
        let latest = latest.map(|second| (AskId::from_parts(9, 9), at(second)));
        let judged = judge(&key.seal(asked).unwrap(), &trusted, &config(), latest, at(now));
        judged.map_err(|refused| refused.to_string())
    }

    #[track_caller]
    fn refused(words: &str, change: impl FnOnce(&mut Asked)) {
        let mut asked = asked();
        change(&mut asked);
        let refused = judged(&asked, None, 101).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }

    #[test]
    fn an_ask_for_this_host_is_answered_for_as_long_as_it_says_from_now_on() {
        let lasts = Duration::from_secs(30);
        assert_eq!(
            judged(&asked(), None, 101),
            Ok(Judged::Answer(Box::new(asked()), lasts))
        );
        // Whatever the wall clock says here, once it is known to be new.
        assert_eq!(
            judged(&asked(), Some(99), 999),
            Ok(Judged::Answer(Box::new(asked()), lasts))
        );
    }

    #[test]
    fn asks_take_the_place_of_every_fourth_look_and_of_every_second_while_one_is_in_force() {
        let turns = |is_busy| (0..8).filter(|turn| is_for_asks(*turn, is_busy)).collect::<Vec<u32>>();
        assert_eq!(turns(false), [3, 7]);
        assert_eq!(turns(true), [1, 3, 5, 7]);
    }

    #[test]
    fn what_was_over_before_this_agent_began_is_not_and_what_is_older_is_refused() {
        assert_eq!(judged(&asked(), None, 130), Ok(Judged::Nothing));
        for latest in [100, 101] {
            let refused = judged(&asked(), Some(latest), 101).unwrap_err();
            assert!(refused.contains("not after the latest"), "{refused}");
        }
    }

    #[test]
    fn what_is_asked_of_others_is_no_business_of_this_host() {
        let mut asked = asked();
        asked.logs.hosts = vec![HostName::parse("host-9").unwrap()];
        assert_eq!(judged(&asked, None, 101), Ok(Judged::Nothing));
    }

    #[test]
    fn what_is_out_of_bounds_or_of_another_app_or_contract_is_refused() {
        refused("found 60001 ms", |asked| {
            asked.until = asked.issued_at + jiff::SignedDuration::from_millis(60_001);
        });
        refused("found 0 ms", |asked| asked.until = asked.issued_at);
        refused("found -", |asked| {
            (asked.issued_at, asked.until) = (Timestamp::MAX, Timestamp::MIN)
        });
        refused("1000 lines, found 1001", |asked| asked.logs.lines = 1_001);
        refused("16 releases", |asked| {
            asked.logs.releases = vec![contract::ReleaseId::from_parts(1, 1); 17]
        });
        refused("of a name", |asked| asked.by = "x".repeat(201));
        refused("this host runs `staging` of `shop`", |asked| {
            asked.app = AppName::parse("blog").unwrap()
        });
        refused("contract version 2", |asked| asked.contract = 2);
    }

    #[test]
    fn one_that_nobody_trusted_signed_is_refused() {
        let stranger = SigningKey::from_seed([2; 32]);
        let trusted = KeySet {
            version: 1,
            keys: vec![SigningKey::from_seed([1; 32]).public()],
        };
        let refused = judge(&stranger.seal(&asked()).unwrap(), &trusted, &config(), None, at(101));
        assert!(
            matches!(refused, Err(NotAnswered::Refused(Refused::Signature(_)))),
            "{refused:?}"
        );
    }
}
