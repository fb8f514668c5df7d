//! Just enough of an SMTP client (RFC 5321) to hand a mail to a relay: STARTTLS, AUTH PLAIN, one recipient.

use super::Mail;
use super::config::{Credentials, Security, SmtpSettings};
use crate::jobs::Failure;
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// For the whole conversation; well under the time an attempt may take.
const TIMEOUT: Duration = Duration::from_secs(20);
const REPLY_LINE_MAX_BYTES: u64 = 2_048;
const REPLY_MAX_LINES: usize = 100;

pub struct Server {
    host: String,
    port: u16,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    credentials: Option<Credentials>,
}

impl Server {
    pub fn new(settings: SmtpSettings) -> anyhow::Result<Server> {
        let SmtpSettings { host, port, security } = settings;
        let tls = match security {
            Security::Off => None,
            Security::StartTls { ca, credentials } => {
                let mut roots = RootCertStore::empty();
                match ca {
                    None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
                    Some(path) => {
                        let unreadable = || format!("MAIL_CA `{}` is no PEM file of certificates", path.display());
                        for certificate in CertificateDer::pem_file_iter(&path).with_context(unreadable)? {
                            roots
                                .add(certificate.with_context(unreadable)?)
                                .with_context(unreadable)?;
                        }
                    }
                }
                let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Some(Tls {
                    connector: TlsConnector::from(Arc::new(config)),
                    name: ServerName::try_from(host.clone()).context("MAIL_SMTP names no host")?,
                    credentials,
                })
            }
        };
        Ok(Server { host, port, tls })
    }

    pub async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let address = format!("{}:{}", self.host, self.port);
        match tokio::time::timeout(TIMEOUT, self.converse(mail)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refused::Mail(reply))) => Err(Failure::lasting(format!("{address} refuses the mail: {reply}"))),
            Ok(Err(Refused::Conversation(error))) => Err(Failure::passing(format!("{address}: {error}"))),
            Err(_) => Err(Failure::passing(format!(
                "{address} did not take the mail within {TIMEOUT:?}"
            ))),
        }
    }

    async fn converse(&self, mail: &Mail) -> Result<(), Refused> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let mut conversation = Conversation(BufReader::new(stream));
        conversation.expect(220).await?;
        conversation.hello(mail).await?;
        let Some(tls) = &self.tls else {
            return conversation.hand_over(mail).await;
        };
        conversation.command("STARTTLS", 220).await?;
        // Whatever was sent ahead of the handshake would count as if it came by TLS.
        if !conversation.0.buffer().is_empty() {
            return Err(Refused::Conversation("it speaks before its turn".to_owned()));
        }
        let stream = tls
            .connector
            .connect(tls.name.clone(), conversation.0.into_inner())
            .await?;
        let mut conversation = Conversation(BufReader::new(stream));
        conversation.hello(mail).await?;
        if let Some(credentials) = &tls.credentials {
            conversation.sign_in(credentials).await?;
        }
        conversation.hand_over(mail).await
    }
}

/// What was refused for good is only this one mail; anything else may be different next time.
enum Refused {
    Mail(String),
    Conversation(String),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Refused {
        Refused::Conversation(error.to_string())
    }
}

struct Conversation<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    async fn hello(&mut self, mail: &Mail) -> Result<(), Refused> {
        let domain = mail.from.rsplit('@').next().unwrap_or_default();
        self.command(&format!("EHLO {domain}"), 250).await
    }

    async fn sign_in(&mut self, credentials: &Credentials) -> Result<(), Refused> {
        let Credentials { username, password } = credentials;
        let plain = STANDARD.encode(format!("\0{username}\0{password}"));
        self.command(&format!("AUTH PLAIN {plain}"), 235).await
    }

    async fn hand_over(&mut self, mail: &Mail) -> Result<(), Refused> {
        self.command(&format!("MAIL FROM:<{}>", mail.from), 250).await?;
        self.command(&format!("RCPT TO:<{}>", mail.to), 250)
            .await
            .map_err(of_the_mail)?;
        self.command("DATA", 354).await?;
        self.command(&dotted(&mail.message), 250).await.map_err(of_the_mail)?;
        // It has the mail; how it says goodbye no longer matters.
        self.command("QUIT", 221).await.ok();
        Ok(())
    }

    async fn command(&mut self, line: &str, expected: u16) -> Result<(), Refused> {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.expect(expected).await
    }

    async fn expect(&mut self, expected: u16) -> Result<(), Refused> {
        for _ in 0..REPLY_MAX_LINES {
            let mut line = Vec::new();
            (&mut self.0)
                .take(REPLY_LINE_MAX_BYTES)
                .read_until(b'\n', &mut line)
                .await?;
            let line = String::from_utf8_lossy(&line);
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            match code {
                // More lines follow.
                Some(_) if line[3..].starts_with('-') => {}
                Some(code) if code == expected => return Ok(()),
                _ if line.is_empty() => return Err(Refused::Conversation("it closed the connection".to_owned())),
                _ => return Err(Refused::Conversation(line.trim_end().to_owned())),
            }
        }
        Err(Refused::Conversation("its reply has no end".to_owned()))
    }
}

/// A reply that begins with 5 is the server's last word on this mail.
fn of_the_mail(refused: Refused) -> Refused {
    match refused {
        Refused::Conversation(reply) if reply.starts_with('5') => Refused::Mail(reply),
        refused => refused,
    }
}

/// Ends with the line that ends a mail; a line of its own that begins with a dot gets a second one.
fn dotted(message: &str) -> String {
    let stuffed = message.replace("\r\n.", "\r\n..");
    let first = if stuffed.starts_with('.') { "." } else { "" };
    let end = if stuffed.ends_with("\r\n") { "." } else { "\r\n." };
    format!("{first}{stuffed}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn mail() -> Mail {
        Mail {
            id: "1@b.co".to_owned(),
            from: "a@b.co".to_owned(),
            to: "c@d.co".to_owned(),
            message: "Subject: hello\r\n\r\n.dot\r\n".to_owned(),
        }
    }

    /// A server that answers each line with the next of these, and says what it was told.
    async fn serve(replies: &'static [&'static str]) -> (Server, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = BufReader::new(stream);
            let mut told = String::new();
            for reply in replies {
                stream.write_all(format!("{reply}\r\n").as_bytes()).await.expect("sent");
                let until = if reply.starts_with("354") { "\r\n.\r\n" } else { "\r\n" };
                let start = told.len();
                while !told[start..].ends_with(until) && stream.read_line(&mut told).await.expect("a line") > 0 {}
            }
            told
        });
        let settings = SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port,
            security: Security::Off,
        };
        (Server::new(settings).expect("a server"), told)
    }

    #[tokio::test]
    async fn a_mail_is_handed_over_with_its_dots_doubled() {
        let (server, told) = serve(&[
            "220-hello\r\n220 there",
            "250-b.co\r\n250 SIZE",
            "250 ok",
            "250 ok",
            "354 go",
            "250 taken",
        ])
        .await;
        server.send(&mail()).await.expect("sent");
        assert_eq!(
            told.await.expect("told"),
            "EHLO b.co\r\nMAIL FROM:<a@b.co>\r\nRCPT TO:<c@d.co>\r\nDATA\r\n\
             Subject: hello\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
        );
    }

    #[tokio::test]
    async fn only_a_final_word_on_the_mail_itself_is_lasting() {
        for (replies, is_lasting) in [
            (&["220 a", "250 b", "250 c", "550 no such mailbox"][..], true),
            (&["220 a", "250 b", "250 c", "250 d", "354 e", "554 spam"][..], true),
            (&["220 a", "250 b", "250 c", "450 try later"][..], false),
            (&["220 a", "250 b", "530 sign in first"][..], false),
            (&["554 not today"][..], false),
            (&["nonsense"][..], false),
            (&["2"][..], false),
            (&["22한"][..], false),
            (&[][..], false),
        ] {
            let (server, _) = serve(replies).await;
            let failure = server.send(&mail()).await.expect_err("refused");
            assert_eq!(
                matches!(failure, Failure::Lasting(_)),
                is_lasting,
                "{replies:?}: {failure:?}"
            );
        }
    }
}
