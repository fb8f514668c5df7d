//! Secrets that this process knows, kept out of whatever it says or writes: the screen, logs, journals, summaries, messages.
//!
//! By value: those of the environment, of the ground and of registries are learned as they are met. By shape: the password
//! in an address, and what stands behind `authorization:`. Those are the last line; types that do not show what they hold
//! are the first.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};

const MASK: &str = "[masked]";
/// Shorter ones would mask words of every other sentence.
const SHORTEST: usize = 8;
/// A value of small letters only may be a word, unless it is as long as this.
const SHORTEST_OF_LETTERS: usize = 16;
/// A variable with one of these in its name holds a secret.
const TELLING: [&str; 8] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "WEBHOOK",
    "PRIVATE",
];

const HEADER: &str = "authorization:";

/// Longest first, so that a secret within another leaves nothing of that one behind.
fn known() -> &'static RwLock<Vec<String>> {
    static KNOWN: OnceLock<RwLock<Vec<String>>> = OnceLock::new();
    KNOWN.get_or_init(RwLock::default)
}

/// What the environment of this process says, by the names of its variables and by addresses with a password.
pub fn learn_environment() {
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if is_telling(&name) {
            learn(&value);
        }
        if let Some(password) = password_in(&value) {
            learn(&value[password]);
        }
    }
}

/// From now on this is not shown, nor as JSON or an address would write it, nor a line of it.
pub fn learn(secret: &str) {
    let mut forms: Vec<String> = secret.lines().chain([secret]).flat_map(spellings).collect();
    forms.retain(|form| is_secret(form));
    let mut known = known().write().unwrap_or_else(PoisonError::into_inner);
    known.extend(forms);
    known.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
    known.dedup();
}

/// The text without secrets.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for secret in known().read().unwrap_or_else(PoisonError::into_inner).iter() {
        if masked.contains(secret.as_str()) {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
    }
    match mask_shapes(&masked) {
        Some(shaped) => Cow::Owned(shaped),
        None => masked,
    }
}

/// The same in every text of a document in JSON. One that holds no secret stays as it is, to the letter.
pub fn mask_json(json: String) -> String {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(&json) else {
        return mask(&json).into_owned();
    };
    let mut masked = document.clone();
    mask_value(&mut masked);
    match masked == document {
        true => json,
        false => masked.to_string(),
    }
}

/// Names of fields stay.
fn mask_value(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(mask_value),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(mask_value),
        _ => {}
    }
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.ends_with("_KEY") || TELLING.iter().any(|word| name.contains(word))
}

fn is_secret(value: &str) -> bool {
    let shortest = match value.bytes().all(|byte| byte.is_ascii_lowercase()) {
        true => SHORTEST_OF_LETTERS,
        false => SHORTEST,
    };
    // A variable may say where a secret is, instead.
    value.len() >= shortest && !(value.starts_with('/') && Path::new(value).exists())
}

fn spellings(secret: &str) -> [String; 3] {
    let secret = secret.trim();
    let json = serde_json::to_string(secret).unwrap_or_default();
    // Without its own quotes, and with those of the secret.
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let address = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
    [secret.to_owned(), json, address.to_string()]
}

/// `PASSWORD` of the first `scheme://user:PASSWORD@host`.
fn password_in(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + "://".len();
    let rest = &text[start..];
    let authority = &rest[..rest
        .find(['/', '?', '#', ' ', '"', '\'', '\\', '\n'])
        .unwrap_or(rest.len())];
    let account = &authority[..authority.rfind('@')?];
    let colon = account.find(':')?;
    Some(start + colon + 1..start + account.len())
}

/// `None` where there is nothing to mask.
fn mask_shapes(text: &str) -> Option<String> {
    let mut masked: Option<String> = None;
    let mut from = 0;
    while let Some(found) = masked.as_deref().unwrap_or(text).get(from..).and_then(next_shape) {
        let found = from + found.start..from + found.end;
        from = found.start + MASK.len();
        masked.get_or_insert_with(|| text.to_owned()).replace_range(found, MASK);
    }
    masked
}

/// The next secret, by the look of what is around it.
fn next_shape(text: &str) -> Option<Range<usize>> {
    let is_unmasked = |found: &Range<usize>| !found.is_empty() && !text[found.clone()].starts_with(MASK);
    let in_addresses = text.match_indices("://").filter_map(|(at, _)| {
        let found = password_in(&text[at..])?;
        Some(at + found.start..at + found.end)
    });
    let lower = text.to_ascii_lowercase();
    let behind_headers = lower.match_indices(HEADER).map(|(at, _)| {
        let behind = &text[at + HEADER.len()..];
        let start = text.len() - behind.trim_start_matches(' ').len();
        let length = text[start..].find(['\n', '\r', '"', '\'']);
        start..length.map_or(text.len(), |length| start + length)
    });
    let found = in_addresses.chain(behind_headers).filter(is_unmasked);
    found.min_by_key(|found| found.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_masked_however_it_is_written() {
        learn("s3cr\"et/värde 1");
        for written in ["s3cr\"et/värde 1", r#"s3cr\"et/värde 1"#, "s3cr%22et%2Fv%C3%A4rde%201"] {
            assert_eq!(mask(&format!("a {written} b")), "a [masked] b");
        }
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_line_by_line() {
        learn("-----BEGIN-----\nMIIB0riginalKey\n-----END-----");
        assert_eq!(mask("key: MIIB0riginalKey."), "key: [masked].");
    }

    #[test]
    fn of_two_secrets_within_each_other_nothing_is_left() {
        learn("inner-7f3a");
        learn("outer-inner-7f3a-outer");
        assert_eq!(mask("outer-inner-7f3a-outer"), "[masked]");
        assert_eq!(mask("inner-7f3a"), "[masked]");
    }

    #[test]
    fn words_short_values_and_paths_are_no_secrets() {
        for value in ["password", "1234567", "/etc/passwd", ""] {
            learn(value);
            let text = format!("the {value} is here");
            assert_eq!(mask(&text), text);
        }
    }

    #[test]
    fn passwords_in_addresses_and_what_authorises_are_masked_unlearned() {
        for (text, masked) in [
            ("mysql://app:hunter2@db:3306/x", "mysql://app:[masked]@db:3306/x"),
            ("two: a://b:c@d e://f:g@h", "two: a://b:[masked]@d e://f:[masked]@h"),
            ("> Authorization: Bearer abc", "> Authorization: [masked]"),
            ("-H 'authorization: Basic eDp5' -v", "-H 'authorization: [masked]' -v"),
            ("https://user@host/a:b@c", "https://user@host/a:b@c"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("authorization:", "authorization:"),
        ] {
            assert_eq!(mask(text), masked);
            assert_eq!(mask(masked), masked, "masked once");
        }
    }

    #[test]
    fn a_variable_is_told_by_its_name() {
        for name in [
            "DB_PASSWORD",
            "JWT_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "slack_webhook",
        ] {
            assert!(is_telling(name), "{name}");
        }
        for name in ["PATH", "AWS_ACCESS_KEY_ID", "KEYMAP", "HOME"] {
            assert!(!is_telling(name), "{name}");
        }
    }

    #[test]
    fn a_document_keeps_its_form() {
        learn("document-secret-1");
        let masked = mask_json(r#"{"b":["document-secret-1",7],"document-secret-1":null}"#.to_owned());
        assert_eq!(masked, r#"{"b":["[masked]",7],"document-secret-1":null}"#);
        let without = r#"{"b": 1, "a": "nothing of the kind"}"#;
        assert_eq!(mask_json(without.to_owned()), without);
    }
}
