//! Multipart uploads: a folder each, holding what the upload is for and its parts as sealed object files.

use super::condition::WriteCondition;
use super::ingest::{hex, seal};
use super::object::trailing_algorithm;
use super::parts::{open_part, part_numbers, part_path};
use super::record::Headers;
use super::store::{Store, blocking, disk_error};
use crate::disk;
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

const MAX_UPLOADS: usize = 1_000;
const MAX_PARTS: i32 = 10_000;
/// An upload not finished for so long is removed at start.
const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

#[derive(Serialize, Deserialize)]
pub(super) struct Purpose {
    pub bucket: String,
    pub key: String,
    pub headers: Headers,
}

impl Store {
    pub(super) fn remove_abandoned_uploads(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.uploads())? {
            let entry = entry?;
            if entry.metadata()?.modified()?.elapsed().unwrap_or_default() > ABANDONED_AFTER {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) async fn start_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        if !self.has_bucket(&input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        let headers = headers_of!(input);
        let purpose = Purpose {
            bucket: input.bucket,
            key: input.key,
            headers,
        };
        let id = hex(&rand::random::<[u8; 16]>());
        let (store, folder) = (self.clone(), self.uploads().join(&id));
        let purpose = blocking(move || {
            if std::fs::read_dir(store.uploads()).map_err(disk_error)?.count() >= MAX_UPLOADS {
                return Err(s3_error!(
                    SlowDown,
                    "{MAX_UPLOADS} multipart uploads are under way; finish or abort some"
                ));
            }
            std::fs::create_dir(&folder).map_err(disk_error)?;
            let text = serde_json::to_vec(&purpose).map_err(|error| disk_error(error.into()))?;
            disk::write_atomically(&store.scratch(), &folder.join("upload.json"), &text).map_err(disk_error)?;
            Ok(purpose)
        });
        let purpose = purpose.await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(purpose.bucket),
            key: Some(purpose.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn put_part(&self, request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let trailer = trailing_algorithm(&request.headers);
        let input = request.input;
        if !(1..=MAX_PARTS).contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "expected a part number from 1 to {MAX_PARTS}"
            ));
        }
        let (folder, _) = self.upload(&input.upload_id, &input.bucket, &input.key)?;
        let announced = announced_by!(input, trailer, request.trailing_headers);
        let sealed = self.ingest(input.key, Headers::default(), announced).await?;
        let part = part_path(&folder, input.part_number);
        let output = written!(UploadPartOutput, sealed.record);
        // The folder is gone if the upload was finished or aborted meanwhile.
        blocking(move || std::fs::rename(&sealed.path, part).map_err(|_| s3_error!(NoSuchUpload))).await?;
        Ok(output)
    }

    pub(super) async fn list_upload(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let (folder, _) = self.upload(&input.upload_id, &input.bucket, &input.key)?;
        let parts = blocking(move || {
            let mut parts = Vec::new();
            for number in part_numbers(&folder).map_err(disk_error)? {
                let (_, record) = open_part(&folder, number)?;
                parts.push(Part {
                    part_number: Some(number),
                    e_tag: Some(record.etag()),
                    size: Some(record.length()),
                    last_modified: Some(record.last_modified()),
                    ..Part::default()
                });
            }
            Ok(parts)
        });
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(false),
            parts: Some(parts.await?),
            ..ListPartsOutput::default()
        })
    }

    pub(super) async fn finish_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let (folder, purpose) = self.upload(&input.upload_id, &input.bucket, &input.key)?;
        let condition = WriteCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let wanted = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let (store, parts_folder) = (self.clone(), folder.clone());
        let (file, path, record) = blocking(move || store.join_parts(&parts_folder, purpose, &wanted)).await?;
        let etag = record.etag();
        let sealed = seal(file, path, record).await?;
        let (store, bucket) = (self.clone(), input.bucket.clone());
        blocking(move || {
            store.commit(&bucket, &sealed.path, sealed.record, &condition)?;
            std::fs::remove_dir_all(&folder).map_err(disk_error)
        })
        .await?;
        Ok(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(super) async fn abort_upload(&self, input: AbortMultipartUploadInput) -> S3Result<()> {
        let (folder, _) = self.upload(&input.upload_id, &input.bucket, &input.key)?;
        blocking(move || std::fs::remove_dir_all(folder).map_err(disk_error)).await
    }

    /// The folder of an upload for this very bucket and key.
    fn upload(&self, id: &str, bucket: &str, key: &str) -> S3Result<(PathBuf, Purpose)> {
        // Only what looks like an id of ours may become a path.
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(s3_error!(NoSuchUpload));
        }
        let folder = self.uploads().join(id);
        let text = match std::fs::read(folder.join("upload.json")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(s3_error!(NoSuchUpload)),
            Err(error) => return Err(disk_error(error)),
        };
        let purpose: Purpose = serde_json::from_slice(&text).map_err(|error| disk_error(error.into()))?;
        if purpose.bucket != bucket || purpose.key != key {
            return Err(s3_error!(NoSuchUpload));
        }
        Ok((folder, purpose))
    }
}
