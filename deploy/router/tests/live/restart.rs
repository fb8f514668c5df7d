//! What outlives a router, and how one follows another.

use crate::backend::Backend;
use crate::client::{self, KeptAlive};
use crate::host::{Router, eventually, host_json, table};
use contract::Generation;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[tokio::test]
async fn after_kill_9_connections_queue_and_the_next_router_serves_by_the_last_table() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let epoch = router.status().await.epoch;
    router.kill().await;
    let address = router.address;
    let queued = tokio::spawn(async move { client::get(address, "/", &[]).await });
    eventually("the connection is queued", async || {
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
    router.start_successor();
    assert_eq!(queued.await.unwrap().expect_status(200).text(), "1");
    router.wait_until_it_answers().await;
    let status = router.status().await;
    assert_eq!((status.generation, status.epoch), (Generation(1), epoch + 1));
}

#[tokio::test]
async fn an_unreadable_state_is_named_and_kept_aside_and_users_wait_for_the_next_table() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let epoch = router.status().await.epoch;
    router.kill().await;
    std::fs::write(router.path("router.json"), b"{\"contract\": 1, \"epo").unwrap();
    router.start_successor();
    router.wait_until_it_answers().await;
    let address = router.address;
    let early = tokio::spawn(async move { client::get(address, "/", &[]).await });
    assert!(
        router.status().await.epoch >= epoch,
        "counters of different lives are told apart"
    );
    let log = std::fs::read_to_string(router.path("router.log")).unwrap();
    assert!(log.contains("unreadable") && log.contains("router.json"), "{log}");
    let names: Vec<String> = std::fs::read_dir(router.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("router.json.unreadable-")),
        "{names:?}"
    );
    assert!(!early.is_finished(), "it waits in the queue");
    router.put(&table(1, &[(&backend, 1000)])).await.expect_status(200);
    early.await.unwrap().expect_status(200);
}

#[tokio::test]
async fn a_router_that_lost_its_table_and_is_sent_none_says_so_to_its_users() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    router.kill().await;
    std::fs::write(router.path("router.json"), b"").unwrap();
    router.start_successor();
    router.get("/").await.expect_status(503);
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_router_ends() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let address = router.address;
    let slow = tokio::spawn(async move { client::get(address, "/gate", &[]).await });
    eventually("the request arrives", async || backend.requests() == 1).await;
    router.terminate();
    eventually("the admin socket is given up", async || {
        !router.path("admin.sock").exists()
    })
    .await;
    backend.seen.open_gate(1);
    let reply = slow.await.unwrap().expect_status(200);
    assert_eq!(reply.headers["connection"], "close");
    assert!(router.wait().await.success());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_by_a_router_that_ends() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let mut kept = KeptAlive::connect(router.address).await;
    kept.request("GET", "/", &[], Vec::new())
        .await
        .unwrap()
        .expect_status(200);
    let began = Instant::now();
    router.terminate();
    assert!(router.wait().await.success());
    assert!(
        kept.is_closed() && began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_paused_when_the_drain_began_still_gets_its_next_answer() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let mut kept = KeptAlive::connect(router.address).await;
    kept.request("GET", "/", &[], Vec::new())
        .await
        .unwrap()
        .expect_status(200);
    // Connected, but nothing sent yet: such a connection has no less of a right to its answer.
    let mut fresh = KeptAlive::connect(router.address).await;
    eventually("both are accepted", async || router.get("/").await.status == 200).await;
    router.terminate();
    // The pause is the subject: a client thinks for a while, less than a drain grants.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for client in [&mut kept, &mut fresh] {
        let reply = client
            .request("GET", "/", &[], Vec::new())
            .await
            .expect("an answer")
            .expect_status(200);
        assert_eq!(reply.headers["connection"], "close");
    }
    assert!(router.wait().await.success());
}

/// Clients that never retry, on new and on kept connections, while one router follows another.
#[tokio::test(flavor = "multi_thread")]
async fn a_planned_restart_under_load_loses_no_request() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (stop, answered, address) = (stop.clone(), answered.clone(), router.address);
        clients.spawn(async move {
            let mut kept = KeptAlive::connect(address).await;
            while !stop.load(SeqCst) {
                if number % 2 == 0 || kept.is_closed() {
                    kept = KeptAlive::connect(address).await;
                }
                let reply = kept
                    .request("POST", "/upload", &[], vec![b'x'; 2_000])
                    .await
                    .expect("a failed request");
                let is_last = reply.headers.get("connection").is_some_and(|value| value == "close");
                reply.expect_status(200);
                answered.fetch_add(1, SeqCst);
                if is_last {
                    kept = KeptAlive::connect(address).await;
                }
            }
        });
    }
    for _ in 0..3 {
        let goal = answered.load(SeqCst) + 500;
        eventually("load flows", async || answered.load(SeqCst) > goal).await;
        router.terminate();
        let mut old = router.start_successor();
        let ended = tokio::time::timeout(Duration::from_secs(30), old.wait())
            .await
            .expect("it drains")
            .unwrap();
        assert!(ended.success());
    }
    stop.store(true, SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert_eq!(
        backend.requests(),
        answered.load(SeqCst),
        "each request was sent on once"
    );
}

#[tokio::test]
async fn without_a_supervisor_the_router_binds_its_own_socket() {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = probe.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("host.json"), host_json(listen)).unwrap();
    let start = || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_router"));
        command
            .current_dir(dir.path())
            .arg("host.json")
            .env_remove("LISTEN_FDS")
            .kill_on_drop(true);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let refused = start().wait_with_output().await.unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && text.contains(&format!("cannot listen on `{listen}`")),
        "{text}"
    );

    drop(probe);
    let _router = start();
    eventually("it answers", async || {
        tokio::net::TcpStream::connect(listen).await.is_ok()
    })
    .await;
    client::get(listen, "/", &[]).await.expect_status(503);
}
