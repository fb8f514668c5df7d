//! The bytes of media and of their thumbnails, whole or in ranges, for whoever knows the address.

use super::content::Kind;
use super::key;
use crate::app::App;
use crate::interface::schema::written_as;
use crate::path::named_in_path;
use crate::problem::{Code, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};

/// Of a request, what the bucket is asked with.
const ASKED: [HeaderName; 3] = [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH];
/// Of the bucket's answer, what is passed on.
const ANSWERED: [HeaderName; 7] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// What the bytes are found by.
pub struct FileName(String);

written_as!(
    FileName,
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(key::NAME))
);
named_in_path!(
    FileName,
    "name",
    "The last part of a `url`",
    |name| key::is_name(&name).then_some(FileName(name)),
    NotFoundMedia
);

/// Any bytes.
struct Bytes;

written_as!(Bytes, Object::with_type(SchemaType::AnyValue));

/// Get the bytes of a photo, a thumbnail, a video or a document, whole or in ranges
///
/// Whoever knows the address may see them.
#[utoipa::path(
    get,
    path = "/api/files/{name}",
    params(FileName),
    responses(
        (status = 200, content(
            (Bytes = "image/jpeg"), (Bytes = "image/png"), (Bytes = "image/webp"), (Bytes = "video/mp4"),
            (Bytes = "application/pdf"),
        )),
        (status = 404, description = "NOT_FOUND_MEDIA"),
        (status = 503, description = "NO_BUCKET, BUCKET_UNAVAILABLE"),
    ),
)]
pub async fn serve(
    State(app): State<App>,
    FileName(name): FileName,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let bucket = app.storage.bucket()?;
    let Some(answer) = bucket.get(&key::kept(&name), &only(&headers, &ASKED)).await? else {
        return Err(Problem::new(Code::NotFoundMedia));
    };
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = only(&parts.headers, &ANSWERED);
    let headers = response.headers_mut();
    let disposition = disposition(headers.get(header::CONTENT_TYPE));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    // Even a browser that takes the file for a page runs nothing in it.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(response)
}

/// Photos and videos are shown where they are; anything else is a file to keep, under a name that nobody else chose.
fn disposition(content_type: Option<&HeaderValue>) -> &'static str {
    let kind = content_type.and_then(|kind| Kind::of_content_type(kind.to_str().ok()?));
    match kind {
        Some(Kind::Jpeg | Kind::Png | Kind::Webp | Kind::Mp4) => "inline",
        Some(Kind::Pdf) => "attachment; filename=\"document.pdf\"",
        None => "attachment",
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let found = names
        .iter()
        .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    found.collect()
}
