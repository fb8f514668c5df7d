//! One blob on its way up: in chunks, and from where it stopped when the connection was lost.

use super::client::{Call, Client};
use super::retry::Failures;
use super::transport::{expect, follow};
use super::{Problem, RegistryError, Result};
use crate::image::Blob;
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most images of one program fit in one; larger ones stay below what proxies let through.
const CHUNK_BYTES: usize = 16 * 1024 * 1024;
/// The steps in which progress moves.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) struct Upload<'a> {
    client: &'a Client,
    call: Call<'a>,
    blob: &'a Blob,
    session: Option<Session>,
    /// How many bytes the registry says it has.
    kept: u64,
    /// How many were sent, by our own count; for people to watch.
    sent: Arc<AtomicU64>,
    chunk_bytes: usize,
}

/// The registry's own record of an upload.
struct Session {
    location: Url,
    /// A request of it failed, so that only the registry knows what arrived.
    in_doubt: bool,
    /// It has been in doubt before.
    resumed: bool,
}

impl<'a> Upload<'a> {
    pub(super) fn new(client: &'a Client, call: Call<'a>, blob: &'a Blob, sent: Arc<AtomicU64>) -> Self {
        Self {
            client,
            call,
            blob,
            session: None,
            kept: 0,
            sent,
            chunk_bytes: CHUNK_BYTES,
        }
    }

    /// Ends once the registry has the whole blob and has checked its digest.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut failures = Failures::new(self.client.retry);
        let mut furthest = 0;
        loop {
            let Err(error) = self.go_on().await else {
                return Ok(());
            };
            if self.has_other_bytes(&error) {
                self.session = None;
            } else if !error.is_transient() {
                return Err(error);
            }
            if self.kept > furthest {
                furthest = self.kept;
                failures.forget();
            }
            failures.wait_after(error).await?;
        }
    }

    async fn go_on(&mut self) -> Result<()> {
        let standing = match &self.session {
            None => Standing::Unknown,
            Some(session) if session.in_doubt => self.find_out().await?,
            Some(_) => Standing::Partial,
        };
        match standing {
            Standing::Complete => return Ok(()),
            Standing::Unknown => self.begin().await?,
            Standing::Partial => {}
        }
        while self.kept < self.blob.size() {
            self.send_chunk().await?;
        }
        self.finish().await
    }

    /// Whether what the registry kept over an interruption turned out not to be what we sent.
    fn has_other_bytes(&self, error: &RegistryError) -> bool {
        let resumed = self.session.as_ref().is_some_and(|session| session.resumed);
        resumed && matches!(error.status(), Some(400 | 404 | 416))
    }

    async fn begin(&mut self) -> Result<()> {
        self.at(0);
        let url = self.call.url("blobs/uploads/")?;
        let request = (Method::POST, &url, 0);
        let response = self
            .client
            .send(&self.call, request, |request| request.header(CONTENT_LENGTH, 0))
            .await?;
        let response = self.expect(response, StatusCode::ACCEPTED).await?;
        let location = self.location(&url, response.headers())?;
        let least: usize = header(response.headers(), "oci-chunk-min-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        self.chunk_bytes = CHUNK_BYTES.max(least);
        self.session = Some(Session {
            location,
            in_doubt: false,
            resumed: false,
        });
        Ok(())
    }

    async fn send_chunk(&mut self) -> Result<()> {
        let location = self.doubted()?;
        // Blobs are in memory, so their size fits.
        let start = self.kept as usize;
        let end = self.blob.bytes.len().min(start.saturating_add(self.chunk_bytes));
        let chunk = self.blob.bytes.slice(start..end);
        let request = (Method::PATCH, &location, chunk.len() as u64);
        let response = self.client.send(&self.call, request, |request| {
            request
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, chunk.len())
                .header(CONTENT_RANGE, format!("{start}-{}", end - 1))
                .body(self.counted(chunk.clone()))
        });
        let response = response.await?;
        let response = self.expect(response, StatusCode::ACCEPTED).await?;
        let kept = range_end(response.headers()).unwrap_or(end as u64);
        if kept <= self.kept || kept > end as u64 {
            let why = format!("it has {kept} bytes after being sent {start} to {end}");
            return Err(self.call.failed(Problem::Malformed { why }));
        }
        self.at(kept);
        self.settled(&location, response.headers())
    }

    /// Asks how much of an interrupted upload arrived. Docker's registry can say so since its version 3; the ones before
    /// know nothing of an upload that was cut within a chunk.
    async fn find_out(&mut self) -> Result<Standing> {
        let location = self.doubted()?;
        let gone = [StatusCode::NOT_FOUND, StatusCode::RANGE_NOT_SATISFIABLE];
        let found = [
            StatusCode::NO_CONTENT,
            StatusCode::ACCEPTED,
            StatusCode::OK,
            gone[0],
            gone[1],
        ];
        let response = self.client.ask(&self.call, Method::GET, &location, &found).await?;
        if gone.contains(&response.status()) {
            // Perhaps because it had been finished, and only the answer was lost.
            let complete = self.client.has_blob(&self.call, self.blob.digest).await?;
            return Ok(if complete {
                Standing::Complete
            } else {
                Standing::Unknown
            });
        }
        match range_end(response.headers()) {
            // `0-0` stands for no byte as for one, so it begins again.
            Some(kept) if kept > 1 && kept <= self.blob.size() => {
                tracing::debug!(blob = %self.blob.digest, kept, "going on where the upload stopped");
                self.at(kept);
                self.settled(&location, response.headers())?;
                Ok(Standing::Partial)
            }
            _ => Ok(Standing::Unknown),
        }
    }

    async fn finish(&mut self) -> Result<()> {
        let mut url = self.doubted()?;
        url.query_pairs_mut()
            .append_pair("digest", &self.blob.digest.to_string());
        let request = (Method::PUT, &url, 0);
        let response = self
            .client
            .send(&self.call, request, |request| request.header(CONTENT_LENGTH, 0))
            .await?;
        let response = self.expect(response, StatusCode::CREATED).await?;
        check_digest(self.blob, response.headers()).map_err(|problem| self.call.failed(problem))
    }

    /// The session's address, for a request after whose failure the registry must be asked where it stands.
    fn doubted(&mut self) -> Result<Url> {
        let none = Problem::Local {
            why: "the upload was never begun".into(),
        };
        let session = self.session.as_mut().ok_or_else(|| self.call.failed(none))?;
        session.resumed |= session.in_doubt;
        session.in_doubt = true;
        Ok(session.location.clone())
    }

    /// The request succeeded: where the next one goes.
    fn settled(&mut self, from: &Url, headers: &HeaderMap) -> Result<()> {
        let location = if headers.contains_key(LOCATION) {
            self.location(from, headers)?
        } else {
            from.clone()
        };
        if let Some(session) = &mut self.session {
            (session.location, session.in_doubt) = (location, false);
        }
        Ok(())
    }

    fn location(&self, from: &Url, headers: &HeaderMap) -> Result<Url> {
        let missing = || {
            self.call.failed(Problem::Malformed {
                why: "it gave no upload address".into(),
            })
        };
        let location = header(headers, LOCATION.as_str()).ok_or_else(missing)?;
        follow(from, location, "upload address").map_err(|problem| self.call.failed(problem))
    }

    fn at(&mut self, kept: u64) {
        self.kept = kept;
        self.sent.store(kept, Ordering::Relaxed);
    }

    /// A body that counts itself as it leaves.
    fn counted(&self, chunk: Bytes) -> Body {
        let sent = Arc::clone(&self.sent);
        sent.store(self.kept, Ordering::Relaxed);
        let pieces = (0..chunk.len()).step_by(PIECE_BYTES).map(move |start| {
            let piece = chunk.slice(start..chunk.len().min(start + PIECE_BYTES));
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok::<_, Infallible>(piece)
        });
        Body::wrap_stream(stream::iter(pieces))
    }

    async fn expect(&self, response: Response, status: StatusCode) -> Result<Response> {
        expect(response, &[status])
            .await
            .map_err(|problem| self.call.failed(problem))
    }
}

/// What a registry has of a blob.
enum Standing {
    Unknown,
    Partial,
    Complete,
}

/// What the registry computed from the bytes it got, where it says so.
pub(super) fn check_digest(blob: &Blob, headers: &HeaderMap) -> std::result::Result<(), Problem> {
    match header(headers, "docker-content-digest") {
        Some(found) if found != blob.digest.to_string() => Err(Problem::WrongBytes {
            expected: blob.digest,
            found: found.chars().take(100).collect(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `0-99` is a hundred bytes.
fn range_end(headers: &HeaderMap) -> Option<u64> {
    let range = header(headers, RANGE.as_str())?;
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    last.trim().parse::<u64>().ok()?.checked_add(1)
}
