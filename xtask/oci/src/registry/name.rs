//! Where images are kept: a registry and a name in it.

use contract::{Digest, ImageRef, ParseError};
use outside::is_here;
use std::fmt;

/// `host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    pub fn parse(text: &str) -> std::result::Result<Self, ParseError> {
        let error = || ParseError {
            expected: "a repository (`host[:port]/path` in lower case, without a tag, such as `127.0.0.1:5000/shop`)",
            found: text.chars().take(100).collect(),
        };
        let (host, path) = text.split_once('/').ok_or_else(error)?;
        if text.len() > 255 || !is_host(host) || !path.split('/').all(is_path_part) {
            return Err(error());
        }
        // Docker Hub keeps its own images under a name it does not show.
        let path = if host == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self {
            host: host.to_owned(),
            path,
        })
    }

    /// The registry, with its port if it has one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name in the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn image(&self, digest: Digest) -> ImageRef {
        ImageRef {
            repository: self.to_string(),
            digest,
        }
    }

    /// Loopback registries speak plain HTTP, as for Docker's engine; all others HTTPS.
    pub(super) fn url(&self, tail: &str) -> String {
        let scheme = if is_here(bare_host(&self.host)) {
            "http"
        } else {
            "https"
        };
        let host = if self.host == "docker.io" {
            "registry-1.docker.io"
        } else {
            &self.host
        };
        format!("{scheme}://{host}/v2/{}/{tail}", self.path)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

fn bare_host(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, _)) if !bare.contains(':') || bare.ends_with(']') => bare,
        _ => host,
    }
}

/// As Docker tells a host from the first part of a path: by its dot, its port, or the name `localhost`.
fn is_host(text: &str) -> bool {
    let bare = bare_host(text);
    let port = text[bare.len()..].strip_prefix(':');
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let fits = if bare.starts_with('[') {
        is_here(bare)
    } else {
        !bare.is_empty() && bare.chars().all(named)
    };
    fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && (port.is_some() || bare.contains('.') || bare.starts_with('[') || bare == "localhost")
}

fn is_path_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_spoken_to_over_tls_unless_it_is_on_this_machine() {
        for (text, url) in [
            ("127.0.0.1:5000/shop", "http://127.0.0.1:5000/v2/shop/x"),
            ("localhost/shop/api", "http://localhost/v2/shop/api/x"),
            ("[::1]:5000/shop", "http://[::1]:5000/v2/shop/x"),
            ("ghcr.io/a/b_c.d-e", "https://ghcr.io/v2/a/b_c.d-e/x"),
            ("registry:5000/shop", "https://registry:5000/v2/shop/x"),
            (
                "127.0.0.1.example.test/shop",
                "https://127.0.0.1.example.test/v2/shop/x",
            ),
            ("docker.io/mysql", "https://registry-1.docker.io/v2/library/mysql/x"),
        ] {
            let repository = Repository::parse(text).unwrap();
            assert_eq!(repository.url("x"), url);
            assert!(ImageRef::parse(&repository.image(Digest::of(b"")).to_string()).is_ok() || text.starts_with('['));
        }
    }

    #[test]
    fn what_is_not_a_repository_is_refused() {
        let long = format!("a.b/{}", "c".repeat(255));
        for bad in [
            "",
            "shop",
            "a.b",
            "a.b/",
            "/shop",
            "shop/api",
            "a.b/Shop",
            "A.b/shop",
            "a.b/shop:1",
            "a.b/shop@sha256:00",
            "a.b/../x",
            "a.b//x",
            "a.b:0/x",
            "a.b:70000/x",
            "a.b:/x",
            "http://a.b/x",
            "user@a.b/x",
            "a.b/x?y",
            &long,
        ] {
            assert!(Repository::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }
}
