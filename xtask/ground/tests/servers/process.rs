use crate::support::{Ground, config, raw, spawn};
use std::io::Read;
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn health_names_the_process_and_its_version() {
    let ground = Ground::start();
    let health: serde_json::Value = reqwest::get(format!("{}/health", ground.admin()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        health,
        serde_json::json!({"ok": true, "pid": ground.pid(), "version": env!("CARGO_PKG_VERSION")})
    );
}

#[test]
fn a_taken_port_stops_the_start_and_is_named_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&[]);
    let taken = TcpListener::bind(config.edge.admin).unwrap();
    let mut child = spawn(dir.path(), &config);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(stdout, "");
    let expected = format!(
        "port {} for the edge's admin interface is taken by `",
        config.edge.admin.port()
    );
    assert!(
        stderr.contains(&expected) && stderr.contains(&format!("(process {})", std::process::id())),
        "{stderr}"
    );
    drop(taken);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&[]);
    config.edge.bucket = "other".into();
    let mut child = spawn(dir.path(), &config);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(
        stderr.contains("edge.bucket `other` is not among bucket.buckets"),
        "{stderr}"
    );
    assert!(!dir.path().join("data/registry").exists(), "nothing was touched");
}

#[tokio::test]
async fn sigterm_lets_a_request_under_way_finish() {
    let mut ground = Ground::start();
    let address = ground.config.registry.listen[0];
    let start = raw(
        address,
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    let location = start
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap()
        .to_owned();

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server has read the head and waits for the body once it says so.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    ground.terminate();
    crate::support::poll_async("the listener to close", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    stream.write_all(b"hello!").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 202") && answer.contains("range: 0-5"),
        "{answer}"
    );
    assert!(ground.wait().success());
}

#[tokio::test]
async fn sigterm_does_not_wait_for_ever() {
    let mut ground = Ground::start();
    let mut stream = tokio::net::TcpStream::connect(ground.config.edge.admin).await.unwrap();
    let head = b"POST /invalidations HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    let start = std::time::Instant::now();
    ground.terminate();
    assert!(ground.wait().success());
    assert!(start.elapsed().as_secs() < 7, "took {:?}", start.elapsed());
}
