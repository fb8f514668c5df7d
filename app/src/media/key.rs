//! What media are called: a key that cannot be guessed, and after it the width of a thumbnail.

/// What `is_name` takes, for the document.
pub const NAME: &str = "^[0-9a-f]{32}(-[0-9]{1,4})?$";
const KEY_CHARS: usize = 32;
const WIDTH_MAX_CHARS: usize = 4;

pub fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Where it lies in the bucket before it has been looked at.
pub fn incoming(key: &str) -> String {
    format!("incoming/{key}")
}

/// Where in the bucket that lies which is shown under this name.
pub fn kept(name: &str) -> String {
    format!("media/{name}")
}

pub fn thumbnail(key: &str, width: u32) -> String {
    format!("{key}-{width}")
}

/// Where the bytes of this name are shown.
pub fn url(name: &str) -> String {
    format!("/api/files/{name}")
}

/// Whether it can be the name of anything; all else need not be asked for.
pub fn is_name(name: &str) -> bool {
    let (key, width) = match name.split_once('-') {
        Some((key, width)) => (key, Some(width)),
        None => (name, None),
    };
    let is_digits =
        |width: &str| (1..=WIDTH_MAX_CHARS).contains(&width.len()) && width.bytes().all(|b| b.is_ascii_digit());
    key.len() == KEY_CHARS
        && key.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        && width.is_none_or(is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_key_and_perhaps_a_width() {
        let key = new_key();
        for name in [key.clone(), thumbnail(&key, 320), thumbnail(&key, 1080)] {
            assert!(is_name(&name), "{name}");
        }
        for name in [
            String::new(),
            "../secret".to_owned(),
            key[1..].to_owned(),
            key.to_uppercase() + "A",
            format!("{key}-"),
            format!("{key}-12345"),
            format!("{key}-3/0"),
            format!("{key}-320-320"),
        ] {
            assert!(!is_name(&name), "{name}");
        }
    }
}
