//! What a path of the registry's API asks for.

use super::name::{Reference, Repository, parse_digest};
use super::refusal::Refusal;
use contract::Digest;
use http::StatusCode;

#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    Base,
    Blob(Repository, Digest),
    Uploads(Repository),
    /// The id is checked where it is looked up.
    Upload(Repository, String),
    Manifest(Repository, Reference),
    Tags(Repository),
    Referrers(Repository, Digest),
}

impl Route {
    /// From the right, since a repository's name may contain words such as `blobs`.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        // Clients may encode a digest's colon; nothing else in these paths ever needs encoding.
        let path = path.replace("%3A", ":").replace("%3a", ":");
        if path == "/v2/" || path == "/v2" {
            return Ok(Self::Base);
        }
        let unknown = || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "UNSUPPORTED",
                "no such path in the registry's API",
            )
        };
        let rest = path.strip_prefix("/v2/").ok_or_else(unknown)?;
        if let Some(name) = rest
            .strip_suffix("/blobs/uploads")
            .or_else(|| rest.strip_suffix("/blobs/uploads/"))
        {
            return Ok(Self::Uploads(Repository::parse(name)?));
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(Repository::parse(name)?));
        }
        let (before, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(Repository::parse(name)?, last.to_owned()));
        }
        let (name, noun) = before.rsplit_once('/').ok_or_else(unknown)?;
        match noun {
            "blobs" => Ok(Self::Blob(Repository::parse(name)?, parse_digest(last)?)),
            "manifests" => Ok(Self::Manifest(Repository::parse(name)?, Reference::parse(last)?)),
            "referrers" => Ok(Self::Referrers(Repository::parse(name)?, parse_digest(last)?)),
            _ => Err(unknown()),
        }
    }

    pub fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Blob(..) => "GET, HEAD",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Tags(_) | Self::Referrers(..) => "GET",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Repository {
        Repository::parse(text).unwrap()
    }

    #[test]
    fn nested_names_are_told_from_the_nouns_after_them() {
        let digest = Digest::of(b"");
        let check = |path: String, expected: Route| assert_eq!(Route::parse(&path).unwrap(), expected, "{path}");
        check("/v2/".into(), Route::Base);
        check(
            format!("/v2/a/blobs/blobs/{digest}"),
            Route::Blob(name("a/blobs"), digest),
        );
        check(
            format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3A")),
            Route::Blob(name("a"), digest),
        );
        check("/v2/a/b/blobs/uploads/".into(), Route::Uploads(name("a/b")));
        check("/v2/a/blobs/uploads/01".into(), Route::Upload(name("a"), "01".into()));
        check(
            "/v2/a/manifests/manifests/v1".into(),
            Route::Manifest(name("a/manifests"), Reference::Tag("v1".into())),
        );
        check("/v2/tags/tags/list".into(), Route::Tags(name("tags")));
        check(format!("/v2/a/referrers/{digest}"), Route::Referrers(name("a"), digest));
    }

    #[test]
    fn a_path_that_climbs_is_refused() {
        for path in [
            "/",
            "/v1/",
            "/v2/x",
            "/v2/../manifests/v1",
            "/v2/a/../../manifests/v1",
            "/v2/%2e%2e/tags/list",
        ] {
            assert!(Route::parse(path).is_err(), "`{path}` was accepted");
        }
    }
}
