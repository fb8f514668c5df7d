//! How an agent reaches what it depends on: over sockets of this host, or over whatever a test has instead.

use anyhow::Result;
use channel::Channel;
use contract::HostConfig;
use docker::Docker;
use jiff::Timestamp;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connection to somebody.
pub type Stream = docker::Stream;
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub trait Reach: fmt::Debug + Send + Sync {
    fn channel(&self, config: &HostConfig) -> Result<Channel>;
    fn engine(&self) -> Answer<'_, Result<Docker>>;
    fn router(&self) -> Answer<'_, io::Result<Stream>>;
    /// A container's published port.
    fn container(&self, address: SocketAddr) -> Answer<'_, io::Result<Stream>>;
    /// By the wall clock, which reports and leases of an agent that was restarted count by.
    fn now(&self) -> Timestamp;
    /// Where this agent keeps what it keeps.
    fn folder(&self) -> &Path;
}

/// The sockets of this host, its clock, and the folder that its configuration names.
#[derive(Debug)]
pub struct ThisHost {
    admin_socket: PathBuf,
    folder: PathBuf,
}

impl ThisHost {
    pub fn new(config: &HostConfig) -> Self {
        Self {
            admin_socket: config.admin_socket.clone(),
            folder: config.agent_state.clone(),
        }
    }
}

impl Reach for ThisHost {
    fn channel(&self, config: &HostConfig) -> Result<Channel> {
        Channel::open(&config.channel, &config.app, &config.environment)
    }

    fn engine(&self) -> Answer<'_, Result<Docker>> {
        Box::pin(async { Ok(Docker::connect().await?) })
    }

    fn router(&self) -> Answer<'_, io::Result<Stream>> {
        Box::pin(async { UnixStream::connect(&self.admin_socket).await.map(boxed) })
    }

    fn container(&self, address: SocketAddr) -> Answer<'_, io::Result<Stream>> {
        Box::pin(async move { TcpStream::connect(address).await.map(boxed) })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

fn boxed(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Stream {
    Box::new(stream)
}
