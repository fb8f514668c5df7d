//! Clients that ask again as soon as they are answered, each on a connection it keeps. A failed request ends the benchmark.

use anyhow::{Context, Result, bail};
use memchr::memmem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub address: SocketAddr,
    pub path: &'static str,
    pub connections: usize,
}

#[derive(Debug, Default)]
pub struct Answered {
    /// How long each took, in microseconds, in no order.
    pub took_us: Vec<u32>,
    pub within: Duration,
}

impl Load {
    pub async fn put_on(self, time: Duration) -> Result<Answered> {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..self.connections {
            clients.spawn(self.ask_until(began + time));
        }
        let mut answered = Answered::default();
        while let Some(client) = clients.join_next().await {
            answered.took_us.append(&mut client??);
        }
        answered.within = began.elapsed();
        Ok(answered)
    }

    async fn ask_until(self, deadline: Instant) -> Result<Vec<u32>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n",
            self.path
        );
        let mut took_us = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while Instant::now() < deadline {
            let began = Instant::now();
            stream.write_all(request.as_bytes()).await?;
            read_answer(&mut stream, &mut buffer).await?;
            took_us.push(u32::try_from(began.elapsed().as_micros())?);
        }
        Ok(took_us)
    }
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut read = 0;
    let head = loop {
        let more = stream.read(&mut buffer[read..]).await?;
        if more == 0 {
            bail!("the connection was closed before an answer");
        }
        read += more;
        if let Some(end) = memmem::find(&buffer[..read], b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
    if !text.starts_with("http/1.1 200 ") {
        bail!("a request failed: {text}");
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    let mut left = (head + length).checked_sub(read).context("more bytes than announced")?;
    while left > 0 {
        let most = left.min(buffer.len());
        let more = stream.read(&mut buffer[..most]).await?;
        if more == 0 {
            bail!("an answer broke off");
        }
        left -= more;
    }
    Ok(())
}
