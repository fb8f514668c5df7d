//! The whole document, and its route.

use super::{Routes, complete};
use crate::app;
use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::OnceLock;
use utoipa_axum::routes;

const ABOUT: &str = "\
Members, their posts with photos, comments and likes, whom they follow, and what they write to each other.

**Signing in.** `POST /api/sessions` gives an access token, to be sent as `Authorization: Bearer …`, and a refresh token for \
the next two. Where signing in is optional, a member is shown more than a stranger.

**Problems.** Every error is an `application/problem+json` (RFC 9457) with a `code` that is never renamed. Its title is in \
Korean or English, as `Accept-Language` asks. `errors` names the fields that are not right.

**Lists** run from the newest to the oldest, at most `limit` at once. The `next` of one page is the `before` of the page \
after it; at the end it is null. A cursor is opaque: only one that a page gave is of use.

**Creates** that take an `Idempotency-Key` may be sent again: within a day, the same key with the same body is carried out \
once and answered alike.";

pub fn routes() -> Routes {
    Routes::of("Interface").with(routes!(show))
}

/// The document as it is served, and as `app/openapi.json` has it.
pub fn json() -> serde_json::Result<String> {
    let mut document = serde_json::to_value(app::features().router.into_openapi())?;
    document["info"] = json!({
        "title": "Instagram",
        "description": ABOUT,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT", "identifier": "MIT" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["tags"] = tags(&document);
    complete::complete(&mut document)?;
    Ok(format!("{document:#}\n"))
}

fn tags(document: &Value) -> Value {
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut names: Vec<&Value> = paths
        .flat_map(|(_, path)| path.as_object().into_iter().flatten())
        .map(|(_, operation)| &operation["tags"][0])
        .collect();
    names.sort_by_key(|name| name.as_str());
    names.dedup();
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

struct Served {
    json: String,
    etag: HeaderValue,
}

/// Made once, when it is first asked for.
fn served() -> Result<&'static Served, Problem> {
    static SERVED: OnceLock<Served> = OnceLock::new();
    if let Some(served) = SERVED.get() {
        return Ok(served);
    }
    let json = json().map_err(|error| Problem::internal(&error))?;
    let mut etag = String::from("\"");
    for byte in &digest::digest(&digest::SHA256, json.as_bytes()).as_ref()[..16] {
        // Writing into a string cannot fail.
        write!(etag, "{byte:02x}").ok();
    }
    etag.push('"');
    let etag = HeaderValue::from_str(&etag).map_err(|error| Problem::internal(&error))?;
    Ok(SERVED.get_or_init(|| Served { json, etag }))
}

/// Show this document
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    params(("if-none-match" = Option<String>, Header, description = "The `etag` of the document that is known already")),
    responses(
        (status = 200, body = Value, headers(("etag" = String))),
        (status = 304, description = "The document is the one that is known", headers(("etag" = String))),
    ),
)]
async fn show(headers: HeaderMap) -> Result<Response, Problem> {
    let Served { json, etag } = served()?;
    let shared = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if headers.get(header::IF_NONE_MATCH) == Some(etag) {
        return Ok((StatusCode::NOT_MODIFIED, shared).into_response());
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((shared, kind, json.as_str()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn operations() -> Vec<(String, Value)> {
        let document: Value = serde_json::from_str(&json().expect("made")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        });
        operations.collect()
    }

    #[test]
    fn the_document_in_the_repository_is_the_one_that_is_served() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let kept = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            kept == json().expect("made"),
            "app/openapi.json is stale; run: cargo run -p instagram -- openapi > app/openapi.json"
        );
    }

    #[test]
    fn every_operation_says_what_it_does_and_has_a_name_of_its_own() {
        let mut ids = BTreeSet::new();
        for (route, operation) in operations() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(
                !summary.is_empty(),
                "{route} lacks a doc comment, whose first line says what it does"
            );
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id.clone()), "{route}: another operation is named {id}, too");
        }
    }

    #[test]
    fn every_response_is_described_and_every_problem_is_one_of_the_table() {
        for (route, operation) in operations() {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let is_problem = status.as_str() >= "400";
                let is_known = response["$ref"].is_string() || response["content"].is_object();
                assert!(
                    !is_problem || is_known,
                    "{route}: {status} names a code that there is not: {response}"
                );
                let is_described = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(is_described || is_known, "{route}: {status} is not described");
            }
        }
    }
}
