//! Media in messages: photos, videos and documents.

use crate::client::{Client, Member, send, text};
use crate::files::{form, jpeg, mp4, pdf, png, upload};
use crate::media::{announce, owner, put, shown};
use crate::rooms::{Pair, open};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_video_is_told_by_its_bytes_stripped_of_where_it_was_taken_and_shown_in_ranges() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let media = uploaded(&client, &owner, &mp4()).await;
    assert_eq!(
        (
            &media["kind"],
            &media["state"],
            &media["width"],
            &media["height"],
            &media["thumbnails"]
        ),
        (
            &json!("video/mp4"),
            &json!("ready"),
            &json!(640),
            &json!(360),
            &json!([])
        )
    );
    let (headers, bytes) = shown(&client, text(&media, "url"), &[]).await;
    assert_eq!(bytes.len(), mp4().len());
    assert!(!bytes.windows(7).any(|window| window == b"37.5665"));
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("content-disposition", "inline"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let (headers, end) = shown(&client, text(&media, "url"), &[("range", "bytes=-6")]).await;
    assert_eq!(end, b"frames");
    let range = format!("bytes {}-{}/{}", bytes.len() - 6, bytes.len() - 1, bytes.len());
    assert_eq!(headers["content-range"], range.as_str());
}

#[tokio::test]
async fn a_document_is_given_out_as_a_file_under_a_name_that_its_owner_did_not_choose() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let media = uploaded(&client, &owner, &pdf()).await;
    assert_eq!(
        (&media["kind"], &media["width"], &media["bytes"]),
        (&json!("application/pdf"), &Value::Null, &json!(pdf().len()))
    );
    let (headers, bytes) = shown(&client, text(&media, "url"), &[]).await;
    assert_eq!(bytes, pdf());
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-disposition", "attachment; filename=\"document.pdf\""),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let (_, part) = shown(&client, text(&media, "url"), &[("range", "bytes=0-7")]).await;
    assert_eq!(part, b"%PDF-1.7");
}

#[tokio::test]
async fn a_photo_that_is_called_a_video_is_a_photo() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let photo = jpeg(5, 3, &[]);
    let announced = announce(&client, &owner, "video/mp4", photo.len()).await;
    let announced = announced.expect(StatusCode::CREATED);
    assert!(put(&announced, photo).await.is_success());
    let complete = format!("/api/media/{}/complete", announced["media"]["id"]);
    let media = client.post_as(&owner.token, &complete, &json!({})).await;
    let media = media.expect(StatusCode::OK);
    assert_eq!((&media["kind"], &media["width"]), (&json!("image/jpeg"), &json!(5)));
    let (headers, _) = shown(&client, text(&media, "url"), &[]).await;
    assert_eq!(headers["content-type"], "image/jpeg");
}

#[tokio::test]
async fn a_video_or_document_is_no_photo_for_a_post() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let path = owner.post(&client, "words").await;
    for file in [mp4(), pdf()] {
        let media = uploaded(&client, &owner, &file).await;
        let body = json!({ "photos": [owner.photo(&client).await, media["id"]] });
        for answer in [
            client.post_as(&owner.token, "/api/posts", &body).await,
            client.patch_as(&owner.token, &path, &body).await,
        ] {
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["photos"]);
        }
    }
}

#[tokio::test]
async fn a_message_shows_the_media_it_was_sent_with_and_a_quote_says_of_what_kind_they_are() {
    let pair = Pair::new().await;
    for (file, kind) in [(png(5, 3), "photo"), (mp4(), "video"), (pdf(), "document")] {
        let media = uploaded(&pair.client, &pair.one, &file).await;
        let answer = pair.send(&pair.one, &json!({ "media_id": media["id"] })).await;
        let location = answer.header("location").to_owned();
        let message = answer.expect(StatusCode::CREATED);
        assert_eq!((text(&message, "kind"), &message["text"]), (kind, &Value::Null));
        for field in ["id", "kind", "url", "bytes", "width", "height", "thumbnails"] {
            assert_eq!(message["media"][field], media[field], "{field}");
        }
        let read = pair.client.get_as(&pair.other.token, &location).await;
        assert_eq!(read.expect(StatusCode::OK), message);
        let (_, bytes) = shown(&pair.client, text(&message["media"], "url"), &[]).await;
        assert_eq!(json!(bytes.len()), media["bytes"]);

        let body = json!({ "text": "와", "quote_id": message["id"] });
        let quoting = pair.send(&pair.other, &body).await.expect(StatusCode::CREATED);
        assert_eq!(
            (&quoting["quote"]["kind"], &quoting["quote"]["text"]),
            (&json!(kind), &Value::Null)
        );
    }
    let history = pair
        .client
        .get_as(&pair.other.token, &format!("{}/messages", pair.room))
        .await;
    let history = history.expect(StatusCode::OK);
    let kinds: Vec<&str> = history["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| text(message, "kind"))
        .collect();
    assert_eq!(kinds, ["text", "document", "text", "video", "text", "photo"]);

    let stranger = pair.client.new_member().await;
    let path = format!("{}/messages", pair.room);
    let answer = pair.client.get_as(&stranger.token, &path).await;
    answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", &[]);
}

#[tokio::test]
async fn one_may_send_the_same_photo_again_and_to_another() {
    let pair = Pair::new().await;
    let third = pair.client.new_member().await;
    let elsewhere = open(&pair.client, &pair.one, &third)
        .await
        .header("location")
        .to_owned();
    let photo = json!({ "media_id": pair.one.photo(&pair.client).await });
    for room in [&pair.room, &pair.room, &elsewhere] {
        let path = format!("{room}/messages");
        let sent = pair.client.post_as(&pair.one.token, &path, &photo).await;
        sent.expect(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn only_media_that_the_sender_has_uploaded_can_be_sent() {
    let pair = Pair::new().await;
    let awaited = announce(&pair.client, &pair.one, "image/png", 1).await;
    let awaited = awaited.expect(StatusCode::CREATED);
    let anothers = pair.other.photo(&pair.client).await;
    for id in [
        json!(anothers),
        awaited["media"]["id"].clone(),
        json!(0),
        json!(u64::MAX),
    ] {
        let answer = pair.send(&pair.one, &json!({ "media_id": id })).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", &["media_id"]);
    }
    for id in [json!("1"), json!(-1), json!(1.5), json!([1])] {
        let answer = pair.send(&pair.one, &json!({ "media_id": id })).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["media_id"]);
    }
    // Nothing of all that was sent.
    let history = send(
        pair.client
            .request(Method::GET, &format!("{}/messages", pair.room))
            .bearer_auth(&pair.one.token),
    );
    assert_eq!(history.await.expect(StatusCode::OK)["messages"], json!([]));
}

async fn uploaded(client: &Client, owner: &Member, file: &[u8]) -> Value {
    let media = send(upload(client, &owner.token, &form(file))).await;
    media.expect(StatusCode::CREATED)
}
