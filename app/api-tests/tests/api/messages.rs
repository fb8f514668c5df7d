use crate::client::{send, text};
use crate::rooms::{Pair, open};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_is_text_as_written_and_has_an_address() {
    let pair = Pair::new().await;
    let answer = pair.send(&pair.one, &json!({ "text": "안녕\n🌸 <b>&amp;" })).await;
    let location = answer.header("location").to_owned();
    let message = answer.expect(StatusCode::CREATED);
    assert_eq!(
        (text(&message, "kind"), text(&message, "text")),
        ("text", "안녕\n🌸 <b>&amp;")
    );
    assert_eq!(message["sender"]["nickname"], pair.one.nickname());
    assert_eq!(message["quote"], Value::Null);
    let read = pair
        .client
        .get_as(&pair.other.token, &location)
        .await
        .expect(StatusCode::OK);
    assert_eq!(read, message);
}

#[tokio::test]
async fn a_message_is_exactly_one_of_text_media_and_shared_post() {
    let pair = Pair::new().await;
    let longest = "가".repeat(2_000);
    pair.say(&pair.one, &longest).await;
    for (body, fields) in [
        (json!({}), &["text", "media_id", "post_id"][..]),
        (json!({ "text": null }), &["text", "media_id", "post_id"]),
        (json!({ "text": "a", "post_id": 1 }), &["text", "post_id"]),
        (json!({ "text": "a", "media_id": 1 }), &["text", "media_id"]),
        (json!({ "media_id": 1, "post_id": 1 }), &["media_id", "post_id"]),
        (
            json!({ "text": "a", "media_id": 1, "post_id": 1 }),
            &["text", "media_id", "post_id"],
        ),
    ] {
        let answer = pair.send(&pair.one, &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", fields);
    }
    for (body, field) in [
        (json!({ "text": "" }), "text"),
        (json!({ "text": " \n" }), "text"),
        (json!({ "text": "nul\0byte" }), "text"),
        (json!({ "text": format!("{longest}x") }), "text"),
        (json!({ "text": 5 }), "text"),
        (json!({ "post_id": "1" }), "post_id"),
        (json!({ "post_id": -1 }), "post_id"),
        (json!({ "text": "a", "quote_id": 1.5 }), "quote_id"),
        (json!({ "text": "a", "sender_id": 1 }), "sender_id"),
    ] {
        let answer = pair.send(&pair.one, &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
    let no_post = pair.send(&pair.one, &json!({ "post_id": u64::MAX })).await;
    no_post.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &["post_id"]);
}

#[tokio::test]
async fn messages_are_listed_newest_first_in_pages() {
    let pair = Pair::new().await;
    for turn in 0..5 {
        let sender = if turn % 2 == 0 { &pair.one } else { &pair.other };
        pair.say(sender, &format!("{turn}")).await;
    }
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    for _ in 0..3 {
        let path = format!("{}/messages{query}", pair.room);
        let page = pair
            .client
            .get_as(&pair.other.token, &path)
            .await
            .expect(StatusCode::OK);
        for message in page["messages"].as_array().expect("messages") {
            seen.push(text(message, "text").to_owned());
        }
        query = match page["next"].as_str() {
            Some(next) => format!("?limit=2&before={next}"),
            None => break,
        };
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn a_message_may_quote_an_earlier_one_of_its_room_and_no_other() {
    let pair = Pair::new().await;
    let first = pair.say(&pair.one, "처음").await;
    let answer = pair
        .send(&pair.other, &json!({ "text": "그래", "quote_id": first["id"] }))
        .await;
    let answer = answer.expect(StatusCode::CREATED);
    let quote = &answer["quote"];
    assert_eq!(
        (&quote["id"], text(quote, "kind"), text(quote, "text")),
        (&first["id"], "text", "처음")
    );
    assert_eq!(quote["sender"]["nickname"], pair.one.nickname());

    let stranger = pair.client.new_member().await;
    let elsewhere = open(&pair.client, &pair.one, &stranger)
        .await
        .header("location")
        .to_owned();
    let body = json!({ "text": "a leak", "quote_id": first["id"] });
    let leak = pair
        .client
        .post_as(&pair.one.token, &format!("{elsewhere}/messages"), &body)
        .await;
    leak.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MESSAGE", &["quote_id"]);
    let nothing = pair
        .send(&pair.one, &json!({ "text": "a", "quote_id": u64::MAX }))
        .await;
    nothing.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MESSAGE", &["quote_id"]);
}

#[tokio::test]
async fn a_message_is_neither_edited_nor_deleted() {
    let pair = Pair::new().await;
    let message = pair.say(&pair.one, "for good").await;
    let path = format!("{}/messages/{}", pair.room, message["id"]);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = send(pair.client.request(method, &path).bearer_auth(&pair.one.token)).await;
        answer.expect_problem(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &[]);
    }
}

#[tokio::test]
async fn a_hundred_messages_sent_at_once_from_both_sides_are_all_there_in_one_order() {
    let pair = Pair::new().await;
    let path = format!("{}/messages", pair.room);
    let sends = (0..100).map(|turn| {
        let token = if turn % 2 == 0 {
            &pair.one.token
        } else {
            &pair.other.token
        };
        let (client, path, token) = (pair.client.clone(), path.clone(), token.clone());
        tokio::spawn(async move {
            client
                .post_as(&token, &path, &json!({ "text": format!("{turn}") }))
                .await
        })
    });
    for sent in sends.collect::<Vec<_>>() {
        sent.await.expect("an answer").expect(StatusCode::CREATED);
    }
    let mut listed = Vec::new();
    let mut query = "?limit=50".to_owned();
    for _ in 0..2 {
        let page = pair
            .client
            .get_as(&pair.one.token, &format!("{path}{query}"))
            .await
            .expect(StatusCode::OK);
        listed.extend(page["messages"].as_array().expect("messages").clone());
        query = format!("?limit=50&before={}", page["next"].as_str().unwrap_or_default());
    }
    let turns: std::collections::BTreeSet<&str> = listed.iter().map(|message| text(message, "text")).collect();
    assert_eq!(turns.len(), 100);
    let room = pair
        .client
        .get_as(&pair.one.token, &pair.room)
        .await
        .expect(StatusCode::OK);
    assert_eq!((&room["unread"], &room["last_message"]), (&json!(50), &listed[0]));
}
