//! The keys that access tokens are signed with, read from `JWT_KEY`.
//!
//! It is one plain key, or several `ID:KEY` with commas between, of which the first signs and every one verifies. So a
//! key is replaced without signing anybody out: add the new one at the end on every host, then move it to the front,
//! and take the old one away once its last token has expired. A plain key in use may become a pair at any time.

use std::collections::BTreeSet;

const KEY_MIN_BYTES: usize = 32;
const ID_MAX_BYTES: usize = 32;

// No `Debug`: they are secrets.
pub struct Keys(Vec<Key>);

pub struct Key {
    /// Written into each token as its `kid`; a plain key has none.
    pub id: Option<String>,
    pub secret: String,
}

impl Keys {
    /// Never says what the value was.
    pub fn parse(value: Option<String>) -> Result<Keys, String> {
        let value = value
            .ok_or_else(|| format!("JWT_KEY is missing: at least {KEY_MIN_BYTES} bytes, the same on every host"))?;
        if !value.contains(':') {
            let secret = long_enough("JWT_KEY", &value)?;
            return Ok(Keys(vec![Key { id: None, secret }]));
        }
        let keys = value.split(',').map(pair).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<_> = keys.iter().map(|key| &key.id).collect();
        if ids.len() < keys.len() {
            return Err("JWT_KEY names two keys alike: each needs an id of its own".to_owned());
        }
        Ok(Keys(keys))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

fn pair(text: &str) -> Result<Key, String> {
    let Some((id, secret)) = text.trim().split_once(':') else {
        return Err("JWT_KEY mixes plain keys and `ID:KEY`: with a colon in it, it is a list of `ID:KEY`".to_owned());
    };
    let id_is_right = (1..=ID_MAX_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !id_is_right {
        return Err(format!(
            "JWT_KEY has an id that is not 1 to {ID_MAX_BYTES} letters, digits, `-` or `_` before its colon"
        ));
    }
    Ok(Key {
        id: Some(id.to_owned()),
        secret: long_enough(&format!("the key `{id}` of JWT_KEY"), secret)?,
    })
}

fn long_enough(what: &str, secret: &str) -> Result<String, String> {
    if secret.len() < KEY_MIN_BYTES {
        return Err(format!(
            "{what} has {} bytes: it needs at least {KEY_MIN_BYTES}",
            secret.len()
        ));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    fn ids(value: &str) -> Result<Vec<Option<String>>, String> {
        Keys::parse(Some(value.to_owned())).map(|keys| keys.iter().map(|key| key.id.clone()).collect())
    }

    #[test]
    fn one_plain_key_or_several_by_id_are_accepted() {
        assert_eq!(ids(OLD), Ok(vec![None]));
        assert_eq!(ids(&format!("2026a:{OLD}")), Ok(vec![Some("2026a".to_owned())]));
        assert_eq!(
            ids(&format!("2026b:{NEW}, 2026a:{OLD}")),
            Ok(vec![Some("2026b".to_owned()), Some("2026a".to_owned())])
        );
    }

    #[test]
    fn a_key_that_is_short_unnamed_or_named_twice_is_refused_without_showing_it() {
        for (value, reason) in [
            ("short", "JWT_KEY has 5 bytes"),
            (&*format!("a:{OLD},b:hunter2"), "the key `b` of JWT_KEY has 7 bytes"),
            (&*format!("a:{OLD},{NEW}"), "mixes plain keys"),
            (&*format!("a:{OLD},a:{NEW}"), "two keys alike"),
            (&*format!(":{OLD}"), "an id that is not"),
            (&*format!("a b:{OLD}"), "an id that is not"),
            (&*format!("a:{OLD},"), "mixes plain keys"),
        ] {
            let refusal = ids(value).expect_err(value);
            assert!(refusal.contains(reason), "{refusal}");
            for secret in [OLD, NEW, "hunter2"] {
                assert!(!refusal.contains(secret), "a secret is in: {refusal}");
            }
        }
    }
}
