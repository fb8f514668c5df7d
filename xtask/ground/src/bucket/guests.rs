//! Who may use which bucket: the ground itself all of them, a guest its own.

use super::keys::Keys;
use anyhow::{Context, Result};
use contract::BucketGuest;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::{S3Result, s3_error};
use std::collections::HashMap;
use std::path::Path;

/// Each guest's bucket by its access key. A key that is not here is the ground's own.
pub struct Guests(HashMap<String, String>);

impl Guests {
    /// Reads the guests' keys, and lets them and the ground itself sign.
    pub fn admit(own: &Keys, guests: &[BucketGuest]) -> Result<(Self, SimpleAuth)> {
        let mut auth = SimpleAuth::from_single(own.access.clone(), own.secret.clone());
        let mut buckets = HashMap::new();
        for guest in guests {
            let access = read(&guest.access_key)?;
            auth.register(access.clone(), read(&guest.secret_key)?.into());
            buckets.insert(access, guest.bucket.clone());
        }
        Ok((Self(buckets), auth))
    }
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read the guest's key in `{}`", path.display()))?;
    Ok(text.trim_end().to_owned())
}

#[async_trait::async_trait]
impl S3Access for Guests {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        };
        let Some(own) = self.0.get(&credentials.access_key) else {
            return Ok(());
        };
        let asked = context.s3_path().get_bucket_name();
        let source = context.headers().get("x-amz-copy-source");
        let source_is_own = source.is_none_or(|source| {
            let path = source.to_str().unwrap_or_default().trim_start_matches('/');
            path.split('/').next() == Some(own.as_str())
        });
        let is_about_buckets = matches!(context.s3_op().name(), "CreateBucket" | "DeleteBucket");
        match asked == Some(own.as_str()) && source_is_own && !is_about_buckets {
            true => Ok(()),
            false => Err(s3_error!(AccessDenied, "These keys open another bucket")),
        }
    }
}
