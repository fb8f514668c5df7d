//! What clients see while the database is away, and what is left of it afterwards.

use crate::database::Database;
use crate::host::{Host, until};
use crate::jobs::Folder;
use crate::line::Line;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A request's own, and as much again as a busy machine may take to get round to it.
const LONGEST: Duration = Duration::from_secs(8 + 2);
const CLIENTS: usize = 6;

/// One request under load, and what became of it.
struct Asked {
    /// Whom a mail goes to, if it was a sign-up.
    email: Option<String>,
    began: Instant,
    ended: Instant,
    status: u16,
    content_type: String,
    code: Value,
}

impl Asked {
    fn succeeded(&self) -> bool {
        self.status < 300
    }

    fn is_problem(&self, code: &str) -> bool {
        self.status == 503 && self.content_type == "application/problem+json" && self.code == code
    }

    fn story(&self) -> String {
        let took = self.ended.duration_since(self.began);
        format!("{} {} {} after {took:?}", self.status, self.content_type, self.code)
    }
}

/// Clients that sign up and read, one request after the other, until told to stop.
struct Load {
    clients: JoinSet<Vec<Asked>>,
    alive: JoinSet<usize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn start(hosts: &Arc<Vec<Host>>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut clients, mut alive) = (JoinSet::new(), JoinSet::new());
        for client in 0..CLIENTS {
            let (hosts, stop) = (hosts.clone(), stop.clone());
            clients.spawn(async move {
                let mut asked = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    asked.push(ask(&hosts[client % hosts.len()], client % 3 == 0).await);
                }
                asked
            });
        }
        for host in 0..hosts.len() {
            let (hosts, stop) = (hosts.clone(), stop.clone());
            alive.spawn(async move {
                let mut times = 0;
                while !stop.load(Ordering::Relaxed) {
                    let (status, _) = hosts[host].ask("GET", "/healthz", "", &Value::Null).await;
                    assert_eq!(status, 200, "the process is to be restarted for the database's sake");
                    times += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                times
            });
        }
        Load { clients, alive, stop }
    }

    async fn end(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let times: usize = self.alive.join_all().await.into_iter().sum();
        let asked: Vec<Asked> = self.clients.join_all().await.into_iter().flatten().collect();
        println!("{} requests, alive {times} times of {times}", asked.len());
        asked
    }
}

async fn ask(host: &Host, reads: bool) -> Asked {
    let name = format!("u{:016x}", rand::random::<u64>());
    let email = (!reads).then(|| format!("{name}@example.com"));
    let sign_up =
        json!({ "email": email, "real_name": "홍 길동", "nickname": name, "password": "correct horse battery" });
    let began = Instant::now();
    let (status, content_type, body) = match reads {
        true => host.ask_whole("GET", "/api/posts", &Value::Null).await,
        false => host.ask_whole("POST", "/api/members", &sign_up).await,
    };
    Asked {
        email,
        began,
        ended: Instant::now(),
        status,
        content_type,
        code: body["code"].clone(),
    }
}

async fn is_ready(hosts: &[Host], expected: u16) -> bool {
    for host in hosts {
        let (status, _) = host.ask("GET", "/readyz", "", &Value::Null).await;
        if status != expected {
            return false;
        }
    }
    true
}

/// Who signed up with success has a mail, and nobody has two.
async fn expect_mails(database: &Database, folder: &Folder, asked: &[Asked]) {
    // Ends the leases of what was delivered in the moment in which the database went away.
    database
        .run("UPDATE jobs SET due_at = NOW(6) WHERE due_at IS NOT NULL")
        .await;
    until("all jobs are done", async || {
        database.count("SELECT COUNT(*) FROM jobs").await == 0
    })
    .await;
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in folder.mails() {
        let to = mail
            .lines()
            .find_map(|line| line.split(['<', '>']).find(|word| word.ends_with("@example.com")));
        *mails.entry(to.expect("a recipient").to_owned()).or_default() += 1;
    }
    let (mut welcome, mut unknown) = (0, 0);
    for asked in asked {
        let Some(email) = &asked.email else { continue };
        let count = mails.get(email).copied().unwrap_or(0);
        match asked.succeeded() {
            true => assert_eq!(count, 1, "{email} signed up and has {count} mails"),
            false => assert!(count <= 1, "{email} has {count} mails"),
        }
        welcome += usize::from(asked.succeeded());
        unknown += usize::from(!asked.succeeded() && count == 1);
    }
    println!("{welcome} sign-ups, each with its mail; {unknown} more were made, and their clients not told");
    let members = database.count("SELECT COUNT(*) FROM members").await;
    assert_eq!((members as usize, mails.len()), (welcome + unknown, welcome + unknown));
}

/// Two hosts on one line, with a mail folder.
async fn hosts(database: &Database, line: &Line, folder: &Folder) -> Arc<Vec<Host>> {
    let environment = [("DATABASE_URL", line.url.as_str()), ("MAIL_DIR", folder.path())];
    let hosts = [
        Host::start(database, &environment).await,
        Host::start(database, &environment).await,
    ];
    Arc::new(Vec::from(hosts))
}

#[tokio::test]
async fn when_the_database_is_killed_requests_fail_cleanly_and_recover_and_no_mail_is_lost() {
    let (database, folder) = (Database::new().await, Folder::new());
    let line = Line::to(&database).await;
    let hosts = hosts(&database, &line, &folder).await;
    let load = Load::start(&hosts);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let cut = Instant::now();
    line.cut();
    until("no host is ready", async || is_ready(&hosts, 503).await).await;
    let turned = cut.elapsed();
    tokio::time::sleep(LONGEST).await;
    let mended = Instant::now();
    line.mend();
    until("every host is ready", async || is_ready(&hosts, 200).await).await;
    let ready = Instant::now();
    println!("not ready after {turned:?}, ready again after {:?}", ready - mended);
    assert!(turned < Duration::from_secs(2) && ready - mended < Duration::from_secs(5));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = load.end().await;

    for asked in &asked {
        assert!(
            asked.succeeded() || asked.is_problem("DATABASE_UNAVAILABLE"),
            "{}",
            asked.story()
        );
        assert!(asked.ended - asked.began < LONGEST, "{}", asked.story());
        assert!(
            asked.began < ready || asked.succeeded(),
            "once ready: {}",
            asked.story()
        );
    }
    let during = asked.iter().filter(|asked| asked.began > cut && asked.ended < mended);
    println!("{} requests failed while it was away", during.clone().count());
    assert!(during.clone().count() >= CLIENTS, "no load while it was away");
    assert!(during.clone().all(|asked| !asked.succeeded()));
    let after = asked
        .iter()
        .filter(|asked| asked.began > ready && asked.email.is_some());
    assert!(after.count() > 0, "nobody signed up afterwards");
    expect_mails(&database, &folder, &asked).await;
    end(hosts).await;
    database.drop().await;
}

/// Not even the connections are reset, now or later: as when another machine takes over the database's address. All of
/// the host's are in use in that moment, one by the worker that delivers mail.
#[tokio::test]
async fn when_the_database_falls_silent_no_request_hangs_and_no_connection_is_missing_once_another_answers() {
    let (database, folder) = (Database::new().await, Folder::new());
    let line = Line::to(&database).await;
    let environment = [
        ("DATABASE_URL", line.url.as_str()),
        ("MAIL_DIR", folder.path()),
        ("DB_POOL_MAX", "4"),
    ];
    let host = Arc::new(Host::start(&database, &environment).await);
    host.member().await;
    let mut lock = database.pool.acquire().await.expect("a connection");
    lock.execute("LOCK TABLES posts WRITE, jobs WRITE")
        .await
        .expect("locked");
    let mut requests = JoinSet::new();
    for _ in 0..3 {
        let host = host.clone();
        requests.spawn(async move { ask(&host, true).await });
    }
    until("every connection is in use", async || {
        waiting(&database).await.len() == 4
    })
    .await;
    line.silence();
    until("the host is not ready", async || {
        is_ready(std::slice::from_ref(&*host), 503).await
    })
    .await;
    for asked in requests.join_all().await {
        assert!(
            asked.is_problem("TIMED_OUT") && asked.ended - asked.began < LONGEST,
            "{}",
            asked.story()
        );
    }
    lock.execute("UNLOCK TABLES").await.expect("unlocked");
    line.mend();
    until("the host is ready", async || {
        is_ready(std::slice::from_ref(&*host), 200).await
    })
    .await;
    until("posts are read", async || ask(&host, true).await.succeeded()).await;
    host.member().await;
    until("both mails are there", async || folder.mails().len() == 2).await;
    end(Arc::new(vec![Arc::into_inner(host).expect("nobody else has it")])).await;
    database.drop().await;
}

#[tokio::test]
async fn a_request_whose_statement_or_session_an_administrator_ends_fails_cleanly() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let mut lock = database.pool.acquire().await.expect("a connection");
    lock.execute("LOCK TABLES posts WRITE").await.expect("locked");
    for end in ["KILL QUERY", "KILL"] {
        let ask = ask(&host, true);
        let kill = async {
            until("the request waits", async || waiting(&database).await.len() == 1).await;
            let session = waiting(&database).await[0];
            let kill = AssertSqlSafe(format!("{end} {session}"));
            database.pool.execute(kill).await.expect("killed");
        };
        let (asked, ()) = tokio::join!(ask, kill);
        assert!(asked.is_problem("DATABASE_UNAVAILABLE"), "{end}: {}", asked.story());
    }
    lock.execute("UNLOCK TABLES").await.expect("unlocked");
    assert!(ask(&host, true).await.succeeded());
    drop(host);
    database.drop().await;
}

/// The sessions of this database that wait for a table.
async fn waiting(database: &Database) -> Vec<u64> {
    let query = "SELECT CAST(id AS UNSIGNED) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'";
    sqlx::query_scalar(query)
        .fetch_all(&database.pool)
        .await
        .expect("sessions")
}

/// None has died meanwhile.
async fn end(hosts: Arc<Vec<Host>>) {
    let hosts = Arc::into_inner(hosts).expect("nobody else has them");
    for mut host in hosts {
        host.terminate();
        assert_eq!(host.ended().await, Some(0));
    }
}
