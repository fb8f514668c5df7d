//! Who may tell a host what to run.

use crate::{ParseError, text_type};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signer as _, Verifier as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// A document and a signature over its exact bytes. The document travels as text, so that no re-serialisation can come
/// between what was signed and what is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    pub key: KeyId,
    /// ed25519, base64.
    pub signature: String,
    pub document: String,
}

/// The first sixteen hexadecimal digits of the SHA-256 of the public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    fn of(public: &[u8]) -> Self {
        Self(crate::Digest::of(public).hex()[..16].to_owned())
    }

    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new("a key id (16 hexadecimal digits)", text))
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(KeyId);

/// The keys whose signatures count. Versioned, so that a later set replaces an earlier one and never the reverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    pub version: u32,
    pub keys: Vec<PublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    pub id: KeyId,
    /// 32 bytes, base64.
    pub ed25519: String,
}

impl PublicKey {
    /// A key under its own id.
    pub fn is_whole(&self) -> bool {
        let bytes = BASE64.decode(&self.ed25519);
        bytes.is_ok_and(|bytes| bytes.len() == 32 && self.id == KeyId::of(&bytes))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("signed with key `{0}`, which this host does not trust")]
    UnknownKey(KeyId),
    #[error("the trusted key `{0}` is not a valid ed25519 key")]
    BadKey(KeyId),
    #[error("the signature by key `{0}` does not fit the document")]
    BadSignature(KeyId),
    #[error("the signed document cannot be read: {0}")]
    BadDocument(String),
}

/// Signs desired documents. Its `Debug` shows the key's id only.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id)
    }
}

impl SigningKey {
    /// From 32 secret random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.trim()).ok()?;
        Some(Self::from_seed(bytes.try_into().ok()?))
    }

    pub fn to_base64(&self) -> String {
        BASE64.encode(self.0.to_bytes())
    }

    pub fn public(&self) -> PublicKey {
        let bytes = self.0.verifying_key().to_bytes();
        PublicKey {
            id: KeyId::of(&bytes),
            ed25519: BASE64.encode(bytes),
        }
    }

    pub fn seal<T: Serialize>(&self, document: &T) -> Result<Envelope, serde_json::Error> {
        Ok(self.sign(serde_json::to_string(document)?))
    }

    /// Whatever the text is.
    pub fn sign(&self, document: String) -> Envelope {
        let signature = BASE64.encode(self.0.sign(document.as_bytes()).to_bytes());
        Envelope {
            key: self.public().id,
            signature,
            document,
        }
    }
}

impl Envelope {
    /// The document, if a trusted key signed exactly these bytes.
    pub fn open<T: DeserializeOwned>(&self, trusted: &KeySet) -> Result<T, SignatureError> {
        let unknown = || SignatureError::UnknownKey(self.key.clone());
        let key = trusted.keys.iter().find(|key| key.id == self.key).ok_or_else(unknown)?;
        let bad_key = || SignatureError::BadKey(self.key.clone());
        let bytes = BASE64.decode(&key.ed25519).map_err(|_| bad_key())?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| bad_key())?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| bad_key())?;
        let bad_signature = || SignatureError::BadSignature(self.key.clone());
        let signature = BASE64.decode(&self.signature).map_err(|_| bad_signature())?;
        let signature = ed25519_dalek::Signature::from_slice(&signature).map_err(|_| bad_signature())?;
        key.verify(self.document.as_bytes(), &signature)
            .map_err(|_| bad_signature())?;
        serde_json::from_str(&self.document).map_err(|error| SignatureError::BadDocument(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    fn trusting(keys: &[&SigningKey]) -> KeySet {
        KeySet {
            version: 1,
            keys: keys.iter().map(|key| key.public()).collect(),
        }
    }

    #[test]
    fn a_signed_document_opens_with_its_key() {
        let envelope = key(1).seal(&"hello").unwrap();
        assert_eq!(
            envelope.open::<String>(&trusting(&[&key(2), &key(1)])),
            Ok("hello".to_owned())
        );
    }

    #[test]
    fn one_changed_byte_is_noticed() {
        let mut envelope = key(1).seal(&"hello").unwrap();
        envelope.document = envelope.document.replace('h', "j");
        let error = envelope.open::<String>(&trusting(&[&key(1)])).unwrap_err();
        assert_eq!(error, SignatureError::BadSignature(key(1).public().id));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let envelope = key(1).seal(&"hello").unwrap();
        let error = envelope.open::<String>(&trusting(&[&key(2)])).unwrap_err();
        assert_eq!(error, SignatureError::UnknownKey(key(1).public().id));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        assert!(!format!("{:?}", key(7)).contains(&key(7).to_base64()));
    }
}
