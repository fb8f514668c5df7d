//! The photos of posts.

use crate::client::{Client, Member, send, text};
use crate::files::{form, png, upload};
use crate::media::owner;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_post_shows_its_photos_in_the_order_given_and_needs_no_text() {
    let client = Client::new();
    let Some(author) = owner(&client).await else { return };
    let (first, second) = (photo(&client, &author, 5).await, photo(&client, &author, 6).await);
    let answer = client
        .post_as(&author.token, "/api/posts", &json!({ "photos": [second, first] }))
        .await;
    let path = answer.header("location").to_owned();
    let post = answer.expect(StatusCode::CREATED);
    assert_eq!(post["text"], Value::Null);
    assert_eq!(
        (&post["photos"][0]["id"], &post["photos"][0]["width"]),
        (&json!(second), &json!(6))
    );
    assert_eq!(
        (&post["photos"][1]["id"], &post["photos"][1]["width"]),
        (&json!(first), &json!(5))
    );
    let shown = client
        .request(Method::GET, text(&post["photos"][0], "url"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(shown.status(), StatusCode::OK);

    assert_eq!(client.get(&path).await.expect(StatusCode::OK), post);
    let newest = client.get("/api/posts?limit=100").await.expect(StatusCode::OK);
    assert!(
        newest["posts"].as_array().expect("posts").contains(&post),
        "{post} is not in {newest}"
    );
}

#[tokio::test]
async fn a_post_without_a_photo_is_refused_and_is_not_left_without_one() {
    let client = Client::new();
    let author = client.new_member().await;
    for body in [
        json!({}),
        json!({ "text": "words" }),
        json!({ "text": "words", "photos": null }),
        json!({ "text": "words", "photos": [] }),
    ] {
        let answer = client.post_as(&author.token, "/api/posts", &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["photos"]);
    }
    let both = json!({ "text": "" });
    let answer = client.post_as(&author.token, "/api/posts", &both).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["text", "photos"]);

    let path = author.post(&client, "words").await;
    let before = client.get(&path).await.expect(StatusCode::OK);
    let emptied = client.patch_as(&author.token, &path, &json!({ "photos": [] })).await;
    emptied.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["photos"]);
    assert_eq!(client.get(&path).await.expect(StatusCode::OK), before);
}

#[tokio::test]
async fn one_photo_may_be_in_several_posts() {
    let client = Client::new();
    let author = client.new_member().await;
    let (one, other) = (author.post(&client, "one").await, author.post(&client, "other").await);
    client.delete_as(&author.token, &one).await.expect_no_content();
    let other = client.get(&other).await.expect(StatusCode::OK);
    assert_eq!(ids(&other), [author.photo(&client).await]);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let client = Client::new();
    let Some(author) = owner(&client).await else { return };
    let (first, second) = (photo(&client, &author, 5).await, photo(&client, &author, 6).await);
    let body = json!({ "text": "words", "photos": [first, second] });
    let answer = client.post_as(&author.token, "/api/posts", &body).await;
    let path = answer.header("location").to_owned();
    answer.expect(StatusCode::CREATED);
    for (change, words, photos) in [
        (json!({ "text": "other words" }), "other words", vec![first, second]),
        (json!({ "photos": [second, first] }), "other words", vec![second, first]),
        (json!({ "text": "words", "photos": [first] }), "words", vec![first]),
    ] {
        let post = client
            .patch_as(&author.token, &path, &change)
            .await
            .expect(StatusCode::OK);
        assert_eq!((text(&post, "text"), ids(&post)), (words, photos), "after {change}");
    }
    let nothing = client.patch_as(&author.token, &path, &json!({})).await;
    nothing.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["text"]);
}

#[tokio::test]
async fn only_photos_that_the_author_has_uploaded_can_be_posted_each_once_and_10_at_most() {
    let client = Client::new();
    let Some(author) = owner(&client).await else { return };
    let other = client.new_member().await;
    let mut own = Vec::new();
    for _ in 0..11 {
        own.push(photo(&client, &author, 5).await);
    }
    let body = json!({ "content_type": "image/png", "bytes": 1 });
    let awaited = client
        .post_as(&author.token, "/api/media/uploads", &body)
        .await
        .expect(StatusCode::CREATED);
    let awaited = awaited["media"]["id"].as_u64().expect("an id");
    let anothers = photo(&client, &other, 5).await;

    let most = client
        .post_as(&author.token, "/api/posts", &json!({ "photos": own[..10] }))
        .await;
    let path = most.header("location").to_owned();
    let before = most.expect(StatusCode::CREATED);
    assert_eq!(ids(&before), own[..10]);
    for photos in [
        json!(own),
        json!([own[0], own[0]]),
        json!([own[0], anothers]),
        json!([awaited]),
        json!([0]),
        json!([u64::MAX]),
        json!([-1]),
        json!(["1"]),
        json!("1"),
    ] {
        let body = json!({ "text": "words", "photos": photos });
        for answer in [
            client.post_as(&author.token, "/api/posts", &body).await,
            client.patch_as(&author.token, &path, &body).await,
        ] {
            assert_eq!(answer.status, 422, "{photos}: {}", answer.text);
            let problem = answer.json();
            assert!(
                text(&problem["errors"][0], "field").starts_with("photos"),
                "{photos}: {problem}"
            );
        }
    }
    assert_eq!(client.get(&path).await.expect(StatusCode::OK), before);
}

async fn photo(client: &Client, owner: &Member, width: u32) -> u64 {
    let media = send(upload(client, &owner.token, &form(&png(width, 3))))
        .await
        .expect(StatusCode::CREATED);
    media["id"].as_u64().expect("an id")
}

fn ids(post: &Value) -> Vec<u64> {
    let photos = post["photos"]
        .as_array()
        .unwrap_or_else(|| panic!("no photos in {post}"));
    photos
        .iter()
        .map(|photo| photo["id"].as_u64().expect("an id"))
        .collect()
}
