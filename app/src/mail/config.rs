//! Where mail goes, as the environment has it.

use crate::names::Email;
use std::fmt;
use std::path::PathBuf;

const DEFAULT_FROM: &str = "no-reply@instagram.example";

#[derive(Debug)]
pub struct MailConfig {
    pub from: Email,
    /// Without one, mail is kept in the database.
    pub transport: Option<Transport>,
}

#[derive(Debug)]
pub enum Transport {
    Folder(PathBuf),
    Smtp(SmtpSettings),
}

#[derive(Debug)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: Security,
}

#[derive(Debug)]
pub enum Security {
    Off,
    StartTls {
        /// A PEM file with the authority to trust instead of the public ones.
        ca: Option<PathBuf>,
        credentials: Option<Credentials>,
    },
}

pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl MailConfig {
    pub fn read(read: &impl Fn(&str) -> Option<String>) -> Result<MailConfig, String> {
        let from = read("MAIL_FROM").unwrap_or_else(|| DEFAULT_FROM.to_owned());
        let from = Email::parse(&from).map_err(|wrong| format!("MAIL_FROM {wrong}; it is `{from}`"))?;
        let transport = match (read("MAIL_DIR"), read("MAIL_SMTP")) {
            (Some(_), Some(_)) => return Err("MAIL_DIR and MAIL_SMTP are both set: set only one of them".to_owned()),
            (Some(path), None) => Some(Transport::Folder(path.into())),
            (None, Some(address)) => Some(Transport::Smtp(smtp(&address, read)?)),
            (None, None) => None,
        };
        Ok(MailConfig { from, transport })
    }
}

fn smtp(address: &str, read: &impl Fn(&str) -> Option<String>) -> Result<SmtpSettings, String> {
    let (host, port) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| format!("MAIL_SMTP must be HOST:PORT; it is `{address}`"))?;
    let credentials = match (read("MAIL_USERNAME"), read("MAIL_PASSWORD")) {
        (Some(username), Some(password)) => Some(Credentials { username, password }),
        (None, None) => None,
        _ => return Err("MAIL_USERNAME and MAIL_PASSWORD go together: one of them is missing".to_owned()),
    };
    let security = match (read("MAIL_TLS").as_deref(), credentials) {
        (None | Some("starttls"), credentials) => Security::StartTls {
            ca: read("MAIL_CA").map(PathBuf::from),
            credentials,
        },
        (Some("off"), None) => Security::Off,
        (Some("off"), Some(_)) => {
            return Err("MAIL_PASSWORD would go over the network in the clear: leave MAIL_TLS unset".to_owned());
        }
        (Some(other), _) => return Err(format!("MAIL_TLS must be `starttls` or `off`; it is `{other}`")),
    };
    Ok(SmtpSettings {
        host: host.to_owned(),
        port,
        security,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<MailConfig, String> {
        MailConfig::read(&|name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn mail_goes_to_a_folder_or_to_a_server_or_stays() {
        assert!(matches!(read(&[]).map(|config| config.transport), Ok(None)));
        let folder = read(&[("MAIL_DIR", "/mail")]).map(|config| config.transport);
        assert!(matches!(folder, Ok(Some(Transport::Folder(_)))), "{folder:?}");
        for address in ["mail.example.com:587", "127.0.0.1:25", "[::1]:25"] {
            let server = read(&[("MAIL_SMTP", address)]).map(|config| config.transport);
            assert!(matches!(server, Ok(Some(Transport::Smtp(_)))), "{address}: {server:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_a_password_needs_tls_and_is_never_shown() {
        let server = ("MAIL_SMTP", "mail.example.com:587");
        for (variables, name) in [
            (vec![("MAIL_FROM", "nobody")], "MAIL_FROM"),
            (vec![("MAIL_FROM", "a@b.co\r\nBcc: c@d.co")], "MAIL_FROM"),
            (vec![("MAIL_DIR", "/mail"), server], "MAIL_DIR"),
            (vec![("MAIL_SMTP", "mail.example.com")], "MAIL_SMTP"),
            (vec![("MAIL_SMTP", ":25")], "MAIL_SMTP"),
            (vec![server, ("MAIL_TLS", "perhaps")], "MAIL_TLS"),
            (vec![server, ("MAIL_PASSWORD", "hunter2")], "MAIL_USERNAME"),
            (
                vec![
                    server,
                    ("MAIL_TLS", "off"),
                    ("MAIL_USERNAME", "u"),
                    ("MAIL_PASSWORD", "hunter2"),
                ],
                "MAIL_TLS",
            ),
        ] {
            let wrong = read(&variables).expect_err(name);
            assert!(wrong.contains(name) && !wrong.contains("hunter2"), "{wrong}");
        }
        let with_password = read(&[server, ("MAIL_USERNAME", "u"), ("MAIL_PASSWORD", "hunter2")]);
        assert!(!format!("{with_password:?}").contains("hunter2"));
    }
}
