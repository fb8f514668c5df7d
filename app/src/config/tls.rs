//! How far the database must prove who it is: `DB_SSL_MODE` and `DB_SSL_CA`.
//!
//! Where nothing is said, a database proves its name unless it is as good as on this machine: on a loopback address, at a
//! private address, or under a name of one label such as `mysql`, which only the name service of a container network
//! knows. Only what is written counts, not what the name resolves to: whoever can forge a certificate's owner can forge
//! that answer, too.

use super::Problems;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use std::fmt;
use std::net::IpAddr;

/// In MySQL's own words, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Disabled,
    /// TLS if the server offers it, whoever it is.
    Preferred,
    /// TLS, whoever the server is.
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// What is in force for every connection.
#[derive(Debug, Clone)]
pub struct Tls {
    pub mode: Mode,
    /// Where the authorities come from that are trusted beside the public ones, as people name it.
    pub authorities: Option<String>,
}

/// What the environment asks for, before it is known of which host.
pub(super) struct Wanted {
    mode: Option<Mode>,
    authorities: Option<Authorities>,
}

struct Authorities {
    name: String,
    pem: Vec<u8>,
}

impl Mode {
    const ALL: [Mode; 5] = [
        Mode::Disabled,
        Mode::Preferred,
        Mode::Required,
        Mode::VerifyCa,
        Mode::VerifyIdentity,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Disabled => "disabled",
            Mode::Preferred => "preferred",
            Mode::Required => "required",
            Mode::VerifyCa => "verify-ca",
            Mode::VerifyIdentity => "verify-identity",
        }
    }

    /// In any case, and with `_` for `-`, as MySQL's own tools write it.
    fn parse(value: &str) -> Result<Mode, String> {
        let name = value.to_ascii_lowercase().replace('_', "-");
        let mode = Mode::ALL.into_iter().find(|mode| mode.name() == name);
        mode.ok_or_else(|| {
            let names = Mode::ALL.map(|mode| format!("`{}`", mode.name())).join(", ");
            format!("DB_SSL_MODE must be one of {names}; it is `{value}`")
        })
    }

    fn verifies(self) -> bool {
        matches!(self, Mode::VerifyCa | Mode::VerifyIdentity)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Mode> for MySqlSslMode {
    fn from(mode: Mode) -> MySqlSslMode {
        match mode {
            Mode::Disabled => MySqlSslMode::Disabled,
            Mode::Preferred => MySqlSslMode::Preferred,
            Mode::Required => MySqlSslMode::Required,
            Mode::VerifyCa => MySqlSslMode::VerifyCa,
            Mode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        }
    }
}

impl From<MySqlSslMode> for Mode {
    fn from(mode: MySqlSslMode) -> Mode {
        match mode {
            MySqlSslMode::Disabled => Mode::Disabled,
            MySqlSslMode::Preferred => Mode::Preferred,
            MySqlSslMode::Required => Mode::Required,
            MySqlSslMode::VerifyCa => Mode::VerifyCa,
            MySqlSslMode::VerifyIdentity => Mode::VerifyIdentity,
        }
    }
}

impl Authorities {
    /// The PEM text itself, for hosts that give their containers variables and no files, or the path of a file with it.
    fn read(value: String) -> Result<Authorities, String> {
        let (name, pem) = if value.trim_start().starts_with("-----BEGIN") {
            ("DB_SSL_CA".to_owned(), value.into_bytes())
        } else {
            let name = format!("DB_SSL_CA `{value}`");
            let read = std::fs::read(&value).map_err(|error| format!("{name} cannot be read: {error}"))?;
            (name, read)
        };
        let wrong = |why: &dyn fmt::Display| format!("{name} must hold certificates in PEM form; {why}");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"it holds none"));
        }
        Ok(Authorities { name, pem })
    }
}

impl Wanted {
    /// `None` if something is wrong, which `problems` then tells.
    pub(super) fn read(read: &impl Fn(&str) -> Option<String>, problems: &mut Problems) -> Option<Wanted> {
        let mode = problems.note(read("DB_SSL_MODE").map(|value| Mode::parse(&value)).transpose());
        let authorities = problems.note(read("DB_SSL_CA").map(Authorities::read).transpose());
        Some(Wanted {
            mode: mode?,
            authorities: authorities?,
        })
    }

    /// Puts it in force for the database at `url`, from which `options` were read.
    pub(super) fn settle(self, url: &str, options: MySqlConnectOptions) -> Result<(MySqlConnectOptions, Tls), String> {
        let in_url = mode_in_url(url, &options)?;
        let mode = match (self.mode, in_url) {
            (Some(here), Some(there)) if here != there => {
                return Err(format!(
                    "DB_SSL_MODE is `{here}`, and the database address says `ssl-mode={there}`: set only one of them"
                ));
            }
            (here, there) => here
                .or(there)
                .unwrap_or_else(|| default_mode(&options, self.authorities.is_some())),
        };
        match &self.authorities {
            None if mode == Mode::VerifyCa => Err(
                "DB_SSL_MODE `verify-ca` needs DB_SSL_CA: else whoever has any public certificate would do".to_owned(),
            ),
            Some(_) if !mode.verifies() => Err(format!(
                "DB_SSL_CA would not be used with DB_SSL_MODE `{mode}`: set `verify-identity`"
            )),
            _ => Ok(self.apply(mode, options)),
        }
    }

    fn apply(self, mode: Mode, options: MySqlConnectOptions) -> (MySqlConnectOptions, Tls) {
        // In an address of the web an IPv6 address is in brackets; on the network, and in certificates, it is not.
        let host = options.get_host().trim_matches(['[', ']']).to_owned();
        let options = options.host(&host).ssl_mode(mode.into());
        let tls = Tls {
            mode,
            authorities: self.authorities.as_ref().map(|authorities| authorities.name.clone()),
        };
        match self.authorities {
            Some(Authorities { pem, .. }) => (options.ssl_ca_from_pem(pem), tls),
            None => (options, tls),
        }
    }
}

/// The database library does not tell a mode that was given from its own default.
fn mode_in_url(url: &str, options: &MySqlConnectOptions) -> Result<Option<Mode>, String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let has = |names: [&str; 2]| {
        query
            .split('&')
            .filter_map(|pair| pair.split('=').next())
            .any(|key| names.contains(&key))
    };
    if has(["ssl-ca", "sslca"]) {
        return Err("the database address holds `ssl-ca`: give it as DB_SSL_CA".to_owned());
    }
    Ok(has(["ssl-mode", "sslmode"]).then(|| options.get_ssl_mode().into()))
}

fn default_mode(options: &MySqlConnectOptions, has_authorities: bool) -> Mode {
    let is_private = options.get_socket().is_some() || is_private(options.get_host());
    // Whoever names an authority wants it asked.
    if is_private && !has_authorities {
        Mode::Preferred
    } else {
        Mode::VerifyIdentity
    }
}

fn is_private(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        // The last is the machine itself, as containers on it see it.
        Err(_) => !host.contains(['.', ':']) || host.ends_with(".localhost") || host == "host.docker.internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = include_str!("../../tests/tls/other-ca.pem");

    fn settled(url: &str, variables: &[(&str, &str)]) -> Result<(MySqlConnectOptions, Tls), String> {
        let read = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut problems = Problems::default();
        let Some(wanted) = Wanted::read(&read, &mut problems) else {
            return Err(problems.to_string());
        };
        wanted.settle(url, url.parse().expect("a database address"))
    }

    fn mode(url: &str, variables: &[(&str, &str)]) -> Mode {
        let (options, tls) = settled(url, variables).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(Mode::from(options.get_ssl_mode()), tls.mode);
        tls.mode
    }

    #[test]
    fn a_database_off_this_machine_and_its_private_networks_must_prove_its_name() {
        for host in [
            "db.example.com",
            "app.cluster-abc.ap-northeast-2.rds.amazonaws.com",
            "db.internal",
            "10.example.com",
            "127.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.64.0.1",
            "[2001:db8::1]",
            "[::ffff:8.8.8.8]",
            "localhost.example.com",
        ] {
            assert_eq!(
                mode(&format!("mysql://{host}/app"), &[]),
                Mode::VerifyIdentity,
                "{host}"
            );
        }
        for host in [
            "localhost",
            "LOCALHOST",
            "db.localhost",
            "mysql",
            "mysql.",
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.3",
            "172.17.0.2",
            "192.168.1.9",
            "[::1]",
            "[fd00::5]",
            "[::ffff:10.0.0.3]",
            "host.docker.internal",
        ] {
            assert_eq!(mode(&format!("mysql://{host}/app"), &[]), Mode::Preferred, "{host}");
        }
        assert_eq!(mode("mysql://db.example.com/app?socket=/run/db", &[]), Mode::Preferred);
    }

    #[test]
    fn what_is_said_goes_before_the_default_in_either_place() {
        for value in ["verify-identity", "VERIFY_IDENTITY", "Verify-Identity"] {
            assert_eq!(mode("mysql://db/app", &[("DB_SSL_MODE", value)]), Mode::VerifyIdentity);
        }
        assert_eq!(
            mode("mysql://db.example.com/app", &[("DB_SSL_MODE", "disabled")]),
            Mode::Disabled
        );
        assert_eq!(
            mode("mysql://db.example.com/app?x=1&ssl-mode=required", &[]),
            Mode::Required
        );
        assert_eq!(
            mode("mysql://db/app?sslmode=VERIFY_IDENTITY", &[]),
            Mode::VerifyIdentity
        );
        assert_eq!(mode("mysql://db/app", &[("DB_SSL_CA", CA)]), Mode::VerifyIdentity);
        let both = [("DB_SSL_MODE", "required")];
        assert_eq!(mode("mysql://db/app?ssl-mode=REQUIRED", &both), Mode::Required);
        let hidden = "mysql://db.example.com/app?%73sl-mode=disabled";
        assert_eq!(mode(hidden, &[]), Mode::VerifyIdentity);
    }

    #[test]
    fn an_address_of_ipv6_is_taken_out_of_its_brackets() {
        let (options, _) = settled("mysql://[::1]:3307/app", &[]).expect("settled");
        assert_eq!(options.get_host(), "::1");
    }

    #[test]
    fn what_contradicts_itself_or_would_not_be_used_is_named() {
        let (url, required) = ("mysql://db/app", ("DB_SSL_MODE", "required"));
        for (url, variables, expected) in [
            (
                url,
                vec![("DB_SSL_MODE", "verify_full")],
                "`disabled`, `preferred`, `required`, `verify-ca`, `verify-identity`; it is `verify_full`",
            ),
            (
                "mysql://db/app?ssl-mode=disabled",
                vec![required],
                "DB_SSL_MODE is `required`, and the database address says `ssl-mode=disabled`",
            ),
            ("mysql://db/app?ssl-ca=/ca.pem", vec![], "DB_SSL_CA"),
            (
                url,
                vec![("DB_SSL_MODE", "verify-ca")],
                "DB_SSL_MODE `verify-ca` needs DB_SSL_CA",
            ),
            (
                url,
                vec![required, ("DB_SSL_CA", CA)],
                "DB_SSL_CA would not be used with DB_SSL_MODE `required`",
            ),
            (
                url,
                vec![("DB_SSL_CA", "/nowhere/ca.pem")],
                "DB_SSL_CA `/nowhere/ca.pem` cannot be read: No such file",
            ),
            (
                url,
                vec![("DB_SSL_CA", "/dev/null")],
                "DB_SSL_CA `/dev/null` must hold certificates in PEM form; it holds none",
            ),
            (
                url,
                vec![(
                    "DB_SSL_CA",
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                )],
                "DB_SSL_CA must hold certificates in PEM form",
            ),
        ] {
            let problem = settled(url, &variables).map(|(_, tls)| tls).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
