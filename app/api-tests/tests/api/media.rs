//! Where the API has no bucket, each of these tests holds it to the one answer it then gives.

use crate::client::{Answer, Client, Member, send, text};
use crate::files::{form, jpeg, mp4, pdf, png, segment, upload, webp};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_photo_is_uploaded_found_at_its_location_and_shown_at_its_address() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    for (photo, kind) in [
        (png(5, 3), "image/png"),
        (jpeg(5, 3, &[]), "image/jpeg"),
        (webp(5, 3), "image/webp"),
    ] {
        let answer = send(upload(&client, &owner.token, &form(&photo))).await;
        let location = answer.header("location").to_owned();
        let media = answer.expect(StatusCode::CREATED);
        assert_eq!((&media["kind"], &media["state"]), (&json!(kind), &json!("ready")));
        assert_eq!(
            (&media["width"], &media["height"], &media["bytes"]),
            (&json!(5), &json!(3), &json!(photo.len()))
        );
        assert_eq!(
            client.get_as(&owner.token, &location).await.expect(StatusCode::OK),
            media
        );

        let (headers, bytes) = shown(&client, text(&media, "url"), &[]).await;
        assert_eq!(bytes, photo);
        for (name, value) in [
            ("content-type", kind),
            ("content-disposition", "inline"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cache-control", "public, max-age=31536000, immutable"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }
}

#[tokio::test]
async fn where_and_when_a_photo_was_taken_is_not_told_on() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let extras = [
        segment(
            0xE1,
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1A\0\0\0\0 GPS 37.5665N",
        ),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:creator>me</x:creator>"),
        segment(0xFE, b"written by a program"),
    ];
    let taken = [jpeg(5, 3, &extras.concat()), b"appended".to_vec()].concat();
    let media = send(upload(&client, &owner.token, &form(&taken)))
        .await
        .expect(StatusCode::CREATED);
    let (_, bytes) = shown(&client, text(&media, "url"), &[]).await;
    assert_eq!(bytes, jpeg(5, 3, &[]));
}

#[tokio::test]
async fn a_part_of_a_photo_can_be_asked_for() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let photo = png(5, 3);
    let media = send(upload(&client, &owner.token, &form(&photo)))
        .await
        .expect(StatusCode::CREATED);
    let url = text(&media, "url");
    let (headers, bytes) = shown(&client, url, &[("range", "bytes=1-3")]).await;
    assert_eq!(bytes, b"PNG");
    assert_eq!(headers["content-range"], format!("bytes 1-3/{}", photo.len()).as_str());

    let beyond = send(client.request(Method::GET, url).header("range", "bytes=999999-")).await;
    beyond.expect_problem(StatusCode::RANGE_NOT_SATISFIABLE, "REFUSED", &[]);
    let etag = headers["etag"].to_str().expect("an ETag").to_owned();
    let same = send(client.request(Method::GET, url).header("if-none-match", etag)).await;
    assert_eq!((same.status, same.text.as_str()), (304, ""));
}

#[tokio::test]
async fn what_is_no_photo_video_or_document_is_refused_whatever_it_is_called() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let whole = png(5, 3);
    for bad in [
        Vec::new(),
        b"<script>alert(1)</script>".to_vec(),
        b"GIF89a\x05\0\x03\0\0\0\0;".to_vec(),
        b"%PDF-1.7".to_vec(),
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ".to_vec(),
        mp4()[..mp4().len() - 1].to_vec(),
        pdf()[..pdf().len() - 6].to_vec(),
        b"\xFF\xD8\xFF".to_vec(),
        whole[..whole.len() - 1].to_vec(),
        png(0, 3),
        // Bombs: small files of very many pixels.
        png(30_000, 30_000),
        png(50_000, 50_000),
        png(u32::MAX, 1),
        jpeg(65_535, 65_535, &[]),
    ] {
        let answer = send(upload(&client, &owner.token, &form(&bad))).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["file"]);
    }
}

#[tokio::test]
async fn a_form_is_a_form_with_one_file() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let part = |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\na\r\n");
    for (body, fields) in [
        ("--x--".to_owned(), ["file"]),
        (format!("{}{}--x--", part("file"), part("file")), ["file"]),
        (format!("{}--x--", part("owner")), ["owner"]),
    ] {
        let answer = send(upload(&client, &owner.token, body.as_bytes())).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &fields);
    }
    for body in [part("file"), "nonsense".to_owned(), String::new()] {
        let answer = send(upload(&client, &owner.token, body.as_bytes())).await;
        answer.expect_problem(StatusCode::BAD_REQUEST, "INVALID_FORM", &[]);
    }
    for kind in [
        "application/json",
        "image/png",
        "multipart/form-data",
        "multipart/mixed; boundary=x",
    ] {
        let request = client
            .request(Method::POST, "/api/media")
            .bearer_auth(&owner.token)
            .header(CONTENT_TYPE, kind);
        let answer = send(request.body(form(&png(5, 3)))).await;
        answer.expect_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "NOT_FORM", &[]);
    }
}

#[tokio::test]
async fn a_photo_or_document_over_10_mib_and_anything_over_20_are_refused() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    for (mut file, size) in [(jpeg(5, 3, &[]), 10), (pdf(), 10), (mp4(), 20)] {
        file.resize(size * 1024 * 1024 + 1, 0);
        let answer = send(upload(&client, &owner.token, &form(&file))).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["file"]);
    }
    let far_over = form(&vec![0; 20 * 1024 * 1024 + 500_000]);
    let answer = send(upload(&client, &owner.token, &far_over)).await;
    answer.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", &[]);
}

#[tokio::test]
async fn a_photo_put_into_the_bucket_is_looked_at_and_stripped_like_any_other() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let taken = jpeg(5, 3, &segment(0xFE, b"written by a program"));
    let announced = announce(&client, &owner, "image/jpeg", taken.len())
        .await
        .expect(StatusCode::CREATED);
    let media = &announced["media"];
    assert_eq!(
        (&media["state"], &media["url"], &media["width"]),
        (&json!("awaited"), &Value::Null, &Value::Null)
    );
    let complete = format!("/api/media/{}/complete", media["id"]);

    let early = client.post_as(&owner.token, &complete, &json!({})).await;
    early.expect_problem(StatusCode::CONFLICT, "NOT_UPLOADED", &[]);
    assert!(put(&announced, taken.clone()).await.is_success());
    let ready = client
        .post_as(&owner.token, &complete, &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&ready["state"], &ready["width"], &ready["height"]),
        (&json!("ready"), &json!(5), &json!(3))
    );
    let (_, bytes) = shown(&client, text(&ready, "url"), &[]).await;
    assert_eq!(bytes, jpeg(5, 3, &[]));

    // What comes later changes nothing.
    put(&announced, taken).await;
    let again = client
        .post_as(&owner.token, &complete, &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(again, ready);
}

#[tokio::test]
async fn the_bucket_takes_only_what_was_announced() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let announced = announce(&client, &owner, "image/png", 100)
        .await
        .expect(StatusCode::CREATED);
    assert!(put(&announced, vec![0; 101]).await.is_client_error());
    let mut elsewhere = announced.clone();
    elsewhere["upload"]["url"] = json!(text(&announced["upload"], "url").replace("incoming/", "media/"));
    assert!(put(&elsewhere, vec![0; 100]).await.is_client_error());

    assert!(put(&announced, vec![0; 100]).await.is_success());
    let complete = format!("/api/media/{}/complete", announced["media"]["id"]);
    let answer = client.post_as(&owner.token, &complete, &json!({})).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["file"]);
    // What was refused is gone from the bucket.
    let again = client.post_as(&owner.token, &complete, &json!({})).await;
    again.expect_problem(StatusCode::CONFLICT, "NOT_UPLOADED", &[]);
}

#[tokio::test]
async fn what_is_announced_is_of_a_known_kind_and_of_some_bytes() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    for (body, fields) in [
        (
            json!({ "content_type": "image/gif", "bytes": 1 }),
            &["content_type"][..],
        ),
        (
            json!({ "content_type": "text/html", "bytes": 0 }),
            &["content_type", "bytes"],
        ),
        (
            json!({ "content_type": "image/png", "bytes": 10 * 1024 * 1024 + 1 }),
            &["bytes"],
        ),
        (
            json!({ "content_type": "video/mp4", "bytes": 20 * 1024 * 1024 + 1 }),
            &["bytes"],
        ),
        (json!({ "content_type": "image/png", "bytes": -1 }), &["bytes"]),
        (json!({ "content_type": "image/png", "bytes": "1" }), &["bytes"]),
        (json!({ "content_type": "image/png" }), &["bytes"]),
        (
            json!({ "content_type": "image/png", "bytes": 1, "key": "../x" }),
            &["key"],
        ),
    ] {
        let answer = client.post_as(&owner.token, "/api/media/uploads", &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", fields);
    }
}

#[tokio::test]
async fn the_media_of_another_member_are_not_there() {
    let client = Client::new();
    let (Some(owner), other) = (owner(&client).await, client.new_member().await) else {
        return;
    };
    let media = send(upload(&client, &owner.token, &form(&png(5, 3))))
        .await
        .expect(StatusCode::CREATED);
    for id in [
        media["id"].to_string(),
        "0".to_owned(),
        "abc".to_owned(),
        "%00".to_owned(),
    ] {
        let path = format!("/api/media/{id}");
        let found = client.get_as(&other.token, &path).await;
        found.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", &[]);
        let completed = client
            .post_as(&other.token, &format!("{path}/complete"), &json!({}))
            .await;
        completed.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", &[]);
    }
    for key in [
        "0".repeat(32),
        "..%2F..%2Fetc%2Fpasswd".to_owned(),
        "%00".to_owned(),
        "x".repeat(1_000),
    ] {
        let answer = client.get(&format!("/api/files/{key}")).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", &[]);
    }
}

#[tokio::test]
async fn nobody_uploads_without_signing_in() {
    let client = Client::new();
    for (method, path) in [
        (Method::POST, "/api/media"),
        (Method::POST, "/api/media/uploads"),
        (Method::GET, "/api/media/1"),
        (Method::POST, "/api/media/1/complete"),
    ] {
        let answer = send(client.request(method, path).json(&json!({}))).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
}

/// `None`, after a look at how it says so, if the API has no bucket.
pub async fn owner(client: &Client) -> Option<Member> {
    let owner = client.new_member().await;
    let answer = announce(client, &owner, "image/png", 1).await;
    if answer.status == 201 {
        return Some(owner);
    }
    answer.expect_problem(StatusCode::SERVICE_UNAVAILABLE, "NO_BUCKET", &[]);
    let answer = send(upload(client, &owner.token, &form(&png(5, 3)))).await;
    answer.expect_problem(StatusCode::SERVICE_UNAVAILABLE, "NO_BUCKET", &[]);
    None
}

pub async fn announce(client: &Client, owner: &Member, content_type: &str, bytes: usize) -> Answer {
    let body = json!({ "content_type": content_type, "bytes": bytes });
    client.post_as(&owner.token, "/api/media/uploads", &body).await
}

/// Does as `announced` says.
pub async fn put(announced: &Value, bytes: Vec<u8>) -> StatusCode {
    let upload = &announced["upload"];
    assert_eq!(upload["method"], "PUT");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = http
        .put(text(upload, "url"))
        .header(CONTENT_TYPE, text(&upload["headers"], "content-type"));
    request
        .body(bytes)
        .send()
        .await
        .expect("an answer of the bucket")
        .status()
}

pub async fn shown(client: &Client, url: &str, headers: &[(&str, &str)]) -> (HeaderMap, Vec<u8>) {
    let request = headers
        .iter()
        .fold(client.request(Method::GET, url), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{}", response.status());
    let headers = response.headers().clone();
    (headers, response.bytes().await.expect("all bytes").to_vec())
}
