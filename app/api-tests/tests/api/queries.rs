//! How many queries requests take, by the API's own count of them. Other tests ask at the same time, so what is told is
//! the most that any request to a route has ever taken.

use crate::client::Client;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_page_of_1_20_or_100_posts_takes_the_same_few_queries() {
    let client = Client::new();
    let author = client.new_member().await;
    for number in 0..100 {
        let post = author.post(&client, &format!("post {number}")).await;
        if number % 10 == 0 {
            client
                .put_as(&author.token, &format!("{post}/like"))
                .await
                .expect_no_content();
            let body = json!({ "text": "some words" });
            let comment = client.post_as(&author.token, &format!("{post}/comments"), &body).await;
            comment.expect(StatusCode::CREATED);
        }
    }
    let reader = client.new_member().await;
    let follow = format!("/api/members/{}/follow", author.nickname());
    client.put_as(&reader.token, &follow).await.expect_no_content();

    // The page itself, its photos, and for one member's posts the member.
    let members = format!("/api/members/{}/posts", author.nickname());
    for (path, route, most) in [
        ("/api/posts", "/api/posts", 2),
        ("/api/feed", "/api/feed", 2),
        (members.as_str(), "/api/members/{member}/posts", 3),
    ] {
        for limit in [1, 20, 100] {
            let page = client.get_as(&reader.token, &format!("{path}?limit={limit}")).await;
            let page = page.expect(StatusCode::OK);
            assert_eq!(page["posts"].as_array().map(Vec::len), Some(limit), "{path}");
        }
        let queries = most_queries(&client, route).await;
        assert!(queries <= most, "{route} has taken {queries} queries");
    }
}

async fn most_queries(client: &Client, route: &str) -> u64 {
    let metrics = client.get("/metrics").await.text;
    let start = format!("http_requests_by_queries_total{{method=\"GET\",route=\"{route}\",queries=\"");
    let counts = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.split('"').next()?.parse().ok());
    counts
        .max()
        .unwrap_or_else(|| panic!("no requests to {route} in:\n{metrics}"))
}
