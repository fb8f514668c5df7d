//! Swagger UI: the document as pages that can be tried out. Its files are part of the binary.
//!
//! It is served under `/api`, too, for that is all that the site sees. These are pages and no operations, so that they
//! are not in the document.

use super::archive::{self, File};
use crate::app::App;
use crate::problem::{Code, Problem};
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// Everything comes from here, and nothing that is written in the page itself runs. The hash is that of the one style that
/// Swagger UI adds by script.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// They change only with the binary.
const CACHED: &str = "public, max-age=3600";
/// The archive's own would show an example.
const INITIALIZER: &str = "swagger-initializer.js";
const START: &str = r##"window.onload = () => {
  window.ui = SwaggerUIBundle({
    "url": "/api/openapi.json",
    "dom_id": "#swagger-ui",
    "deepLinking": true,
    "tryItOutEnabled": true,
    "presets": [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    "plugins": [SwaggerUIBundle.plugins.DownloadUrl],
  });
};
"##;

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
    let missing = || Problem::new(Code::NotFoundRoute);
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html",
        Some((_, "css")) => "text/css",
        Some((_, "js")) => "text/javascript",
        Some((_, "png")) => "image/png",
        _ => return Err(missing()),
    };
    let file = match name {
        INITIALIZER => File::Plain(START.into()),
        name => archive::find(SWAGGER_UI_VENDORED, &format!("/dist/{name}")).ok_or_else(missing)?,
    };
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static(CACHED)),
    ]);
    let bytes = match file {
        File::Plain(bytes) => bytes,
        // There is no other form of it: whoever cannot unpack it is no browser.
        File::Gzipped(bytes) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            bytes
        }
    };
    Ok((headers, bytes).into_response())
}
