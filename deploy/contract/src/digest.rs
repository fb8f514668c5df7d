//! Content digests, and images named by them.

use crate::{ParseError, text_type};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of some bytes. Images, blobs, manifests and configs are known by this, never by a tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From the finished output of a streaming SHA-256.
    pub fn from_sha256(output: [u8; 32]) -> Self {
        Self(output)
    }

    /// `sha256:` and 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("a digest (`sha256:` and 64 hexadecimal digits)", text);
        let hex = text.strip_prefix("sha256:").ok_or_else(error)?;
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }

    /// The 64 digits without `sha256:`.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first twelve digits: enough for people, never for identity.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_type!(Digest);

/// `registry/repository@sha256:…`: an image that cannot change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// Registry host and path, without a tag: `127.0.0.1:5000/shop`.
    pub repository: String,
    pub digest: Digest,
}

impl ImageRef {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("an image by digest (`repository@sha256:…`)", text);
        let (repository, digest) = text.split_once('@').ok_or_else(error)?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/:".contains(c);
        if repository.is_empty() || repository.len() > 255 || !repository.chars().all(fits) {
            return Err(error());
        }
        Ok(Self {
            repository: repository.to_owned(),
            digest: Digest::parse(digest)?,
        })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

text_type!(ImageRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_text_and_back() {
        let digest = Digest::of(b"hello");
        assert_eq!(
            digest.to_string(),
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        let long = format!("sha256:{}", "A".repeat(64));
        for bad in ["", "sha256:", "sha512:00", "2cf24d", long.as_str(), "sha256:é"] {
            assert!(Digest::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }

    #[test]
    fn an_image_by_tag_is_refused() {
        assert!(ImageRef::parse("127.0.0.1:5000/shop:latest").is_err());
        let by_digest = format!("127.0.0.1:5000/shop@{}", Digest::of(b""));
        assert_eq!(ImageRef::parse(&by_digest).unwrap().to_string(), by_digest);
    }
}
