//! The certificate users see: read from files, and read again when they change.

use crate::limits::{CERTIFICATE_CHECK, PEM_BYTES};
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use contract::{SiteHost, TlsFiles};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;

pub struct Tls {
    pub acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
}

/// One for each app; the first is for whoever asks for none of their names.
#[derive(Debug)]
struct Certificates(Vec<Certificate>);

#[derive(Debug)]
struct Certificate {
    hosts: Vec<SiteHost>,
    files: TlsFiles,
    /// Swapped under the handshakes.
    current: ArcSwap<CertifiedKey>,
    known: Mutex<Known>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_meant = |certificate: &&Certificate| {
            let name = hello.server_name();
            name.is_some_and(|name| certificate.hosts.iter().any(|host| host.matches(name)))
        };
        let meant = self.0.iter().find(is_meant).or(self.0.first())?;
        Some(meant.current.load_full())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.certificates).finish()
    }
}

impl Tls {
    /// `None` where no app has a certificate. Either all of them have one, or none.
    pub fn load(hosts: &[host::Given]) -> Result<Option<Self>> {
        let mut certificates = Vec::new();
        for host in hosts {
            if let Some(files) = &host.config.router.tls {
                certificates.push(Certificate::load(host, files)?);
            }
        }
        if certificates.is_empty() {
            return Ok(None);
        }
        if certificates.len() < hosts.len() {
            bail!("apps that share a socket either all have a certificate (`router.tls`), or none of them");
        }
        let certificates = Arc::new(Certificates(certificates));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificates,
        }))
    }

    /// Takes over what is new in the files. Connections that are open keep what they began with. Never ends.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(CERTIFICATE_CHECK).await;
            self.certificates.0.iter().for_each(Certificate::refresh);
        }
    }
}

impl Certificate {
    fn load(host: &host::Given, files: &TlsFiles) -> Result<Self> {
        let files = TlsFiles {
            certificate: host.folder.join(&files.certificate),
            key: host.folder.join(&files.key),
        };
        let texts = Texts::read(&files)?;
        Ok(Self {
            hosts: host.config.router.hosts.clone(),
            current: ArcSwap::from_pointee(texts.certified_key(&files)?),
            known: Mutex::new(Known { texts, trouble: None }),
            files,
        })
    }

    /// Two files are not replaced in one step: a pair that does not fit, or cannot be read, is looked at again.
    fn refresh(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Texts::read(&self.files);
        if found.as_ref().is_ok_and(|found| *found == known.texts) {
            return;
        }
        match found.and_then(|texts| Ok((texts.certified_key(&self.files)?, texts))) {
            Ok((key, texts)) => {
                self.current.store(Arc::new(key));
                *known = Known { texts, trouble: None };
                tracing::info!(file = %self.files.certificate.display(), "a new certificate is in use");
            }
            Err(error) => {
                let trouble = format!("{error:#}");
                if known.trouble.as_ref() != Some(&trouble) {
                    tracing::error!("{trouble}; the certificate before stays in use");
                    known.trouble = Some(trouble);
                }
            }
        }
    }
}

/// What was found in the files last, and what was wrong with them since.
#[derive(Debug)]
struct Known {
    texts: Texts,
    trouble: Option<String>,
}

/// What the two files say; one of them is nobody's business.
#[derive(PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Texts {
    fn read(files: &TlsFiles) -> Result<Self> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    fn certified_key(&self, files: &TlsFiles) -> Result<CertifiedKey> {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.with_context(|| format!("`{certificate}` is not a PEM file"))?;
        if chain.is_empty() {
            bail!("`{certificate}` holds no certificate");
        }
        let private =
            PrivateKeyDer::from_pem_slice(&self.key).with_context(|| format!("`{key}` holds no private key in PEM"))?;
        CertifiedKey::from_der(chain, private, &ring::default_provider())
            .with_context(|| format!("the key in `{key}` is not that of the certificate in `{certificate}`"))
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts(…)")
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PEM_BYTES + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read `{}`", path.display()))?;
    if bytes.len() as u64 > PEM_BYTES {
        bail!("`{}` is larger than {PEM_BYTES} bytes", path.display());
    }
    Ok(bytes)
}
