//! What holds for a store wherever it is: each claim runs in memory, on a directory and on an S3 server.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use store::{Condition, MAX_DOCUMENT_BYTES, Memory, Read, Revision, S3Access, Store, WriteError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const BUCKET: &str = "store";

struct Ground {
    store: Store,
    _server: JoinSet<()>,
    _dir: tempfile::TempDir,
}

impl Ground {
    async fn all() -> [Self; 3] {
        [Self::memory(), Self::directory(), Self::s3().await]
    }

    fn memory() -> Self {
        Self {
            store: Store::new(Memory::default()),
            _server: JoinSet::new(),
            _dir: tempfile::tempdir().unwrap(),
        }
    }

    fn directory() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: Store::directory(dir.path().join("not/yet/there")),
            _server: JoinSet::new(),
            _dir: dir,
        }
    }

    async fn s3() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = S3Access {
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
            session_token: None,
        };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, dir.path().to_owned()));
        Self {
            store: Store::s3(&access, BUCKET.to_owned(), "/some/prefix/"),
            _server: server,
            _dir: dir,
        }
    }

    async fn text(&self, key: &str) -> String {
        let (bytes, _) = self.store.get(key).await.unwrap().expect("a document");
        String::from_utf8(bytes).unwrap()
    }
}

async fn serve(listener: TcpListener, root: PathBuf) {
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        connections.spawn(async move { drop(connection.await) });
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
    for ground in Ground::all().await {
        let (store, key) = (&ground.store, "a/b.json");
        assert!(store.get(key).await.unwrap().is_none());
        let first = write(store, key, "one", Condition::Absent).await.unwrap();
        expect_conflict(write(store, key, "late", Condition::Absent).await);
        let second = write(store, key, "two", Condition::Is(&first)).await.unwrap();
        expect_conflict(write(store, key, "late", Condition::Is(&first)).await);
        assert_eq!(ground.text(key).await, "two");
        assert!(matches!(store.read(key, Some(&second)).await.unwrap(), Read::Unchanged));
        write(store, key, "whatever was there", Condition::None).await.unwrap();
        assert_eq!(ground.text(key).await, "whatever was there");
    }
}

#[tokio::test]
async fn what_is_appended_stands_behind_what_was_there_and_only_for_who_knows_that() {
    for ground in Ground::all().await {
        let (store, key) = (&ground.store, "journal");
        let first = store.append(key, b"", b"one\n", Condition::Absent).await.unwrap();
        expect_conflict(store.append(key, b"", b"late\n", Condition::Absent).await);
        let second = store
            .append(key, b"one\n", b"two\n", Condition::Is(&first))
            .await
            .unwrap();
        expect_conflict(store.append(key, b"one\n", b"late\n", Condition::Is(&first)).await);
        assert_eq!(ground.text(key).await, "one\ntwo\n");
        let (_, found) = store.get(key).await.unwrap().unwrap();
        assert_eq!(found, second, "the revision that was returned is the one that is read");
    }
}

#[tokio::test]
async fn a_tail_that_is_not_kept_is_gone_after_an_append() {
    for ground in Ground::all().await {
        let (store, key) = (&ground.store, "journal");
        let torn = write(store, key, "one\ntw", Condition::Absent).await.unwrap();
        store.append(key, b"one\n", b"2\n", Condition::Is(&torn)).await.unwrap();
        assert_eq!(ground.text(key).await, "one\n2\n");
    }
}

/// Not on the S3 server of these tests: it looks at the condition first and writes afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_append_at_once_each_gets_in_once_and_no_line_is_lost() {
    let ground = Ground::directory();
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let store = ground.store.clone();
        writers.spawn(async move {
            let line = format!("line {number}\n");
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
        });
    }
    writers.join_all().await;
    let text = ground.text("journal").await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let expected: Vec<String> = (0..8).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_folder_lists_its_documents_and_folders_and_nothing_below() {
    for ground in Ground::all().await {
        let store = &ground.store;
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
async fn a_document_too_large_is_neither_written_nor_read() {
    for ground in Ground::all().await {
        let store = &ground.store;
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
