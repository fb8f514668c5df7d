//! Finding the engine, and saying what is wrong when there is none.

use anyhow::Context as _;
use bollard::ClientVersion;
use bollard::errors::Error as ApiError;
use futures_util::future::BoxFuture;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The API of Docker 20.10: nothing newer is asked for.
pub const OLDEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one answer of the engine. Stopping a container and committing a large one take longest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection that carries requests to somebody.
pub type Stream = Box<dyn ReadWrite>;
type Dialled = BoxFuture<'static, io::Result<Stream>>;
/// What requests over such connections call the engine; nobody resolves it.
const DIALLED: &str = "http://engine";

pub trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// A connection to one engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
}

impl Docker {
    /// Connects to `DOCKER_HOST` or the default socket, within five seconds.
    pub async fn connect() -> Result<Self, EngineError> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    /// Connects to the engine at `unix://…` or `tcp://…`, within five seconds.
    pub async fn connect_to(host: &str) -> Result<Self, EngineError> {
        let late = || EngineError::Unreachable {
            host: host.to_owned(),
            why: "no answer within 5 s".to_owned(),
        };
        tokio::time::timeout(CONNECT_TIMEOUT, greet(host))
            .await
            .map_err(|_| late())?
    }

    /// The engine at the other end of connections that `dial` makes, one a request.
    pub fn over(dial: impl Fn() -> Dialled + Send + Sync + 'static) -> Result<Self, EngineError> {
        let transport = move |request: bollard::BollardRequest| {
            let dialled = dial();
            async move {
                let stream = dialled.await.map_err(ApiError::from)?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                Ok(sender.send_request(request).await?)
            }
        };
        let timeout = REQUEST_TIMEOUT.as_secs();
        let api = bollard::Docker::connect_with_custom_transport(transport, Some(DIALLED), timeout, &OLDEST_API);
        let api = api.map_err(|error| EngineError::Unreachable {
            host: DIALLED.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self { api })
    }

    /// The folder that holds the engine's images and containers, and the name of the machine it is on.
    pub async fn data_root(&self) -> anyhow::Result<DataRoot> {
        let info = self
            .api
            .info()
            .await
            .context("asking the engine where it keeps its data")?;
        Ok(DataRoot {
            path: info
                .docker_root_dir
                .context("the engine does not say where it keeps its data")?
                .into(),
            machine: info.name.unwrap_or_default(),
        })
    }

    /// The API itself, for what this layer does not cover.
    pub fn api(&self) -> &bollard::Docker {
        &self.api
    }
}

/// Where an engine keeps what it keeps: a path as the engine sees it, which may be another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRoot {
    pub path: PathBuf,
    pub machine: String,
}

/// Why there is no engine to talk to. `Display` says what is wrong and, on a second line, what to type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no socket: most likely no engine is installed.
    Missing { socket: String },
    /// The socket is there, but this user may not use it.
    NotPermitted { socket: String },
    /// Nobody answers, or not as an engine does.
    Unreachable { host: String, why: String },
    /// It answers, but lacks what is needed.
    TooOld { found: String, needed: String },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { socket } => {
                let install = install_command(&std::fs::read_to_string("/etc/os-release").unwrap_or_default());
                writeln!(f, "no Docker engine: `{socket}` is not there")?;
                write!(f, "hint: install one: {install}")?;
                if format!("unix://{socket}") != DEFAULT_HOST {
                    write!(f, "; or unset DOCKER_HOST, which names this socket")?;
                }
                Ok(())
            }
            Self::NotPermitted { socket } => {
                writeln!(f, "the Docker engine at `{socket}` does not let this user in")?;
                write!(f, "hint: `sudo usermod -aG docker $USER`, then log out and in again")
            }
            Self::Unreachable { host, why } => {
                writeln!(f, "the Docker engine at `{host}` does not answer: {why}")?;
                match host.starts_with("unix://") {
                    true => write!(
                        f,
                        "hint: `sudo systemctl start docker` (or `sudo service docker start`)"
                    ),
                    false => write!(
                        f,
                        "hint: check DOCKER_HOST; `unix:///path` and `tcp://host:port` are understood"
                    ),
                }
            }
            Self::TooOld { found, needed } => {
                writeln!(
                    f,
                    "the Docker engine is too old: its API is {found}, at least {needed} is needed"
                )?;
                write!(f, "hint: install Docker 20.10 or newer")
            }
        }
    }
}

/// What to type on this distribution, from its os-release file.
fn install_command(os_release: &str) -> &'static str {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
    };
    let names = format!("{} {}", value("ID="), value("ID_LIKE=")).replace('"', "");
    let is = |wanted: &str| names.split_whitespace().any(|name| name == wanted);
    if is("debian") || is("ubuntu") {
        "`sudo apt-get install docker.io`, or `cargo xtask doctor --install`"
    } else if is("fedora") {
        "`sudo dnf install moby-engine && sudo systemctl enable --now docker`"
    } else if is("arch") {
        "`sudo pacman -S docker && sudo systemctl enable --now docker`"
    } else if is("alpine") {
        "`doas apk add docker && doas service docker start`"
    } else {
        "see https://docs.docker.com/engine/install/"
    }
}

async fn greet(host: &str) -> Result<Docker, EngineError> {
    knock(host).await?;
    let unreachable = |error: ApiError| EngineError::Unreachable {
        host: host.to_owned(),
        why: error.to_string(),
    };
    let api = bollard::Docker::connect_with_host(host)
        .map_err(unreachable)?
        .with_request_modifier(url_safe_credentials)
        .with_timeout(REQUEST_TIMEOUT)
        .negotiate_version()
        .await
        .map_err(unreachable)?;
    let found = api.client_version();
    if found < OLDEST_API {
        return Err(EngineError::TooOld {
            found: found.to_string(),
            needed: OLDEST_API.to_string(),
        });
    }
    api.ping().await.map_err(unreachable)?;
    Ok(Docker { api })
}

/// Opens the socket once by hand: the API client hides why it could not.
async fn knock(host: &str) -> Result<(), EngineError> {
    let unreachable = |why: String| EngineError::Unreachable {
        host: host.to_owned(),
        why,
    };
    if let Some(socket) = host.strip_prefix("unix://") {
        let socket_name = socket.to_owned();
        return match UnixStream::connect(socket).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                ErrorKind::NotFound => EngineError::Missing { socket: socket_name },
                ErrorKind::PermissionDenied => EngineError::NotPermitted { socket: socket_name },
                ErrorKind::ConnectionRefused => {
                    unreachable("the socket is there, but nothing listens on it".to_owned())
                }
                _ => unreachable(error.to_string()),
            }),
        };
    }
    if let Some(address) = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) {
        if std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()) {
            return Err(unreachable(
                "DOCKER_TLS_VERIFY is set, and TLS to an engine is not supported".to_owned(),
            ));
        }
        let address = address.trim_end_matches('/');
        return TcpStream::connect(address)
            .await
            .map(drop)
            .map_err(|error| unreachable(error.to_string()));
    }
    Err(unreachable("neither a `unix://` nor a `tcp://` address".to_owned()))
}

/// The engine reads registry credentials as URL-safe base64 and, when it cannot, silently asks the registry without any; the
/// client writes the standard alphabet. They differ for passwords with `>`, `?` or `~` in every third place.
fn url_safe_credentials(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        let Some(value) = request.headers().get(name) else {
            continue;
        };
        let url_safe = value.to_str().unwrap_or_default().replace('+', "-").replace('/', "_");
        if let Ok(value) = url_safe.parse() {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// Whether the engine said that the thing named is not there.
pub(crate) fn is_gone(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_command_fits_the_distribution() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for text in [debian, mint] {
            assert!(
                install_command(text).contains("sudo apt-get install docker.io"),
                "{text}"
            );
        }
        assert!(install_command("ID=fedora\n").contains("dnf"));
        assert!(install_command("").contains("https://"));
    }

    #[tokio::test]
    async fn a_missing_socket_is_named_with_the_command_that_installs_an_engine() {
        let error = Docker::connect_to("unix:///nonexistent/docker.sock").await.unwrap_err();
        assert_eq!(
            error,
            EngineError::Missing {
                socket: "/nonexistent/docker.sock".to_owned()
            }
        );
        let text = error.to_string();
        assert!(
            text.contains("`/nonexistent/docker.sock` is not there\nhint: install one: "),
            "{text}"
        );
        assert!(text.contains("DOCKER_HOST"), "{text}");
    }

    #[tokio::test]
    async fn a_socket_nobody_listens_on_is_not_called_missing() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        drop(tokio::net::UnixListener::bind(&socket).unwrap());
        let error = Docker::connect_to(&format!("unix://{}", socket.display()))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("nothing listens on it\nhint: `sudo systemctl start docker`"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn what_accepts_but_never_answers_is_given_up_within_the_time_limit() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let began = std::time::Instant::now();
        let error = Docker::connect_to(&host).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 5 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(8));
    }

    #[tokio::test]
    async fn an_address_of_an_unknown_kind_says_which_are_understood() {
        let error = Docker::connect_to("ssh://build@example.com")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("hint: check DOCKER_HOST; `unix:///path` and `tcp://host:port`"),
            "{error}"
        );
    }
}
