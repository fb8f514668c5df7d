//! Several apps behind one socket.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, host_json, table};
use serde_json::{Value, json};

/// Two apps: `shop.example`, and `blog.example` in a folder of its own.
async fn start() -> Router {
    let mut router = Router::told(|_| json!({ "hosts": ["shop.example"] })).await;
    std::fs::create_dir(router.path("second")).unwrap();
    let mut second: Value = serde_json::from_str(&host_json(router.address)).unwrap();
    second["app"] = json!("blog");
    second["router"] = json!({ "hosts": ["blog.example"] });
    std::fs::write(router.path("second/host.json"), second.to_string()).unwrap();
    router.kill().await;
    router.start_successor();
    router.wait_until_it_answers().await;
    router
}

#[tokio::test]
async fn each_app_has_a_table_of_its_own_and_answers_to_its_own_name() {
    let (shop, blog) = (Backend::start(1).await, Backend::start(2).await);
    let router = start().await;
    router.put(&table(1, &[(&shop, 1000)])).await.expect_status(200);
    let ask = async |host: &str| client::get(router.address, "/", &[("host", host)]).await;
    ask("blog.example").await.expect_status(503);

    let body = serde_json::to_vec(&table(7, &[(&blog, 1000)])).unwrap();
    let socket = tokio::net::UnixStream::connect(router.path("second/admin.sock"))
        .await
        .unwrap();
    client::request_on(socket, "PUT", "/table", &[], body)
        .await
        .unwrap()
        .expect_status(200);
    assert_eq!(ask("blog.example:8080").await.expect_status(200).text(), "2");
    assert_eq!(ask("shop.example").await.expect_status(200).text(), "1");
    ask("elsewhere.example").await.expect_status(404);
    assert_eq!((shop.requests(), blog.requests()), (1, 1));
    assert_eq!(router.status().await.generation, contract::Generation(1));
}
