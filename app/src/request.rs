//! What happens around every request: an id, a deadline, a line in the log, a count, and problems written out.

use crate::app::App;
use crate::language::Language;
use crate::late;
use crate::problem::{self, Code, Problem};
use crate::queries;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Shorter than the time a stopping process gives its requests, so that each ends with an answer.
pub const DEADLINE: Duration = Duration::from_secs(8);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX_BYTES: usize = 64;

pub async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let language = Language::choose(request.headers());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", request_id = %id, %method, %route);

    let (response, queries) = queries::counted(answer(request, next)).instrument(span.clone()).await;
    let mut response = finish(response, &id, language);
    if app.is_draining() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }

    let (status, took) = (response.status().as_u16(), started.elapsed());
    app.metrics.record(known(&method), &route, status, took);
    app.metrics.record_queries(known(&method), &route, queries);
    let took_ms = took.as_secs_f64() * 1000.0;
    // Probes come every second; at `info` they would bury the rest.
    if matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics") {
        span.in_scope(|| tracing::debug!(status, took_ms, queries, "answered"));
    } else {
        span.in_scope(|| tracing::info!(status, took_ms, queries, "answered"));
    }
    response
}

/// A handler that panics or takes too long is answered for.
async fn answer(request: Request, next: Next) -> Response {
    let (request, rest) = late::lend(request);
    let answer = async {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        rest.discard().await;
        answer
    };
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal(&"a handler panicked").into_response(),
        Err(_) => Problem::new(Code::TimedOut).into_response(),
    }
}

/// Writes problems out and sets the headers that every answer has.
fn finish(mut response: Response, id: &str, language: Language) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = problem.or((is_error && !is_ours).then(|| Problem::of_status(status))) {
        let body = problem.render(id, language);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        headers.insert(header::CONTENT_LANGUAGE, language.tag());
        headers.append(header::VARY, HeaderValue::from_static("accept-language"));
        *response.body_mut() = body.into();
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The id that a proxy gave, if it can be trusted to stay one word in the log; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_a_word = |id: &&str| {
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    given
        .filter(is_a_word)
        .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

/// Methods can be made up by anyone; the metrics count only those there are.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}
