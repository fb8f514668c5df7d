//! `WWW-Authenticate`: how a server wants to be asked.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The strongest way offered that we know: tokens before passwords.
pub(super) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let offers: Vec<Offer> = values.flat_map(offers).collect();
    let bearer = offers
        .iter()
        .filter(|offer| offer.scheme == "bearer")
        .find_map(|offer| {
            let parameter = |name: &str| offer.parameters.get(name).cloned();
            Some(Challenge::Bearer {
                realm: parameter("realm")?,
                service: parameter("service"),
                scope: parameter("scope"),
            })
        });
    bearer.or_else(|| {
        offers
            .iter()
            .any(|offer| offer.scheme == "basic")
            .then_some(Challenge::Basic)
    })
}

struct Offer {
    scheme: String,
    parameters: BTreeMap<String, String>,
}

/// One header may hold several offers; a comma separates offers and parameters alike, so a word without `=` begins one.
fn offers(value: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for part in split_outside_quotes(value) {
        let mut part = part.trim();
        let word_end = part.find([' ', '=']).unwrap_or(part.len());
        if !part[word_end..].trim_start().starts_with('=') {
            offers.push(Offer {
                scheme: part[..word_end].to_ascii_lowercase(),
                parameters: BTreeMap::new(),
            });
            part = part[word_end..].trim_start();
        }
        if let (Some(offer), Some((name, value))) = (offers.last_mut(), part.split_once('=')) {
            offer
                .parameters
                .insert(name.trim().to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    offers
}

fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let comma = move |c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            _ => {}
        }
        c == ',' && !quoted
    };
    text.split(comma).filter(|part| !part.trim().is_empty())
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            escaped = c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: owned(service),
            scope: owned(scope),
        })
    }

    #[test]
    fn challenges_are_read_as_real_registries_write_them() {
        let scoped = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:shop:pull,push""#;
        let expected = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:shop:pull,push"),
        );
        assert_eq!(challenge(&[scoped]), expected);
        assert_eq!(challenge(&[r#"Basic realm="Registry Realm""#]), Some(Challenge::Basic));
        assert_eq!(
            challenge(&[r#"Basic realm="a, b", Bearer realm="https://t""#]),
            bearer("https://t", None, None)
        );
        assert_eq!(
            challenge(&[r#"Basic realm=x"#, r#"bearer REALM="https://t" , Service=s"#]),
            bearer("https://t", Some("s"), None)
        );
        assert_eq!(
            challenge(&[r#"Bearer realm="a\"b\\c""#]),
            bearer(r#"a"b\c"#, None, None)
        );
        assert_eq!(challenge(&["Bearer"]), None);
        assert_eq!(challenge(&[r#"Digest realm="x", nonce="y""#]), None);
        assert_eq!(challenge(&["", ",,=,\"", "= ="]), None);
        assert_eq!(challenge(&[]), None);
    }
}
