//! What the edge is asked, and what it serves.

mod common;

use bytes::Bytes;
use common::{BUCKET, SOON, Store, generation, release, serve, small_site};
use frontend::{Edge, EdgeError, Publisher, Site, VerifyError, verify};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Response};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Serves the bucket as it is, with the entry document at `/`; `broken` paths are answered wrongly.
async fn edge(store: &Store, broken: &'static [(&'static str, Break)]) -> String {
    let client = store.client();
    let address = serve(move |request| {
        let client = client.clone();
        async move {
            let path = request.uri().path().to_owned();
            let key = if path == "/" { "index.html" } else { &path[1..] };
            let fault = broken
                .iter()
                .find(|(part, _)| path.contains(part))
                .map(|(_, fault)| *fault);
            let Ok(object) = client.get_object().bucket(BUCKET).key(key).send().await else {
                return Response::builder().status(404).body(Full::default()).unwrap();
            };
            let mut response = Response::builder().header("content-type", object.content_type().unwrap());
            if let Some(encoding) = object.content_encoding() {
                response = response.header("content-encoding", encoding);
            }
            let bytes = object.body.collect().await.unwrap().into_bytes();
            match fault {
                Some(Break::Bytes) => response.body(Full::from("stale")).unwrap(),
                Some(Break::Type) => Response::builder()
                    .header("content-type", "text/plain")
                    .body(Full::new(bytes))
                    .unwrap(),
                None => response.body(Full::new(bytes)).unwrap(),
            }
        }
    })
    .await;
    format!("http://{address}")
}

#[derive(Debug, Clone, Copy)]
enum Break {
    Bytes,
    Type,
}

async fn live_site(store: &Store, text: &str) -> (Publisher, Site) {
    let (publisher, site) = (store.publisher(), small_site(text));
    publisher.upload(&site, |_| {}).await.unwrap();
    publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    (publisher, site)
}

#[tokio::test]
async fn what_is_served_is_what_was_published_compressed_or_not() {
    let store = Store::start().await;
    let (_, site) = live_site(&store, &"export const get = 1;\n".repeat(200)).await;
    let verified = verify(&site, &edge(&store, &[]).await).await.unwrap();
    let bytes = site.document().len() + site.assets().iter().map(|asset| asset.bytes.len()).sum::<usize>();
    assert_eq!((verified.files, verified.bytes), (5, bytes as u64));
}

#[tokio::test]
async fn a_stale_entry_document_is_named_with_both_digests() {
    let store = Store::start().await;
    let (_, old) = live_site(&store, "old").await;
    let new = small_site("new");
    store.publisher().upload(&new, |_| {}).await.unwrap();
    let url = edge(&store, &[]).await;
    let error = verify(&new, &url).await.unwrap_err();
    let (expected, found) = (new.manifest().entry.sha256, old.manifest().entry.sha256);
    let bytes = old.document().len();
    assert_eq!(
        error.to_string(),
        format!("`{url}/` answers with other bytes: expected digest `{expected}`, found `{found}` ({bytes} bytes)")
    );
}

#[tokio::test]
async fn an_asset_that_is_wrong_missing_or_mistyped_is_found() {
    let store = Store::start().await;
    let (_, site) = live_site(&store, "x").await;
    let error = verify(&site, &edge(&store, &[("api", Break::Bytes)]).await)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, VerifyError::Bytes { url, .. } if url.contains("/assets/api.")),
        "{error}"
    );
    let error = verify(&site, &edge(&store, &[("main", Break::Type)]).await)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, VerifyError::ContentType { found, .. } if found == "text/plain"),
        "{error}"
    );
    let key = &site.assets()[0].key;
    store
        .client()
        .delete_object()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .unwrap();
    let error = verify(&site, &edge(&store, &[]).await).await.unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("/{key}` cannot be fetched: it answers 404 Not Found")),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_told_with_the_cause() {
    let site = small_site("x");
    let _store = Store::start().await;
    let error = verify(&site, &format!("http://{}", unused_address()))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("Connection refused"), "{error}");
}

/// An admin endpoint that completes an invalidation at the third question, or never.
async fn admin(completes: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let (asked, bodies) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let seen = bodies.clone();
    let address = serve(move |request| {
        let (asked, seen) = (asked.clone(), seen.clone());
        async move {
            let answer = |status: u16, body: &str| {
                Response::builder()
                    .status(status)
                    .body(Full::from(Bytes::from(body.to_owned())))
                    .unwrap()
            };
            if request.method() == Method::POST && request.uri().path() == "/invalidations" {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                seen.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
                return answer(202, r#"{"id":"inv-1"}"#);
            }
            if request.uri().path() != "/invalidations/inv-1" {
                return answer(404, "");
            }
            let done = completes && asked.fetch_add(1, Ordering::Relaxed) >= 2;
            let status = if done { "completed" } else { "in-progress" };
            answer(200, &format!(r#"{{"id":"inv-1","status":"{status}"}}"#))
        }
    })
    .await;
    (address, bodies)
}

#[tokio::test]
async fn an_invalidation_is_asked_for_and_awaited() {
    let _store = Store::start().await;
    let (address, bodies) = admin(true).await;
    let edge = Edge::new(address).unwrap();
    let id = edge.invalidate(&["/", "/index.html"]).await.unwrap();
    edge.wait(&id, SOON).await.unwrap();
    assert_eq!(*bodies.lock().unwrap(), [r#"{"paths":["/","/index.html"]}"#]);
}

#[tokio::test]
async fn an_invalidation_that_does_not_end_is_given_up_at_the_deadline() {
    let _store = Store::start().await;
    let (address, _) = admin(false).await;
    let edge = Edge::new(address).unwrap();
    let id = edge.invalidate(&["/"]).await.unwrap();
    let error = edge.wait(&id, Duration::from_millis(200)).await.unwrap_err();
    assert!(
        matches!(&error, EdgeError::Deadline { status, .. } if status == "in-progress"),
        "{error}"
    );
}

#[tokio::test]
async fn an_edge_that_is_not_there_is_named() {
    let _store = Store::start().await;
    let address = unused_address();
    let error = Edge::new(address)
        .unwrap()
        .invalidate(&["/"])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("the edge at {address} did not take the invalidation:")),
        "{error}"
    );
    assert!(error.contains("Connection refused"), "{error}");
    let error = Edge::new(address).unwrap().invalidate(&[]).await.unwrap_err();
    assert!(matches!(error, EdgeError::Paths(0)), "{error}");
}

fn unused_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A compile-time claim: every verb can be spawned, which borrowed items in a stream would forbid.
#[allow(dead_code, reason = "compiling it is the test")]
async fn every_verb_can_be_spawned(publisher: Publisher, site: Site, edge: Edge) {
    fn spawnable<T: Send>(future: T) -> T {
        future
    }
    let _ = spawnable(publisher.plan(&site)).await;
    let _ = spawnable(publisher.upload(&site, |_| {})).await;
    let _ = spawnable(publisher.live()).await;
    let _ = spawnable(publisher.flip(site.digest(), release(1), generation(1, 0))).await;
    let _ = spawnable(publisher.prune(5)).await;
    let id = spawnable(edge.invalidate(&["/"])).await.unwrap();
    let _ = spawnable(edge.wait(&id, SOON)).await;
    let _ = spawnable(verify(&site, "http://127.0.0.1")).await;
}
