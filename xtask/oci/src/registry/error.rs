//! What went wrong with a registry, and what to do about it.

use super::{Repository, Unusable};
use contract::Digest;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Longest part of a server's own words that is repeated.
const MESSAGE_CHARS: usize = 300;

/// An operation on a registry that failed. Never holds a URL: their queries carry upload state and tokens.
#[derive(Debug)]
pub struct RegistryError {
    /// The registry.
    pub host: String,
    /// Where it sends its clients for a token, if that is where it went wrong.
    pub token_server: Option<String>,
    pub repository: String,
    /// What was tried, as it reads after "cannot": `upload blob sha256:…`.
    pub doing: String,
    pub problem: Box<Problem>,
}

#[derive(Debug)]
pub enum Problem {
    /// No answer, or one cut short.
    Unreachable {
        why: String,
    },
    /// The server's certificate is not one we trust.
    Untrusted {
        why: String,
    },
    /// An answer that was not the one hoped for.
    Refused {
        status: u16,
        code: Option<String>,
        message: String,
        retry_after: Option<Duration>,
    },
    /// An answer that breaks the protocol.
    Malformed {
        why: String,
    },
    /// The bytes are not those asked for.
    WrongBytes {
        expected: Digest,
        found: String,
    },
    TooLarge {
        limit_bytes: u64,
    },
    /// Credentials would have gone where anyone may read them.
    UnsafeUrl {
        what: &'static str,
        url: String,
    },
    /// Credentials were needed, and could not be had.
    Credentials(Unusable),
    CaFile {
        path: PathBuf,
        why: String,
    },
    Local {
        why: String,
    },
}

impl RegistryError {
    pub(super) fn new(repository: &Repository, doing: impl Into<String>, problem: Problem) -> Self {
        let (host, path) = (repository.host().to_owned(), repository.path().to_owned());
        Self {
            host,
            token_server: None,
            repository: path,
            doing: doing.into(),
            problem: Box::new(problem),
        }
    }

    pub(super) fn at_token_server(mut self, realm: &Url) -> Self {
        self.token_server = Some(realm.authority().to_owned());
        self
    }

    /// The HTTP status, if the server gave one.
    pub fn status(&self) -> Option<u16> {
        match *self.problem {
            Problem::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self.problem.as_ref() {
            Problem::Unreachable { .. } => true,
            Problem::Refused { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }

    /// What the person who reads this should do next.
    fn hint(&self) -> Option<String> {
        let host = &self.host;
        Some(match self.problem.as_ref() {
            Problem::Unreachable { .. } => {
                let host = self.token_server.as_ref().unwrap_or(host);
                format!("check that `{host}` is right and running, and that this machine can reach it")
            }
            Problem::Untrusted { .. } => {
                "name the certificate authority's file as `registry.ca_file`, or in SSL_CERT_FILE".into()
            }
            Problem::Refused { status: 401, .. } => {
                format!("log in with `docker login {host}`, or set `registry.auth`")
            }
            Problem::Refused { status: 403, .. } => {
                format!(
                    "ask for the right to push to `{}`, or log in as someone who has it: `docker login {host}`",
                    self.repository
                )
            }
            Problem::Refused { status: 404, .. } => {
                format!(
                    "check the name `{}`; some registries want a repository made before its first push",
                    self.repository
                )
            }
            Problem::Refused {
                status: 429 | 500.., ..
            } => "try again later; the registry's own log says more".into(),
            Problem::UnsafeUrl { .. } => "the registry must give https addresses; its operator sets that".into(),
            Problem::Credentials(_) => {
                format!("run `docker login {host}`, or set `registry.auth` to another source")
            }
            _ => return None,
        })
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "registry `{}`: cannot {} in `{}`",
            self.host, self.doing, self.repository
        )?;
        if let Some(server) = &self.token_server {
            write!(f, ", at its token server `{server}`")?;
        }
        write!(f, ": {}", self.problem)?;
        match self.hint() {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { why } => write!(f, "no answer: {why}"),
            Self::Untrusted { why } => write!(f, "its certificate is not trusted: {why}"),
            Self::Refused {
                status, code, message, ..
            } => {
                let name = StatusCode::from_u16(*status)
                    .ok()
                    .and_then(|status| status.canonical_reason())
                    .unwrap_or("?");
                write!(f, "it answered {status} {name}")?;
                code.iter().try_for_each(|code| write!(f, " ({code})"))?;
                if message.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {message}")
                }
            }
            Self::Malformed { why } => write!(f, "its answer is not what a registry says: {why}"),
            Self::WrongBytes { expected, found } => write!(f, "expected the bytes of `{expected}`, found `{found}`"),
            Self::TooLarge { limit_bytes } => write!(f, "it sent more than the {limit_bytes} bytes expected"),
            Self::UnsafeUrl { what, url } => write!(f, "its {what} `{url}` is plain http to another machine"),
            Self::Credentials(Unusable { place, why }) => {
                write!(f, "it wants credentials, and {place} gave none: {why}")
            }
            Self::CaFile { path, why } => write!(f, "CA file `{}`: {why}", path.display()),
            Self::Local { why } => f.write_str(why),
        }
    }
}

impl StdError for RegistryError {}

impl Problem {
    /// A request that got no answer.
    pub(super) fn transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let why = chain(&error);
        match () {
            () if is_untrusted(&error) => Self::Untrusted { why },
            () if error.is_builder() => Self::Local { why },
            () => Self::Unreachable { why },
        }
    }

    /// What a server said instead of yes. `body` is the bounded beginning of its answer.
    pub(super) fn refused(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Answer {
            errors: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            code: Option<String>,
            message: Option<String>,
        }
        let first = serde_json::from_slice::<Answer>(body)
            .ok()
            .and_then(|answer| answer.errors.into_iter().next());
        let (code, message) = match first {
            Some(item) => (item.code, item.message.unwrap_or_default()),
            None => (None, String::from_utf8_lossy(body).into_owned()),
        };
        Self::Refused {
            status: status.as_u16(),
            code: code.map(|code| tame(&code)),
            message: tame(&message),
            retry_after,
        }
    }
}

/// A server's words on one line and not too many of them.
fn tame(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS)
        .collect();
    line.trim().to_owned()
}

/// An error with its causes; each says only what the ones before did not.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = error.source();
    }
    tame(&text)
}

fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner
            .and_then(|inner| inner.downcast_ref())
            .or_else(|| error.downcast_ref::<rustls::Error>());
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}
