//! The fields that many of S3's inputs and outputs have in common, though their types share no trait.

/// What an input says about the object it brings.
macro_rules! headers_of {
    ($input:ident) => {
        $crate::bucket::record::Headers {
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: $crate::bucket::object::stored_encoding($input.content_encoding),
            content_language: $input.content_language,
            content_type: $input.content_type,
            metadata: $input.metadata,
        }
    };
}

/// An input's body and what it announces about it; `$trailer` is the algorithm of a checksum that follows the body.
macro_rules! announced_by {
    ($input:ident, $trailer:expr, $trailers:expr) => {
        $crate::bucket::ingest::Announced {
            body: $input.body,
            md5: $input.content_md5,
            checksum: s3s::dto::Checksum {
                checksum_crc32: $input.checksum_crc32,
                checksum_crc32c: $input.checksum_crc32c,
                checksum_crc64nvme: $input.checksum_crc64nvme,
                checksum_sha1: $input.checksum_sha1,
                checksum_sha256: $input.checksum_sha256,
                ..Default::default()
            },
            algorithm: $input
                .checksum_algorithm
                .map(|name| name.as_str().to_owned())
                .or($trailer),
            trailers: $trailers,
        }
    };
}

/// The output of a write: ETag and checksums of what was written.
macro_rules! written {
    ($output:ident, $record:expr) => {
        $output {
            e_tag: Some($record.etag()),
            checksum_crc32: $record.checksum("crc32"),
            checksum_crc32c: $record.checksum("crc32c"),
            checksum_crc64nvme: $record.checksum("crc64nvme"),
            checksum_sha1: $record.checksum("sha1"),
            checksum_sha256: $record.checksum("sha256"),
            ..$output::default()
        }
    };
}
