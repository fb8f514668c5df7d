use crate::support::{Ground, raw};
use contract::Digest;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sha2::Digest as _;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Registry<'a> {
    ground: &'a Ground,
    client: Client,
}

impl<'a> Registry<'a> {
    fn of(ground: &'a Ground) -> Self {
        Self {
            ground,
            client: Client::new(),
        }
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.ground.registry())
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    async fn start_upload(&self, name: &str) -> String {
        let response = self
            .client
            .post(self.url(&format!("/v2/{name}/blobs/uploads/")))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        header(&response, "location")
    }

    async fn patch(&self, location: &str, range: Option<&str>, bytes: &'static [u8]) -> Response {
        let mut request = self.client.patch(self.url(location)).body(bytes);
        if let Some(range) = range {
            request = request.header("content-range", range);
        }
        request.send().await.unwrap()
    }

    async fn push_blob(&self, name: &str, bytes: &'static [u8]) -> Digest {
        let digest = Digest::of(bytes);
        let location = self.start_upload(name).await;
        let url = self.url(&format!("{location}?digest={digest}"));
        let response = self.client.put(url).body(bytes).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(header(&response, "location"), format!("/v2/{name}/blobs/{digest}"));
        digest
    }

    async fn push_manifest(&self, name: &str, reference: &str, manifest: &str) -> Response {
        let url = self.url(&format!("/v2/{name}/manifests/{reference}"));
        self.client
            .put(url)
            .header("content-type", MANIFEST)
            .body(manifest.to_owned())
            .send()
            .await
            .unwrap()
    }
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

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let document: Value = response.json().await.unwrap();
    (status, document["errors"][0]["code"].as_str().unwrap().to_owned())
}

/// Spaced oddly, so that a manifest that was parsed and written anew would not have the same bytes.
fn manifest(config: Digest, layer: Digest, more: &str) -> String {
    format!(
        r#"{{ "schemaVersion":2,  "mediaType":"{MANIFEST}","config":{{"mediaType":"a/b","digest":"{config}","size":1}},
        "layers":[{{"mediaType":"a/b","digest":"{layer}","size":1}}]{more} }}"#
    )
}

#[tokio::test]
async fn the_base_says_which_api_this_is() {
    let ground = Ground::start();
    let response = Registry::of(&ground).get("/v2/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn a_blob_in_chunks_goes_on_after_a_crash_and_is_read_in_ranges() {
    let mut ground = Ground::start();
    let location = {
        let registry = Registry::of(&ground);
        let location = registry.start_upload("team/shop").await;
        let response = registry.patch(&location, Some("0-4"), b"hello").await;
        assert_eq!(
            (response.status(), header(&response, "range")),
            (StatusCode::ACCEPTED, "0-4".into())
        );
        location
    };
    ground.crash();
    let registry = Registry::of(&ground);
    let status = registry.get(&location).await;
    assert_eq!(
        (status.status(), header(&status, "range")),
        (StatusCode::NO_CONTENT, "0-4".into())
    );

    let early = registry.patch(&location, Some("3-5"), b"xyz").await;
    assert_eq!(header(&early, "range"), "0-4");
    assert_eq!(code(early).await, (416, "BLOB_UPLOAD_INVALID".into()));
    assert_eq!(
        registry.patch(&location, Some("bytes 5-7/*"), b", w").await.status(),
        StatusCode::ACCEPTED
    );

    let digest = Digest::of(b"hello, world");
    let url = registry.url(&format!("{location}?digest={}", digest.to_string().replace(':', "%3A")));
    let response = registry.client.put(url).body("orld").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
    assert_eq!(
        code(registry.get(&location).await).await,
        (404, "BLOB_UPLOAD_UNKNOWN".into())
    );

    let path = format!("/v2/team/shop/blobs/{digest}");
    let head = registry.client.head(registry.url(&path)).send().await.unwrap();
    assert_eq!(
        (head.status(), header(&head, "content-length")),
        (StatusCode::OK, "12".into())
    );
    let part = registry
        .client
        .get(registry.url(&path))
        .header("range", "bytes=7-")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (part.status(), header(&part, "content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 7-11/12".into())
    );
    assert_eq!(part.text().await.unwrap(), "world");
    let beyond = registry
        .client
        .get(registry.url(&path))
        .header("range", "bytes=12-")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (beyond.status().as_u16(), header(&beyond, "content-range")),
        (416, "bytes */12".into())
    );
}

#[tokio::test]
async fn bytes_that_do_not_have_the_digest_are_refused() {
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let digest = Digest::of(b"right");
    let location = registry.start_upload("shop").await;
    let url = registry.url(&format!("{location}?digest={digest}"));
    let response = registry.client.put(url).body("wrong").send().await.unwrap();
    assert_eq!(code(response).await, (400, "DIGEST_INVALID".into()));
    assert_eq!(
        code(registry.get(&format!("/v2/shop/blobs/{digest}")).await).await,
        (404, "BLOB_UNKNOWN".into())
    );
}

#[tokio::test]
async fn one_request_can_push_a_blob_and_another_mount_it() {
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let digest = Digest::of(b"blob");
    let post = async |path: String, body: &'static str| {
        registry
            .client
            .post(registry.url(&path))
            .body(body)
            .send()
            .await
            .unwrap()
    };
    let missing = post(format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), "").await;
    assert_eq!(
        missing.status(),
        StatusCode::ACCEPTED,
        "nothing to mount: an upload is started instead"
    );
    assert_eq!(
        post(format!("/v2/a/blobs/uploads/?digest={digest}"), "blob")
            .await
            .status(),
        StatusCode::CREATED
    );
    let mounted = post(format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), "").await;
    assert_eq!(mounted.status(), StatusCode::CREATED);
    assert_eq!(
        registry
            .get(&format!("/v2/b/blobs/{digest}"))
            .await
            .text()
            .await
            .unwrap(),
        "blob"
    );
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let location = registry.start_upload("shop").await;
    let cancelled = registry.client.delete(registry.url(&location)).send().await.unwrap();
    assert_eq!(cancelled.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        code(registry.get(&location).await).await,
        (404, "BLOB_UPLOAD_UNKNOWN".into())
    );
    assert_eq!(
        std::fs::read_dir(ground.dir().join("data/registry/uploads"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_manifest_keeps_its_bytes_and_its_tags_across_a_restart() {
    let mut ground = Ground::start();
    let text = {
        let registry = Registry::of(&ground);
        let text = manifest(
            registry.push_blob("a/b", b"c").await,
            registry.push_blob("a/b", b"l").await,
            "",
        );
        for tag in ["v1", "v2", "latest"] {
            assert_eq!(
                registry.push_manifest("a/b", tag, &text).await.status(),
                StatusCode::CREATED
            );
        }
        text
    };
    ground.restart();
    let registry = Registry::of(&ground);
    let digest = Digest::of(text.as_bytes());
    for reference in ["v1".to_owned(), digest.to_string()] {
        let response = registry.get(&format!("/v2/a/b/manifests/{reference}")).await;
        assert_eq!(header(&response, "content-type"), MANIFEST);
        assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
        assert_eq!(response.text().await.unwrap(), text);
    }
    let page = registry.get("/v2/a/b/tags/list?n=2").await;
    assert_eq!(header(&page, "link"), r#"</v2/a/b/tags/list?n=2&last=v1>; rel="next""#);
    assert_eq!(
        page.json::<Value>().await.unwrap(),
        json!({"name": "a/b", "tags": ["latest", "v1"]})
    );
    let rest = registry.get("/v2/a/b/tags/list?n=2&last=v1").await;
    assert_eq!(rest.json::<Value>().await.unwrap()["tags"], json!(["v2"]));

    let delete = async |reference: &str| {
        let url = registry.url(&format!("/v2/a/b/manifests/{reference}"));
        registry.client.delete(url).send().await.unwrap().status()
    };
    assert_eq!(delete("v1").await, StatusCode::ACCEPTED);
    assert_eq!(registry.get("/v2/a/b/manifests/v2").await.status(), StatusCode::OK);
    assert_eq!(delete(&digest.to_string()).await, StatusCode::ACCEPTED);
    assert_eq!(
        code(registry.get("/v2/a/b/manifests/v2").await).await,
        (404, "MANIFEST_UNKNOWN".into())
    );
    assert_eq!(delete(&digest.to_string()).await, StatusCode::NOT_FOUND);
    assert_eq!(
        registry.get("/v2/a/b/tags/list").await.json::<Value>().await.unwrap()["tags"],
        json!([])
    );
}

#[tokio::test]
async fn a_manifest_whose_parts_are_missing_or_that_is_too_large_is_refused() {
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let here = registry.push_blob("shop", b"here").await;
    let incomplete = registry
        .push_manifest("shop", "v1", &manifest(here, Digest::of(b"missing"), ""))
        .await;
    assert_eq!(code(incomplete).await, (400, "MANIFEST_BLOB_UNKNOWN".into()));
    let other = registry
        .push_manifest("shop", &here.to_string(), &manifest(here, here, ""))
        .await;
    assert_eq!(code(other).await, (400, "DIGEST_INVALID".into()));
    let padded = manifest(here, here, &" ".repeat(4 << 20));
    assert_eq!(
        code(registry.push_manifest("shop", "v1", &padded).await).await,
        (413, "SIZE_INVALID".into())
    );
    assert_eq!(
        code(registry.push_manifest("shop", "v1", "{}").await).await,
        (400, "MANIFEST_INVALID".into())
    );
    assert_eq!(
        code(registry.get("/v2/shop/tags/list").await).await,
        (404, "NAME_UNKNOWN".into())
    );
}

#[tokio::test]
async fn what_refers_to_a_manifest_is_listed() {
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let blob = registry.push_blob("shop", b"b").await;
    let image = manifest(blob, blob, "");
    let subject = Digest::of(image.as_bytes());
    registry.push_manifest("shop", "v1", &image).await;
    let more = format!(
        r#","subject":{{"mediaType":"{MANIFEST}","digest":"{subject}","size":{}}},"artifactType":"x/sbom","annotations":{{"k":"v"}}"#,
        image.len()
    );
    let sbom = manifest(blob, blob, &more);
    let digest = Digest::of(sbom.as_bytes());
    let pushed = registry.push_manifest("shop", &digest.to_string(), &sbom).await;
    assert_eq!(header(&pushed, "oci-subject"), subject.to_string());

    let list = async |query: &str| {
        let response = registry.get(&format!("/v2/shop/referrers/{subject}{query}")).await;
        assert_eq!(
            header(&response, "content-type"),
            "application/vnd.oci.image.index.v1+json"
        );
        response.json::<Value>().await.unwrap()["manifests"].clone()
    };
    let expected = json!([{"mediaType": MANIFEST, "digest": digest, "size": sbom.len(), "artifactType": "x/sbom",
        "annotations": {"k": "v"}}]);
    assert_eq!(list("").await, expected);
    assert_eq!(list("?artifactType=x/sbom").await, expected);
    assert_eq!(list("?artifactType=x/other").await, json!([]));
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let ground = Ground::start();
    std::fs::write(ground.dir().join("data/secret"), "secret").unwrap();
    let paths = [
        "/v2/../../secret",
        "/v2/a/blobs/../../../secret",
        "/v2/%2e%2e/%2e%2e/manifests/v1",
        "/v2/a/manifests/..%2f..%2fsecret",
        "/v2/a/manifests/../../../../secret",
        "/v2/a/blobs/uploads/..%2f..%2fsecret",
        "/v2/a/blobs/uploads/../../secret",
    ];
    for path in paths {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(ground.config.registry.listen[0], &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 40") && !answer.ends_with("secret"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn memory_stays_bounded_while_a_large_blob_is_pushed_and_pulled() {
    const CHUNK_BYTES: usize = 1 << 20;
    const CHUNKS: usize = 300;
    let ground = Ground::start();
    let registry = Registry::of(&ground);
    let chunk = |number: usize| bytes::Bytes::from(vec![number as u8; CHUNK_BYTES]);
    let mut hasher = sha2::Sha256::new();
    (0..CHUNKS).for_each(|number| hasher.update(chunk(number)));
    let digest = Digest::from_sha256(hasher.finalize().into());

    let location = registry.start_upload("large").await;
    let body = futures_util::stream::iter((0..CHUNKS).map(move |number| Ok::<_, std::io::Error>(chunk(number))));
    let url = registry.url(&format!("{location}?digest={digest}"));
    let response = registry
        .client
        .put(url)
        .body(reqwest::Body::wrap_stream(body))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);

    let mut response = registry.get(&format!("/v2/large/blobs/{digest}")).await;
    let mut hasher = sha2::Sha256::new();
    while let Some(part) = response.chunk().await.unwrap() {
        hasher.update(&part);
    }
    assert_eq!(Digest::from_sha256(hasher.finalize().into()), digest);
    let peak = ground.peak_memory();
    assert!(peak < 100 << 20, "the ground held {} MiB", peak >> 20);
}
