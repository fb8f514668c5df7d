//! An S3-compatible store on disk, addressed path-style, with a pair of keys for all of it and one for each guest.
//!
//! Protocol, signatures and presigned URLs are the crate s3s. The storage is ours rather than s3s-fs, which puts the bytes
//! in place before it has checked them, keeps their ETag in another file (a crash in between pairs new bytes with the
//! old ETag), checks a condition and writes without a lock, never syncs, and knows no conditional read. Desired state is
//! published by conditional writes and polled by conditional reads, so each of these would show.
//!
//! ```text
//! BUCKET/objects/ab/abcd…     an object, named by the hash of its key: its bytes, then its record
//! .uploads/ID/                a multipart upload: upload.json and its parts
//! .scratch/                   temporary files, emptied at start
//! ```
//! Listings, heads and conditions are answered from an index in memory, read at start.
//! Deliberately absent: versions, access policies, encryption, tagging, lifecycle rules.

// First, since later modules use its macros.
#[macro_use]
mod fields;

mod condition;
mod cors;
mod guests;
mod ingest;
mod keys;
mod listing;
mod multipart;
mod object;
mod operations;
mod parts;
mod record;
mod store;

use self::store::Store;
use crate::reply::{self, Body, BoxError};
use crate::serve::Handler;
use ::store::S3Access;
use anyhow::{Context, Result};
use contract::BucketConfig;
use guests::Guests;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use keys::Keys;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::net::SocketAddr;
use std::sync::Arc;

pub struct Bucket {
    service: S3Service,
    own_access: S3Access,
}

impl Bucket {
    pub async fn open(config: &BucketConfig) -> Result<Arc<Self>> {
        let config = config.clone();
        let listen = config.listen.first().copied();
        let opened = tokio::task::spawn_blocking(move || {
            let keys = Keys::load_or_create(&config.keys)?;
            let dir = &config.dir;
            let store =
                Store::open(dir).with_context(|| format!("cannot open the bucket store `{}`", dir.display()))?;
            let guests = config.guests.iter().map(|guest| &guest.bucket);
            for bucket in config.buckets.iter().chain(guests) {
                store.ensure_bucket(bucket)?;
            }
            let admitted = Guests::admit(&keys, &config.guests)?;
            anyhow::Ok((keys, store, admitted))
        });
        let (keys, store, (guests, auth)) = opened.await.context("opening the bucket store was cut off")??;
        let own_access = S3Access {
            region: "us-east-1".to_owned(),
            endpoint: listen.map(|address| format!("http://{address}")),
            keys: ::store::Keys::given(keys.access, keys.secret, None),
        };
        let mut service = S3ServiceBuilder::new(store);
        service.set_auth(auth);
        service.set_access(guests);
        Ok(Arc::new(Self {
            service: service.build(),
            own_access,
        }))
    }

    /// For the edge, whose origin this is.
    pub fn own_client(&self) -> aws_sdk_s3::Client {
        self.own_access.client()
    }
}

impl Handler for Bucket {
    async fn answer(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        let origin = request.headers().get(http::header::ORIGIN).cloned();
        if request.method() == Method::OPTIONS && origin.is_some() {
            return cors::preflight(request.headers());
        }
        let mut response = match self.service.call(request.map(s3s::Body::from)).await {
            Ok(response) => response.map(|body| body.map_err(BoxError::from).boxed_unsync()),
            Err(error) => {
                tracing::error!(?error, "bucket request failed");
                reply::empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        if origin.is_some() {
            cors::open(response.headers_mut());
        }
        response
    }
}
