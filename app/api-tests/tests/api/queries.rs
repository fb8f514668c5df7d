//! How many queries requests take, by the API's own count of them. Other tests ask at the same time, so what is told is
//! the most that any request to a route has ever taken.

use crate::client::{Client, text};
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
    for limit in [1, 20, 100] {
        let path = format!("/api/posts?limit={limit}");
        let page = client.get_as(&author.token, &path).await.expect(StatusCode::OK);
        assert_eq!(page["posts"].as_array().map(Vec::len), Some(limit), "{path}");
        assert!(!text(&page, "next").is_empty());
    }
    assert!(most_queries(&client, "/api/posts").await <= MOST_OF_A_LIST);
}

/// The page itself, and one more for what a post has many of.
const MOST_OF_A_LIST: u64 = 2;

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
