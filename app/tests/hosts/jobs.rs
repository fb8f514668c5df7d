//! The welcome mail, and the jobs that carry it.

use crate::database::Database;
use crate::host::{Host, until};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

const WAITING: &str = "SELECT COUNT(*) FROM jobs";

pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        Folder(std::env::temp_dir().join(format!("mail-{:016x}", rand::random::<u64>())))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    pub fn mails(&self) -> Vec<String> {
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
async fn a_host_of_one_connection_delivers_while_it_answers() {
    let (database, folder) = (Database::new().await, Folder::new());
    let environment = [("MAIL_DIR", folder.path()), ("DB_POOL_MAX", "1")];
    let host = Host::start(&database, &environment).await;
    let clients = (0..6).map(async |_| {
        for _ in 0..5 {
            host.member().await;
        }
    });
    futures_util::future::join_all(clients).await;
    until("all jobs are done", async || database.count(WAITING).await == 0).await;
    assert_eq!(recipients(&folder.mails()).len(), 30);
    drop(host);
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
    let before = Instant::now();
    let waiting = old.member().await;
    let new = Host::start(&database, &[("RELEASE_ID", "new"), ("MAIL_DIR", folder.path())]).await;
    let is_there = |email: &str| folder.mails().iter().any(|mail| mail.contains(email));
    let own = new.member().await;
    until("the new release's own mail is there", async || is_there(&own.email)).await;
    until("the old release's mail is there too", async || is_there(&waiting.email)).await;
    assert!(before.elapsed() > Duration::from_secs(10), "{:?}", before.elapsed());
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
    // A sign-up that waited for its mail would be answered with a problem when its own time is up.
    for _ in 0..8 {
        host.member().await;
    }
    until("a mail is on its way", async || {
        database
            .count("SELECT COUNT(*) FROM jobs WHERE claimed_by IS NOT NULL")
            .await
            > 0
    })
    .await;
    host.terminate();
    assert_eq!(host.ended().await, Some(0));
    let given_back = "SELECT COUNT(*) FROM jobs WHERE claimed_by IS NULL AND due_at IS NOT NULL";
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

/// The server's name is checked against the one authority that is trusted; a password never goes without TLS.
#[tokio::test]
async fn mail_goes_over_tls_to_a_server_that_proves_its_name_and_to_no_other() {
    let (database, folder) = (Database::new().await, Folder::new());
    let ca = folder.certificate("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(take_one_over_tls(listener, folder.tls()));
    let to = |host: &str| format!("{host}:{port}");
    let (by_name, by_number) = (to("localhost"), to("127.0.0.1"));
    let environment = [
        ("MAIL_CA", ca.as_str()),
        ("MAIL_USERNAME", "u"),
        ("MAIL_PASSWORD", "hunter2"),
    ];
    let with = |server| [&environment[..], &[("MAIL_SMTP", server)]].concat();

    let wrong = Host::start(&database, &with(&by_number)).await;
    wrong.member().await;
    until("the wrong name is refused", async || {
        database
            .count("SELECT COUNT(*) FROM jobs WHERE last_error LIKE '%certificate%'")
            .await
            == 1
    })
    .await;
    drop(wrong);
    let right = Host::start(&database, &with(&by_name)).await;
    until("all jobs are done", async || database.count(WAITING).await == 0).await;
    let told = server.await.expect("served");
    assert!(told.contains("AUTH PLAIN AHUAaHVudGVyMg==\r\nMAIL FROM:<"), "{told}");
    drop(right);
    database.drop().await;
}

impl Folder {
    /// Of an authority and of a server of this name; the path of the former.
    fn certificate(&self, name: &str) -> String {
        std::fs::create_dir_all(&self.0).expect("a folder");
        let at = |file: &str| self.0.join(file).display().to_string();
        let (ca, ca_key, cert, key) = (at("ca.pem"), at("ca.key"), at("cert.pem"), at("key.pem"));
        let new = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        let authority = ["-subj", "/CN=Test CA", "-keyout", &ca_key, "-out", &ca];
        let (subject, san) = (format!("/CN={name}"), format!("subjectAltName=DNS:{name}"));
        let server = [
            "-subj",
            &subject,
            "-addext",
            &san,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-keyout",
            &key,
            "-out",
            &cert,
        ];
        for arguments in [[&new[..], &authority[..]].concat(), [&new[..], &server[..]].concat()] {
            let made = Command::new("openssl")
                .args(arguments)
                .output()
                .expect("openssl is installed");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        ca
    }

    fn tls(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.0.join("cert.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.0.join("key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers until one mail was handed over, and says what it was told under TLS.
async fn take_one_over_tls(listener: TcpListener, tls: TlsAcceptor) -> String {
    loop {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        for reply in ["220 hello", "250-hello\r\n250 STARTTLS", "220 go on"] {
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.expect("sent");
            if reply != "220 go on" {
                stream.read_line(&mut String::new()).await.expect("a command");
            }
        }
        let Ok(stream) = tls.accept(stream.into_inner()).await else {
            continue;
        };
        let (mut stream, mut told) = (BufReader::new(stream), String::new());
        let replies = ["250 hello", "235 welcome", "250 ok", "250 ok", "354 go on", "250 taken"];
        for reply in replies {
            let end = if reply == "250 taken" { "\r\n.\r\n" } else { "\r\n" };
            let start = told.len();
            while !told[start..].ends_with(end) {
                assert!(stream.read_line(&mut told).await.expect("a line") > 0, "{told}");
            }
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.expect("sent");
            stream.flush().await.expect("sent");
        }
        return told;
    }
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
