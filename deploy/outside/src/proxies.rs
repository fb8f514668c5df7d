use crate::Misset;
use http::Uri;

/// A small letter counts as a capital one, and less where both are there.
const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

pub fn check(read: impl Fn(&str) -> Option<String>) -> Result<(), Misset> {
    VARIABLES.into_iter().try_for_each(|variable| {
        let value = read(variable).filter(|value| !value.is_empty());
        match value.map_or(Ok(()), |value| examine(&value)) {
            Ok(()) => Ok(()),
            Err(found) => Err(Misset::Proxy { variable, found }),
        }
    })
}

fn examine(value: &str) -> Result<(), String> {
    let uri: Uri = value.parse().map_err(|_| "found no URL".to_owned())?;
    match uri.scheme_str() {
        None | Some("http" | "https") => {}
        Some(scheme) => return Err(format!("found `{scheme}://`")),
    }
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return Err("found no host".to_owned());
    };
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    match place.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) {
        Some(port) if port.parse::<u16>().is_err() => Err("found a port that is no number".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<(), Misset> {
        check(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn a_proxy_has_a_host_and_may_have_a_port_and_a_password() {
        for value in [
            "",
            "http://proxy.example:3128",
            "http://proxy.example:3128/",
            "http://ann:correct%20horse@proxy.example:3128",
            "https://proxy.example",
            "http://[::1]:3128",
            "proxy.example:3128",
        ] {
            with("HTTPS_PROXY", value).unwrap();
        }
        check(|_| None).unwrap();
    }

    #[test]
    fn what_names_no_proxy_is_told_by_its_variable_and_without_its_password() {
        for (value, found) in [
            ("socks5://ann:hunter2@proxy.example", "found `socks5://`"),
            (
                "http://ann:hunter2@proxy.example:port",
                "found a port that is no number",
            ),
            ("http://ann:hunter 2@proxy.example", "found no URL"),
            ("/ann:hunter2", "found no host"),
        ] {
            for name in VARIABLES {
                let text = with(name, value).unwrap_err().to_string();
                assert!(text.contains(&format!("`{name}`")) && text.ends_with(found), "{text}");
                assert!(!text.contains("hunter"), "{text}");
            }
        }
    }
}
