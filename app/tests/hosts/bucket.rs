//! A bucket in this process, which can be looked into and can be made to fail. It believes every signature.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub struct Bucket {
    endpoint: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    objects: Mutex<BTreeMap<String, (String, Bytes)>>,
    refused: Mutex<Option<(Method, String)>>,
}

impl Bucket {
    pub async fn start() -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::new(Kept::default());
        let router = Router::new().fallback(answer).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Bucket { endpoint, kept }
    }

    /// What a host needs to reach it.
    pub fn environment(&self) -> [(&str, &str); 4] {
        [
            ("S3_ENDPOINT", &self.endpoint),
            ("S3_BUCKET", "photos"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]
    }

    /// From now on, such requests whose key holds `part` fail.
    pub fn refuse(&self, method: Method, part: &str) {
        *self.kept.refused.lock().expect("no panic") = Some((method, part.to_owned()));
    }

    pub fn refuse_nothing(&self) {
        *self.kept.refused.lock().expect("no panic") = None;
    }

    pub fn put(&self, key: &str) {
        let object = ("image/png".to_owned(), Bytes::from_static(b"bytes"));
        self.kept
            .objects
            .lock()
            .expect("no panic")
            .insert(key.to_owned(), object);
    }

    pub fn keys(&self) -> Vec<String> {
        self.kept.objects.lock().expect("no panic").keys().cloned().collect()
    }
}

async fn answer(State(kept): State<Arc<Kept>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let key = uri.path().trim_start_matches("/photos/").to_owned();
    let refused = kept.refused.lock().expect("no panic").clone();
    if refused.is_some_and(|(of, part)| of == method && key.contains(&part)) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut objects = kept.objects.lock().expect("no panic");
    match method {
        Method::PUT => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            objects.insert(key, (kind.unwrap_or_default().to_owned(), body));
            StatusCode::OK.into_response()
        }
        Method::DELETE => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => match objects.get(&key) {
            Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind.clone())], bytes.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}
