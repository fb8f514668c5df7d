//! From the path of a request to the key of an object.

use percent_encoding::percent_decode_str;

/// S3's own limit.
const MAX_KEY_BYTES: usize = 1_024;

/// `None` for a path that no published file can have: those are refused, not looked up.
pub fn key_of(path: &str, entry: &str) -> Option<String> {
    if path == "/" {
        return Some(entry.to_owned());
    }
    let path = path.strip_prefix('/')?;
    if !escapes_are_whole(path) {
        return None;
    }
    // Split before decoding: an encoded slash must not make another segment.
    let segments = path.split('/').map(|segment| {
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        let odd = |c: char| c == '/' || c == '\\' || c.is_control();
        let fits = !matches!(segment.as_ref(), "." | "..") && !segment.contains(odd);
        fits.then(|| segment.into_owned())
    });
    let key = segments.collect::<Option<Vec<String>>>()?.join("/");
    let has_empty_segment = key.starts_with('/') || key.contains("//");
    (!has_empty_segment && key.len() <= MAX_KEY_BYTES).then_some(key)
}

/// A client-side route such as `/people/ada`, as opposed to an asset such as `/app.js`.
pub fn is_route(key: &str) -> bool {
    !key.rsplit('/').next().unwrap_or(key).contains('.')
}

/// Whether a path climbs, in any spelling; for paths that are passed on as they are.
pub fn climbs(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

fn escapes_are_whole(path: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    let mut percents = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    percents.all(|(at, _)| is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_object() {
        let check = |path: &str, key: &str| assert_eq!(key_of(path, "index.html").as_deref(), Some(key), "{path}");
        check("/", "index.html");
        check("/app.js", "app.js");
        check("/assets/app%20one.js", "assets/app one.js");
        check("/%C3%A4", "ä");
        check("/people/", "people/");
        check("/a..b/...", "a..b/...");
    }

    #[test]
    fn odd_paths_are_refused() {
        let long = format!("/{}", "a".repeat(MAX_KEY_BYTES + 1));
        let climbing = ["/..", "/../x", "/a/../../x", "/%2e%2e/x", "/%2E./x", "/.", "/a/./b"];
        let encoded = [
            "/a%2fb", "/a%5cb", "/a\\b", "/a%00b", "/a%0ab", "/%ff", "/%", "/%2", "/%zz",
        ];
        for path in climbing
            .into_iter()
            .chain(encoded)
            .chain(["//", "//a", "/a//b", "", "*", "a", &long])
        {
            assert_eq!(key_of(path, "index.html"), None, "`{path}` was accepted");
        }
    }

    #[test]
    fn a_last_segment_without_a_dot_is_a_route() {
        assert!(is_route("people/ada") && is_route("v1.2/about") && is_route("people/"));
        assert!(!is_route("app.js") && !is_route("a/b.map"));
    }

    #[test]
    fn a_climbing_path_is_seen_through_its_spelling() {
        assert!(climbs("/api/../x") && climbs("/api/%2e%2E/x") && climbs("/api/.%2e"));
        assert!(!climbs("/api/a..b") && !climbs("/api/..."));
    }
}
