//! The apps behind this router, and which of them a request is for.

use crate::access_log::AccessLog;
use crate::control::Control;
use crate::shield::Budget;
use contract::{PathPrefix, SiteHost};
use http::{Request, header};
use std::cmp::Reverse;
use std::sync::Arc;

/// One app of one environment, with a table, an admin socket and a state file of its own.
#[derive(Debug)]
pub struct Site {
    pub hosts: Vec<SiteHost>,
    pub path: PathPrefix,
    pub control: Arc<Control>,
    pub log: Option<Arc<AccessLog>>,
    pub max_body_bytes: u64,
    pub shield: Budget,
}

/// Those that are asked for most exactly come first.
#[derive(Debug)]
pub struct Sites(Vec<Site>);

impl Sites {
    /// Two that would be asked for the same are a mistake; says which.
    pub fn new(mut sites: Vec<Site>) -> Result<Self, String> {
        for (index, site) in sites.iter().enumerate() {
            let is_rival = |other: &&Site| {
                let shares_name = site.hosts.iter().any(|host| other.hosts.contains(host));
                other.path == site.path && (shares_name || (site.hosts.is_empty() && other.hosts.is_empty()))
            };
            if let Some(rival) = sites[..index].iter().find(is_rival) {
                let hosts: Vec<String> = rival.hosts.iter().map(SiteHost::to_string).collect();
                let hosts = if hosts.is_empty() {
                    "any host".to_owned()
                } else {
                    hosts.join(", ")
                };
                return Err(format!("two apps are asked for at `{}` of {hosts}", site.path));
            }
        }
        sites.sort_by_key(|site| Reverse(site.path.length()));
        Ok(Self(sites))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        self.0.iter()
    }

    /// A host's own name before a wildcard's before no name at all, and then the longest path.
    pub fn find<B>(&self, request: &Request<B>) -> Option<&Site> {
        if let [only] = self.0.as_slice()
            && only.hosts.is_empty()
            && only.path.is_root()
        {
            return Some(only);
        }
        let (name, path) = (host_name(request), request.uri().path());
        let matches = |site: &&Site| site.path.holds(path) && rank(site, name).is_some();
        // The first of the best: `max_by_key` would take the last.
        self.0.iter().filter(matches).rev().max_by_key(|site| rank(site, name))
    }
}

/// How exactly the host's name is meant; `None`: another's is.
fn rank(site: &Site, name: Option<&str>) -> Option<u8> {
    if site.hosts.is_empty() {
        return Some(0);
    }
    let meant = site
        .hosts
        .iter()
        .filter(|host| name.is_some_and(|name| host.matches(name)));
    meant.map(|host| if host.is_wildcard() { 1 } else { 2 }).max()
}

/// As the target or else the header names it, without the port.
fn host_name<B>(request: &Request<B>) -> Option<&str> {
    if let Some(name) = request.uri().host() {
        return Some(name);
    }
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn site(dir: &tempfile::TempDir, hosts: &[&str], path: &str) -> Site {
        let state = dir
            .path()
            .join(format!("{}{}", hosts.join("+"), path.replace('/', "_")));
        let control = Control::start(&state, Clock::new("boot".into(), || 0)).unwrap();
        Site {
            hosts: hosts.iter().map(|host| SiteHost::parse(host).unwrap()).collect(),
            path: PathPrefix::parse(path).unwrap(),
            control: Arc::new(control),
            log: None,
            max_body_bytes: 1,
            shield: Budget::default(),
        }
    }

    #[test]
    fn a_request_goes_to_the_app_that_is_asked_for_most_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let sites = [
            (&[][..], "/"),
            (&["shop.example"], "/"),
            (&["shop.example"], "/api"),
            (&["*.shop.example", "other.example"], "/"),
            (&["a.shop.example"], "/"),
            (&[], "/metrics/of/us"),
        ];
        let sites = Sites::new(sites.iter().map(|(hosts, path)| site(&dir, hosts, path)).collect()).unwrap();
        for (uri, host, expected) in [
            ("/", "shop.example:8080", "shop.example /"),
            ("/api/x", "SHOP.example", "shop.example /api"),
            ("/apis", "shop.example", "shop.example /"),
            ("/", "a.shop.example", "a.shop.example /"),
            ("/", "b.shop.example", "*.shop.example+other.example /"),
            ("/", "other.example.", "*.shop.example+other.example /"),
            ("/", "elsewhere.example", " /"),
            ("/metrics/of/us", "elsewhere.example", " /metrics/of/us"),
            ("/metrics/of/us", "shop.example", "shop.example /"),
            ("/", "[::1]:80", " /"),
            ("http://shop.example/", "elsewhere.example", "shop.example /"),
        ] {
            let request = Request::builder().uri(uri).header("host", host).body(()).unwrap();
            let found = sites.find(&request).unwrap();
            let hosts: Vec<String> = found.hosts.iter().map(SiteHost::to_string).collect();
            assert_eq!(
                format!("{} {}", hosts.join("+"), found.path),
                expected,
                "{uri} at {host}"
            );
        }
    }

    #[test]
    fn nobody_gets_what_no_app_is_asked_for_and_two_apps_are_not_asked_for_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let sites = Sites::new(vec![site(&dir, &["shop.example"], "/")]).unwrap();
        let request = Request::builder()
            .uri("/")
            .header("host", "b.example")
            .body(())
            .unwrap();
        assert!(sites.find(&request).is_none());
        let twice = vec![
            site(&dir, &["b.example", "a.example"], "/x"),
            site(&dir, &["a.example"], "/x"),
        ];
        assert_eq!(
            Sites::new(twice).unwrap_err(),
            "two apps are asked for at `/x` of b.example, a.example"
        );
    }
}
