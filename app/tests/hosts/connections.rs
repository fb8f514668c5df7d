//! Connections to the database that die while nobody uses them.

use crate::database::Database;
use crate::host::Host;
use futures_util::future::join_all;
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn a_connection_that_died_while_it_was_idle_costs_no_request() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let ask = || host.ask("GET", "/api/posts", "", &Value::Null);
    for _ in 0..5 {
        join_all((0..20).map(|_| ask())).await;
    }
    let idle = database
        .count("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        .await;
    assert!(idle >= 5, "only {idle} connections were opened");

    database.kill_all_others().await;
    // What is used again within a second is not asked first.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for number in 0..20 {
        let (status, answer) = ask().await;
        assert_eq!(status, 200, "request {number}: {answer}");
    }
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn opening_a_connection_is_not_a_query_of_the_request_that_waits_for_it() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let (status, answer) = host.ask("GET", "/api/posts", "", &Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    let metrics = host.metrics().await;
    let counted = metrics
        .lines()
        .filter(|line| line.contains("route=\"/api/posts\",queries="));
    let counted: Vec<&str> = counted.collect();
    let expected = "http_requests_by_queries_total{method=\"GET\",route=\"/api/posts\",queries=\"1\"} 1";
    assert_eq!(counted, [expected]);
    drop(host);
    database.drop().await;
}
