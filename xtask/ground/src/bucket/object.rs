//! Operations on whole objects.

use super::condition::{ReadCondition, WriteCondition};
use super::ingest::seal;
use super::record::Record;
use super::store::{Store, blocking, disk_error};
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};
use std::io::{Seek, SeekFrom};
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// What is held in memory of an object on its way to one client.
const READ_CHUNK_BYTES: usize = 256 * 1024;

impl Store {
    pub(super) async fn put(&self, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let trailer = trailing_algorithm(&request.headers);
        let input = request.input;
        if !self.has_bucket(&input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        let headers = headers_of!(input);
        let announced = announced_by!(input, trailer, request.trailing_headers);
        let condition = WriteCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        // Asked again when the bytes are here; asked now to refuse before a long body rather than after it.
        condition.check(self.head(&input.bucket, &input.key).ok().as_deref())?;
        let sealed = self.ingest(input.key, headers, announced).await?;
        let output = written!(PutObjectOutput, sealed.record);
        let (store, bucket) = (self.clone(), input.bucket);
        blocking(move || store.commit(&bucket, &sealed.path, sealed.record, &condition)).await?;
        Ok(output)
    }

    pub(super) async fn get(&self, input: GetObjectInput) -> S3Result<GetObjectOutput> {
        let (store, bucket, key) = (self.clone(), input.bucket, input.key);
        let (mut file, record) = blocking(move || store.open_object(&bucket, &key)).await?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check(&record)?;
        let (part, content_range) = match input.range {
            None => (0..record.size, None),
            Some(range) => {
                let part = range.check(record.size)?;
                if part.is_empty() {
                    return Err(s3_error!(InvalidRange));
                }
                let shown = format!("bytes {}-{}/{}", part.start, part.end - 1, record.size);
                (part, Some(shown))
            }
        };
        let length = part.end - part.start;
        file.seek(SeekFrom::Start(part.start)).map_err(disk_error)?;
        let reader = tokio::fs::File::from_std(file).take(length);
        let head = described(&record);
        // A checksum of the whole says nothing about a part.
        let whole = content_range.is_none();
        Ok(GetObjectOutput {
            body: Some(StreamingBlob::wrap(ReaderStream::with_capacity(
                reader,
                READ_CHUNK_BYTES,
            ))),
            accept_ranges: head.accept_ranges,
            content_length: i64::try_from(length).ok(),
            content_range,
            cache_control: input.response_cache_control.or(head.cache_control),
            content_disposition: input.response_content_disposition.or(head.content_disposition),
            content_encoding: input.response_content_encoding.or(head.content_encoding),
            content_language: input.response_content_language.or(head.content_language),
            content_type: input.response_content_type.or(head.content_type),
            checksum_crc32: head.checksum_crc32.filter(|_| whole),
            checksum_crc32c: head.checksum_crc32c.filter(|_| whole),
            checksum_crc64nvme: head.checksum_crc64nvme.filter(|_| whole),
            checksum_sha1: head.checksum_sha1.filter(|_| whole),
            checksum_sha256: head.checksum_sha256.filter(|_| whole),
            e_tag: head.e_tag,
            last_modified: head.last_modified,
            metadata: head.metadata,
            ..GetObjectOutput::default()
        })
    }

    pub(super) fn describe(&self, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let record = self.head(&input.bucket, &input.key)?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check(&record)?;
        Ok(described(&record))
    }

    pub(super) async fn copy(&self, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
        let CopySource::Bucket {
            bucket: from_bucket,
            key: from_key,
            ..
        } = input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "only buckets can be copied from"));
        };
        let condition = ReadCondition {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let replaced = input
            .metadata_directive
            .is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let headers = replaced.then_some(headers_of!(input));
        let store = self.clone();
        let (path, file, mut record) = blocking(move || {
            let (source, record) = store.open_object(&from_bucket, &from_key)?;
            condition.check(&record).map_err(|error| match error.code() {
                // For the source of a copy, S3 answers 412 where a read would say 304.
                s3s::S3ErrorCode::NotModified => s3_error!(PreconditionFailed),
                _ => error,
            })?;
            let (mut file, path) = NamedTempFile::new_in(store.scratch()).map_err(disk_error)?.into_parts();
            std::io::copy(&mut std::io::Read::take(source, record.size), &mut file).map_err(disk_error)?;
            Ok((path, file, record))
        })
        .await?;
        record.key = input.key;
        record.modified = jiff::Timestamp::now();
        record.headers = headers.unwrap_or(record.headers);
        let copied = CopyObjectResult {
            e_tag: Some(record.etag()),
            last_modified: Some(record.last_modified()),
            ..<_>::default()
        };
        let sealed = seal(file, path, record).await?;
        let (store, bucket) = (self.clone(), input.bucket);
        blocking(move || store.commit(&bucket, &sealed.path, sealed.record, &WriteCondition::default())).await?;
        Ok(CopyObjectOutput {
            copy_object_result: Some(copied),
            ..CopyObjectOutput::default()
        })
    }
}

fn described(record: &Record) -> HeadObjectOutput {
    let headers = record.headers.clone();
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: headers.cache_control,
        content_disposition: headers.content_disposition,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_length: Some(record.length()),
        content_type: headers.content_type,
        checksum_crc32: record.checksum("crc32"),
        checksum_crc32c: record.checksum("crc32c"),
        checksum_crc64nvme: record.checksum("crc64nvme"),
        checksum_sha1: record.checksum("sha1"),
        checksum_sha256: record.checksum("sha256"),
        e_tag: Some(record.etag()),
        last_modified: Some(record.last_modified()),
        metadata: headers.metadata,
        ..HeadObjectOutput::default()
    }
}

/// `aws-chunked` is how the body travelled, not what the object is.
pub(super) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// `x-amz-trailer: x-amz-checksum-crc32` → `CRC32`.
pub(super) fn trailing_algorithm(headers: &http::HeaderMap) -> Option<String> {
    let name = headers.get("x-amz-trailer")?.to_str().ok()?.trim();
    Some(name.strip_prefix("x-amz-checksum-")?.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_object_is_stays_in_its_encoding() {
        assert_eq!(stored_encoding(Some("aws-chunked".into())), None);
        assert_eq!(
            stored_encoding(Some("gzip,aws-chunked".into())).as_deref(),
            Some("gzip")
        );
        assert_eq!(stored_encoding(Some("br".into())).as_deref(), Some("br"));
        assert_eq!(stored_encoding(None), None);
    }
}
