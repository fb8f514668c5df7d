//! Everything read from the environment, checked once at start; all that is wrong is reported together.

mod bucket;
mod tls;

use crate::keys::Keys;
use crate::mail::MailConfig;
pub use bucket::BucketConfig;
use sqlx::mysql::MySqlConnectOptions;
use std::fmt;
use std::net::SocketAddr;
use tls::Wanted;
pub use tls::{Mode, Tls};
use tracing_subscriber::filter::Targets;

pub const DEFAULT_LISTEN: &str = "0.0.0.0:8080";
const DEFAULT_POOL_MAX: u32 = 10;
const MOST_POOL_MAX: u32 = 1_000;

/// Reads one variable; an empty one counts as missing.
pub fn environment(name: &str) -> Option<String> {
    // A value that is no UTF-8 is kept, lossily, so that it is reported as wrong rather than as missing.
    std::env::var_os(name)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty())
}

// No `Debug`: the database options and the key hold secrets.
pub struct Config {
    pub listen: SocketAddr,
    pub database: DatabaseConfig,
    /// Without one, there are no photos.
    pub bucket: Option<BucketConfig>,
    pub mail: MailConfig,
    pub jwt_keys: Keys,
    pub release: Release,
    pub public_proxies: u8,
    pub log: Targets,
}

pub struct DatabaseConfig {
    pub options: MySqlConnectOptions,
    pub tls: Tls,
    pub pool_max: u32,
}

/// Who this process says it is; given from outside, so that the same binary may be any release.
#[derive(Debug, Clone)]
pub struct Release {
    pub id: Option<String>,
    pub commit: Option<String>,
}

impl Config {
    pub fn for_serve(read: &impl Fn(&str) -> Option<String>) -> Result<Config, Problems> {
        let mut problems = Problems::default();
        let listen = problems.note(listen(read("LISTEN").as_deref()));
        let database = database(read, &mut problems);
        let bucket = bucket::bucket(read, &mut problems);
        let mail = problems.note(MailConfig::read(read));
        let jwt_keys = problems.note(Keys::parse(read("JWT_KEY")));
        let public_proxies = problems.note(public_proxies(read("PUBLIC_PROXIES")));
        let log = problems.note(log_filter(read("RUST_LOG")));
        match (listen, database, jwt_keys, mail, public_proxies, log) {
            (Some(listen), Some(database), Some(jwt_keys), Some(mail), Some(public_proxies), Some(log))
                if problems.0.is_empty() =>
            {
                Ok(Config {
                    listen,
                    database,
                    bucket,
                    jwt_keys,
                    mail,
                    release: Release {
                        id: read("RELEASE_ID"),
                        commit: read("RELEASE_COMMIT"),
                    },
                    public_proxies,
                    log,
                })
            }
            _ => Err(problems),
        }
    }

    pub fn for_migrate(read: &impl Fn(&str) -> Option<String>) -> Result<DatabaseConfig, Problems> {
        let mut problems = Problems::default();
        database(read, &mut problems)
            .filter(|_| problems.0.is_empty())
            .ok_or(problems)
    }
}

/// What is wrong with the environment, one line each.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    fn note<T>(&mut self, value: Result<T, String>) -> Option<T> {
        value.map_err(|problem| self.0.push(problem)).ok()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment is not complete ({} to fix):", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// `LISTEN` as an address; also what `healthcheck` asks.
pub fn listen(value: Option<&str>) -> Result<SocketAddr, String> {
    let value = value.unwrap_or(DEFAULT_LISTEN);
    value
        .parse()
        .map_err(|_| format!("LISTEN must be ADDRESS:PORT such as `{DEFAULT_LISTEN}`; it is `{value}`"))
}

fn database(read: &impl Fn(&str) -> Option<String>, problems: &mut Problems) -> Option<DatabaseConfig> {
    let (in_one, split) = (read("DATABASE_URL"), read("DB_URL"));
    let options = match (&in_one, &split) {
        (Some(_), Some(_)) => problems.note(Err("DATABASE_URL and DB_URL are both set: set only one of them".into())),
        (Some(url), None) => problems.note(database_url("DATABASE_URL", url)),
        (None, Some(url)) => split_url(url, read, problems),
        (None, None) => problems.note(Err(
            "DB_URL is missing: mysql://HOST[:PORT]/DATABASE, with DB_USERNAME and DB_PASSWORD \
                 (or DATABASE_URL alone)"
                .into(),
        )),
    };
    let tls = Wanted::read(read, problems);
    let pool_max = problems.note(pool_max(read("DB_POOL_MAX")));
    let url = in_one.or(split)?;
    let (options, tls) = problems.note(tls?.settle(&url, options?))?;
    Some(DatabaseConfig {
        options,
        tls,
        pool_max: pool_max?,
    })
}

fn split_url(
    url: &str,
    read: &impl Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Option<MySqlConnectOptions> {
    let username = problems.note(read("DB_USERNAME").ok_or("DB_USERNAME is missing: DB_URL needs it".to_owned()));
    let password = problems.note(read("DB_PASSWORD").ok_or("DB_PASSWORD is missing: DB_URL needs it".to_owned()));
    let options = if authority(url).contains('@') {
        problems.note(Err(
            "DB_URL holds a user name or password: give them as DB_USERNAME and DB_PASSWORD".into(),
        ))
    } else {
        problems.note(database_url("DB_URL", url))
    };
    Some(options?.username(&username?).password(&password?))
}

/// Never says what the value was: it may hold a password.
fn database_url(name: &str, url: &str) -> Result<MySqlConnectOptions, String> {
    if !url.starts_with("mysql://") && !url.starts_with("mariadb://") {
        return Err(format!("{name} must start with `mysql://`"));
    }
    let options: MySqlConnectOptions = url
        .parse()
        .map_err(|error: sqlx::Error| format!("{name} is not a database address: {error}"))?;
    if authority(url).rsplit('@').next().is_none_or(str::is_empty) {
        return Err(format!("{name} names no host: mysql://HOST[:PORT]/DATABASE"));
    }
    if options.get_database().is_none() {
        return Err(format!("{name} names no database: mysql://HOST[:PORT]/DATABASE"));
    }
    Ok(options)
}

fn authority(url: &str) -> &str {
    url.split_once("://")
        .map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""))
}

fn pool_max(value: Option<String>) -> Result<u32, String> {
    let Some(value) = value else {
        return Ok(DEFAULT_POOL_MAX);
    };
    match value.parse() {
        Ok(max) if (1..=MOST_POOL_MAX).contains(&max) => Ok(max),
        _ => Err(format!(
            "DB_POOL_MAX must be a number from 1 to {MOST_POOL_MAX}; it is `{value}`"
        )),
    }
}

fn public_proxies(value: Option<String>) -> Result<u8, String> {
    let value = value.unwrap_or_else(|| "0".to_owned());
    value
        .parse()
        .map_err(|_| format!("PUBLIC_PROXIES must be a small number such as 1; it is `{value}`"))
}

fn log_filter(value: Option<String>) -> Result<Targets, String> {
    let value = value.unwrap_or_else(|| "info".to_owned());
    value
        .parse()
        .map_err(|error| format!("RUST_LOG `{value}` is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    fn problems(variables: &[(&str, &str)]) -> String {
        match Config::for_serve(&read(variables)) {
            Ok(_) => panic!("accepted {variables:?}"),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn everything_missing_is_reported_at_once() {
        assert_eq!(
            problems(&[]),
            "the environment is not complete (2 to fix):\n  \
             - DB_URL is missing: mysql://HOST[:PORT]/DATABASE, with DB_USERNAME and DB_PASSWORD (or DATABASE_URL alone)\n  \
             - JWT_KEY is missing: at least 32 bytes, the same on every host"
        );
    }

    #[test]
    fn everything_wrong_is_reported_at_once_and_no_secret_is_shown() {
        let report = problems(&[
            ("LISTEN", "8080"),
            ("DB_URL", "mysql://root:hunter2@db/app"),
            ("DB_SSL_MODE", "perhaps"),
            ("DB_POOL_MAX", "0"),
            ("JWT_KEY", "too-short-secret"),
            ("PUBLIC_PROXIES", "many"),
            ("RUST_LOG", "a=b=c"),
        ]);
        for name in [
            "LISTEN",
            "DB_USERNAME",
            "DB_PASSWORD",
            "DB_URL holds",
            "DB_SSL_MODE",
            "DB_POOL_MAX",
            "JWT_KEY",
            "PUBLIC_PROXIES",
            "RUST_LOG",
        ] {
            assert!(report.contains(name), "{name} is not in:\n{report}");
        }
        for secret in ["hunter2", "too-short-secret"] {
            assert!(!report.contains(secret), "a secret is in:\n{report}");
        }
    }

    #[test]
    fn a_database_address_that_is_wrong_is_named_without_its_password() {
        for url in [
            "postgres://u:hunter2@db/app",
            "mysql://u:hunter2@db",
            "mysql://u:hunter2@db:99999/app",
            "mysql:///app",
        ] {
            let report = problems(&[("DATABASE_URL", url), ("JWT_KEY", KEY)]);
            assert!(report.contains("DATABASE_URL"), "{url}: {report}");
            assert!(!report.contains("hunter2"), "{url}: {report}");
        }
    }

    #[test]
    fn either_form_of_database_address_is_accepted_but_not_both() {
        let url = ("DATABASE_URL", "mysql://u:p@db:3307/app");
        let split = [
            ("DB_URL", "mysql://db:3307/app"),
            ("DB_USERNAME", "u"),
            ("DB_PASSWORD", "p@:/"),
        ];
        for variables in [&[url][..], &split[..]] {
            let config = Config::for_migrate(&read(variables)).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(
                (
                    config.options.get_host(),
                    config.options.get_port(),
                    config.options.get_username()
                ),
                ("db", 3307, "u")
            );
            assert_eq!(
                (config.options.get_database(), config.pool_max),
                (Some("app"), DEFAULT_POOL_MAX)
            );
        }
        assert!(problems(&[url, split[0]]).contains("set only one of them"));
    }
}
