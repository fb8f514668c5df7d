//! Where the demo data goes, and whether it may go there: made-up members with one password are for places that only
//! their owner reaches.

use anyhow::{Context, bail};
use reqwest::Url;
use std::net::IpAddr;

/// Anyone may read it here, and it is printed at the end; so it opens accounts on this machine alone.
const KNOWN_PASSWORD: &str = "demo-members-only";
pub const ANYWHERE: &str = "--beyond-this-network";

#[derive(Debug, Clone)]
pub struct Target {
    /// Without a slash at its end.
    pub base_url: String,
    pub password: String,
    pub is_this_machine: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    ThisMachine,
    ThisNetwork,
    Anywhere,
}

impl Target {
    pub fn parse(base_url: &str, password: Option<String>, may_go_anywhere: bool) -> anyhow::Result<Target> {
        let expected = || format!("BASE_URL must be such as `http://127.0.0.1:8080`; it is `{base_url}`");
        let url = Url::parse(base_url).with_context(expected)?;
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            bail!(expected());
        };
        let reach = reach(host);
        if reach == Reach::Anywhere && !may_go_anywhere {
            bail!(
                "`{host}` is not on this machine or a private network, and may be where real members are\n\
                 hint: if it is meant, add `{ANYWHERE}`"
            );
        }
        let password = match (password, reach) {
            (Some(password), _) => password,
            (None, Reach::ThisMachine) => KNOWN_PASSWORD.to_owned(),
            (None, _) => bail!(
                "others reach `{host}`, so its demo members need a password that nobody else knows\n\
                 hint: set SEED_PASSWORD, and keep it: a second run signs in with it"
            ),
        };
        Ok(Target {
            base_url: base_url.trim_end_matches('/').to_owned(),
            password,
            is_this_machine: reach == Reach::ThisMachine,
        })
    }
}

/// Names are not looked up: what they lead to may change, and may be a proxy to anywhere.
fn reach(host: &str) -> Reach {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    match address {
        Ok(IpAddr::V4(address)) if address.is_loopback() => Reach::ThisMachine,
        Ok(IpAddr::V4(address)) if address.is_private() || address.is_link_local() => Reach::ThisNetwork,
        Ok(IpAddr::V6(address)) if address.is_loopback() => Reach::ThisMachine,
        Ok(IpAddr::V6(address)) if address.is_unique_local() || address.is_unicast_link_local() => Reach::ThisNetwork,
        Err(_) if host == "localhost" => Reach::ThisMachine,
        _ => Reach::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(base_url: &str) -> anyhow::Result<Target> {
        Target::parse(base_url, None, false)
    }

    #[test]
    fn only_this_machine_gets_the_known_password() {
        for here in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:80/",
            "http://127.9.9.9",
        ] {
            let target = parse(here).expect(here);
            assert!(target.is_this_machine && target.password == KNOWN_PASSWORD, "{here}");
        }
        for near in [
            "http://192.168.0.9",
            "http://10.1.2.3:8080",
            "http://172.16.0.1",
            "http://[fd00::1]",
        ] {
            let refusal = parse(near).expect_err(near).to_string();
            assert!(refusal.contains("SEED_PASSWORD"), "{refusal}");
            let target = Target::parse(near, Some("secret".to_owned()), false).expect(near);
            assert!(!target.is_this_machine && target.password == "secret", "{near}");
        }
    }

    #[test]
    fn what_anyone_reaches_is_seeded_only_when_told_so() {
        for far in [
            "https://www.example.com",
            "http://8.8.8.8",
            "http://172.32.0.1",
            "http://localhost.example.com",
        ] {
            let secret = || Some("secret".to_owned());
            let refusal = Target::parse(far, secret(), false).expect_err(far).to_string();
            assert!(refusal.contains(ANYWHERE), "{refusal}");
            assert!(Target::parse(far, secret(), true).is_ok(), "{far}");
        }
        for no_address in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "/srv"] {
            let refusal = Target::parse(no_address, None, true).expect_err(no_address).to_string();
            assert!(refusal.contains("BASE_URL must be"), "{refusal}");
        }
    }
}
