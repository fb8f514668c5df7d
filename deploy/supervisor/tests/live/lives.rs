//! Who dies, who lives on, and what users notice.

use crate::host::{Host, eventually, is_running, signal};
use crate::http::{get, serve_app};
use crate::load::Load;
use rustix::process::Signal;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn after_kill_9_of_the_router_connections_queue_and_are_answered() {
    let (app, _) = serve_app().await;
    let host = Host::start().await;
    host.route_to(app).await;
    for _ in 0..3 {
        let before = host.record().unwrap();
        signal(before.router.unwrap(), Signal::KILL);
        // Whether this connection comes before the new router or after: it is answered, by the last table.
        assert_eq!(get(host.listen).await.1, "hello");
        eventually("a new router is recorded", async || {
            host.record()
                .is_some_and(|now| now.router.is_some() && now.router != before.router)
        })
        .await;
        assert_eq!(host.record().unwrap().agent, before.agent, "the agent is untouched");
    }
}

#[tokio::test]
async fn the_death_of_the_agent_touches_neither_router_nor_traffic() {
    let (app, requests) = serve_app().await;
    let host = Host::start().await;
    host.route_to(app).await;
    let before = host.record().unwrap();
    let load = Load::start(host.listen);
    load.flows(200).await;
    signal(before.agent.unwrap(), Signal::KILL);
    eventually("a new agent runs", async || {
        host.record()
            .is_some_and(|now| now.agent.is_some() && now.agent != before.agent)
    })
    .await;
    load.flows(200).await;
    assert_eq!(load.end().await, requests.load(SeqCst));
    assert_eq!(host.record().unwrap().router, before.router);
}

#[tokio::test(flavor = "multi_thread")]
async fn hangup_replaces_the_router_under_load_without_a_failed_request() {
    let (app, requests) = serve_app().await;
    let host = Host::start().await;
    host.route_to(app).await;
    let load = Load::start(host.listen);
    for _ in 0..3 {
        load.flows(300).await;
        let (record, epoch) = (host.record().unwrap(), host.router_status().await.unwrap().epoch);
        host.signal_supervisor(Signal::HUP);
        eventually("the new router answers the agent", async || {
            host.router_status()
                .await
                .is_some_and(|status| status.epoch == epoch + 1)
        })
        .await;
        eventually("the old router is gone", async || !is_running(record.router.unwrap())).await;
    }
    let answered = load.end().await;
    assert_eq!(answered, requests.load(SeqCst), "each request was sent on once");
}

#[tokio::test]
async fn a_second_start_names_who_holds_the_port() {
    let host = Host::start().await;
    let output = host.start_another_supervisor().await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    let expected = format!("cannot listen on `{}`: it is held by `", host.listen);
    assert!(text.contains(&expected) && text.contains("(process "), "{text}");
    assert!(
        is_running(host.record().unwrap().router.unwrap()),
        "the first one is untouched"
    );
}

#[tokio::test]
async fn terminate_ends_agent_and_router_and_frees_the_port() {
    let mut host = Host::start().await;
    let record = host.record().unwrap();
    host.signal_supervisor(Signal::TERM);
    assert!(host.supervisor_ends().await.success());
    assert!(!is_running(record.router.unwrap()) && !is_running(record.agent.unwrap()));
    assert!(host.record().is_none(), "the record goes with what it names");
    std::net::TcpListener::bind(host.listen).unwrap();
}

#[tokio::test]
async fn when_the_supervisor_is_killed_traffic_goes_on_and_a_new_one_can_take_over() {
    let (app, _) = serve_app().await;
    let mut host = Host::start().await;
    host.route_to(app).await;
    let record = host.record().unwrap();
    host.signal_supervisor(Signal::KILL);
    host.supervisor_ends().await;
    assert_eq!(get(host.listen).await.1, "hello");

    let output = host.start_another_supervisor().await;
    let text = String::from_utf8(output.stderr).unwrap();
    let expected = format!("held by `router` (process {})", record.router.unwrap().pid);
    assert!(text.contains(&expected), "{text}");

    // What whoever starts hosts has to do: end what is recorded and still is what was recorded.
    for process in [record.agent.unwrap(), record.router.unwrap()] {
        assert!(is_running(process));
        signal(process, Signal::TERM);
        eventually("it ends", async || !is_running(process)).await;
    }
    host.start_supervisor();
    eventually("the new router answers", async || host.router_status().await.is_some()).await;
    assert_eq!(get(host.listen).await.1, "hello");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_does_not_keep_the_other_from_running() {
    let (app, _) = serve_app().await;
    let mut host = Host::lay_out();
    std::fs::remove_file(host.path("agent")).unwrap();
    host.start_supervisor();
    eventually("the router answers", async || host.router_status().await.is_some()).await;
    host.route_to(app).await;
    assert_eq!(get(host.listen).await.1, "hello");
    let log = || std::fs::read_to_string(host.path("supervisor.log")).unwrap();
    eventually("it is tried again", async || log().matches("cannot run").count() > 2).await;
    assert_eq!(host.record().unwrap().agent, None);
}

#[tokio::test]
async fn what_the_programs_print_is_kept_beside_the_config() {
    let host = Host::start().await;
    let printed = |name: &str| std::fs::read_to_string(host.path(name)).unwrap();
    eventually("the agent's line is there", async || {
        printed("agent.log") == "started\n"
    })
    .await;
    assert!(printed("router.log").contains("routing by the last table"));
}
