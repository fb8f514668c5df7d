//! How a host takes requests in: what its router is told besides the table.

use crate::{Network, ParseError, Weight, text_type};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Everything here may be left out.
///
/// Several apps may share a host's listening socket: each has a `host.json` of its own, all of them given to the one
/// router, and says here which requests are its.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouterConfig {
    /// The host names this app is asked for; whatever no other app is asked for, where none is named.
    pub hosts: Vec<SiteHost>,
    /// Where its paths begin. The app sees them whole.
    pub path: PathPrefix,
    /// Without it users are answered in plain text, as behind a balancer that ends TLS itself.
    pub tls: Option<TlsFiles>,
    /// Peers whose word on where a request came from is believed.
    pub trusted_proxies: Vec<Network>,
    pub access_log: Option<AccessLog>,
    /// The largest body of a request.
    pub max_body_mb: u64,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            path: PathPrefix::default(),
            tls: None,
            trusted_proxies: Network::private(),
            access_log: None,
            max_body_mb: 1024,
        }
    }
}

/// PEM files. They are read again when they change, and the last good pair is kept when the new one is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, and those between it and a root.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// One JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// At `max_mb` it is renamed, with `.1` at its end, over the one before.
    pub file: PathBuf,
    /// How many of the requests are written down; those answered with 500 and above always are.
    #[serde(default = "AccessLog::default_sample")]
    pub sample: Weight,
    #[serde(default = "AccessLog::default_max_mb")]
    pub max_mb: u64,
}

impl AccessLog {
    fn default_sample() -> Weight {
        Weight::ALL
    }

    fn default_max_mb() -> u64 {
        100
    }
}

/// A host name in lower case, or `*.` and a domain for all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteHost(String);

impl SiteHost {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.len() <= 253 && name.split('.').all(is_label) {
            true => Ok(Self(text.to_owned())),
            false => Err(ParseError::new(
                "a host name in lower case such as `shop.example`, or `*.shop.example` for all below it",
                text,
            )),
        }
    }

    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether a request for `name`, without a port, is meant.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match self.0.strip_prefix('*') {
            None => name.eq_ignore_ascii_case(&self.0),
            Some(suffix) => {
                let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
                !name.starts_with(b".")
                    && name.len() > suffix.len()
                    && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
        }
    }
}

impl fmt::Display for SiteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(SiteHost);

/// `/`, or whole segments such as `/shop` or `/shop/v2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        let is_segment =
            |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(is_plain);
        let is_sound = |text: &str| text.split('/').skip(1).all(is_segment);
        match text == "/" || (text.len() <= 200 && text.starts_with('/') && is_sound(text)) {
            true => Ok(Self(text.to_owned())),
            false => Err(ParseError::new("the beginning of a path, such as `/` or `/shop`", text)),
        }
    }

    pub fn length(&self) -> usize {
        self.0.len()
    }

    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Whether `path` is in there: by whole segments, so that `/shop` has nothing to do with `/shopping`.
    pub fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.0.as_str());
        self.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(PathPrefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_matches_whatever_its_case_and_a_wildcard_all_below_it() {
        let host = |text| SiteHost::parse(text).unwrap();
        assert!(host("shop.example").matches("Shop.Example.") && !host("shop.example").matches("a.shop.example"));
        let below = host("*.shop.example");
        assert!(below.matches("a.SHOP.example") && below.matches("a.b.shop.example"));
        assert!(!below.matches("shop.example") && !below.matches("ashop.example") && !below.matches(".shop.example"));
        for text in [
            "",
            "Shop.example",
            "a..b",
            "-a.example",
            "a*.example",
            "*",
            "*.",
            "a:80",
            "a/b",
            "ä.example",
        ] {
            assert!(SiteHost::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_prefix_holds_whole_segments() {
        let prefix = |text| PathPrefix::parse(text).unwrap();
        assert!(prefix("/").holds("/anything") && prefix("/").holds("*"));
        assert!(
            prefix("/shop").holds("/shop") && prefix("/shop").holds("/shop/a") && !prefix("/shop").holds("/shopping")
        );
        for text in ["", "shop", "/shop/", "//", "/a//b", "/..", "/a?b", "/a b", "/%2e"] {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_needs_to_be_said() {
        assert_eq!(
            serde_json::from_str::<RouterConfig>("{}").unwrap(),
            RouterConfig::default()
        );
    }
}
