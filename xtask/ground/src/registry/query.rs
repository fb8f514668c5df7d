//! Query parameters of requests.

use http::Uri;
use percent_encoding::percent_decode_str;

/// The first value of `name`, decoded; `None` also where it is not UTF-8.
pub fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_and_decoded() {
        let uri: Uri = "/v2/a/blobs/uploads/?mount=sha256%3Aab&from=team%2Fshop&bad=%ff"
            .parse()
            .unwrap();
        assert_eq!(parameter(&uri, "mount").as_deref(), Some("sha256:ab"));
        assert_eq!(parameter(&uri, "from").as_deref(), Some("team/shop"));
        assert_eq!(parameter(&uri, "bad"), None);
        assert_eq!(parameter(&uri, "digest"), None);
    }
}
