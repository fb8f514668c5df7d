//! An object's file: the bytes, then the record, then the record's length and a mark. One rename replaces them all, so
//! bytes and ETag can never disagree, and whoever has the old file open goes on reading the old object.

use jiff::Timestamp;
use s3s::dto::{self, Checksum, ETag};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

const MARK: &[u8; 4] = b"OBJ1";
const FOOTER_BYTES: u64 = 4 + MARK.len() as u64;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub modified: Timestamp,
    #[serde(default)]
    pub headers: Headers,
    /// Base64, by algorithm: `crc32`, `crc32c`, `crc64nvme`, `sha1`, `sha256`.
    #[serde(default)]
    pub checksums: HashMap<String, String>,
}

/// What a client said about an object, to be repeated when it is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headers {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_type: Option<String>,
    pub metadata: Option<HashMap<String, String>>,
}

impl Record {
    /// Appends the record to a file that holds exactly the object's bytes, and makes it durable.
    pub fn seal(&self, file: &mut File) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&[&text, &length.to_be_bytes()[..], MARK].concat())?;
        file.sync_all()
    }

    /// Leaves the file at its start.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let torn = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a whole object file: {why}"));
        let total = file.metadata()?.len();
        let end = total.checked_sub(FOOTER_BYTES).ok_or_else(|| torn("too short"))?;
        file.seek(SeekFrom::Start(end))?;
        let mut footer = [0; FOOTER_BYTES as usize];
        file.read_exact(&mut footer)?;
        let [a, b, c, d, mark @ ..] = footer;
        let length = u32::from_be_bytes([a, b, c, d]);
        let start = end
            .checked_sub(u64::from(length))
            .filter(|_| mark == *MARK)
            .ok_or_else(|| torn("no mark"))?;
        file.seek(SeekFrom::Start(start))?;
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text)?;
        let record: Self = serde_json::from_slice(&text)?;
        if record.size != start {
            return Err(torn("its size does not match"));
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(record)
    }

    pub fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    pub fn last_modified(&self) -> dto::Timestamp {
        dto::Timestamp::from(std::time::SystemTime::from(self.modified))
    }

    pub fn length(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX)
    }

    pub fn set_checksums(&mut self, checksum: Checksum) {
        let named = [
            ("crc32", checksum.checksum_crc32),
            ("crc32c", checksum.checksum_crc32c),
            ("crc64nvme", checksum.checksum_crc64nvme),
            ("sha1", checksum.checksum_sha1),
            ("sha256", checksum.checksum_sha256),
        ];
        self.checksums = named
            .into_iter()
            .filter_map(|(name, sum)| Some((name.to_owned(), sum?)))
            .collect();
    }

    pub fn checksum(&self, algorithm: &str) -> Option<String> {
        self.checksums.get(algorithm).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(bytes: &[u8]) -> (File, Record) {
        let record = Record {
            key: "a/ä".into(),
            size: bytes.len() as u64,
            etag: "00".into(),
            modified: Timestamp::UNIX_EPOCH,
            headers: Headers {
                content_type: Some("text/html".into()),
                ..Headers::default()
            },
            checksums: HashMap::new(),
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        record.seal(&mut file).unwrap();
        (file, record)
    }

    #[test]
    fn a_record_is_read_back_from_behind_the_bytes() {
        for bytes in [&b""[..], b"hello", &[0; 100_000]] {
            let (mut file, record) = sealed(bytes);
            assert_eq!(Record::read(&mut file).unwrap(), record);
            let mut content = vec![0; bytes.len()];
            file.read_exact(&mut content).unwrap();
            assert_eq!(content, bytes);
        }
    }

    #[test]
    fn a_torn_file_is_refused_wherever_it_was_cut() {
        let (file, _) = sealed(b"hello");
        let whole = file.metadata().unwrap().len();
        for length in 0..whole {
            let (mut file, _) = sealed(b"hello");
            file.set_len(length).unwrap();
            assert!(
                Record::read(&mut file).is_err(),
                "accepted when cut to {length} of {whole} bytes"
            );
        }
    }
}
