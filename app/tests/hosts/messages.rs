//! What becomes of messages when what they refer to goes away.

use crate::database::Database;
use crate::host::Host;
use serde_json::{Value, json};

#[tokio::test]
async fn a_shared_post_is_shown_and_says_so_once_it_is_deleted() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let (one, other) = (host.member().await, host.member().await);
    let room = host.room(&one, &other).await;
    database
        .run("INSERT INTO posts (id, member_id, text) SELECT 7, MAX(id), '꽃 🌸' FROM members")
        .await;
    let shared = host.say(&room, &one, &json!({ "post_id": 7 })).await;
    assert_eq!(
        (&shared["kind"], &shared["post"]["text"]),
        (&json!("post"), &json!("꽃 🌸"))
    );
    assert_eq!(shared["post"]["author"]["id"], other.id);
    let quoting = host
        .say(&room, &other, &json!({ "text": "와", "quote_id": shared["id"] }))
        .await;
    assert_eq!(quoting["quote"]["kind"], "post");

    database.run("DELETE FROM posts").await;
    let path = format!("{room}/messages/{}", shared["id"]);
    let (status, deleted) = host.ask("GET", &path, &other.token, &Value::Null).await;
    assert_eq!((status, &deleted["kind"]), (200, &json!("deleted_post")), "{deleted}");
    assert_eq!(deleted.get("post"), None);
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn the_history_stays_when_the_other_member_withdraws() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let (one, other) = (host.member().await, host.member().await);
    let room = host.room(&one, &other).await;
    let theirs = host.say(&room, &other, &json!({ "text": "잘 있어" })).await;
    host.say(&room, &one, &json!({ "text": "어디 가?", "quote_id": theirs["id"] }))
        .await;
    database.run("DELETE FROM members ORDER BY id DESC LIMIT 1").await;

    let (_, rooms) = host.ask("GET", "/api/rooms", &one.token, &Value::Null).await;
    assert_eq!(
        (&rooms["rooms"][0]["peer"], &rooms["rooms"][0]["unread"]),
        (&Value::Null, &json!(1))
    );
    let messages = format!("{room}/messages");
    let (_, history) = host.ask("GET", &messages, &one.token, &Value::Null).await;
    let history = history["messages"].as_array().expect("messages").clone();
    assert_eq!(history.len(), 2);
    assert_eq!(
        (&history[1]["text"], &history[1]["sender"]),
        (&json!("잘 있어"), &Value::Null)
    );
    assert_eq!(
        (&history[0]["sender"]["id"], &history[0]["quote"]["sender"]),
        (&json!(one.id), &Value::Null)
    );

    let (status, refused) = host.ask("POST", &messages, &one.token, &json!({ "text": "?" })).await;
    assert_eq!((status, &refused["code"]), (409, &json!("WITHDRAWN_MEMBER")));
    let (status, _) = host.ask("GET", &room, &other.token, &Value::Null).await;
    assert_eq!(status, 404, "a token outlives its member, who has no rooms any more");
    drop(host);
    database.drop().await;
}
