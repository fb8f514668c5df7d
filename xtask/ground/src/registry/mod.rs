//! An OCI distribution registry on disk.
//!
//! Our own rather than a crate: the one at hand (ferro-oci-server 1.0) collects uploads in memory, keeps manifests and
//! tags there too, and would need its storage written anew.
//!
//! ```text
//! blobs/sha256/ab/abcd…                      every blob and manifest, once, by digest
//! repositories/NAME/_manifests/abcd…         JSON: media type, subject, artifact type, annotations
//! repositories/NAME/_tags/TAG                the digest
//! repositories/NAME/_referrers/SUBJECT/abcd… empty: manifest `abcd…` refers to SUBJECT
//! uploads/ID                                 the bytes of an upload so far
//! scratch/                                   temporary files, emptied at start
//! ```
//! Files appear by fsync and rename. Blobs belong to no repository: without users there is nobody to hide them from, so
//! a blob pushed to one repository need not be pushed to the next. For the same reason a blob cannot be deleted by
//! request; those that no manifest names any more are swept at start.

mod blob;
mod blobs;
mod manifest;
mod manifest_document;
mod manifests;
mod name;
mod query;
mod refusal;
mod route;
mod sweep;
mod tags;
mod upload;
mod uploads;

use crate::reply::{self, Body};
use crate::serve::Handler;
use anyhow::{Context, Result};
use blobs::Blobs;
use contract::RegistryConfig;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use manifests::Manifests;
use refusal::Refusal;
use route::Route;
use std::net::SocketAddr;
use std::sync::Arc;
use uploads::Uploads;

pub struct Registry {
    blobs: Blobs,
    manifests: Manifests,
    uploads: Uploads,
}

impl Registry {
    pub async fn open(config: &RegistryConfig) -> Result<Arc<Self>> {
        let dir = config.dir.clone();
        let registry = crate::disk::blocking(move || {
            let scratch = dir.join("scratch");
            crate::disk::emptied_dir(&scratch)?;
            let blobs = Blobs::open(&dir, &scratch)?;
            let manifests = Manifests::open(&dir, &scratch)?;
            let uploads = Uploads::open(&dir)?;
            sweep::sweep(&blobs, &manifests);
            Ok(Self {
                blobs,
                manifests,
                uploads,
            })
        });
        let registry = registry
            .await
            .with_context(|| format!("cannot open the registry in `{}`", config.dir.display()))?;
        Ok(Arc::new(registry))
    }

    async fn dispatch(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let method = request.method().clone();
        match (Route::parse(request.uri().path())?, method) {
            (Route::Base, Method::GET | Method::HEAD) => Ok(reply::json(StatusCode::OK, &serde_json::json!({}))),
            (Route::Blob(_, digest), Method::GET | Method::HEAD) => self.get_blob(&request, digest).await,
            (Route::Uploads(name), Method::POST) => self.start_upload(&name, request).await,
            (Route::Upload(name, id), Method::GET) => self.upload_status(&name, &id).await,
            (Route::Upload(name, id), Method::PATCH) => self.append_upload(&name, &id, request).await,
            (Route::Upload(name, id), Method::PUT) => self.finish_upload(&name, &id, request).await,
            (Route::Upload(_, id), Method::DELETE) => self.cancel_upload(&id).await,
            (Route::Manifest(name, reference), Method::GET | Method::HEAD) => {
                self.get_manifest(&request, &name, &reference).await
            }
            (Route::Manifest(name, reference), Method::PUT) => self.put_manifest(&name, &reference, request).await,
            (Route::Manifest(name, reference), Method::DELETE) => self.delete_manifest(&name, &reference).await,
            (Route::Tags(name), Method::GET) => self.list_tags(&name, request.uri()).await,
            (Route::Referrers(name, digest), Method::GET) => self.referrers(&name, digest, request.uri()).await,
            (route, method) => Err(Refusal::method(&method, route.methods())),
        }
    }
}

impl Handler for Registry {
    async fn answer(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut response = match self.dispatch(request).await {
            Ok(response) => response,
            Err(refusal) => {
                if refusal.status.is_server_error() {
                    tracing::error!(%method, path, error = %refusal.message, "registry request failed");
                }
                refusal.into_response()
            }
        };
        let version = HeaderValue::from_static("registry/2.0");
        response
            .headers_mut()
            .insert("docker-distribution-api-version", version);
        response
    }
}

impl Refusal {
    fn method(method: &Method, allowed: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            format!("{method} is not supported here"),
        )
        .with_header(ALLOW, allowed.to_owned())
    }
}
