//! What people, programs and CI are told, held against files: whole releases in each form, and every way to fail.
//! `UPDATE_EXPECT=1` writes the files anew; they are to be read before they are committed.

use super::cut::Cut;
use super::simulate;
use super::world::{TOO_LATE, World};
use crate::engine::{self, Journal, Release, Run, journal_key};
use crate::failure::{Failure, Result};
use crate::plan;
use crate::report::Mode;
use crate::screen::Screen;
use crate::user;
use std::path::Path;

/// One that goes live, one that never gets ready in production, and one that is rejected.
async fn three_releases(world: &World) {
    let [first, second, third] =
        [(1, "first"), (2, "second"), (3, "third")].map(|(number, commit)| world.release_of(commit, number));
    for host in &world.hosts["production"] {
        host.containers.break_release(second.id);
    }
    for release in [&first, &second] {
        world.say(release).await;
        expect_approved(world, release).await;
        world.say(release).await;
    }
    world.say(&third).await;
    let rejected = engine::reject(&world.records(), &third, "not today").await;
    rejected.expect("a rejection");
    world.say(&third).await;
}

async fn expect_approved(world: &World, release: &Release) {
    world.approve(release, &Cut::never()).await.expect("an approval");
}

/// All that is said, and the page of the CI job.
fn told(mode: Mode, width: usize) -> (String, String) {
    simulate(async {
        let mut world = World::new();
        world.shown.mode = mode;
        world.shown.screen = Screen::kept(width);
        three_releases(&world).await;
        let summary = std::fs::read_to_string(world.summary()).expect("a summary");
        (world.shown.screen.text(), summary)
    })
}

#[test]
fn releases_in_plain_lines_and_in_markdown_read_so() {
    let (plain, markdown) = told(Mode::Plain, 80);
    expect("plain.txt", &plain);
    expect("summary.md", &markdown);
}

#[test]
fn releases_on_a_terminal_read_so_whatever_its_width() {
    let (narrow, _) = told(Mode::Terminal { colour: true }, 80);
    expect("terminal-80.txt", &narrow);
    let (wide, _) = told(Mode::Terminal { colour: false }, 200);
    expect("terminal-200.txt", &wide);
}

#[test]
fn releases_as_events_read_so() {
    let (events, _) = told(Mode::Json, 80);
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        assert_eq!(event["v"], 1, "{line}");
        assert!(event["event"].is_string() && event["at"].is_string(), "{line}");
    }
    expect("events.jsonl", &events);
}

#[test]
fn a_plan_reads_so_before_the_first_release_on_the_way_and_after() {
    let plans = simulate(async {
        let world = World::new();
        let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
        let planned = async |release| world.plan(release).await.expect("a plan").to_string();
        let before = planned(&first).await;
        world.release(&first, &Cut::never()).await.expect_done();
        failed(world.go(&second, &Cut::never()).await);
        format!(
            "# before the first release\n{before}\n# of what is live\n{}\n# of what waits\n{}",
            planned(&first).await,
            planned(&second).await
        )
    });
    expect("plan.txt", &plans);
}

#[test]
fn every_failure_reads_so() {
    let mut text = String::new();
    for (title, failure) in simulate(failures()) {
        let exit = failure.exit as i32;
        text.push_str(&format!("# {title}: exit {exit}\n{failure}\n\n"));
    }
    expect("errors.txt", &text);
}

type Told = Vec<(&'static str, Failure)>;

async fn failures() -> Told {
    let mut told = at_the_door().await;
    told.extend(at_approval().await);
    told.extend(under_way().await);
    told.extend(in_the_store().await);
    told
}

fn failed<T>(outcome: Result<T>) -> Failure {
    match outcome {
        Ok(_) => panic!("it went well"),
        Err(failure) => failure,
    }
}

/// What is asked for does not exist, or does not fit.
async fn at_the_door() -> Told {
    let world = World::new();
    let (first, second) = (world.release_of("first", 1), world.release_of("second", 2));
    let never = Cut::never();
    let records = world.records();
    let unknown = failed(Release::find(&records, "01ABC").await);
    world.say(&first).await;
    expect_approved(&world, &first).await;
    world.say(&first).await;
    world.say(&second).await;
    let context = world.context(&never, "second");
    let mut other = second.clone();
    other.profile = "aws".to_owned();
    vec![
        ("an id that is none, before the first release", unknown),
        ("an id that is none", failed(Release::find(&records, "01ABC").await)),
        (
            "the beginning of several ids",
            failed(Release::find(&records, "0").await),
        ),
        (
            "an environment that is none",
            failed(plan::find_environment(&world.pipeline, "prod")),
        ),
        (
            "a release of another profile",
            failed(Run::resume(&context, world.plan(&second).await.expect("a plan"), other).await),
        ),
        (
            "an approval of what is finished",
            failed(world.approve(&first, &never).await),
        ),
    ]
}

async fn at_approval() -> Told {
    let world = World::new();
    let [second, third, fourth] =
        [(2, "second"), (3, "third"), (4, "fourth")].map(|(number, commit)| world.release_of(commit, number));
    let never = Cut::never();
    let mut told = Vec::new();
    let context = world.context(&never, "fourth");
    let plan = world.plan(&fourth).await.expect("a plan");
    drop(Run::begin(&context, plan, fourth.clone()).await.expect("a run"));
    told.push((
        "an approval that nobody waits for",
        failed(world.approve(&fourth, &never).await),
    ));
    told.push(("nobody to ask", failed(world.go(&second, &never).await)));
    let asked = world.pipeline.production.approval.clone();
    let mut listed = asked.expect("an approval");
    listed.approvers = ["mina", "github:jun"].map(|name| name.to_owned().into()).to_vec();
    let approved = engine::approve(&world.records(), &listed, &second).await;
    told.push(("not an approver", failed(approved)));
    expect_approved(&world, &second).await;
    let given = world.journal(second.id).await.pop().expect("an entry").event;
    told.push(("a newer candidate waits", failed(world.go(&third, &never).await)));
    told.push((
        "an approval of what is superseded",
        failed(world.approve(&second, &never).await),
    ));
    told.push(("superseded after its approval", failed(world.go(&second, &never).await)));
    let mut journal = Journal::open(&world.records(), third.id).await.expect("a journal");
    journal.append(given).await.expect("an entry");
    told.push(("an approval of another release", failed(world.go(&third, &never).await)));
    told.push(("the newest waits", failed(world.go(&fourth, &never).await)));
    tokio::time::sleep(TOO_LATE).await;
    told.push((
        "an approval that comes too late",
        failed(world.approve(&fourth, &never).await),
    ));
    let rejected = engine::reject(&world.records(), &fourth, "the figures are not good").await;
    rejected.expect("a rejection");
    told.push(("rejected", failed(world.go(&fourth, &never).await)));
    told.push((
        "an approval of what was rejected",
        failed(world.approve(&fourth, &never).await),
    ));
    told
}

async fn under_way() -> Told {
    let mut world = World::new();
    let [first, second, third] =
        [(1, "first"), (2, "second"), (3, "third")].map(|(number, commit)| world.release_of(commit, number));
    let never = Cut::never();
    let mut told = Vec::new();
    let cancelled = world.release(&first, &Cut::asking_at("before building")).await;
    told.push(("Ctrl-C while it builds", cancelled.expect_failed()));
    for host in &world.hosts["production"] {
        host.containers.break_release(first.id);
    }
    told.push((
        "the first release never gets ready",
        world.release(&first, &never).await.expect_failed(),
    ));
    world.release(&second, &never).await.expect_done();
    let cancelled = world.release(&third, &Cut::asking_at("before flipping")).await;
    told.push(("Ctrl-C in the middle of production", cancelled.expect_failed()));
    // What was on its way has drained.
    world.wait_out().await;
    for host in &world.hosts["production"] {
        host.containers.break_release(third.id);
    }
    told.push((
        "a release never gets ready",
        world.release(&third, &never).await.expect_failed(),
    ));
    let (fourth, fifth) = (world.release_of("fourth", 4), world.release_of("fifth", 5));
    failed(world.go(&fourth, &never).await);
    expect_approved(&world, &fourth).await;
    drop(world.release(&fifth, &Cut::named("after flipping")).await);
    told.push(("another release is under way", failed(world.go(&fourth, &never).await)));
    world.wait_out().await;
    let always = pipeline::model::Freeze::parse("Mon 00:00 – Sun 23:59 UTC");
    world.pipeline.production.freeze = vec![always.expect("a window")];
    told.push(("production is frozen", failed(world.go(&fifth, &never).await)));
    told
}

async fn in_the_store() -> Told {
    let mut told = Vec::new();
    let never = Cut::never();
    for (title, text) in [
        ("a journal with a broken line", "0123456789abcdef {}\n".to_owned()),
        ("a journal that is none", "\u{0}\u{1}\n".to_owned()),
        ("a journal of a newer version", newer()),
    ] {
        let world = World::new();
        let release = world.release_of("first", 1);
        release.save(&world.records()).await.expect("a release");
        let key = journal_key(release.id);
        let written = world.store.write(&key, text.into_bytes(), store::Condition::None).await;
        written.expect("a journal");
        told.push((title, failed(world.go(&release, &never).await)));
    }
    let world = World::new();
    let key = format!("releases/{}/release.json", world.release_of("first", 1).id);
    let written = world.store.write(&key, b"{".to_vec(), store::Condition::None).await;
    written.expect("a release");
    told.push((
        "a release that is not what was written",
        failed(Release::find(&world.records(), "0").await),
    ));
    told
}

/// Sound, but of a time to come.
fn newer() -> String {
    let json = serde_json::json!({
        "sequence": 0, "at": "2026-01-01T00:00:00Z", "event": "begun",
        "version": engine::JOURNAL_VERSION + 1, "release": "00000000010000000000000000", "profile": "local",
    });
    let json = json.to_string();
    format!("{} {json}\n", &contract::Digest::of(json.as_bytes()).hex()[..16])
}

impl World {
    /// As a command would: how it ends is said, too.
    async fn say(&self, release: &Release) {
        let cut = Cut::never();
        if let Err(failure) = self.go(release, &cut).await {
            self.report(&cut).failure(&failure);
        }
    }
}

/// Held against the file, but for what differs from run to run and from machine to machine.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/simulation/golden")
        .join(name);
    let found = normal(found);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return std::fs::write(&path, found).expect("a file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{name} is to be read, and then written with UPDATE_EXPECT=1"
    );
}

fn normal(text: &str) -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let who = format!("{}@{machine}, process {}", user::identity(), std::process::id());
    let text = text
        .replace(&who, "somebody@machine, process 7")
        .replace(&format!("by {} ", user::identity()), "by somebody ")
        .replace(&format!("by {}:", user::identity()), "by somebody:")
        .replace(&format!("`{}` may not", user::identity()), "`somebody` may not")
        .replace(
            &format!("\"created_by\":\"{}\"", user::identity()),
            "\"created_by\":\"somebody\"",
        )
        // Both are late in the same moment; either may be heard first.
        .replace("on production-2", "on production-1")
        .replace('\r', "\n␍")
        .replace("\n\n␍", "\n␍")
        .replace('\u{1b}', "␛");
    let text = without_numbers(&text, "\"took_ms\":", "");
    let text = without_numbers(&text, "127.0.0.1:", "");
    let text = without_numbers(&text, "\"seconds\":", "");
    without_times(&without_numbers(&text, "", " s"))
}

/// With `N` for every number that stands between these.
fn without_numbers(text: &str, before: &str, after: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut told = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let length = rest[start..]
            .find(|letter| !is_part(letter))
            .unwrap_or(rest.len() - start);
        let (lead, number) = (&rest[..start], &rest[start..start + length]);
        rest = &rest[start + length..];
        told.push_str(lead);
        let stands_alone = !told.ends_with(|letter: char| letter.is_ascii_alphanumeric());
        let ends = rest
            .strip_prefix(after)
            .is_some_and(|rest| after.is_empty() || !rest.starts_with(char::is_alphanumeric));
        let is_wanted = told.ends_with(before) && stands_alone && ends;
        told.push_str(if is_wanted { "N" } else { number });
    }
    told + rest
}

/// With `T` for every point in time.
fn without_times(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let mut line = line.to_owned();
        for name in ["\"at\":\"", "\"created_at\":\"", "\"since\":\"", "\"expires_at\":\""] {
            if let Some(start) = line.find(name).map(|at| at + name.len())
                && let Some(length) = line[start..].find('"')
            {
                line.replace_range(start..start + length, "T");
            }
        }
        line
    });
    lines.collect()
}
