//! Why a connection to the database was given up before a password was sent: what was expected of the server, and what
//! was found instead.

use crate::config::{Mode, Tls};
use rustls::{CertificateError, Error as TlsError};

/// `None` if the trouble was another.
pub fn distrust(error: &sqlx::Error, tls: &Tls) -> Option<String> {
    match error {
        sqlx::Error::Io(error) => match error.get_ref()?.downcast_ref()? {
            TlsError::InvalidCertificate(why) => Some(certificate(why, tls)),
            other => Some(format!("the TLS handshake failed: {other}")),
        },
        sqlx::Error::Tls(why) if why.to_string().contains("does not support TLS") => Some(format!(
            "it offers no TLS, and DB_SSL_MODE `{}` expects it: give the server a certificate, or set DB_SSL_MODE to \
             `disabled` if the network between is private",
            tls.mode
        )),
        // MySQL's default since 8.0, which the database library would answer with a key of RSA.
        sqlx::Error::Configuration(why) if why.to_string().contains("RSA") => Some(format!(
            "it takes this user's password only over TLS, and DB_SSL_MODE is `{}`: set it to `preferred` or stricter",
            tls.mode
        )),
        sqlx::Error::Tls(why) => Some(format!("the TLS handshake failed: {why}")),
        _ => None,
    }
}

fn certificate(why: &CertificateError, tls: &Tls) -> String {
    match why {
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "expected a certificate for `{}`, found one for {}: connect by a name that it is for{}",
            expected.to_str(),
            names(presented),
            match tls.mode {
                // Else it would trust the public authorities alone, and so anyone.
                Mode::VerifyIdentity if tls.authorities.is_some() => ", or set DB_SSL_MODE to `verify-ca`",
                _ => "",
            }
        ),
        CertificateError::UnknownIssuer => format!(
            "expected a certificate signed by an authority of {}, found one of an unknown issuer: set DB_SSL_CA to the \
             authority that signed it",
            match &tls.authorities {
                Some(given) => format!("{given} or a public one"),
                None => "the public ones (DB_SSL_CA is not set)".to_owned(),
            }
        ),
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// `DnsName("db.example.com")` is how the TLS library writes a name.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| format!("`{}`", name.split('"').nth(1).unwrap_or(name));
    match presented {
        [] => "no name at all".to_owned(),
        some => some.iter().map(plain).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: sqlx::Error) -> Option<String> {
        let tls = Tls {
            mode: Mode::Disabled,
            authorities: None,
        };
        distrust(&error, &tls)
    }

    #[test]
    fn a_password_that_is_not_taken_without_tls_is_explained_in_the_words_of_the_environment() {
        let why = told(sqlx::Error::Configuration(
            "RSA auth backend disabled; enable feature".into(),
        ));
        assert!(
            why.expect("explained")
                .contains("DB_SSL_MODE is `disabled`: set it to `preferred`")
        );
        assert_eq!(
            told(sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into())),
            None
        );
        assert_eq!(told(sqlx::Error::PoolTimedOut), None);
    }
}
