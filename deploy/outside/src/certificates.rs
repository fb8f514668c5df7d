use crate::Misset;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::{Path, PathBuf};

/// One that can be used is enough: the system's own files, too, hold some that few can read.
pub fn check(read: impl Fn(&str) -> Option<String>) -> Result<(), Misset> {
    let Some(path) = read("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    match usable(&path) {
        Ok(1..) => Ok(()),
        Ok(0) => Err(Misset::Certificates {
            path,
            found: "found none that can be used".to_owned(),
        }),
        Err(found) => Err(Misset::Certificates { path, found }),
    }
}

fn usable(path: &Path) -> Result<usize, String> {
    let pem = std::fs::read(path).map_err(|error| format!("found that it cannot be read: {error}"))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    Ok(usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &Path) -> Result<(), Misset> {
        check(|name| (name == "SSL_CERT_FILE").then(|| path.to_string_lossy().into_owned()))
    }

    #[test]
    fn a_file_that_is_missing_or_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("company.pem");
        let said = |path: &Path| with(path).unwrap_err().to_string();
        assert!(said(&path).contains("company.pem`, found that it cannot be read: No such file"));
        for content in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(
                said(&path).contains("company.pem`, found none that can be used"),
                "{content}"
            );
        }
        check(|_| None).unwrap();
    }
}
