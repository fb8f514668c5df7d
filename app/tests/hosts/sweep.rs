//! What becomes of media that nobody uses. Time is made to pass in the database.

use crate::bucket::Bucket;
use crate::database::Database;
use crate::host::{Host, Member, photo};
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const A_DAY_PASSES: &str = "UPDATE media SET created_at = created_at - INTERVAL 25 HOUR";
const A_QUARTER_OF_AN_HOUR_PASSES: &str = "UPDATE media SET removed_at = removed_at - INTERVAL 15 MINUTE";
const MEDIA: &str = "SELECT COUNT(*) FROM media";
const REMOVED: &str = "SELECT COUNT(*) FROM media WHERE state = 'removed'";

async fn post(host: &Host, author: &Member, photo: &Value) -> String {
    let body = json!({ "photos": [photo["id"]] });
    let (status, post) = host.ask("POST", "/api/posts", &author.token, &body).await;
    assert_eq!(status, 201, "{post}");
    format!("/api/posts/{}", post["id"])
}

async fn announce(host: &Host, owner: &Member) {
    let body = json!({ "content_type": "image/png", "bytes": 5 });
    let (status, answer) = host.ask("POST", "/api/media/uploads", &owner.token, &body).await;
    assert_eq!(status, 201, "{answer}");
}

/// The key at the end of an address.
fn key(media: &Value) -> String {
    let url = media["url"].as_str().expect("an address");
    format!("media/{}", url.rsplit('/').next().expect("a key"))
}

async fn status(host: &Host, media: &Value) -> u16 {
    let url = media["url"].as_str().expect("an address");
    host.status(url).await
}

#[tokio::test]
async fn what_nobody_uses_for_a_day_goes_and_what_is_posted_sent_or_new_stays() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let (one, other) = (host.member().await, host.member().await);
    let mut photos = Vec::new();
    for _ in 0..4 {
        photos.push(host.upload(&one, &photo(5, 3)).await);
    }
    let [unused, posted, sent, deleted] = &photos[..] else {
        panic!("{photos:?}")
    };
    post(&host, &one, posted).await;
    let soon_gone = post(&host, &one, deleted).await;
    let room = host.room(&one, &other).await;
    host.say(&room, &one, &json!({ "media_id": sent["id"] })).await;
    host.ask("DELETE", &soon_gone, &one.token, &Value::Null).await;
    // Whoever brought this died when it was in the bucket and not yet ready.
    announce(&host, &one).await;
    let awaited: String = sqlx::query_scalar("SELECT object_key FROM media WHERE state = 'awaited'")
        .fetch_one(&database.pool)
        .await
        .expect("a key");
    for folder in ["incoming", "media"] {
        bucket.put(&format!("{folder}/{awaited}"));
    }
    host.sweep(&database, &bucket).await.expect("swept");
    assert_eq!(database.count(REMOVED).await, 0, "a day has not passed");

    database.run(A_DAY_PASSES).await;
    let new = host.upload(&one, &photo(5, 3)).await;
    host.sweep(&database, &bucket).await.expect("swept");
    assert_eq!((database.count(REMOVED).await, bucket.keys().len()), (3, 7));
    for (path, body) in [
        ("/api/posts".to_owned(), json!({ "photos": [unused["id"]] })),
        (format!("{room}/messages"), json!({ "media_id": unused["id"] })),
    ] {
        let (status, answer) = host.ask("POST", &path, &one.token, &body).await;
        assert!(matches!(status, 404 | 422), "used though removed: {answer}");
    }

    database.run(A_QUARTER_OF_AN_HOUR_PASSES).await;
    host.sweep(&database, &bucket).await.expect("swept");
    assert_eq!(database.count(MEDIA).await, 3);
    let mut stay = [key(posted), key(sent), key(&new)];
    stay.sort();
    assert_eq!(bucket.keys(), stay);
    assert_eq!((status(&host, posted).await, status(&host, unused).await), (200, 404));
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn a_sweep_that_breaks_off_leaves_the_row_by_which_the_next_finds_the_rest() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let owner = host.member().await;
    host.upload(&owner, &photo(5, 3)).await;
    host.upload(&owner, &photo(5, 3)).await;
    let first = bucket.keys().remove(0);
    database
        .run("UPDATE media SET state = 'removed', removed_at = NOW(6)")
        .await;
    database.run(A_QUARTER_OF_AN_HOUR_PASSES).await;
    bucket.refuse(Method::DELETE, "incoming/");
    let broken_off = host.sweep(&database, &bucket).await.expect_err("the bucket is away");
    assert!(broken_off.contains("cannot delete `incoming/"), "{broken_off}");
    assert_eq!(database.count(MEDIA).await, 2, "{first} is forgotten");

    bucket.refuse_nothing();
    // Two at once do no more than one.
    let (one, other) = tokio::join!(host.sweep(&database, &bucket), host.sweep(&database, &bucket));
    one.and(other).expect("swept");
    assert_eq!((database.count(MEDIA).await, bucket.keys().len()), (0, 0));
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn the_media_of_a_member_who_withdraws_go_but_for_those_in_messages() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let (one, other) = (host.member().await, host.member().await);
    let posted = host.upload(&one, &photo(5, 3)).await;
    let sent = host.upload(&one, &photo(5, 3)).await;
    post(&host, &one, &posted).await;
    post(&host, &one, &sent).await;
    let room = host.room(&one, &other).await;
    host.say(&room, &one, &json!({ "media_id": sent["id"] })).await;
    let body = json!({ "password": "correct horse battery" });
    let (status, answer) = host.ask("POST", "/api/me/withdrawal", &one.token, &body).await;
    assert_eq!(status, 204, "{answer}");

    database.run(A_QUARTER_OF_AN_HOUR_PASSES).await;
    database.run(A_DAY_PASSES).await;
    host.sweep(&database, &bucket).await.expect("swept");
    assert_eq!(bucket.keys(), [key(&sent)]);
    let (_, history) = host
        .ask("GET", &format!("{room}/messages"), &other.token, &Value::Null)
        .await;
    let message = &history["messages"][0];
    assert_eq!(
        (&message["kind"], &message["sender"], &message["media"]["url"]),
        (&json!("photo"), &Value::Null, &sent["url"])
    );
    assert_eq!(self::status(&host, &sent).await, 200);
    drop(host);
    database.drop().await;
}

/// Whoever posts a photo that is about to be swept is either in time, or told so.
#[tokio::test]
async fn a_photo_that_is_being_posted_is_not_swept() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let owner = host.member().await;
    let media = host.upload(&owner, &photo(5, 3)).await;
    database.run(A_DAY_PASSES).await;
    let mut posting = database.pool.begin().await.expect("begun");
    for statement in [
        "INSERT INTO posts (member_id, text) SELECT MAX(id), '' FROM members",
        "INSERT INTO post_photos (post_id, position, media_id) \
         SELECT LAST_INSERT_ID(), 0, id FROM media WHERE id IN (1)",
    ] {
        sqlx::query(statement).execute(&mut *posting).await.expect("done");
    }
    let committed = async {
        // As long as the sweep finds the photo unused, and waits for it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        posting.commit().await.expect("committed");
    };
    let (swept, ()) = tokio::join!(host.sweep(&database, &bucket), committed);
    swept.expect("swept");
    assert_eq!(database.count(REMOVED).await, 0);
    assert_eq!(status(&host, &media).await, 200);
    drop(host);
    database.drop().await;
}
