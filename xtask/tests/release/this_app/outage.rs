//! Production's database is killed under load and comes back.

use super::{leave_out_tests, release, repository, this_app};
use crate::ask::get;
use crate::project::{Project, docker, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The app's own deadline for a request, and as much again as a busy machine may take to get round to it.
const LONGEST: Duration = Duration::from_secs(8 + 2);
const CLIENTS_PER_HOST: usize = 3;

/// One request and its answer.
struct Asked {
    /// Whom the mail is for, if it was a sign-up.
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

    fn failed_cleanly(&self) -> bool {
        self.status == 503 && self.content_type == "application/problem+json" && self.code == "DATABASE_UNAVAILABLE"
    }

    fn story(&self) -> String {
        let took = self.ended - self.began;
        format!("{} {} {} after {took:?}", self.status, self.content_type, self.code)
    }
}

/// Clients that sign up and read at each host's router, one request after the other.
struct Load {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Asked>>,
}

impl Load {
    fn start(routers: Vec<String>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut clients = JoinSet::new();
                for (router, number) in routers
                    .iter()
                    .flat_map(|router| (0..CLIENTS_PER_HOST).map(move |n| (router, n)))
                {
                    clients.spawn(client(router.clone(), number == 0, Arc::clone(&told)));
                }
                clients.join_all().await.into_iter().flatten().collect()
            })
        });
        Self { stop, thread }
    }

    fn end(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn client(router: String, reads: bool, stop: Arc<AtomicBool>) -> Vec<Asked> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("u{:016x}", rand::random::<u64>());
        let email = (!reads).then(|| format!("{name}@example.com"));
        let sign_up =
            json!({ "email": email, "real_name": "부하", "nickname": name, "password": "correct horse battery" });
        let request = match reads {
            true => client.get(format!("{router}/api/posts")),
            false => client.post(format!("{router}/api/members")).json(&sign_up),
        };
        let began = Instant::now();
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"));
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        let body = answer
            .text()
            .await
            .unwrap_or_else(|error| panic!("half an answer: {error:?}"));
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        all.push(Asked {
            email,
            began,
            ended: Instant::now(),
            status,
            content_type,
            code: body["code"].clone(),
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all
}

fn all_answer(routers: &[String], path: &str, status: u16) -> bool {
    routers.iter().all(|router| get(&format!("{router}{path}")).0 == status)
}

/// Which containers serve production, since when, and how often they were started again.
fn serving(project: &Project) -> Vec<String> {
    let filters = ["ps", "--all", "--quiet", "--filter", "label=xtask.release"];
    let ids = project.docker(&[&filters[..], &["--filter", "label=xtask.environment=production"]].concat());
    let state = "{{.Id}} {{.RestartCount}} {{.State.StartedAt}} {{.State.Running}}";
    let mut found: Vec<String> = ids
        .lines()
        .map(|id| docker(&["inspect", "--format", state, id]))
        .collect();
    found.sort();
    found
}

/// How many mails wait for each address: the ground names nowhere for them to go, so they are kept in the database.
fn mails(project: &Project, database: &str) -> BTreeMap<String, usize> {
    let pipeline = std::fs::read_to_string(repository().join("pipeline.yaml")).unwrap();
    let setting = |name: &str| {
        let found = pipeline.lines().find_map(|line| line.trim().strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no `{name}` in pipeline.yaml"))
            .to_owned()
    };
    let password = std::fs::read_to_string(project.root.join(".release/secrets/production/DB_PASSWORD@1")).unwrap();
    let (user, name) = (format!("--user={}", setting("username: ")), setting("database: "));
    let mut ask = Command::new("docker");
    ask.args([
        "exec",
        "--env",
        "MYSQL_PWD",
        database,
        "/usr/bin/mariadb",
        "--no-defaults",
    ]);
    ask.args(["--host=127.0.0.1", &user, "--batch", "--skip-column-names", "--execute"]);
    ask.args(["SELECT JSON_VALUE(payload, '$.to') FROM jobs", &name]);
    let answer = ask.env("MYSQL_PWD", password.trim()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let mut mails = BTreeMap::new();
    for to in String::from_utf8(answer.stdout).unwrap().lines() {
        *mails.entry(to.to_owned()).or_default() += 1;
    }
    mails
}

#[test]
fn production_outlives_its_database_without_a_restart_and_loses_no_mail() {
    let project = this_app();
    leave_out_tests(&project);
    release(&project);
    let routers = project.routers();
    let filters = [
        "--filter",
        "label=xtask.service",
        "--filter",
        "label=xtask.environment=production",
    ];
    let database = project.docker(&[&["ps", "--quiet"], &filters[..]].concat());
    let before = serving(&project);
    assert_eq!(before.len(), 2, "{before:?}");

    let load = Load::start(routers.clone());
    std::thread::sleep(Duration::from_secs(3));
    let killed = Instant::now();
    docker(&["kill", &database]);
    eventually("no host is ready", Duration::from_secs(5), || {
        all_answer(&routers, "/readyz", 503)
    });
    println!("no host is ready {:?} after the kill", killed.elapsed());
    for _ in 0..25 {
        assert!(all_answer(&routers, "/healthz", 200), "alive all the while");
        std::thread::sleep(Duration::from_millis(200));
    }
    let back = Instant::now();
    docker(&["start", &database]);
    eventually("both hosts are ready", Duration::from_secs(30), || {
        all_answer(&routers, "/readyz", 200)
    });
    let ready = Instant::now();
    println!("ready {:?} after the database was started again", ready - back);
    std::thread::sleep(Duration::from_secs(3));
    let asked = load.end();

    assert_eq!(serving(&project), before, "a container was restarted or replaced");
    expect_clean(&asked, killed, ready);
    expect_mails(&asked, &mails(&project, &database));
}

fn expect_clean(asked: &[Asked], killed: Instant, ready: Instant) {
    for asked in asked {
        assert!(asked.succeeded() || asked.failed_cleanly(), "{}", asked.story());
        assert!(asked.ended - asked.began < LONGEST, "{}", asked.story());
        let is_outside = asked.ended < killed || asked.began > ready;
        assert!(
            !is_outside || asked.succeeded(),
            "with its database there: {}",
            asked.story()
        );
    }
    let failed = asked.iter().filter(|asked| !asked.succeeded()).count();
    println!(
        "{} requests, {failed} failed, each with a problem of its own",
        asked.len()
    );
    assert!(failed >= CLIENTS_PER_HOST, "no load while the database was away");
    let after = asked
        .iter()
        .filter(|asked| asked.began > ready && asked.email.is_some());
    assert!(after.count() > 0, "nobody signed up afterwards");
}

/// Who was told of success has a mail, and nobody has two.
fn expect_mails(asked: &[Asked], mails: &BTreeMap<String, usize>) {
    let (mut signed_up, mut not_told) = (0, 0);
    for asked in asked {
        let Some(email) = &asked.email else { continue };
        let count = mails.get(email).copied().unwrap_or(0);
        match asked.succeeded() {
            true => assert_eq!(count, 1, "{email} signed up and has {count} mails"),
            false => assert!(count <= 1, "{email} has {count} mails"),
        }
        signed_up += usize::from(asked.succeeded());
        not_told += usize::from(!asked.succeeded() && count == 1);
    }
    println!("{signed_up} sign-ups, each with its mail; {not_told} more were made, and their clients not told");
    assert_eq!(mails.len(), signed_up + not_told);
}
