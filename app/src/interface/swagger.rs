//! Swagger UI: the document as pages that can be tried out. Its files are part of the binary.
//!
//! It is served under `/api`, too, for that is all that the site sees. These are pages and no operations, so that they
//! are not in the document.

use crate::app::App;
use crate::problem::{Code, Problem};
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::sync::Arc;
use utoipa_swagger_ui::Config;

/// Everything comes from here, and nothing that is written in the page itself runs. The hash is that of the one style that
/// Swagger UI adds by script.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// They change only with the binary.
const CACHED: &str = "public, max-age=3600";

pub fn pages() -> Router<App> {
    ["/swagger-ui", "/api/swagger-ui"]
        .into_iter()
        .fold(Router::new(), |router, base| {
            router
                .route(base, get(async move || Redirect::permanent(&format!("{base}/"))))
                .route(&format!("{base}/"), get(async || file("index.html")))
                .route(
                    &format!("{base}/{{file}}"),
                    get(async |Path(name): Path<String>| file(&name)),
                )
        })
}

fn file(name: &str) -> Result<Response, Problem> {
    let config = Arc::new(Config::from("/api/openapi.json").try_it_out_enabled(true));
    let file = utoipa_swagger_ui::serve(name, config)
        .map_err(|error| Problem::internal(&error))?
        .ok_or_else(|| Problem::new(Code::NotFoundRoute))?;
    let kind = HeaderValue::from_str(&file.content_type).map_err(|error| Problem::internal(&error))?;
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static(CACHED)),
    ]);
    // There is no other form of it: whoever cannot unpack it is no browser.
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok((headers, file.bytes.into_owned()).into_response())
}
