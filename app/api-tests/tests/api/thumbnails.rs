//! Thumbnails are made in the background: these tests wait for them.

use crate::client::{Client, Member, send, text};
use crate::files::{encoded, form, png, taken, upload};
use crate::media::{owner, shown};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgba, RgbaImage};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_photo_gets_a_thumbnail_of_each_width_that_it_exceeds() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let photo = encoded(GrayImage::from_pixel(1_200, 900, Luma([120])), ImageFormat::Png);
    let made = made(&client, &owner, &photo).await;
    let sizes = |shown: &Value| -> Vec<(Value, Value)> {
        let thumbnails = shown["thumbnails"].as_array().expect("thumbnails").iter();
        thumbnails
            .map(|made| (made["width"].clone(), made["height"].clone()))
            .collect()
    };
    assert_eq!(sizes(&made), [(json!(320), json!(240)), (json!(1080), json!(810))]);
    for thumbnail in made["thumbnails"].as_array().expect("thumbnails") {
        let (headers, bytes) = shown(&client, text(thumbnail, "url"), &[]).await;
        assert_eq!(headers["content-type"], "image/jpeg");
        assert_eq!(headers["content-disposition"], "inline");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["content-security-policy"], "default-src 'none'; sandbox");
        let picture = image::load_from_memory(&bytes).expect("a picture");
        assert_eq!(
            (json!(picture.width()), json!(picture.height())),
            (thumbnail["width"].clone(), thumbnail["height"].clone())
        );
    }
    let body = json!({ "photos": [made["id"]] });
    let post = client.post_as(&owner.token, "/api/posts", &body).await;
    let post = post.expect(StatusCode::CREATED);
    assert_eq!(post["photos"][0]["thumbnails"], made["thumbnails"]);
}

#[tokio::test]
async fn a_photo_is_upright_as_it_came_and_in_its_thumbnail_however_the_camera_was_turned() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    for orientation in 1..=8 {
        let made = made(&client, &owner, &taken(orientation)).await;
        assert_eq!(
            (&made["width"], &made["height"]),
            (&json!(640), &json!(480)),
            "{orientation}"
        );
        let (_, photo) = shown(&client, text(&made, "url"), &[]).await;
        assert!(!photo.windows(3).any(|window| window == b"GPS"), "{orientation}");
        expect_upright(upright(&photo), orientation);

        let thumbnail = &made["thumbnails"][0];
        assert_eq!((&thumbnail["width"], &thumbnail["height"]), (&json!(320), &json!(240)));
        let (_, thumbnail) = shown(&client, text(thumbnail, "url"), &[]).await;
        let thumbnail = image::load_from_memory(&thumbnail).expect("a picture");
        assert_eq!((thumbnail.width(), thumbnail.height()), (320, 240), "{orientation}");
        expect_upright(thumbnail, orientation);
    }
}

#[tokio::test]
async fn what_one_sees_through_stays_so() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let glass = RgbaImage::from_pixel(400, 400, Rgba([200, 100, 50, 128]));
    let made = made(&client, &owner, &encoded(glass, ImageFormat::WebP)).await;
    let (headers, bytes) = shown(&client, text(&made["thumbnails"][0], "url"), &[]).await;
    assert_eq!(headers["content-type"], "image/png");
    let picture = image::load_from_memory(&bytes).expect("a picture").to_rgba8();
    assert_eq!(picture.get_pixel(200, 200).0, [200, 100, 50, 128]);
}

#[tokio::test]
async fn a_photo_that_cannot_be_decoded_is_shown_without_thumbnails_and_holds_up_no_other() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let broken = png(4_000, 3_000);
    let media = uploaded(&client, &owner, &broken).await;
    let photo = encoded(GrayImage::from_pixel(400, 300, Luma([120])), ImageFormat::Png);
    made(&client, &owner, &photo).await;
    let path = format!("/api/media/{}", media["id"]);
    let media = client.get_as(&owner.token, &path).await.expect(StatusCode::OK);
    assert_eq!((&media["state"], &media["thumbnails"]), (&json!("ready"), &json!([])));
    let (_, bytes) = shown(&client, text(&media, "url"), &[]).await;
    assert_eq!(bytes, broken);
}

#[tokio::test]
async fn a_thumbnail_that_is_not_there_is_said_to_be_missing() {
    let client = Client::new();
    let Some(owner) = owner(&client).await else { return };
    let media = uploaded(&client, &owner, &png(5, 3)).await;
    for end in ["-320", "-1080", "-0", "-", "-320-320", "-..%2F320"] {
        let answer = client.get(&format!("{}{end}", text(&media, "url"))).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", &[]);
    }
}

async fn uploaded(client: &Client, owner: &Member, file: &[u8]) -> Value {
    let media = send(upload(client, &owner.token, &form(file))).await;
    media.expect(StatusCode::CREATED)
}

/// The photo, once it has thumbnails.
async fn made(client: &Client, owner: &Member, file: &[u8]) -> Value {
    let media = uploaded(client, owner, file).await;
    let deadline = Instant::now() + DEADLINE;
    loop {
        let path = format!("/api/media/{}", media["id"]);
        let media = client.get_as(&owner.token, &path).await.expect(StatusCode::OK);
        if media["thumbnails"] != json!([]) {
            return media;
        }
        assert!(
            Instant::now() < deadline,
            "no thumbnails of {media} within {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As a browser shows it.
fn upright(photo: &[u8]) -> DynamicImage {
    use image::ImageDecoder as _;
    let reader = image::ImageReader::with_format(std::io::Cursor::new(photo), ImageFormat::Jpeg);
    let mut decoder = reader.into_decoder().expect("a picture");
    let turn = decoder.orientation().expect("a turn");
    let mut picture = DynamicImage::from_decoder(decoder).expect("a picture");
    picture.apply_orientation(turn);
    picture
}

/// White in the upper left quarter alone.
#[track_caller]
fn expect_upright(picture: DynamicImage, orientation: u8) {
    let (width, height) = (picture.width(), picture.height());
    let picture = picture.to_luma8();
    let corners = [(10, 10), (width - 10, 10), (10, height - 10), (width - 10, height - 10)];
    let is_white = corners.map(|(x, y)| picture.get_pixel(x, y).0[0] > 127);
    assert_eq!(is_white, [true, false, false, false], "orientation {orientation}");
}
