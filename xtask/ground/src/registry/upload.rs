//! Writing blobs: in one request, in chunks, or by naming one that is there already.

use super::Registry;
use super::blob::header;
use super::manifest::DIGEST_HEADER;
use super::name::{Repository, parse_digest};
use super::query::parameter;
use super::refusal::Refusal;
use super::uploads::Upload;
use crate::reply::{self, Body};
use contract::Digest;
use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderName, Request, Response, StatusCode};
use hyper::body::Incoming;

const UPLOAD_ID_HEADER: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Registry {
    /// `POST …/blobs/uploads/`: `mount` and `digest` save the client further requests.
    pub(super) async fn start_upload(
        &self,
        name: &Repository,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        if let Some(mount) = parameter(request.uri(), "mount") {
            let digest = parse_digest(&mount)?;
            if self.blobs.has(digest) {
                return created(name, digest);
            }
        }
        let whole = parameter(request.uri(), "digest")
            .map(|text| parse_digest(&text))
            .transpose()?;
        let id = self.uploads.start().await?;
        match whole {
            Some(digest) => self.finish(name, &id, digest, request).await,
            None => under_way(StatusCode::ACCEPTED, name, &id, 0),
        }
    }

    pub(super) async fn upload_status(&self, name: &Repository, id: &str) -> Result<Response<Body>, Refusal> {
        let bytes = self.uploads.hold(id).await?.bytes().await?;
        under_way(StatusCode::NO_CONTENT, name, id, bytes)
    }

    pub(super) async fn append_upload(
        &self,
        name: &Repository,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let upload = self.uploads.hold(id).await?;
        let (_, bytes) = append_from(upload, name, id, request).await?;
        under_way(StatusCode::ACCEPTED, name, id, bytes)
    }

    pub(super) async fn finish_upload(
        &self,
        name: &Repository,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let expected = parameter(request.uri(), "digest")
            .ok_or_else(|| Refusal::bad("DIGEST_INVALID", "expected `?digest=sha256:…` to finish an upload"))?;
        self.finish(name, id, parse_digest(&expected)?, request).await
    }

    pub(super) async fn cancel_upload(&self, id: &str) -> Result<Response<Body>, Refusal> {
        let upload = self.uploads.hold(id).await?;
        self.uploads.forget(id, upload).await?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    async fn finish(
        &self,
        name: &Repository,
        id: &str,
        expected: Digest,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let upload = self.uploads.hold(id).await?;
        let (mut upload, bytes) = append_from(upload, name, id, request).await?;
        let found = upload.seal().await?;
        if found != expected {
            self.uploads.forget(id, upload).await?;
            let message = format!("expected {expected}, found {found} in the {bytes} bytes uploaded; start again");
            return Err(Refusal::bad("DIGEST_INVALID", message));
        }
        let (blobs, file) = (self.blobs.clone(), upload.path().to_owned());
        crate::disk::blocking(move || blobs.adopt(&file, expected)).await?;
        self.uploads.forget(id, upload).await?;
        created(name, expected)
    }
}

/// Adds the request's body and returns how many bytes there are then.
///
/// In a task of its own: when the client goes away this request's future is dropped, and a write must not be cut in two.
async fn append_from(
    mut upload: Upload,
    name: &Repository,
    id: &str,
    request: Request<Incoming>,
) -> Result<(Upload, u64), Refusal> {
    let announced = announced_range(&request)?;
    let have = upload.bytes().await?;
    if let Some((first, _)) = announced
        && first != have
    {
        let message = format!("the next byte expected is {have}, the chunk starts at {first}");
        let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message);
        return Err(refusal
            .with_header(RANGE, so_far(have))
            .with_header(LOCATION, location(name, id)));
    }
    let appending = tokio::spawn(async move {
        let received = upload.append(request.into_body()).await;
        (upload, received)
    });
    let (upload, received) = appending.await.map_err(std::io::Error::other)?;
    let received = received?;
    if let Some((first, last)) = announced
        && last - first + 1 != received
    {
        let message = format!("the chunk announced {} bytes and brought {received}", last - first + 1);
        return Err(Refusal::bad("SIZE_INVALID", message));
    }
    Ok((upload, have + received))
}

/// `Content-Range: 0-99`, as the specification writes it, or `bytes 0-99/*`, as HTTP does.
fn announced_range(request: &Request<Incoming>) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(value) = request.headers().get(CONTENT_RANGE) else {
        return Ok(None);
    };
    let parse = || {
        let text = value.to_str().ok()?;
        let text = text.strip_prefix("bytes ").unwrap_or(text);
        let text = text.split_once('/').map_or(text, |(range, _)| range);
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last && last < u64::MAX).then_some((first, last))
    };
    let refusal = || Refusal::bad("BLOB_UPLOAD_INVALID", "expected `Content-Range: FIRST-LAST`");
    parse().ok_or_else(refusal).map(Some)
}

fn under_way(status: StatusCode, name: &Repository, id: &str, bytes: u64) -> Result<Response<Body>, Refusal> {
    let mut response = reply::empty(status);
    let headers = response.headers_mut();
    headers.insert(LOCATION, header(&location(name, id))?);
    headers.insert(RANGE, header(&so_far(bytes))?);
    headers.insert(UPLOAD_ID_HEADER, header(id)?);
    Ok(response)
}

fn created(name: &Repository, digest: Digest) -> Result<Response<Body>, Refusal> {
    let mut response = reply::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, header(&format!("/v2/{name}/blobs/{digest}"))?);
    headers.insert(DIGEST_HEADER, header(&digest.to_string())?);
    Ok(response)
}

fn location(name: &Repository, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// The last byte held, inclusive. `0-0` for none at all is what every registry says, though it also means one byte.
fn so_far(bytes: u64) -> String {
    format!("0-{}", bytes.saturating_sub(1))
}
