//! What the agent says to the router, over a unix socket that only this user can open, or this user's group where the
//! socket's folder is made for one: `PUT /table`, `POST /revert`, `PUT` and `DELETE /hold`, `GET /status`, `GET /metrics`.

use crate::control::{Control, PutError};
use crate::limits::{ADMIN_BODY_BYTES, ADMIN_CONNECTIONS, ADMIN_TIMEOUT};
use crate::metrics;
use crate::state::Refused;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use contract::RouterStatus;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

/// Replaces what an earlier router left behind. Called only with the state file's lock in hand, so nobody answers there
/// any more. The mode comes from the process's umask, so that there is no moment at which others could connect. A folder
/// that a group may enter and nobody else (mode 0750) says that the agent is of that group: then it may connect as well.
pub fn bind(path: &Path) -> Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => (),
        Err(error) => return Err(error).with_context(|| format!("cannot look at `{}`", path.display())),
        Ok(found) if !found.file_type().is_socket() => {
            bail!(
                "`{}` should be the admin socket, but is something else\nhint: move it away",
                path.display()
            )
        }
        Ok(_) => std::fs::remove_file(path).with_context(|| format!("cannot replace `{}`", path.display()))?,
    }
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on `{}`", path.display()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::metadata(folder.unwrap_or(Path::new(".")));
    if folder.is_ok_and(|folder| folder.permissions().mode() & 0o077 == 0o050) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))
            .with_context(|| format!("cannot open `{}` to its group", path.display()))?;
    }
    Ok(listener)
}

pub async fn serve(control: Arc<Control>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let control = control.clone();
        tokio::spawn(async move {
            serve_connection(control, stream).await;
            drop(place);
        });
    }
}

/// One request a connection: they are rare, and a successor of this router must not be kept waiting by idle ones.
pub async fn serve_connection(control: Arc<Control>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| {
        let control = control.clone();
        async move { Ok::<_, Infallible>(answer(&control, request).await) }
    });
    let mut builder = Builder::new();
    builder.keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(ADMIN_TIMEOUT, connection).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection ended badly"),
        Err(_) => tracing::warn!("an admin request took longer than {} s", ADMIN_TIMEOUT.as_secs()),
    }
}

async fn answer(control: &Control, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::PUT, "/table") => match read(request, "a table").await {
            Ok(table) => tell(control.put(table).await, "a table was not taken"),
            Err((status, why)) => text(status, why),
        },
        (&Method::POST, "/revert") => tell(control.revert().await, "not reverted"),
        (&Method::PUT, "/hold") => match read(request, "a hold").await {
            Ok(hold) => tell(control.hold(Some(hold)).await, "users are not held"),
            Err((status, why)) => text(status, why),
        },
        (&Method::DELETE, "/hold") => tell(control.hold(None).await, "users are still held"),
        (&Method::GET, "/status") => json(&control.status().await),
        (&Method::GET, "/metrics") => text(StatusCode::OK, metrics::render(&control.status().await)),
        (_, "/table" | "/revert" | "/hold" | "/status" | "/metrics") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "not with this method".into())
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "expected PUT /table, POST /revert, PUT or DELETE /hold, GET /status or GET /metrics".into(),
        ),
    }
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>, what: &str) -> Result<T, (StatusCode, String)> {
    let body = Limited::new(request.into_body(), ADMIN_BODY_BYTES)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("{what} of more than {ADMIN_BODY_BYTES} bytes"),
                )
            } else {
                (
                    StatusCode::BAD_REQUEST,
                    format!("{what} that did not arrive whole: {error}"),
                )
            }
        })?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| (StatusCode::BAD_REQUEST, format!("not {what}: {error}")))
}

fn tell(outcome: Result<RouterStatus, PutError>, what: &str) -> Response<Full<Bytes>> {
    let error = match outcome {
        Ok(status) => return json(&status),
        Err(error) => error,
    };
    let status = match &error {
        PutError::Refused(Refused::Flawed(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        PutError::Refused(Refused::Stale { .. } | Refused::Lapsed(_) | Refused::NothingOnTrial) => StatusCode::CONFLICT,
        PutError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        PutError::NotSaved(_) | PutError::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
    };
    tracing::warn!(%status, why = %error, "{what}");
    text(status, error.to_string())
}

fn json(status: &RouterStatus) -> Response<Full<Bytes>> {
    match serde_json::to_vec(status) {
        Ok(bytes) => respond(StatusCode::OK, "application/json", bytes),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text.into_bytes())
}

fn respond(status: StatusCode, content_type: &'static str, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
