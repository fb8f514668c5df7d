//! One JSON line a request, for those that are sampled. Written by a thread of its own: no request waits for a disk.

use crate::connection::Client;
use crate::limits::{LOG_BYTES, LOG_PAUSE};
use anyhow::{Context, Result};
use contract::{AccessLog as Config, ReleaseId, Weight};
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use jiff::Timestamp;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct AccessLog {
    sample: Weight,
    pages: Arc<Pages>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Lines on their way to the disk. They are fetched all at once, a few times a second: to wake a thread for each would
/// cost more than the line.
#[derive(Debug, Default)]
struct Pages {
    waiting: Mutex<Waiting>,
    /// There is a first line, or there will be no more.
    something: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Not written because the disk was slower than the users.
    dropped: u64,
    is_over: bool,
}

/// What is known of a request when it begins.
#[derive(Debug)]
pub struct Asked {
    pub at: Timestamp,
    pub began: Instant,
    pub client: IpAddr,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub host: Option<HeaderValue>,
}

impl Asked {
    pub fn of<B>(client: &Client, request: &Request<B>) -> Self {
        Self {
            at: Timestamp::now(),
            began: Instant::now(),
            client: client.origin.client(request.headers(), &client.trusted_proxies),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: request.headers().get(header::HOST).cloned(),
        }
    }
}

/// A request that will be written down once its answer is over, however it ends.
#[derive(Debug)]
pub struct Entry {
    log: Arc<AccessLog>,
    asked: Asked,
    status: StatusCode,
    pub release: Option<ReleaseId>,
    pub request_id: Option<HeaderValue>,
    pub bytes: u64,
    /// The answer's last byte was handed on.
    pub is_whole: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    at: Timestamp,
    client: IpAddr,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Without its query, which may hold what nobody should read in a log.
    path: String,
    protocol: &'static str,
    status: u16,
    bytes: u64,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    broken_off: bool,
}

impl AccessLog {
    pub fn open(config: &Config) -> Result<Arc<Self>> {
        let mut file = Rotated::open(config.file.clone(), config.max_mb.saturating_mul(1 << 20))?;
        let pages = Arc::new(Pages::default());
        let writer = std::thread::Builder::new().name("access-log".into()).spawn({
            let pages = pages.clone();
            move || write_all(&mut file, &pages)
        });
        Ok(Arc::new(Self {
            sample: config.sample,
            pages,
            writer: Mutex::new(Some(writer.context("cannot start the thread of the access log")?)),
        }))
    }

    /// An entry for the answer of this status, unless it is not to be written down.
    pub fn entry(self: &Arc<Self>, asked: Asked, status: StatusCode) -> Option<Entry> {
        let is_sampled = || rand::random_range(0..1000) < self.sample.as_per_mille();
        let is_wanted = status.is_server_error() || is_sampled();
        is_wanted.then(|| Entry {
            log: self.clone(),
            asked,
            status,
            release: None,
            request_id: None,
            bytes: 0,
            is_whole: false,
        })
    }

    /// Waits until all of it is in the file.
    pub fn finish(&self) {
        lock(&self.pages.waiting).is_over = true;
        self.pages.something.notify_one();
        if let Some(writer) = lock(&self.writer).take()
            && writer.join().is_err()
        {
            tracing::error!("the access log's thread had broken");
        }
    }

    fn send(&self, line: &Line) {
        let Ok(line) = serde_json::to_vec(line) else { return };
        let mut waiting = lock(&self.pages.waiting);
        if waiting.lines.len() + line.len() >= LOG_BYTES {
            waiting.dropped += 1;
            return;
        }
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(&line);
        waiting.lines.push(b'\n');
        drop(waiting);
        if is_first {
            self.pages.something.notify_one();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let text = |value: &Option<HeaderValue>| Some(value.as_ref()?.to_str().ok()?.to_owned());
        let asked = &self.asked;
        self.log.send(&Line {
            at: asked.at,
            client: asked.client,
            method: asked.method.to_string(),
            host: text(&asked.host).or_else(|| asked.uri.host().map(str::to_owned)),
            path: asked.uri.path().to_owned(),
            protocol: match asked.version {
                Version::HTTP_2 => "2",
                Version::HTTP_10 => "1.0",
                _ => "1.1",
            },
            status: self.status.as_u16(),
            bytes: self.bytes,
            ms: (asked.began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            release: self.release,
            request_id: text(&self.request_id),
            broken_off: !self.is_whole,
        });
    }
}

/// Until there will be no more.
fn write_all(file: &mut Rotated, pages: &Pages) {
    let mut complained: Option<Instant> = None;
    let mut lines = Vec::new();
    loop {
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_over;
        let waiting = pages.something.wait_while(lock(&pages.waiting), nothing);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let going_on = |waiting: &mut Waiting| !waiting.is_over;
        let waiting = pages.something.wait_timeout_while(waiting, LOG_PAUSE, going_on);
        let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        lines.clear();
        std::mem::swap(&mut lines, &mut waiting.lines);
        let (dropped, is_over) = (std::mem::take(&mut waiting.dropped), waiting.is_over);
        drop(waiting);
        if dropped > 0 {
            let line = serde_json::json!({ "at": Timestamp::now(), "dropped_lines": dropped });
            lines.extend_from_slice(format!("{line}\n").as_bytes());
        }
        if let Err(error) = file.write(&lines)
            && complained.is_none_or(|at| at.elapsed() > Duration::from_secs(60))
        {
            complained = Some(Instant::now());
            tracing::error!("{error:#}; requests go on without being written down");
        }
        if is_over {
            return;
        }
    }
}

/// A file that is put aside when it has grown to its limit.
#[derive(Debug)]
struct Rotated {
    path: PathBuf,
    max_bytes: u64,
    written: u64,
    file: File,
}

impl Rotated {
    fn open(path: PathBuf, max_bytes: u64) -> Result<Self> {
        let open = || {
            let file = File::options().create(true).append(true).open(&path)?;
            std::io::Result::Ok((file.metadata()?.len(), file))
        };
        let (written, file) = open().with_context(|| format!("cannot open the access log `{}`", path.display()))?;
        Ok(Self {
            path,
            max_bytes,
            written,
            file,
        })
    }

    /// Whole lines, so that a file that is put aside ends with one.
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        let length = lines.len() as u64;
        if self.written > 0 && self.written + length > self.max_bytes {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, &aside)
                .with_context(|| format!("cannot put the access log `{}` aside", self.path.display()))?;
            *self = Self::open(self.path.clone(), self.max_bytes)?;
        }
        self.written += length;
        let written = self.file.write_all(lines);
        written.with_context(|| format!("cannot write the access log `{}`", self.path.display()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_to_its_limit_is_put_aside_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let mut file = Rotated::open(path.clone(), 100).unwrap();
        for number in 0..30 {
            file.write(format!("line {number:02}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let (before, now) = (read("access.log.1"), read("access.log"));
        assert!(before.len() <= 100 && now.len() <= 100, "{before} {now}");
        let last: Vec<&str> = before.lines().chain(now.lines()).collect();
        assert_eq!(*last.last().unwrap(), "line 29");
        assert!(last.len() > 10, "{last:?}");
    }
}
