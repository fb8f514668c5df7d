use crate::support::{BUCKET, Ground};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, MetadataDirective, ObjectIdentifier};
use std::time::Duration;

async fn put(s3: &Client, key: &str, body: &'static [u8]) -> String {
    let output = s3
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from_static(body))
        .send()
        .await
        .unwrap();
    output.e_tag().unwrap().to_owned()
}

async fn get(s3: &Client, key: &str) -> Vec<u8> {
    let output = s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    output.body.collect().await.unwrap().to_vec()
}

fn status<E>(error: &SdkError<E>) -> u16 {
    error
        .raw_response()
        .map(|response| response.status().as_u16())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_guest_s_keys_open_one_bucket_and_no_other() {
    let ground = Ground::with_guest("media", "GUEST", "guest's secret");
    put(&ground.s3(), "private", b"of the ground").await;
    let guest = ground.s3_as("GUEST", "guest's secret");
    let own = guest
        .put_object()
        .bucket("media")
        .key("a.jpg")
        .body(ByteStream::from_static(b"a"));
    own.send().await.unwrap();
    let listed = guest.list_objects_v2().bucket("media").send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);

    let read = guest
        .get_object()
        .bucket(BUCKET)
        .key("private")
        .send()
        .await
        .unwrap_err();
    let written = guest.put_object().bucket(BUCKET).key("x").send().await.unwrap_err();
    let copy = guest
        .copy_object()
        .bucket("media")
        .key("b")
        .copy_source(format!("{BUCKET}/private"));
    let copied = copy.send().await.unwrap_err();
    let buckets = guest.list_buckets().send().await.unwrap_err();
    let removed = guest.delete_bucket().bucket("media").send().await.unwrap_err();
    let all = [
        status(&read),
        status(&written),
        status(&copied),
        status(&buckets),
        status(&removed),
    ];
    assert_eq!(all, [403; 5]);
    let forged = ground.s3_as("GUEST", "another secret");
    assert_eq!(
        status(&forged.list_objects_v2().bucket("media").send().await.unwrap_err()),
        403
    );
}

#[tokio::test]
async fn an_object_and_what_was_said_about_it_survive_a_crash() {
    let mut ground = Ground::start();
    let key = format!("assets/ä {}.js", "long/".repeat(150));
    ground
        .s3()
        .put_object()
        .bucket(BUCKET)
        .key(&key)
        .content_type("text/javascript")
        .cache_control("max-age=60")
        .content_encoding("gzip")
        .metadata("release", "one")
        .body(ByteStream::from_static(b"body"))
        .send()
        .await
        .unwrap();
    ground.crash();
    let output = ground.s3().get_object().bucket(BUCKET).key(&key).send().await.unwrap();
    assert_eq!(output.content_type(), Some("text/javascript"));
    assert_eq!(output.cache_control(), Some("max-age=60"));
    assert_eq!(output.content_encoding(), Some("gzip"));
    assert_eq!(output.metadata().unwrap()["release"], "one");
    assert_eq!(output.body.collect().await.unwrap().to_vec(), b"body");
}

#[tokio::test]
async fn a_write_happens_only_on_the_version_it_names() {
    let ground = Ground::start();
    let s3 = ground.s3();
    let create = || {
        s3.put_object()
            .bucket(BUCKET)
            .key("k")
            .if_none_match("*")
            .body(ByteStream::from_static(b"1"))
            .send()
    };
    let first = create().await.unwrap().e_tag().unwrap().to_owned();
    let error = create().await.unwrap_err();
    assert_eq!((status(&error), error.code()), (412, Some("PreconditionFailed")));

    let replace = async |etag: String| {
        let body = ByteStream::from_static(b"2");
        s3.put_object()
            .bucket(BUCKET)
            .key("k")
            .if_match(etag)
            .body(body)
            .send()
            .await
    };
    replace(first.clone()).await.unwrap();
    assert_eq!(status(&replace(first).await.unwrap_err()), 412);
    let body = ByteStream::from_static(b"3");
    let error = s3
        .put_object()
        .bucket(BUCKET)
        .key("none")
        .if_match("\"x\"")
        .body(body)
        .send()
        .await
        .unwrap_err();
    assert_eq!(status(&error), 404);
    assert_eq!(get(&s3, "k").await, b"2");
}

#[tokio::test]
async fn of_many_writers_on_one_version_one_wins() {
    let ground = Ground::start();
    let s3 = ground.s3();
    let mut etag = put(&s3, "k", b"0").await;
    for round in 0..10u8 {
        let writers = (0..8u8).map(|writer| {
            let body = ByteStream::from(vec![round, writer]);
            s3.put_object()
                .bucket(BUCKET)
                .key("k")
                .if_match(&etag)
                .body(body)
                .send()
        });
        let outcomes = futures_util::future::join_all(writers).await;
        let won: Vec<_> = outcomes.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "in round {round}");
        etag = won[0].e_tag().unwrap().to_owned();
    }
}

#[tokio::test]
async fn reading_an_unchanged_object_again_brings_no_bytes() {
    let ground = Ground::start();
    let s3 = ground.s3();
    let etag = put(&s3, "k", b"one").await;
    let poll = async |etag: &str| s3.get_object().bucket(BUCKET).key("k").if_none_match(etag).send().await;
    assert_eq!(status(&poll(&etag).await.unwrap_err()), 304);
    put(&s3, "k", b"two").await;
    assert_eq!(
        poll(&etag).await.unwrap().body.collect().await.unwrap().to_vec(),
        b"two"
    );
}

#[tokio::test]
async fn parts_become_one_object() {
    const PART_BYTES: usize = 5 << 20;
    let ground = Ground::start();
    let s3 = ground.s3();
    // With the checksums of the object it replaces still stored, a client would reject what it reads.
    put(&s3, "large", b"before").await;
    let upload = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("large")
        .content_type("video/mp4")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let mut parts = Vec::new();
    for (number, size) in [(1, PART_BYTES), (2, PART_BYTES), (3, 10)] {
        let body = ByteStream::from(vec![number as u8; size]);
        let part = s3
            .upload_part()
            .bucket(BUCKET)
            .key("large")
            .upload_id(id)
            .part_number(number)
            .body(body);
        let etag = part.send().await.unwrap().e_tag().unwrap().to_owned();
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let listed = s3
        .list_parts()
        .bucket(BUCKET)
        .key("large")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed
            .parts()
            .iter()
            .map(|part| part.size().unwrap())
            .collect::<Vec<_>>(),
        [5 << 20, 5 << 20, 10]
    );

    let complete = async |parts: Vec<CompletedPart>| {
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        s3.complete_multipart_upload()
            .bucket(BUCKET)
            .key("large")
            .upload_id(id)
            .multipart_upload(upload)
            .send()
            .await
    };
    let swapped = vec![parts[1].clone(), parts[0].clone()];
    assert_eq!(complete(swapped).await.unwrap_err().code(), Some("InvalidPartOrder"));
    let done = complete(parts).await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-3\""), "{:?}", done.e_tag());

    let output = s3.get_object().bucket(BUCKET).key("large").send().await.unwrap();
    assert_eq!(
        (output.content_type(), output.e_tag()),
        (Some("video/mp4"), done.e_tag())
    );
    let bytes = output.body.collect().await.unwrap().to_vec();
    assert_eq!(bytes, [vec![1; PART_BYTES], vec![2; PART_BYTES], vec![3; 10]].concat());
    let tail = s3
        .get_object()
        .bucket(BUCKET)
        .key("large")
        .range("bytes=-12")
        .send()
        .await
        .unwrap();
    assert_eq!(
        tail.body.collect().await.unwrap().to_vec(),
        [vec![2; 2], vec![3; 10]].concat()
    );
}

#[tokio::test]
async fn an_empty_object_is_kept_and_has_no_ranges() {
    let ground = Ground::start();
    let s3 = ground.s3();
    put(&s3, "empty", b"").await;
    assert_eq!(get(&s3, "empty").await, b"");
    for range in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
        let error = s3
            .get_object()
            .bucket(BUCKET)
            .key("empty")
            .range(range)
            .send()
            .await
            .unwrap_err();
        assert_eq!(status(&error), 416, "{range}");
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let ground = Ground::start();
    let s3 = ground.s3();
    let upload = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let part = s3.upload_part().bucket(BUCKET).key("k").upload_id(id).part_number(1);
    part.body(ByteStream::from_static(b"x")).send().await.unwrap();
    s3.abort_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(
        std::fs::read_dir(ground.dir().join("data/bucket/.uploads"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        status(&s3.get_object().bucket(BUCKET).key("k").send().await.unwrap_err()),
        404
    );
}

#[tokio::test]
async fn copies_lists_and_deletes_agree() {
    let ground = Ground::start();
    let s3 = ground.s3();
    for key in ["a", "dir/one", "dir/two", "z&<x>"] {
        put(&s3, key, b"x").await;
    }
    let copy = s3
        .copy_object()
        .bucket(BUCKET)
        .key("a")
        .copy_source(format!("{BUCKET}/a"));
    copy.metadata_directive(MetadataDirective::Replace)
        .content_type("text/css")
        .send()
        .await
        .unwrap();
    let head = s3.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(
        (head.content_type(), head.content_length()),
        (Some("text/css"), Some(1))
    );

    let list = async || {
        let output = s3.list_objects_v2().bucket(BUCKET).delimiter("/").send().await.unwrap();
        let keys = output.contents().iter().map(|object| object.key().unwrap().to_owned());
        let groups = output
            .common_prefixes()
            .iter()
            .map(|group| group.prefix().unwrap().to_owned());
        keys.chain(groups).collect::<Vec<_>>()
    };
    assert_eq!(list().await, ["a", "z&<x>", "dir/"]);
    let objects = ["a", "dir/one", "never-there"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.into())).build().unwrap();
    s3.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!(list().await, ["z&<x>", "dir/"]);

    // A key is free again with nothing of the old object left.
    put(&s3, "a", b"new").await;
    let head = s3.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(
        head.content_type(),
        Some("application/octet-stream"),
        "what this client sends by default"
    );
}

#[tokio::test]
async fn a_body_that_arrives_changed_is_refused_and_the_old_one_stays() {
    let ground = Ground::start();
    let s3 = ground.s3();
    put(&s3, "k", b"old").await;
    let wrong = "AAAAAAAAAAAAAAAAAAAAAA==";
    let body = ByteStream::from_static(b"new");
    let error = s3
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .content_md5(wrong)
        .body(body)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    let body = ByteStream::from_static(b"new");
    let error = s3
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .checksum_crc32("AAAAAA==")
        .body(body)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    assert_eq!(get(&s3, "k").await, b"old");
}

#[tokio::test]
async fn a_presigned_url_opens_one_object_and_a_page_may_use_it() {
    let ground = Ground::start();
    let s3 = ground.s3();
    let expires = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let upload = s3
        .put_object()
        .bucket(BUCKET)
        .key("photo")
        .presigned(expires())
        .await
        .unwrap();
    let http = reqwest::Client::new();
    let preflight = http
        .request(reqwest::Method::OPTIONS, upload.uri())
        .header("origin", "http://site.test")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.headers()["access-control-allow-headers"], "content-type");
    let put = http
        .put(upload.uri())
        .header("origin", "http://site.test")
        .body("pixels")
        .send()
        .await
        .unwrap();
    assert!(put.status().is_success());
    assert_eq!(put.headers()["access-control-allow-origin"], "*");

    let download = s3
        .get_object()
        .bucket(BUCKET)
        .key("photo")
        .presigned(expires())
        .await
        .unwrap();
    assert_eq!(
        reqwest::get(download.uri()).await.unwrap().text().await.unwrap(),
        "pixels"
    );
    let other = download.uri().replace("/photo?", "/other?");
    assert_eq!(reqwest::get(other).await.unwrap().status(), 403);
}

#[tokio::test]
async fn without_the_keys_nothing_can_be_done() {
    let ground = Ground::start();
    put(&ground.s3(), "k", b"x").await;
    let url = format!("http://{}/{BUCKET}/k", ground.config.bucket.listen[0]);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 403);
    let put = reqwest::Client::new().put(&url).body("y").send().await.unwrap();
    assert_eq!(put.status(), 403);
}
