//! The world outside of this machine, as the environment says it is reached.
//!
//! All clients go by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, with the same matcher of
//! hyper-util: names and all below them (`example.com` and `.example.com` are the same), addresses, networks (`10.0.0.0/8`),
//! `*`. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the certificates that the system trusts, as they do for OpenSSL.
//!
//! The clients pass over in silence what they cannot make sense of. Here it is found out first, and named. This machine
//! itself is always asked directly, and without TLS nothing of this matters then.

mod certificates;
mod proxies;

use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Misset {
    /// Without its value, which may hold a password.
    #[error(
        "`{variable}` names no proxy: expected `http://HOST:PORT`, with `USER:PASSWORD@` before it if need be; {found}"
    )]
    Proxy { variable: &'static str, found: String },
    #[error("`SSL_CERT_FILE` is to name the certificates to trust: expected PEM in `{path}`, {found}")]
    Certificates { path: PathBuf, found: String },
}

/// Before anything that is not here is asked.
pub fn check() -> Result<(), Misset> {
    proxies::check(variable)?;
    certificates::check(variable)
}

/// As far as it matters on the way to this URL.
pub fn check_for(url: &str) -> Result<(), Misset> {
    match (is_url_here(url), is_url_plainly_here(url)) {
        (_, true) => Ok(()),
        (true, false) => certificates::check(variable),
        (false, _) => check(),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether a host, without its port, is this machine. An IPv6 address may stand in brackets.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The same of a URL; one that is none is not here.
pub fn is_url_here(url: &str) -> bool {
    let url = url.parse::<http::Uri>();
    url.is_ok_and(|url| url.host().is_some_and(is_here))
}

/// Whether neither a proxy nor a certificate is needed to get there, so that nothing can be misset.
pub fn is_url_plainly_here(url: &str) -> bool {
    url.starts_with("http://") && is_url_here(url)
}
