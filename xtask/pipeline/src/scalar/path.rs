//! Paths and addresses.

use crate::form::Scalar;
use crate::node::Value;
use schemars::{Schema, json_schema};
use std::path::PathBuf;

const MAX_CHARS: usize = 500;

/// Within the project: relative, and never upwards out of it.
#[derive(Debug, Clone)]
pub enum ProjectPath {}

/// Relative to the project, or absolute where the thing is the machine's rather than the project's.
#[derive(Debug, Clone)]
pub enum AnyPath {}

/// The path of a URL on the app.
#[derive(Debug, Clone)]
pub enum UrlPath {}

/// A place in a JSON document, after RFC 6901.
#[derive(Debug, Clone)]
pub enum JsonPointer {}

/// `host[:port]/path` of an OCI registry, without scheme and tag.
#[derive(Debug, Clone)]
pub enum Repository {}

/// Where an S3-compatible store answers.
#[derive(Debug, Clone)]
pub enum Endpoint {}

impl Scalar for ProjectPath {
    type Value = PathBuf;

    fn expected() -> String {
        "a path within the project (relative, without `..`)".to_owned()
    }

    fn read(value: &Value) -> Option<PathBuf> {
        let path = value.text().filter(|text| is_path(text) && !text.starts_with('/'))?;
        Some(path.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(?!/)(?!.*(^|/)\\.\\.(/|$)).+$" })
    }
}

impl Scalar for AnyPath {
    type Value = PathBuf;

    fn expected() -> String {
        "a path without `..`".to_owned()
    }

    fn read(value: &Value) -> Option<PathBuf> {
        let path = value.text().filter(|text| is_path(text))?;
        Some(path.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(?!.*(^|/)\\.\\.(/|$)).+$" })
    }
}

impl Scalar for UrlPath {
    type Value = String;

    fn expected() -> String {
        "a path that starts with `/`".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let path = value
            .text()
            .filter(|text| text.starts_with('/') && is_word(text) && !text.contains('#'))?;
        Some(path.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^/[^\\s#]*$" })
    }
}

impl Scalar for JsonPointer {
    type Value = String;

    fn expected() -> String {
        "a JSON pointer (such as `/items/0/name`)".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let pointer = value.text().filter(|text| text.starts_with('/'))?;
        // A tilde begins `~0` (a tilde) or `~1` (a slash).
        let mut after_tildes = pointer.split('~').skip(1);
        after_tildes
            .all(|rest| rest.starts_with(['0', '1']))
            .then(|| pointer.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(/([^~/]|~[01])*)+$" })
    }
}

impl Scalar for Repository {
    type Value = String;

    fn expected() -> String {
        "a repository (`host[:port]/path`, lower-case, without scheme, tag or digest)".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let text = value.text().filter(|text| is_word(text))?;
        let (host, path) = text.split_once('/')?;
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        let in_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let in_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        let fits = !name.is_empty()
            && name.chars().all(in_host)
            && port.parse::<u16>().is_ok()
            && path
                .split('/')
                .all(|part| !part.is_empty() && part.chars().all(in_path));
        fits.then(|| text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$" })
    }
}

impl Scalar for Endpoint {
    type Value = String;

    fn expected() -> String {
        "an address that starts with `https://` or `http://`".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let text = value.text().filter(|text| is_word(text))?;
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        (!host.is_empty() && !host.starts_with('/')).then(|| text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^/\\s]\\S*$" })
    }
}

fn is_path(text: &str) -> bool {
    let upwards = text.split('/').any(|part| part == "..");
    !text.is_empty() && text.len() <= MAX_CHARS && !upwards && !text.chars().any(|c| c.is_control() || c == '\\')
}

fn is_word(text: &str) -> bool {
    text.len() <= MAX_CHARS && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads<T: Scalar>(text: &str) -> bool {
        T::read(&Value::Text(text.to_owned())).is_some()
    }

    #[test]
    fn a_project_path_stays_in_the_project() {
        for good in ["web", "app/web", "./web", "..web", "a..b/c"] {
            assert!(reads::<ProjectPath>(good), "{good}");
        }
        for bad in ["", "/etc", "..", "../x", "a/../b", "a/..", "a\\b", "a\nb"] {
            assert!(!reads::<ProjectPath>(bad), "{bad}");
        }
        assert!(reads::<AnyPath>("/etc/ssl/ca.pem") && !reads::<AnyPath>("/etc/../ca.pem"));
    }

    #[test]
    fn a_repository_has_a_host_and_a_path_and_no_tag() {
        for good in ["ghcr.io/acme/shop", "127.0.0.1:5000/shop", "registry/a/b/c_d"] {
            assert!(reads::<Repository>(good), "{good}");
        }
        for bad in [
            "shop",
            "ghcr.io/",
            "https://ghcr.io/shop",
            "ghcr.io/shop:1",
            "ghcr.io/Shop",
            "h:x/shop",
            "h//x",
        ] {
            assert!(!reads::<Repository>(bad), "{bad}");
        }
    }
}
