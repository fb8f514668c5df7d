//! Where photos are kept: a bucket of any store that speaks S3, or nowhere.

use super::Problems;
use axum::http::Uri;

const DEFAULT_REGION: &str = "us-east-1";

// No `Debug`: it holds a secret.
pub struct BucketConfig {
    /// As this process reaches it.
    pub endpoint: Uri,
    /// As clients reach it.
    pub public_endpoint: Uri,
    pub name: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// `None` also when something is wrong, which `problems` then tells.
pub fn bucket(read: &impl Fn(&str) -> Option<String>, problems: &mut Problems) -> Option<BucketConfig> {
    let endpoint = read("S3_ENDPOINT")?;
    let public_endpoint = read("S3_PUBLIC_ENDPOINT").unwrap_or_else(|| endpoint.clone());
    let endpoint = problems.note(address("S3_ENDPOINT", &endpoint));
    let public_endpoint = problems.note(address("S3_PUBLIC_ENDPOINT", &public_endpoint));
    let name = problems.note(needed("S3_BUCKET", read).and_then(bucket_name));
    let access_key_id = problems.note(needed("AWS_ACCESS_KEY_ID", read));
    let secret_access_key = problems.note(needed("AWS_SECRET_ACCESS_KEY", read));
    Some(BucketConfig {
        endpoint: endpoint?,
        public_endpoint: public_endpoint?,
        name: name?,
        region: read("S3_REGION").unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
    })
}

fn needed(name: &str, read: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    read(name).ok_or_else(|| format!("{name} is missing: S3_ENDPOINT needs it"))
}

fn address(name: &str, value: &str) -> Result<Uri, String> {
    let is_address = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.path() == "/"
            && uri.query().is_none()
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
    };
    value
        .parse()
        .ok()
        .filter(is_address)
        .ok_or_else(|| format!("{name} must be http(s)://HOST[:PORT]; it is `{value}`"))
}

/// By the vendor's rules, so that it needs no escapes in a path.
fn bucket_name(name: String) -> Result<String, String> {
    let is_name = (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && !name.starts_with(['-', '.']);
    if is_name {
        return Ok(name);
    }
    Err(format!(
        "S3_BUCKET must have 3 to 63 small letters, digits, `-` and `.`; it is `{name}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn without_an_endpoint_there_is_no_bucket_and_nothing_is_missing() {
        let mut problems = Problems::default();
        assert!(bucket(&read(&[("S3_BUCKET", "photos")]), &mut problems).is_none());
        assert!(problems.0.is_empty(), "{problems}");
    }

    #[test]
    fn an_endpoint_needs_a_bucket_and_keys_and_is_its_own_public_address() {
        let mut problems = Problems::default();
        let variables = [
            ("S3_ENDPOINT", "http://bucket:9000"),
            ("S3_BUCKET", "photos"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ];
        let config = bucket(&read(&variables), &mut problems).unwrap_or_else(|| panic!("{problems}"));
        assert_eq!(
            (config.public_endpoint, config.region),
            (config.endpoint, "us-east-1".to_owned())
        );

        assert!(bucket(&read(&variables[..1]), &mut problems).is_none());
        for name in ["S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert!(problems.to_string().contains(name), "{name} is not in: {problems}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address_alone_and_a_bucket_needs_no_escapes() {
        for endpoint in [
            "bucket:9000",
            "ftp://bucket",
            "http://u:p@bucket",
            "http://bucket/path",
            "http://bucket?x",
            "",
        ] {
            assert!(address("S3_ENDPOINT", endpoint).is_err(), "accepted {endpoint:?}");
        }
        for name in ["ab", "A-bucket", "a/b", "-abc", "a%20b", &"a".repeat(64)] {
            assert!(bucket_name(name.to_owned()).is_err(), "accepted {name:?}");
        }
    }
}
