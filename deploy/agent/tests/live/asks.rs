//! What somebody asks to hear: the app's own lines, for a while, without touching anything that runs.

use crate::host::{Host, app, environment, host_name, release};
use contract::{AskId, Asked, CONTRACT_VERSION, Envelope, LogsAsked, Said, SigningKey};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// For so many seconds from now on.
fn asked(number: u64, seconds: i64) -> Asked {
    let issued_at = Timestamp::now();
    Asked {
        contract: CONTRACT_VERSION,
        app: app(),
        environment: environment(),
        id: AskId::from_parts(number, 0),
        issued_at,
        until: issued_at + SignedDuration::from_secs(seconds),
        by: "mina".to_owned(),
        logs: LogsAsked {
            hosts: vec![host_name()],
            releases: Vec::new(),
            lines: 10,
            follow: true,
        },
    }
}

impl Host {
    async fn ask(&self, asked: &Asked) {
        self.ask_sealed(&self.key.seal(asked).unwrap()).await;
    }

    async fn ask_sealed(&self, envelope: &Envelope) {
        let revision = match self.channel.poll_asked(None).await.unwrap() {
            channel::Poll::Changed(_, revision) => Some(revision),
            _ => None,
        };
        self.channel.ask(envelope, revision.as_ref()).await.unwrap();
    }

    /// All parts of its answer that lie there.
    async fn said(&self, asked: &Asked) -> Vec<Said> {
        let mut said = Vec::new();
        for sequence in self.channel.parts(&host_name(), asked.id).await.unwrap() {
            said.extend(self.channel.read_said(&host_name(), asked.id, sequence).await.unwrap());
        }
        said
    }

    /// The answer as soon as this holds for it.
    async fn says(&self, asked: &Asked, what: &str, holds: impl Fn(&[Said]) -> bool) -> Vec<Said> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.said(asked).await;
            if holds(&said) {
                return said;
            }
            assert!(
                Instant::now() < deadline,
                "not said: {what}\n{said:#?}\n{}",
                self.agent_log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn texts(said: &[Said]) -> Vec<&str> {
    said.iter()
        .flat_map(|said| &said.lines)
        .map(|line| line.text.as_str())
        .collect()
}

fn holds_line(said: &[Said], text: &str) -> bool {
    texts(said).contains(&text)
}

#[tokio::test]
async fn lines_of_both_versions_are_said_also_those_printed_later_and_by_what_starts_later() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.tell(1, "/say/before").await;
    let asked = asked(1, 60);
    host.ask(&asked).await;
    let before = format!("{} says before", release(1));
    let said = host
        .says(&asked, "what was printed before", |said| holds_line(said, &before))
        .await;
    assert_eq!(texts(&said)[0], "serving on 0.0.0.0:8080");

    host.bring(host.canary(100, "well")).await;
    host.tell(2, "/say/later").await;
    host.tell(1, "/say/later").await;
    let later = |n: u64| format!("{} says later", release(n));
    let both = |said: &[Said]| holds_line(said, &later(1)) && holds_line(said, &later(2));
    let said = host.says(&asked, "what both print later", both).await;
    for line in said
        .iter()
        .flat_map(|said| &said.lines)
        .filter(|line| line.text.contains(" says "))
    {
        assert!(line.text.starts_with(&line.release.to_string()), "{line:?}");
    }
    let sequences: Vec<u32> = said.iter().map(|said| said.sequence).collect();
    assert_eq!(sequences, (0..said.len() as u32).collect::<Vec<_>>());
    let all = texts(&said).len();
    assert_eq!(all, 5, "each line once: {said:#?}");
}

#[tokio::test]
async fn of_what_is_not_followed_the_last_lines_are_said_and_that_those_are_all() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    for _ in 0..5 {
        host.tell(1, "/say/words").await;
    }
    let mut asked = asked(1, 60);
    (asked.logs.follow, asked.logs.lines) = (false, 3);
    host.ask(&asked).await;
    let is_over = |said: &[Said]| said.last().is_some_and(|said| said.is_last);
    let said = host.says(&asked, "the last part", is_over).await;
    assert_eq!(texts(&said), vec![format!("{} says words", release(1)); 3]);
    // Another one, of a release that does not run here: nothing to say, which is said; and the older answer is gone.
    let mut other = Asked {
        id: AskId::from_parts(2, 0),
        issued_at: Timestamp::now(),
        ..asked.clone()
    };
    other.logs.releases = vec![release(9)];
    host.ask(&other).await;
    let said = host.says(&other, "the last part", is_over).await;
    assert_eq!(texts(&said), [""; 0]);
    assert_eq!(host.said(&asked).await, []);
}

#[tokio::test]
async fn an_ask_ends_by_itself_and_a_renewed_one_goes_on() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let first = asked(1, 3);
    host.ask(&first).await;
    host.says(&first, "anything", |said| !said.is_empty()).await;
    let renewed = asked(1, 4);
    let since = Instant::now();
    host.ask(&renewed).await;
    let is_over = |said: &[Said]| said.last().is_some_and(|said| said.is_last);
    host.says(&first, "the last part", is_over).await;
    let took = since.elapsed();
    assert!(
        (Duration::from_millis(3_500)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
    let parts = host.said(&first).await;
    host.tell(1, "/say/afterwards").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(host.said(&first).await, parts);
}

#[tokio::test]
async fn a_forged_ask_is_refused_and_reported_and_changes_nothing_else() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let before = host.of_version(1).await;
    let stranger = SigningKey::from_seed([9; 32]);
    let forged = asked(1, 30);
    host.ask_sealed(&stranger.seal(&forged).unwrap()).await;
    let seen = host.sees("the ask is refused", |seen| seen.refused_ask.is_some()).await;
    let reason = seen.refused_ask.unwrap().reason;
    assert!(reason.contains("which this host does not trust"), "{reason}");
    assert_eq!((seen.refused, seen.failure), (None, None));
    let mut changed = host.key.seal(&forged).unwrap();
    changed.document = changed.document.replace("mina", "jun");
    host.ask_sealed(&changed).await;
    let is_changed = |seen: &contract::Observed| {
        let refused = seen.refused_ask.as_ref();
        refused.is_some_and(|refused| refused.reason.contains("does not fit the document"))
    };
    host.sees("the changed one is refused, too", is_changed).await;
    assert_eq!(host.said(&forged).await, []);

    // What is desired is followed as ever, and a good ask is answered.
    host.bring(host.canary(100, "well")).await;
    assert_eq!(host.of_version(1).await, before);
    let good = asked(2, 30);
    host.ask(&good).await;
    host.says(&good, "anything", |said| !said.is_empty()).await;
    host.sees("nothing is refused any more", |seen| seen.refused_ask.is_none())
        .await;
}

#[tokio::test]
async fn an_app_that_prints_faster_than_can_be_said_is_cut_and_it_is_said_by_how_much() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let mut asked = asked(1, 60);
    asked.logs.lines = 0;
    host.ask(&asked).await;
    host.eventually_logs("asked for what the app prints").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let count = |said: &[Said]| -> usize {
        let lines = said.iter().flat_map(|said| &said.lines);
        let dropped: u64 = said.iter().map(|said| said.dropped).sum();
        lines.filter(|line| line.text.starts_with("line ")).count() + dropped as usize
    };
    host.tell(1, "/chatter").await;
    let said = host
        .says(&asked, "all lines, or how many were dropped", |said| {
            count(said) >= 100_000
        })
        .await;
    assert_eq!(count(&said), 100_000);
    let dropped: u64 = said.iter().map(|said| said.dropped).sum();
    assert!(dropped > 50_000, "{dropped}");
    for part in &said {
        assert!(serde_json::to_vec(part).unwrap().len() < 257 * 1024);
    }
    for pair in said.windows(2) {
        let apart = pair[1].at.duration_since(pair[0].at);
        assert!(apart >= SignedDuration::from_millis(900), "{apart}");
    }
    // Meanwhile the loop went on reporting.
    let age = Timestamp::now().duration_since(host.observed().await.unwrap().at);
    assert!(age < SignedDuration::from_secs(6), "{age}");
}

#[tokio::test]
async fn an_agent_started_in_the_middle_of_an_ask_goes_on_where_the_one_before_was() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let asked = asked(1, 60);
    host.ask(&asked).await;
    host.tell(1, "/say/one").await;
    let says = |word: &str| format!("{} says {word}", release(1));
    host.says(&asked, "the first word", |said| holds_line(said, &says("one")))
        .await;
    host.kill_agent();
    host.tell(1, "/say/two").await;
    host.start_agent();
    let said = host
        .says(&asked, "the second word", |said| holds_line(said, &says("two")))
        .await;
    assert_eq!(
        texts(&said),
        ["serving on 0.0.0.0:8080".to_owned(), says("one"), says("two")]
    );
}

#[tokio::test]
async fn a_container_that_is_started_again_is_heard_again() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let asked = asked(1, 60);
    host.ask(&asked).await;
    host.says(&asked, "anything", |said| !said.is_empty()).await;
    host.tell(1, "/crash").await;
    host.eventually_serves(1).await;
    host.tell(1, "/say/again").await;
    let again = format!("{} says again", release(1));
    let said = host
        .says(&asked, "what it prints now", |said| holds_line(said, &again))
        .await;
    let begun = texts(&said)
        .into_iter()
        .filter(|text| text.starts_with("serving"))
        .count();
    assert_eq!(begun, 2, "{said:#?}");
}
