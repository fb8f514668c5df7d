//! The router as a service of systemd: what it says when, and how it is replaced without a lost request. The parent here
//! does what systemd does: it keeps the listening socket, hands it down, and listens to what it is told.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, eventually};
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// What a service says, until it says nothing for a while.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn listen(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket }
    }

    fn heard(&self) -> Option<BTreeMap<String, String>> {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).ok()?;
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The next word that has this name; its whole message.
    async fn hears(&self, name: &str) -> BTreeMap<String, String> {
        let mut message = BTreeMap::new();
        eventually(name, async || {
            message = self.heard().unwrap_or_default();
            message.contains_key(name)
        })
        .await;
        message
    }
}

/// Routers that are not this process's children: ended even where a test is not.
struct Successors {
    config: String,
    pids: Vec<u32>,
}

impl Successors {
    fn of(router: &Router) -> Self {
        Self {
            config: router.path("host.json").display().to_string(),
            pids: Vec::new(),
        }
    }
}

impl Drop for Successors {
    fn drop(&mut self) {
        for pid in &self.pids {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.contains(&self.config) {
                signal(*pid, rustix::process::Signal::KILL);
            }
        }
    }
}

async fn serving(environment: &[(&str, &str)]) -> (Router, Manager, Backend) {
    let backend = Backend::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let manager = Manager::listen(dir.path());
    let notify = dir.path().join("notify");
    let mut environment = environment.to_vec();
    environment.push(("NOTIFY_SOCKET", notify.to_str().unwrap()));
    let router = Router::start_in(dir, serde_json::json!({}), &environment).await;
    router
        .put(&crate::host::table(1, &[(&backend, 1000)]))
        .await
        .expect_status(200);
    (router, manager, backend)
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn systemd_is_told_when_the_router_serves_lives_and_stops() {
    let (mut router, manager, _backend) = serving(&[("WATCHDOG_USEC", "200000")]).await;
    let ready = manager.hears("READY").await;
    assert_eq!(ready["MAINPID"], router.pid().to_string());
    for _ in 0..3 {
        manager.hears("WATCHDOG").await;
    }
    router.terminate();
    manager.hears("STOPPING").await;
    assert!(router.wait().await.success());
}

#[tokio::test]
async fn a_watchdog_that_is_another_s_is_not_fed() {
    let (_router, manager, _backend) = serving(&[("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")]).await;
    manager.hears("READY").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(manager.heard().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_told_to_hand_over_is_replaced_under_load_without_a_failed_request() {
    let (mut router, manager, backend) = serving(&[]).await;
    let address = router.address;
    manager.hears("READY").await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    client::get(address, "/", &[]).await.expect_status(200);
                    answered.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let mut current = router.pid();
    let mut successors = Successors::of(&router);
    for _ in 0..3 {
        let goal = answered.load(SeqCst) + 200;
        eventually("load flows", async || answered.load(SeqCst) >= goal).await;
        let epoch = router.status().await.epoch;
        // This one keeps the old router busy for as long as it likes, and still gets its answer.
        let before = backend.seen.at_gate.load(SeqCst);
        let slow = tokio::spawn(async move { client::get(address, "/gate", &[]).await });
        eventually("the slow request arrives", async || {
            backend.seen.at_gate.load(SeqCst) > before
        })
        .await;
        signal(current, rustix::process::Signal::USR2);
        manager.hears("RELOADING").await;
        let ready = manager.hears("READY").await;
        let successor: u32 = ready["MAINPID"].parse().unwrap();
        assert_ne!(successor, current);
        assert_eq!(router.status().await.epoch, epoch + 1, "the new one answers the agent");
        assert_eq!(client::get(address, "/", &[]).await.expect_status(200).text(), "1");
        assert!(
            lives(current) && !slow.is_finished(),
            "the old one has a request in hand"
        );
        backend.seen.open_gate(1);
        slow.await.unwrap().expect_status(200);
        eventually("the old router ends", async || !lives(current)).await;
        current = successor;
        successors.pids.push(current);
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert!(answered.load(SeqCst) > 600);
    // Not this process's child, so it is told to end by its id, which cannot be another's while it lives.
    signal(current, rustix::process::Signal::TERM);
    manager.hears("STOPPING").await;
    eventually("the last router ends", async || !lives(current)).await;
    assert!(router.wait().await.success());
}

#[tokio::test]
async fn the_successor_is_named_before_the_router_ends() {
    let (mut router, manager, _backend) = serving(&[]).await;
    let mut successors = Successors::of(&router);
    manager.hears("READY").await;
    // Nothing is in hand: it ends at once, and systemd would take the service for dead if that were all it knew.
    signal(router.pid(), rustix::process::Signal::USR2);
    let named = manager.hears("MAINPID").await;
    successors.pids.push(named["MAINPID"].parse().unwrap());
    assert!(
        !named.contains_key("READY"),
        "it is the old one that says so: {named:?}"
    );
    assert!(router.wait().await.success());
    assert_eq!(manager.hears("READY").await["MAINPID"], named["MAINPID"]);
}

#[tokio::test]
async fn a_successor_that_cannot_begin_leaves_the_router_serving() {
    let (router, manager, _backend) = serving(&[]).await;
    manager.hears("READY").await;
    let epoch = router.status().await.epoch;
    // What the next router would read is no configuration.
    std::fs::write(router.path("host.json"), "{}").unwrap();
    signal(router.pid(), rustix::process::Signal::USR2);
    manager.hears("RELOADING").await;
    let ready = manager.hears("READY").await;
    assert_eq!(ready["MAINPID"], router.pid().to_string());
    assert_eq!(router.get("/").await.expect_status(200).text(), "1");
    assert_eq!(router.status().await.epoch, epoch);
    let log = std::fs::read_to_string(router.path("router.log")).unwrap();
    assert!(
        log.contains("is not a host config") && log.contains("this router goes on serving"),
        "{log}"
    );
}
