//! Thumbnails, when something is in the way of making them.

use crate::bucket::Bucket;
use crate::database::Database;
use crate::host::{Host, photo, until};
use axum::http::Method;
use serde_json::{Value, json};

const THUMBNAILS: &str = "SELECT COUNT(*) FROM jobs WHERE kind = 'thumbnails'";

#[tokio::test]
async fn thumbnails_are_made_once_the_bucket_takes_them_though_one_host_dies_meanwhile() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let hosts = [
        Host::start(&database, &bucket.environment()).await,
        Host::start(&database, &bucket.environment()).await,
    ];
    bucket.refuse(Method::PUT, "-1080");
    let owner = hosts[0].member().await;
    let media = hosts[0].upload(&owner, &photo(1_200, 900)).await;
    until("an attempt has failed", async || {
        let failed = "SELECT COUNT(*) FROM jobs WHERE kind = 'thumbnails' AND attempts > 1 AND last_error = 'BUCKET_UNAVAILABLE'";
        database.count(failed).await == 1
    })
    .await;
    let [first, second] = hosts;
    drop(first);
    bucket.refuse_nothing();
    // The lease of whoever died may be long.
    database.run("UPDATE jobs SET due_at = NOW(6)").await;
    until("the job is done", async || database.count(THUMBNAILS).await == 0).await;
    let (_, media) = second
        .ask(
            "GET",
            &format!("/api/media/{}", media["id"]),
            &owner.token,
            &Value::Null,
        )
        .await;
    assert_eq!(media["thumbnails"].as_array().map(Vec::len), Some(2), "{media}");
    assert_eq!(bucket.keys().len(), 3, "{:?}", bucket.keys());
    drop(second);
    database.drop().await;
}

#[tokio::test]
async fn a_photo_that_cannot_be_decoded_is_tried_once_and_one_that_is_too_small_not_at_all() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let owner = host.member().await;
    host.upload(&owner, &photo(320, 5)).await;
    assert_eq!(database.count(THUMBNAILS).await, 0);

    let mut broken = photo(1_200, 900);
    let data = broken.windows(4).position(|window| window == b"IDAT").expect("data");
    broken[data + 20] ^= 0xFF;
    host.upload(&owner, &broken).await;
    until("the job is given up", async || {
        let given_up = "SELECT COUNT(*) FROM jobs WHERE kind = 'thumbnails' AND due_at IS NULL AND attempts = 1 \
                        AND last_error LIKE 'cannot be decoded%'";
        database.count(given_up).await == 1
    })
    .await;
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn nothing_is_left_in_the_bucket_of_a_photo_that_was_removed_while_it_was_drawn() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    bucket.refuse(Method::PUT, "-1080");
    let owner = host.member().await;
    host.upload(&owner, &photo(1_200, 900)).await;
    until("a part is drawn", async || bucket.keys().len() == 2).await;
    database
        .run("UPDATE media SET state = 'removed', removed_at = NOW(6)")
        .await;
    bucket.refuse_nothing();
    until("the job is done", async || database.count(THUMBNAILS).await == 0).await;
    assert_eq!(bucket.keys().len(), 1, "{:?}", bucket.keys());
    drop(host);
    database.drop().await;
}

/// As a release without thumbnails leaves it.
#[tokio::test]
async fn a_photo_that_nobody_ordered_thumbnails_of_gets_them_by_the_sweep() {
    let (database, bucket) = (Database::new().await, Bucket::start().await);
    let host = Host::start(&database, &bucket.environment()).await;
    let owner = host.member().await;
    let media = host.upload(&owner, &photo(400, 300)).await;
    until("the job is done", async || database.count(THUMBNAILS).await == 0).await;
    database.run("UPDATE media SET thumbnails = NULL").await;
    host.sweep(&database, &bucket).await.expect("swept");
    let path = format!("/api/media/{}", media["id"]);
    until("they are there again", async || {
        let (_, media) = host.ask("GET", &path, &owner.token, &Value::Null).await;
        media["thumbnails"][0]["width"] == json!(320)
    })
    .await;
    drop(host);
    database.drop().await;
}
