use super::*;
use crate::engine::Proof;
use crate::engine::release::made_up::settled;
use crate::failure::Exit;
use crate::stages::migration::Migrated;
use contract::Counts;

fn id(number: u64) -> ReleaseId {
    ReleaseId::from_parts(number, 0)
}

fn past(releases: &[u64]) -> Past {
    Past {
        environment: EnvironmentName::parse("production").unwrap(),
        history: History {
            settled: releases.iter().map(|number| settled(*number)).collect(),
        },
        schema: Schema::default(),
    }
}

/// How the next release of a story went.
#[derive(Clone, Copy)]
enum Went {
    /// Went live; its migration printed this.
    Live(&'static str),
    /// The same, and what it replaced was failing beside it.
    LiveAlone(&'static str),
    /// Migrated and was rolled back.
    Failed(&'static str),
    /// Was cut off while it migrated.
    CutOff,
}

/// Releases 1, 2, 3 … one after the other; those in `before` ran before anything of the schema was written down.
fn story(before: u64, releases: &[Went]) -> Past {
    let mut past = past(&(1..=before).collect::<Vec<_>>());
    for (number, went) in (before + 1..).zip(releases) {
        let replaced = past.history.latest().map(|settled| settled.version.release);
        past.schema.begin(id(number));
        let (Went::Live(output) | Went::LiveAlone(output) | Went::Failed(output)) = *went else {
            continue;
        };
        let output = output.lines().map(str::to_owned).collect();
        past.schema.migrated(id(number), &Migrated { took_ms: 1, output });
        if matches!(went, Went::Failed(_)) {
            continue;
        }
        let counts = Counts {
            requests: 10 * number,
            errors: 0,
        };
        past.schema.proven(id(number), Proof::Live, counts);
        if let (Some(replaced), Went::Live(_)) = (replaced, went) {
            past.schema.proven(replaced, Proof::Beside(id(number)), counts);
        }
        past.history.settled.push(settled(number));
    }
    past
}

fn chosen(past: &Past, to: Option<&str>) -> Result<ReleaseId> {
    past.target(to, false).map(|(settled, _)| settled.version.release)
}

#[test]
fn without_a_name_it_is_the_release_before() {
    assert_eq!(chosen(&past(&[1, 2, 3]), None).unwrap(), id(2));
    assert_eq!(chosen(&past(&[1]), None).unwrap_err().exit, Exit::BadInput);
    assert_eq!(chosen(&past(&[]), None).unwrap_err().exit, Exit::BadInput);
}

#[test]
fn a_name_that_fits_none_or_several_lists_what_there_is() {
    let first = id(1).to_string();
    assert_eq!(chosen(&past(&[1, 2]), Some(&first)).unwrap(), id(1));
    let failure = chosen(&past(&[1, 2]), Some("0")).unwrap_err();
    assert!(failure.to_string().contains(&first), "{failure}");
}

/// The story, which of its releases can come back, and which one does unless it is named.
type Case<'a> = (u64, &'a [Went], &'a [u64], Option<u64>);

#[test]
fn a_release_can_come_back_exactly_if_nothing_was_applied_that_it_was_not_seen_running_on() {
    use Went::{CutOff, Failed, Live, LiveAlone};
    const AT_1: &str = "nothing to apply: the schema is at 1";
    const TO_1: &str = "applied 1 make members\n1 applied: the schema is at 1";
    const TO_2: &str = "applied 2 add likes\n1 applied: the schema is at 2";
    const TO_3: &str = "applied 3 drop names\n1 applied: the schema is at 3";
    const AT_2: &str = "nothing to apply: the schema is at 2";
    let cases: &[Case<'_>] = &[
        // Nothing is known to have been applied.
        (3, &[], &[1, 2, 3], Some(2)),
        (
            0,
            &[Live(""), Live("nothing to migrate"), Live("")],
            &[1, 2, 3],
            Some(2),
        ),
        (2, &[Live(AT_1)], &[1, 2, 3], Some(2)),
        (0, &[Live(TO_1), Live(AT_1), Live(AT_1)], &[1, 2, 3], Some(2)),
        // The one that was replaced served beside the change; the ones before did not.
        (0, &[Live(TO_1), Live(AT_1), Live(TO_2)], &[2, 3], Some(2)),
        (0, &[Live(TO_1), Live(TO_2), Live(AT_2)], &[1, 2, 3], Some(2)),
        (0, &[Live(TO_1), Live(TO_2), Live(TO_3)], &[2, 3], Some(2)),
        (2, &[Live(TO_2)], &[2, 3], Some(2)),
        // It failed beside it: only what replaced it is proven.
        (0, &[Live(TO_1), LiveAlone(TO_2)], &[2], None),
        (0, &[Live(TO_1), LiveAlone(TO_2), LiveAlone(AT_2)], &[2, 3], Some(2)),
        // The change stayed when the release that made it was rolled back.
        (0, &[Live(TO_1), Live(AT_1), Failed(TO_2)], &[2], None),
        (0, &[Live(TO_1), Live(AT_1), Failed(TO_2), Live(AT_2)], &[2, 4], Some(2)),
        // Nobody saw what it applied, until the next one says where the schema is.
        (0, &[Live(TO_1), Live(AT_1), CutOff], &[2], None),
        (0, &[Live(TO_1), Live(AT_1), CutOff, Live(AT_1)], &[1, 2, 4], Some(2)),
        (0, &[Live(TO_1), Live(AT_1), CutOff, Live(AT_2)], &[2, 4], Some(2)),
        (2, &[CutOff, Live(AT_2)], &[2, 4], Some(2)),
    ];
    for (number, (before, releases, able, usual)) in cases.iter().enumerate() {
        let past = story(*before, releases);
        let ran: Vec<u64> = (1..=9)
            .filter(|ran| past.history.settled.contains(&settled(*ran)))
            .collect();
        let can = |release: &u64| chosen(&past, Some(&id(*release).to_string())).is_ok();
        let found: Vec<u64> = ran.into_iter().filter(can).collect();
        assert_eq!(found, *able, "story {number}");
        assert_eq!(chosen(&past, None).ok(), usual.map(id), "story {number}");
    }
}

#[test]
fn a_refusal_names_the_migration_who_applied_it_what_is_proven_and_what_to_type() {
    let releases = [
        Went::Live("the schema is at 1"),
        Went::Live("the schema is at 1"),
        Went::Live("applied 2 add likes\n1 applied: the schema is at 2"),
    ];
    let past = story(0, &releases);
    let [first, second, third] = [1, 2, 3].map(id);
    let failure = past.target(Some(&first.to_string()), false).unwrap_err();
    assert_eq!(failure.exit, Exit::BadInput);
    let said = failure.to_string();
    for expected in [
        format!("release {first} is not proven on the schema that `production` has now"),
        format!("migration 2 add likes (by release {third} at "),
        format!("release {first} is proven on schema 1: went live on it, 0 errors in 10 requests"),
        format!(
            "release {second} is proven on schema 2: was ready beside release {third} to the end of its rollout, \
             0 errors in 30 requests"
        ),
        "now: nothing was touched".to_owned(),
        format!("next: cargo xtask rollback production --to {second}"),
        format!("cargo xtask rollback production --to {first} --unproven --reason …"),
    ] {
        assert!(said.contains(&expected), "expected `{expected}` in {said}");
    }
    let (target, _) = past.target(Some(&first.to_string()), true).unwrap();
    assert_eq!(target.version.release, first, "somebody said so");
}

#[test]
fn what_is_passed_over_is_said() {
    let alone = "applied 2 add likes\n1 applied: the schema is at 2";
    let mut past = story(
        0,
        &[Went::Live(""), Went::Live("the schema is at 1"), Went::LiveAlone(alone)],
    );
    past.schema.proven(id(1), Proof::Returned, Counts::default());
    let (target, passed_over) = past.target(None, false).unwrap();
    assert_eq!(target.version.release, id(1));
    assert!(passed_over[0].starts_with("migration 2 add likes"), "{passed_over:?}");
    assert!(passed_over[1].starts_with(&format!("release {} is proven on schema 1", id(2))));
}

#[test]
fn records_of_an_older_tool_know_of_no_migration() {
    let mut old = serde_json::to_value(past(&[1]).history).unwrap();
    let settled = old["settled"][0].as_object_mut().unwrap();
    settled.remove("withdrawn");
    assert!(
        !settled.contains_key("unproven"),
        "an older tool would refuse what it does not know"
    );
    assert_eq!(serde_json::from_value::<History>(old).unwrap(), past(&[1]).history);
}
