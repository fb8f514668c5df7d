//! The three, each with two backends at 75 % and 25 %, connections kept on both sides, an access log and counters.

use crate::process;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

pub struct Proxy {
    pub name: &'static str,
    pub version: String,
    pub address: SocketAddr,
    child: Child,
}

impl Proxy {
    pub async fn start_all(dir: &Path, backends: [SocketAddr; 2]) -> Result<Vec<Self>> {
        Ok(vec![
            router(dir, backends).await?,
            nginx(dir, backends).await?,
            haproxy(dir, backends).await?,
        ])
    }

    /// Of all its processes together.
    pub fn cpu_time(&self) -> Duration {
        process::family(self.child.id())
            .into_iter()
            .map(process::cpu_time)
            .sum()
    }

    pub fn memory(&self) -> u64 {
        process::family(self.child.id()).into_iter().map(process::memory).sum()
    }

    async fn start(name: &'static str, version: String, address: SocketAddr, command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        let mut proxy = Self {
            name,
            version,
            address,
            child: child.with_context(|| format!("cannot start {name}"))?,
        };
        for _ in 0..200 {
            if let Some(status) = proxy.child.try_wait()? {
                bail!("{name} ended at once: {status}");
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(proxy);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("{name} does not listen on {address}")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its children end with it; nothing of them is worth waiting for.
        let pids = process::family(self.child.id());
        for pid in pids.into_iter().rev().filter_map(|pid| i32::try_from(pid).ok()) {
            let _ = rustix::process::Pid::from_raw(pid)
                .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        }
        let _ = self.child.wait();
    }
}

async fn router(dir: &Path, backends: [SocketAddr; 2]) -> Result<Proxy> {
    let address = free_address()?;
    let folder = dir.join("router");
    fs::create_dir(&folder)?;
    let config = format!(
        r#"{{"contract": 1, "app": "shop", "environment": "bench", "host": "one", "listen": "{address}",
            "admin_socket": "admin.sock", "router_state": "router.json", "channel": {{"directory": "channel"}},
            "poll_interval_ms": 1000, "trusted_keys": "keys.json", "secrets_dir": "secrets",
            "containers": {{"network": null, "ports": {{"first": 1, "count": 1}}, "labels": {{}}}},
            "router": {{"access_log": {{"file": "access.log", "max_mb": 100000}}}}}}"#
    );
    fs::write(folder.join("host.json"), config)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    command
        .arg(folder.join("host.json"))
        .stderr(File::create(folder.join("log"))?);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let proxy = Proxy::start("router", version, address, &mut command).await?;
    let backend = |number: u64, role: &str, address: SocketAddr, weight: &str| {
        let release = contract::ReleaseId::from_parts(number, 0);
        serde_json::json!({ "release": release, "role": role, "address": address, "weight": weight, "ready": true })
    };
    let [first, second] = backends;
    let table = serde_json::json!({
        "generation": 1, "lease": null, "shield": true,
        "backends": [backend(1, "stable", first, "75%"), backend(2, "candidate", second, "25%")],
    });
    put(&folder.join("admin.sock"), &table.to_string()).await?;
    Ok(proxy)
}

async fn put(socket: &Path, table: &str) -> Result<()> {
    // It listens for users before it listens here.
    let mut attempts = 0;
    let mut stream = loop {
        match UnixStream::connect(socket).await {
            Err(_) if attempts < 200 => attempts += 1,
            connected => break connected.context("the router's admin socket does not answer")?,
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    let head = format!(
        "PUT /table HTTP/1.1\r\nHost: router\r\nContent-Length: {}\r\n\r\n",
        table.len()
    );
    stream.write_all(format!("{head}{table}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("the router did not take the table: {answer}");
    }
    Ok(())
}

async fn nginx(dir: &Path, [first, second]: [SocketAddr; 2]) -> Result<Proxy> {
    let address = free_address()?;
    let folder = dir.join("nginx");
    fs::create_dir(&folder)?;
    let path = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {path}/{kind};\n"))
        .concat();
    let config = format!(
        r#"daemon off; worker_processes 2; pid {path}/pid; error_log {path}/error.log; user root;
events {{ worker_connections 4096; }}
http {{
    {temporary}
    log_format requests escape=json '{{"at":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
        '"host":"$host","path":"$uri","protocol":"$server_protocol","status":$status,"bytes":$body_bytes_sent,'
        '"s":$request_time,"upstream":"$upstream_addr","request_id":"$request_id"}}';
    access_log {path}/access.log requests buffer=64k flush=1s;
    keepalive_requests 1000000000;
    upstream app {{ server {first} weight=3; server {second} weight=1; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen {address} backlog=4096;
        location = /counters {{ stub_status; }}
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID $request_id;
            add_header X-Request-ID $request_id;
        }}
    }}
}}
"#
    );
    fs::write(folder.join("nginx.conf"), config)?;
    let mut command = Command::new("nginx");
    command
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .arg("-e")
        .arg(folder.join("error.log"));
    Proxy::start("nginx", version("nginx", "-v")?, address, &mut command).await
}

async fn haproxy(dir: &Path, [first, second]: [SocketAddr; 2]) -> Result<Proxy> {
    let address = free_address()?;
    let folder = dir.join("haproxy");
    fs::create_dir(&folder)?;
    let config = format!(
        r#"global
    nbthread 2
    maxconn 4096
    log stdout format raw local0 info
defaults
    mode http
    log global
    option httplog
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend users
    bind {address} backlog 4096
    option forwardfor
    unique-id-format %{{+X}}o\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-ID
    http-request set-header X-Forwarded-Proto http
    default_backend app
backend app
    balance roundrobin
    server first {first} weight 75
    server second {second} weight 25
"#
    );
    fs::write(folder.join("haproxy.cfg"), config)?;
    let mut command = Command::new("haproxy");
    command
        .arg("-f")
        .arg(folder.join("haproxy.cfg"))
        .stdout(File::create(folder.join("access.log"))?)
        .stderr(File::create(folder.join("log"))?);
    Proxy::start("HAProxy", version("haproxy", "-v")?, address, &mut command).await
}

fn version(program: &str, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '/' | '-' | '+'));
    Ok(words.into_iter().find(is_number).unwrap_or("unknown").to_owned())
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
