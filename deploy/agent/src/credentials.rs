//! Who this host is to a registry: what `docker login` left in the Docker configuration, or nobody.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use contract::ImageRef;
use docker::RegistryCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Debug, Default, Deserialize)]
struct Auth {
    auth: Option<String>,
}

/// Credential helpers are programs of their own and are not asked here.
pub fn find(image: &ImageRef) -> Option<RegistryCredentials> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    let text = std::fs::read_to_string(folder.join("config.json")).ok()?;
    let registry = image.repository.split('/').next()?;
    in_config(&text, registry)
}

fn in_config(text: &str, registry: &str) -> Option<RegistryCredentials> {
    let config: DockerConfig = serde_json::from_str(text).ok()?;
    let host = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next() == Some(registry)
    };
    let auth = config.auths.iter().find(|(key, _)| host(key))?.1.auth.as_ref()?;
    let decoded = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(RegistryCredentials {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_s_own_entry_is_used_and_no_other() {
        let text = r#"{"auths": {"https://registry.example:5000/v1/": {"auth": "bWU6czM6Y3JldA=="}, "empty": {}}}"#;
        let found = in_config(text, "registry.example:5000").unwrap();
        assert_eq!((found.username.as_str(), found.password.as_str()), ("me", "s3:cret"));
        assert!(in_config(text, "registry.example").is_none());
        assert!(in_config(text, "empty").is_none());
        assert!(in_config("not json", "empty").is_none());
    }
}
