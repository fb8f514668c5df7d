use crate::support::{BUCKET, Ground, poll_async, raw};
use aws_sdk_s3::primitives::ByteStream;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

const ENTRY: &[u8] = b"<h1>entry</h1>";

async fn publish(ground: &Ground, key: &str, cache_control: &str, body: &[u8]) {
    let put = ground
        .s3()
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .cache_control(cache_control);
    let put = match key.rsplit_once('.') {
        Some((_, "js")) => put.content_type("text/javascript").content_encoding("gzip"),
        _ => put.content_type("text/html"),
    };
    put.body(ByteStream::from(body.to_vec())).send().await.unwrap();
}

async fn with_site() -> Ground {
    let ground = Ground::start();
    publish(&ground, "index.html", "max-age=60", ENTRY).await;
    publish(&ground, "assets/app.js", "max-age=31536000, immutable", b"0123456789").await;
    ground
}

/// No decompression: the bytes are what was published.
async fn get(ground: &Ground, path: &str) -> Response {
    Client::new()
        .get(format!("{}{path}", ground.site()))
        .send()
        .await
        .unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {response:?}"))
        .to_str()
        .unwrap()
        .to_owned()
}

async fn invalidate(ground: &Ground, paths: Value) {
    let http = Client::new();
    let url = format!("{}/invalidations", ground.admin());
    let response = http.post(&url).json(&json!({"paths": paths})).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let id = response.json::<Value>().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    poll_async("the invalidation", async || {
        let state: Value = http
            .get(format!("{url}/{id}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(state["id"], id);
        (state["status"] == "completed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_compressed_file_comes_plain_to_a_client_that_cannot_read_it() {
    let ground = Ground::start();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, b"export {};").unwrap();
    let packed = gzip.finish().unwrap();
    publish(&ground, "assets/app.js", "max-age=60", &packed).await;
    let url = format!("{}/assets/app.js", ground.site());
    // Fetched, then out of the cache.
    for _ in 0..2 {
        let browser = Client::new().get(&url).header("accept-encoding", "gzip, br");
        let browser = browser.send().await.unwrap();
        assert_eq!(header(&browser, "content-encoding"), "gzip");
        assert_eq!(header(&browser, "vary"), "accept-encoding");
        let etag = header(&browser, "etag");
        assert_eq!(browser.bytes().await.unwrap(), packed);

        let curl = get(&ground, "/assets/app.js").await;
        assert!(!curl.headers().contains_key("content-encoding"));
        assert_eq!(header(&curl, "vary"), "accept-encoding");
        assert_eq!(header(&curl, "etag"), format!("W/{etag}"));
        assert_eq!(curl.text().await.unwrap(), "export {};");
    }
}

#[tokio::test]
async fn a_file_comes_with_all_that_was_said_about_it() {
    let ground = with_site().await;
    let response = get(&ground, "/assets/app.js").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/javascript");
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(header(&response, "cache-control"), "max-age=31536000, immutable");
    assert_eq!(header(&response, "x-cache"), "miss");
    assert!(response.headers().contains_key("etag") && response.headers().contains_key("last-modified"));
    assert_eq!(response.bytes().await.unwrap(), &b"0123456789"[..]);
    let again = get(&ground, "/assets/app.js").await;
    assert_eq!(header(&again, "x-cache"), "hit");
    assert!(again.headers().contains_key("age"));
}

#[tokio::test]
async fn a_cached_file_is_served_until_it_is_invalidated() {
    let ground = with_site().await;
    let text = async |path: &str| get(&ground, path).await.text().await.unwrap();
    assert_eq!(text("/").await.as_bytes(), ENTRY);
    publish(&ground, "index.html", "max-age=60", b"<h1>next</h1>").await;
    assert_eq!(text("/index.html").await.as_bytes(), ENTRY, "still cached");
    invalidate(&ground, json!(["/assets/*"])).await;
    assert_eq!(text("/").await.as_bytes(), ENTRY, "not what was invalidated");
    invalidate(&ground, json!(["/index.html"])).await;
    assert_eq!(text("/").await, "<h1>next</h1>");
}

#[tokio::test]
async fn a_file_that_may_not_be_kept_is_asked_for_each_time() {
    let ground = with_site().await;
    for cache_control in ["no-cache", "max-age=60, s-maxage=0", "no-store"] {
        publish(&ground, "page.html", cache_control, b"one").await;
        invalidate(&ground, json!(["/*"])).await;
        assert_eq!(get(&ground, "/page.html").await.text().await.unwrap(), "one");
        let unchanged = get(&ground, "/page.html").await;
        assert_eq!(header(&unchanged, "x-cache"), "miss", "{cache_control}");
        assert_eq!(unchanged.text().await.unwrap(), "one", "{cache_control}");
        publish(&ground, "page.html", cache_control, b"two").await;
        assert_eq!(
            get(&ground, "/page.html").await.text().await.unwrap(),
            "two",
            "{cache_control}"
        );
        ground
            .s3()
            .delete_object()
            .bucket(BUCKET)
            .key("page.html")
            .send()
            .await
            .unwrap();
        assert_eq!(
            get(&ground, "/page.html").await.status(),
            StatusCode::NOT_FOUND,
            "{cache_control}"
        );
    }
}

#[tokio::test]
async fn a_client_that_has_the_file_gets_304_and_head_gets_no_body() {
    let ground = with_site().await;
    let etag = header(&get(&ground, "/").await, "etag");
    let http = Client::new();
    let known = format!("\"other\", W/{etag}");
    let response = http
        .get(ground.site())
        .header("if-none-match", known)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status(), header(&response, "etag")),
        (StatusCode::NOT_MODIFIED, etag.clone())
    );
    assert_eq!(response.bytes().await.unwrap().len(), 0);
    let response = http
        .get(ground.site())
        .header("if-none-match", "\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response = http.head(ground.site()).send().await.unwrap();
    assert_eq!(header(&response, "content-length"), ENTRY.len().to_string());
    assert_eq!(response.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn routes_get_the_entry_document_and_missing_assets_get_404() {
    let ground = with_site().await;
    for route in ["/people/ada", "/people/", "/v1.2/about", "/people?page=2"] {
        let response = get(&ground, route).await;
        assert_eq!(
            (response.status(), header(&response, "content-type")),
            (StatusCode::OK, "text/html".into()),
            "{route}"
        );
        assert_eq!(response.bytes().await.unwrap(), ENTRY, "{route}");
    }
    let missing = get(&ground, "/assets/old.js").await;
    assert_eq!(
        (missing.status(), header(&missing, "cache-control")),
        (StatusCode::NOT_FOUND, "no-store".into())
    );
    let post = Client::new().post(ground.site()).send().await.unwrap();
    assert_eq!(
        (post.status(), header(&post, "allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD".into())
    );
}

#[tokio::test]
async fn a_range_of_a_file_is_served() {
    let ground = with_site().await;
    let range = async |range: &str| {
        let url = format!("{}/assets/app.js", ground.site());
        Client::new().get(url).header("range", range).send().await.unwrap()
    };
    let part = range("bytes=2-4").await;
    assert_eq!(
        (part.status(), header(&part, "content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 2-4/10".into())
    );
    assert_eq!(part.bytes().await.unwrap(), &b"234"[..]);
    assert_eq!(range("bytes=10-").await.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_file_too_large_for_the_cache_is_passed_through() {
    let ground = with_site().await;
    let large: Vec<u8> = (0..9 << 20).map(|position: u32| position as u8).collect();
    publish(&ground, "film.webm", "max-age=60", &large).await;
    for _ in 0..2 {
        let response = get(&ground, "/film.webm").await;
        assert_eq!(
            (header(&response, "x-cache"), response.content_length()),
            ("miss".into(), Some(large.len() as u64))
        );
        assert!(response.bytes().await.unwrap() == large);
    }
}

#[tokio::test]
async fn odd_paths_are_refused() {
    let ground = with_site().await;
    for path in [
        "/../x",
        "/%2e%2e/x",
        "/a%2fb",
        "/a%00b",
        "/%zz",
        "//index.html",
        "/api/../admin",
        "/api/%2e%2e/x",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(ground.config.edge.site, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_odd_invalidation_is_refused() {
    let ground = Ground::start();
    let http = Client::new();
    let url = format!("{}/invalidations", ground.admin());
    let many: Vec<String> = (0..1_001).map(|number| format!("/{number}")).collect();
    for body in [
        json!({}),
        json!({"paths": []}),
        json!({"paths": ["x"]}),
        json!({"paths": ["/a*b"]}),
        json!({"paths": many}),
    ] {
        assert_eq!(
            http.post(&url).json(&body).send().await.unwrap().status(),
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(
        http.get(format!("{url}/unknown")).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}
