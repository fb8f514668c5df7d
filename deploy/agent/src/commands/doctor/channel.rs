//! The channel: one read, who signed what it holds, and what that says of this machine's clock.

use super::Finding;
use crate::reach::Reach;
use crate::trust::KeyFiles;
use anyhow::{Result, anyhow};
use channel::Poll;
use contract::{Desired, Envelope, HostConfig, KeySet};
use jiff::Timestamp;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);
/// Slower than this, a rollout's leases are renewed late.
const SLOW: Duration = Duration::from_secs(2);
/// Leases count on the monotonic clock; the wall clock matters after a restart, and to S3, which allows 15 minutes.
const SKEW_S: i64 = 5;

pub async fn examine(config: &HostConfig, reach: &dyn Reach) -> Vec<Finding> {
    let keys = KeyFiles::new(config.trusted_keys.clone(), reach.folder()).set();
    let began = Instant::now();
    let read = read(config, reach).await;
    let took = began.elapsed();
    let envelope = match &read {
        Ok(Poll::Changed(envelope, _)) => Some(envelope),
        _ => None,
    };
    let mut findings = vec![reached(&read, took), trusted(&keys, envelope)];
    if let (Ok(keys), Some(envelope)) = (&keys, envelope)
        && let Ok(desired) = envelope.open::<Desired>(keys)
    {
        findings.push(clock(desired.issued_at, reach.now()));
    }
    findings
}

async fn read(config: &HostConfig, reach: &dyn Reach) -> Result<Poll> {
    let channel = reach.channel(config)?;
    let late = |_| anyhow!("no answer within {} s", PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, channel.poll_desired(None))
        .await
        .map_err(late)?
}

fn reached(read: &Result<Poll>, took: Duration) -> Finding {
    let what = "channel";
    let ms = took.as_millis();
    match read {
        Err(error) => Finding::in_the_way(
            what,
            format!("{error:#}"),
            "nothing new is heard; a rollout under way returns to the fallback when its lease ends",
            "check `channel` in host.json, the way out (proxy, route) and the agent's keys",
        ),
        Ok(Poll::Unreadable(why)) => Finding::in_the_way(
            what,
            why.clone(),
            "what is published is not followed",
            "publish again from where you release: cargo xtask release",
        ),
        Ok(Poll::Absent) => Finding::fine(what, format!("answers in {ms} ms; nothing was ever published")),
        Ok(_) if took > SLOW => Finding::weak(
            what,
            format!("answers in {ms} ms"),
            "leases are renewed through it: as slow as this, a rollout may lapse",
            "look at the way between this host and the channel",
        ),
        Ok(_) => Finding::fine(what, format!("answers in {ms} ms")),
    }
}

fn trusted(keys: &Result<KeySet>, published: Option<&Envelope>) -> Finding {
    let what = "trusted keys";
    let why = "nothing that is published is followed";
    let next = "put `.release/keys/trusted.json`, of whoever releases, where `trusted_keys` of host.json says";
    let keys = match keys {
        Err(error) => return Finding::in_the_way(what, format!("{error:#}"), why, next),
        Ok(keys) if keys.keys.is_empty() => return Finding::in_the_way(what, "there is none in the set", why, next),
        Ok(keys) => keys,
    };
    let known = format!("{} in version {} of the set", keys.keys.len(), keys.version);
    match published.map(|envelope| envelope.open::<serde_json::Value>(keys)) {
        Some(Err(error)) => Finding::in_the_way(what, format!("{known}, but of what is published: {error}"), why, next),
        Some(Ok(_)) => Finding::fine(what, format!("{known}; one of them signed what is published")),
        None => Finding::fine(what, known),
    }
}

/// What was issued in the future shows that one of two clocks is wrong. The other way round nothing can be told.
fn clock(issued_at: Timestamp, now: Timestamp) -> Finding {
    let ahead = issued_at.duration_since(now).as_secs();
    match ahead > SKEW_S {
        true => Finding::weak(
            "clock",
            format!("what is published was issued {ahead} s from now"),
            "an agent that restarts counts its lease by this clock, and S3 refuses more than 15 minutes",
            "timedatectl set-ntp true; timedatectl status",
        ),
        false => Finding::fine("clock", format!("{}", now.strftime("%Y-%m-%d %H:%M:%S UTC"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use contract::SigningKey;

    #[test]
    fn a_clock_behind_the_controller_s_is_noticed() {
        let now: Timestamp = "2025-01-02T03:04:05Z".parse().unwrap();
        let issued = |text: &str| clock(text.parse().unwrap(), now);
        assert_eq!(issued("2025-01-02T03:04:00Z").state, State::Fine);
        assert_eq!(issued("2025-01-02T03:04:09Z").state, State::Fine);
        let ahead = issued("2025-01-02T03:14:05Z");
        assert_eq!(ahead.state, State::Weak);
        assert!(ahead.found.contains("600 s from now"), "{}", ahead.found);
    }

    #[test]
    fn what_a_stranger_signed_is_in_the_way() {
        let key = |seed: u8| SigningKey::from_seed([seed; 32]);
        let keys = KeySet {
            version: 1,
            keys: vec![key(1).public()],
        };
        let published = |seed| key(seed).seal(&serde_json::json!({"contract": 1})).unwrap();
        assert_eq!(trusted(&Ok(keys.clone()), Some(&published(1))).state, State::Fine);
        assert_eq!(trusted(&Ok(keys), Some(&published(2))).state, State::InTheWay);
        let none = KeySet {
            version: 1,
            keys: Vec::new(),
        };
        assert_eq!(trusted(&Ok(none), None).state, State::InTheWay);
        assert_eq!(trusted(&Err(anyhow!("gone")), None).state, State::InTheWay);
    }

    #[test]
    fn a_silent_channel_is_in_the_way_and_a_slow_one_is_weak() {
        let took = Duration::from_millis(3);
        assert_eq!(reached(&Err(anyhow!("refused")), took).state, State::InTheWay);
        assert_eq!(reached(&Ok(Poll::Absent), took).state, State::Fine);
        assert_eq!(reached(&Ok(Poll::Unchanged), Duration::from_secs(3)).state, State::Weak);
    }
}
