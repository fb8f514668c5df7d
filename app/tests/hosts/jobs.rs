//! The welcome mail, and the jobs that carry it.

use crate::database::Database;
use crate::host::{Host, until};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

const WAITING: &str = "SELECT COUNT(*) FROM jobs";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        Folder(std::env::temp_dir().join(format!("mail-{:016x}", rand::random::<u64>())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        files
            .map(|file| file.path())
            .filter(|path| !is_unfinished(path))
            .map(|path| read(&path))
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a mail")
}

/// Whom each mail is to.
fn recipients(mails: &[String]) -> BTreeSet<&str> {
    mails
        .iter()
        .filter_map(|mail| mail.lines().find(|line| line.contains("@example.com")))
        .collect()
}

#[tokio::test]
async fn each_new_member_gets_one_mail_though_two_hosts_deliver() {
    let (database, folder) = (Database::new().await, Folder::new());
    let environment = [("MAIL_DIR", folder.path()), ("RELEASE_ID", "one")];
    let hosts = [
        Host::start(&database, &environment).await,
        Host::start(&database, &environment).await,
    ];
    for turn in 0..10 {
        hosts[turn % 2].member().await;
    }
    until("all jobs are done", async || database.count(WAITING).await == 0).await;
    let mails = folder.mails();
    assert_eq!((mails.len(), recipients(&mails).len()), (10, 10));
    assert!(
        mails[0].contains("Subject: =?UTF-8?B?") && mails[0].is_ascii(),
        "{}",
        mails[0]
    );
    drop(hosts);
    database.drop().await;
}

#[tokio::test]
async fn a_refused_sign_up_sends_no_mail() {
    let (database, folder) = (Database::new().await, Folder::new());
    let host = Host::start(&database, &[]).await;
    host.member().await;
    database.run("UPDATE members SET email = 'taken@example.com'").await;
    let again = serde_json::json!({
        "email": "taken@example.com", "real_name": "a", "nickname": "a", "password": "correct horse battery",
    });
    assert_eq!(host.ask("POST", "/api/members", "", &again).await.0, 409);
    assert_eq!(database.count(WAITING).await, 1);
    assert!(folder.mails().is_empty());
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn mail_with_nowhere_to_go_waits_and_another_release_takes_it_only_after_a_grace() {
    let (database, folder) = (Database::new().await, Folder::new());
    let old = Host::start(&database, &[("RELEASE_ID", "old")]).await;
    old.member().await;
    let enqueued = Instant::now();
    let new = Host::start(&database, &[("RELEASE_ID", "new"), ("MAIL_DIR", folder.path())]).await;
    new.member().await;
    until("the new release's own mail is there", async || {
        folder.mails().len() == 1
    })
    .await;
    assert!(enqueued.elapsed() < Duration::from_secs(9), "{:?}", enqueued.elapsed());
    until("the old release's mail is there too", async || {
        folder.mails().len() == 2
    })
    .await;
    assert!(enqueued.elapsed() > Duration::from_secs(9), "{:?}", enqueued.elapsed());
    until("all jobs are done", async || database.count(WAITING).await == 0).await;
    drop((old, new));
    database.drop().await;
}

#[tokio::test]
async fn a_mail_server_that_never_answers_delays_no_request_and_a_stopping_host_gives_its_mail_back() {
    let (database, folder) = (Database::new().await, Folder::new());
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let environment = [("MAIL_SMTP", address.as_str()), ("MAIL_TLS", "off")];
    let mut host = Host::start(&database, &environment).await;
    let started = Instant::now();
    for _ in 0..8 {
        host.member().await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "took {:?}",
        started.elapsed()
    );
    until("a mail is on its way", async || {
        database
            .count("SELECT COUNT(*) FROM jobs WHERE claimed_by IS NOT NULL")
            .await
            > 0
    })
    .await;
    host.terminate();
    assert_eq!(host.ended().await, Some(0));
    let given_back = "SELECT COUNT(*) FROM jobs WHERE claimed_by IS NULL AND attempts = 0 AND due_at <= NOW(6)";
    assert_eq!(database.count(given_back).await, 8);

    let next = Host::start(&database, &[("MAIL_DIR", folder.path())]).await;
    until("all jobs are done", async || database.count(WAITING).await == 0).await;
    assert_eq!(recipients(&folder.mails()).len(), 8);
    drop(next);
    database.drop().await;
}

#[tokio::test]
async fn a_mail_that_the_server_refused_for_now_comes_again_under_the_same_message_id() {
    let database = Database::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let attempts = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn(refuse_once(listener, attempts.clone()));
    let host = Host::start(&database, &[("MAIL_SMTP", &address), ("MAIL_TLS", "off")]).await;
    host.member().await;
    until("the job is done", async || database.count(WAITING).await == 0).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    let mails = server.await.expect("served");
    assert_eq!(mails[0], mails[1]);
    assert!(mails[0].contains("Message-ID: <"), "{}", mails[0]);
    drop(host);
    database.drop().await;
}

/// Takes two mails, the first of which it says it could not.
async fn refuse_once(listener: TcpListener, attempts: Arc<AtomicUsize>) -> Vec<String> {
    let mut mails = Vec::new();
    for verdict in ["451 try again", "250 taken"] {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        for reply in ["220 hello", "250 hello", "250 ok", "250 ok", "354 go on"] {
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.expect("sent");
            if reply != "354 go on" {
                stream.read_line(&mut String::new()).await.expect("a command");
            }
        }
        let mut mail = String::new();
        while !mail.ends_with("\r\n.\r\n") {
            assert!(stream.read_line(&mut mail).await.expect("a line") > 0);
        }
        attempts.fetch_add(1, Ordering::SeqCst);
        stream
            .write_all(format!("{verdict}\r\n").as_bytes())
            .await
            .expect("sent");
        mails.push(mail);
    }
    mails
}
