//! Taking in a body: hashed while it is written, compared with what the client announced before it counts.

use super::record::{Headers, Record};
use super::store::{Store, blocking, disk_error};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};
use std::fs::File;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt;

/// The limit of S3 for one request.
const MAX_BODY_BYTES: u64 = 5 << 30;

pub struct Announced {
    pub body: Option<StreamingBlob>,
    /// Base64.
    pub md5: Option<String>,
    pub checksum: Checksum,
    /// `CRC32` and the like: a checksum that may also come after the body.
    pub algorithm: Option<String>,
    pub trailers: Option<TrailingHeaders>,
}

/// An object file in the scratch folder, sealed; dropped, it goes away.
pub struct Sealed {
    pub path: TempPath,
    pub record: Record,
}

impl Store {
    pub async fn ingest(&self, key: String, headers: Headers, announced: Announced) -> S3Result<Sealed> {
        let scratch = self.scratch();
        let (file, path) = blocking(move || NamedTempFile::new_in(scratch).map_err(disk_error))
            .await?
            .into_parts();
        let mut hasher = hasher_for(&announced)?;
        let mut md5 = Md5::new();
        let mut size = 0u64;
        let mut file = tokio::fs::File::from_std(file);
        if let Some(mut body) = announced.body {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "the request broke off: {error}"))?;
                size += chunk.len() as u64;
                if size > MAX_BODY_BYTES {
                    return Err(s3_error!(EntityTooLarge));
                }
                file.write_all(&chunk).await.map_err(disk_error)?;
                md5.update(&chunk);
                hasher.update(&chunk);
            }
        }
        file.flush().await.map_err(disk_error)?;
        let md5 = md5.finalize();
        if announced
            .md5
            .is_some_and(|announced| announced != BASE64_STANDARD.encode(md5))
        {
            return Err(s3_error!(BadDigest, "Content-MD5 does not match the body"));
        }
        let checksum = hasher.finalize();
        let mut expected = announced.checksum;
        take_trailers(&mut expected, announced.trailers);
        compare(&expected, &checksum)?;

        let etag = hex(md5.as_ref());
        let mut record = Record {
            key,
            size,
            etag,
            modified: jiff::Timestamp::now(),
            headers,
            checksums: Default::default(),
        };
        record.set_checksums(checksum);
        seal(file.into_std().await, path, record).await
    }
}

pub async fn seal(mut file: File, path: TempPath, record: Record) -> S3Result<Sealed> {
    blocking(move || {
        record.seal(&mut file).map_err(disk_error)?;
        Ok(Sealed { path, record })
    })
    .await
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Those checksums are computed that the client sends, or said it would send after the body.
fn hasher_for(announced: &Announced) -> S3Result<ChecksumHasher> {
    let mut hasher = ChecksumHasher::default();
    let sum = &announced.checksum;
    let named = announced.algorithm.as_deref();
    if let Some(unknown) = named.filter(|name| !["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"].contains(name)) {
        return Err(s3_error!(
            NotImplemented,
            "checksum algorithm `{unknown}` is not supported"
        ));
    }
    let wanted = |name: &str, value: &Option<String>| value.is_some() || named == Some(name);
    hasher.crc32 = wanted("CRC32", &sum.checksum_crc32).then(Default::default);
    hasher.crc32c = wanted("CRC32C", &sum.checksum_crc32c).then(Default::default);
    hasher.crc64nvme = wanted("CRC64NVME", &sum.checksum_crc64nvme).then(Default::default);
    hasher.sha1 = wanted("SHA1", &sum.checksum_sha1).then(Default::default);
    hasher.sha256 = wanted("SHA256", &sum.checksum_sha256).then(Default::default);
    Ok(hasher)
}

/// Known only once the body has been read.
fn take_trailers(expected: &mut Checksum, trailers: Option<TrailingHeaders>) {
    let Some(trailers) = trailers.and_then(|trailers| trailers.take()) else {
        return;
    };
    let slots = [
        ("x-amz-checksum-crc32", &mut expected.checksum_crc32),
        ("x-amz-checksum-crc32c", &mut expected.checksum_crc32c),
        ("x-amz-checksum-crc64nvme", &mut expected.checksum_crc64nvme),
        ("x-amz-checksum-sha1", &mut expected.checksum_sha1),
        ("x-amz-checksum-sha256", &mut expected.checksum_sha256),
    ];
    for (name, slot) in slots {
        if let Some(value) = trailers.get(name).and_then(|value| value.to_str().ok()) {
            *slot = Some(value.to_owned());
        }
    }
}

fn compare(expected: &Checksum, found: &Checksum) -> S3Result<()> {
    let pairs = [
        ("CRC32", &expected.checksum_crc32, &found.checksum_crc32),
        ("CRC32C", &expected.checksum_crc32c, &found.checksum_crc32c),
        ("CRC64NVME", &expected.checksum_crc64nvme, &found.checksum_crc64nvme),
        ("SHA1", &expected.checksum_sha1, &found.checksum_sha1),
        ("SHA256", &expected.checksum_sha256, &found.checksum_sha256),
    ];
    match pairs
        .into_iter()
        .find(|(_, expected, found)| expected.is_some() && expected != found)
    {
        None => Ok(()),
        Some((name, expected, found)) => {
            let (expected, found) = (
                expected.as_deref().unwrap_or("none"),
                found.as_deref().unwrap_or("none"),
            );
            Err(s3_error!(BadDigest, "{name}: expected `{expected}`, found `{found}`"))
        }
    }
}
