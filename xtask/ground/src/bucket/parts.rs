//! The parts of a multipart upload, and what becomes of them.

use super::ingest::hex;
use super::multipart::Purpose;
use super::record::Record;
use super::store::{Store, disk_error};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

const MIN_PART_BYTES: u64 = 5 << 20;

impl Store {
    /// The parts' bytes one after the other, with the ETag that S3 gives to such an object: the MD5 of the parts' MD5s.
    pub(super) fn join_parts(
        &self,
        folder: &Path,
        purpose: Purpose,
        wanted: &[CompletedPart],
    ) -> S3Result<(File, TempPath, Record)> {
        let (mut file, path) = NamedTempFile::new_in(self.scratch()).map_err(disk_error)?.into_parts();
        let mut md5 = Md5::new();
        let mut size = 0;
        let mut previous = 0;
        for (position, part) in wanted.iter().enumerate() {
            let number = part.part_number.unwrap_or_default();
            if number <= previous {
                return Err(s3_error!(InvalidPartOrder));
            }
            previous = number;
            let (source, record) = open_part(folder, number)?;
            if part.e_tag.as_ref().is_some_and(|etag| etag.value() != record.etag) {
                return Err(s3_error!(InvalidPart, "part {number} has ETag \"{}\"", record.etag));
            }
            if position + 1 < wanted.len() && record.size < MIN_PART_BYTES {
                return Err(s3_error!(EntityTooSmall));
            }
            io::copy(&mut io::Read::take(source, record.size), &mut file).map_err(disk_error)?;
            md5.update(&unhex(&record.etag));
            size += record.size;
        }
        if wanted.is_empty() {
            return Err(s3_error!(InvalidPart, "at least one part is needed"));
        }
        let etag = format!("{}-{}", hex(md5.finalize().as_ref()), wanted.len());
        let modified = jiff::Timestamp::now();
        let (key, headers) = (purpose.key, purpose.headers);
        Ok((
            file,
            path,
            Record {
                key,
                size,
                etag,
                modified,
                headers,
                checksums: Default::default(),
            },
        ))
    }
}

pub(super) fn part_path(folder: &Path, number: i32) -> PathBuf {
    folder.join(format!("part-{number:05}"))
}

pub(super) fn open_part(folder: &Path, number: i32) -> S3Result<(File, Record)> {
    let mut file = match File::open(part_path(folder, number)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(s3_error!(InvalidPart, "part {number} was not uploaded"));
        }
        Err(error) => return Err(disk_error(error)),
    };
    let record = Record::read(&mut file).map_err(disk_error)?;
    Ok((file, record))
}

pub(super) fn part_numbers(folder: &Path) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(
            name.to_str()
                .and_then(|name| name.strip_prefix("part-"))
                .and_then(|text| text.parse::<i32>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Of what `hex` wrote; anything else gives fewer bytes.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|d| u8::try_from(d).ok())
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
