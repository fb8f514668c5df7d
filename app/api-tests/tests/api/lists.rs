//! Lists of posts other than everyone's.

use crate::client::{Client, Member, text};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn the_posts_of_one_member_are_listed_under_id_and_nickname_newest_first() {
    let client = Client::new();
    let (author, other) = (client.new_member().await, client.new_member().await);
    let made = posts_of(&client, &author, 5).await;
    posts_of(&client, &other, 2).await;
    let me = client.get_as(&author.token, "/api/me").await.expect(StatusCode::OK);
    for name in [me["id"].to_string(), author.nickname().to_owned()] {
        let list = format!("/api/members/{name}/posts");
        assert_eq!(walk(&client, &author, &list).await, made, "{list}");
        let everyone = client.get(&list).await.expect(StatusCode::OK);
        assert_eq!(everyone["posts"].as_array().map(Vec::len), Some(5), "{everyone}");
    }
    let nobody = client.new_member().await;
    let none = client
        .get(&format!("/api/members/{}/posts", nobody.nickname()))
        .await
        .expect(StatusCode::OK);
    assert_eq!(none, json!({ "posts": [], "next": null }));
}

#[tokio::test]
async fn a_member_who_is_not_there_has_no_list() {
    let client = Client::new();
    for name in [
        "0",
        "18446744073709551615",
        "no_such_member",
        "a@b.co",
        "%00",
        "%27%20OR%201=1",
    ] {
        let answer = client.get(&format!("/api/members/{name}/posts")).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", &[]);
    }
}

#[tokio::test]
async fn a_feed_shows_the_posts_of_those_who_are_followed_and_of_nobody_else_newest_first() {
    let client = Client::new();
    let (reader, stranger) = (client.new_member().await, client.new_member().await);
    let (one, two) = (client.new_member().await, client.new_member().await);
    let older = posts_of(&client, &one, 3).await;
    posts_of(&client, &stranger, 2).await;
    posts_of(&client, &reader, 1).await;
    let newer = posts_of(&client, &two, 2).await;
    for followed in [&one, &two] {
        let path = format!("/api/members/{}/follow", followed.nickname());
        client.put_as(&reader.token, &path).await.expect_no_content();
    }
    assert_eq!(
        walk(&client, &reader, "/api/feed").await,
        [newer.clone(), older].concat()
    );

    let path = format!("/api/members/{}/follow", one.nickname());
    client.delete_as(&reader.token, &path).await.expect_no_content();
    assert_eq!(walk(&client, &reader, "/api/feed").await, newer);
}

#[tokio::test]
async fn the_feed_of_a_member_who_follows_nobody_is_empty() {
    let client = Client::new();
    let member = client.new_member().await;
    posts_of(&client, &member, 1).await;
    let feed = client.get_as(&member.token, "/api/feed").await.expect(StatusCode::OK);
    assert_eq!(feed, json!({ "posts": [], "next": null }));
}

#[tokio::test]
async fn a_feed_needs_signing_in_and_a_page_that_is_understood() {
    let client = Client::new();
    let feed = client.get("/api/feed").await;
    feed.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    let member = client.new_member().await;
    for list in [
        "/api/feed".to_owned(),
        format!("/api/members/{}/posts", member.nickname()),
    ] {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("before=1", "before"),
            ("page=2", "page"),
        ] {
            let answer = client.get_as(&member.token, &format!("{list}?{query}")).await;
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
        }
    }
}

/// Their ids, newest first.
async fn posts_of(client: &Client, author: &Member, count: usize) -> Vec<u64> {
    let mut made = Vec::new();
    for number in 0..count {
        let path = author.post(client, &format!("post {number}")).await;
        let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
        made.insert(0, id.unwrap_or_else(|| panic!("no id in {path}")));
    }
    made
}

/// The ids on all pages of a list, two posts at a time.
async fn walk(client: &Client, reader: &Member, list: &str) -> Vec<u64> {
    let (mut found, mut path) = (Vec::new(), format!("{list}?limit=2"));
    loop {
        let page = client.get_as(&reader.token, &path).await.expect(StatusCode::OK);
        let posts = page["posts"].as_array().unwrap_or_else(|| panic!("no posts in {page}"));
        found.extend(posts.iter().map(|post| post["id"].as_u64().expect("an id")));
        if page["next"] == Value::Null {
            return found;
        }
        path = format!("{list}?limit=2&before={}", text(&page, "next"));
    }
}
