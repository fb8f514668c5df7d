//! What holds for a store wherever it is. Whoever includes this says where, each time empty.

use super::places;
use std::any::Any;
use store::{Condition, MAX_DOCUMENT_BYTES, Read, Revision, Store, WriteError};
use tokio::task::JoinSet;

/// A store, and what has to live as long as it does.
pub struct Place {
    pub store: Store,
    pub _alive: Box<dyn Any + Send>,
}

impl Place {
    async fn text(&self, key: &str) -> String {
        let (bytes, _) = self.store.get(key).await.unwrap().expect("a document");
        String::from_utf8(bytes).unwrap()
    }
}

async fn write(store: &Store, key: &str, text: &str, condition: Condition<'_>) -> Result<Revision, WriteError> {
    store.write(key, text.into(), condition).await
}

#[track_caller]
fn expect_conflict(outcome: Result<Revision, WriteError>) {
    assert!(matches!(outcome, Err(WriteError::Conflict)), "{outcome:?}");
}

#[tokio::test]
async fn a_document_is_replaced_only_by_who_knows_it() {
    for place in places().await {
        let (store, key) = (&place.store, "a/b.json");
        assert!(store.get(key).await.unwrap().is_none());
        let first = write(store, key, "one", Condition::Absent).await.unwrap();
        expect_conflict(write(store, key, "late", Condition::Absent).await);
        let second = write(store, key, "two", Condition::Is(&first)).await.unwrap();
        expect_conflict(write(store, key, "late", Condition::Is(&first)).await);
        assert_eq!(place.text(key).await, "two");
        assert!(matches!(store.read(key, Some(&second)).await.unwrap(), Read::Unchanged));
        write(store, key, "whatever was there", Condition::None).await.unwrap();
        assert_eq!(place.text(key).await, "whatever was there");
    }
}

#[tokio::test]
async fn what_is_appended_stands_behind_what_was_there_and_only_for_who_knows_that() {
    for place in places().await {
        let (store, key) = (&place.store, "journal");
        let first = store.append(key, b"", b"one\n", Condition::Absent).await.unwrap();
        expect_conflict(store.append(key, b"", b"late\n", Condition::Absent).await);
        let second = store
            .append(key, b"one\n", b"two\n", Condition::Is(&first))
            .await
            .unwrap();
        expect_conflict(store.append(key, b"one\n", b"late\n", Condition::Is(&first)).await);
        assert_eq!(place.text(key).await, "one\ntwo\n");
        let (_, found) = store.get(key).await.unwrap().unwrap();
        assert_eq!(found, second, "the revision that was returned is the one that is read");
    }
}

#[tokio::test]
async fn a_tail_that_is_not_kept_is_gone_after_an_append() {
    for place in places().await {
        let (store, key) = (&place.store, "journal");
        let torn = write(store, key, "one\ntw", Condition::Absent).await.unwrap();
        store.append(key, b"one\n", b"2\n", Condition::Is(&torn)).await.unwrap();
        assert_eq!(place.text(key).await, "one\n2\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_append_at_once_each_gets_in_once_and_no_line_is_lost() {
    for place in places().await {
        let mut writers = JoinSet::new();
        for number in 0..8 {
            writers.spawn(append_a_line(place.store.clone(), format!("line {number}\n")));
        }
        writers.join_all().await;
        let text = place.text("journal").await;
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        let expected: Vec<String> = (0..8).map(|number| format!("line {number}")).collect();
        assert_eq!(lines, expected);
    }
}

async fn append_a_line(store: Store, line: String) {
    loop {
        let (kept, revision) = match store.get("journal").await.unwrap() {
            Some((kept, revision)) => (kept, Some(revision)),
            None => (Vec::new(), None),
        };
        let condition = revision.as_ref().map_or(Condition::Absent, Condition::Is);
        match store.append("journal", &kept, line.as_bytes(), condition).await {
            Ok(_) => return,
            Err(WriteError::Conflict) => {}
            Err(WriteError::Failed(error)) => panic!("{error:#}"),
        }
    }
}

#[tokio::test]
async fn a_folder_lists_its_documents_and_folders_and_nothing_below() {
    for place in places().await {
        let store = &place.store;
        assert!(store.list("releases/", 10).await.unwrap().is_empty());
        for key in [
            "releases/A/release.json",
            "releases/A/journal",
            "releases/B/journal",
            "releases/note",
            "other/C/x",
        ] {
            write(store, key, "{}", Condition::Absent).await.unwrap();
        }
        let mut names = store.list("releases/", 10).await.unwrap();
        names.sort();
        assert_eq!(names, ["A", "B", "note"]);
        assert_eq!(store.list("releases/", 2).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_survey_names_what_a_list_does_and_each_revision_it_tells_is_the_one_that_is_read() {
    for place in places().await {
        let store = &place.store;
        let first = write(store, "hosts/a", "one", Condition::Absent).await.unwrap();
        write(store, "hosts/b/c", "two", Condition::Absent).await.unwrap();
        let mut surveyed = store.survey("hosts/", 10).await.unwrap();
        surveyed.sort_by(|one, other| one.name.cmp(&other.name));
        let names: Vec<&str> = surveyed.iter().map(|surveyed| surveyed.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(surveyed[0].revision.as_ref().is_none_or(|told| *told == first));
        assert_eq!(surveyed[1].revision, None, "a folder has none");
        let second = write(store, "hosts/a", "three", Condition::None).await.unwrap();
        let told = store.survey("hosts/", 10).await.unwrap();
        let told = told.into_iter().find(|surveyed| surveyed.name == "a").unwrap().revision;
        assert!(told.is_none_or(|told| told == second));
    }
}

#[tokio::test]
async fn a_document_too_large_is_neither_written_nor_read() {
    for place in places().await {
        let store = &place.store;
        let all = vec![b'x'; MAX_DOCUMENT_BYTES as usize];
        store.write("large", all.clone(), Condition::Absent).await.unwrap();
        let (_, revision) = store.get("large").await.unwrap().unwrap();
        let more = store.append("large", &all, b"x", Condition::Is(&revision)).await;
        assert!(more.unwrap_err().to_string().contains("larger than"));
        assert!(
            store
                .write("larger", [all, vec![b'x']].concat(), Condition::None)
                .await
                .is_err()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_keeps_to_conditions_is_found_fit_again_and_by_several_at_once() {
    for place in places().await {
        place.store.expect_conditional_writes().await.unwrap();
        let mut probes = JoinSet::new();
        for _ in 0..4 {
            let store = place.store.clone();
            probes.spawn(async move { store.expect_conditional_writes().await.unwrap() });
        }
        probes.join_all().await;
    }
}

#[tokio::test]
async fn a_document_that_is_deleted_is_gone_alone_and_its_folder_with_the_last() {
    for place in places().await {
        for key in ["said/a/1", "said/a/2", "said/b"] {
            place.store.write(key, b"x".to_vec(), Condition::Absent).await.unwrap();
        }
        place.store.delete("said/a/1").await.unwrap();
        assert_eq!(place.store.list("said/a/", 9).await.unwrap(), ["2"]);
        assert!(place.store.get("said/a/1").await.unwrap().is_none());
        for _ in 0..2 {
            place.store.delete("said/a/2").await.unwrap();
        }
        assert_eq!(place.store.list("said/", 9).await.unwrap(), ["b"]);
        place
            .store
            .write("said/a/1", b"y".to_vec(), Condition::Absent)
            .await
            .unwrap();
    }
}
