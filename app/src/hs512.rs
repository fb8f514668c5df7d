//! The one algorithm that access tokens are signed with, made known to jsonwebtoken. Its own providers bring RSA and
//! elliptic curves along; this one knows HMAC-SHA-512 alone, so that no token can talk it into another.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use ring::hmac;

pub static HS512: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS512 => Ok(Box::new(Hmac::new(key.as_bytes()))),
        _ => Err(unsupported()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS512 => Ok(Box::new(Hmac::new(key.try_get_as_bytes()?))),
        _ => Err(unsupported()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

struct Hmac(hmac::Key);

impl Hmac {
    fn new(secret: &[u8]) -> Hmac {
        Hmac(hmac::Key::new(hmac::HMAC_SHA512, secret))
    }
}

impl signature::Signer<Vec<u8>> for Hmac {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hmac {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hmac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS512
    }
}

impl JwtVerifier for Hmac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS512
    }
}
