//! The service that versions in these tests run: a static binary without dependencies, compiled by the test itself. It
//! behaves as `BEHAVE` says; `/crash` ends it, `/unready`, `/hang` and `/leak` change its mind later. What is written
//! with a key is counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static UNREADY: AtomicBool = AtomicBool::new(false);
/// Of a server that is late.
static BEGAN: OnceLock<Instant> = OnceLock::new();
const LATE: Duration = Duration::from_secs(3);
static HANGS: AtomicBool = AtomicBool::new(false);
/// How often each key was written.
static WRITTEN: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["migrate", seconds] => {
            println!("migrating as {}", var("RELEASE_ID"));
            std::thread::sleep(Duration::from_secs(seconds.parse().unwrap()));
            println!("migrated");
        }
        ["break"] => {
            eprintln!("table `members` cannot be altered");
            std::process::exit(7);
        }
        _ => serve(),
    }
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn serve() {
    let behave = var("BEHAVE");
    if behave == "exit" {
        eprintln!("no such table: members");
        std::process::exit(3);
    }
    UNREADY.store(behave == "unready", Ordering::SeqCst);
    if let Some(seconds) = behave.strip_prefix("starts-after=") {
        std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap()));
    }
    if let Some(seconds) = behave.strip_prefix("unready-after=") {
        let pause = Duration::from_secs_f64(seconds.parse().unwrap());
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            UNREADY.store(true, Ordering::SeqCst);
        });
    }
    if behave == "late" {
        BEGAN.get_or_init(Instant::now);
    }
    let address = if behave == "loopback" { "127.0.0.1:8080" } else { "0.0.0.0:8080" };
    let listener = TcpListener::bind(address).unwrap();
    println!("serving on {address}");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer_all(stream));
    }
}

fn answer_all(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let (status, body) = answer(&path);
        // In one write: the second of two waits for the first to be acknowledged, which takes 40 ms.
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        writer.write_all(answer.as_bytes()).ok()?;
    }
}

fn answer(path: &str) -> (&'static str, String) {
    while HANGS.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(60));
    }
    match path {
        "/readyz" if BEGAN.get().is_some_and(|began| began.elapsed() < LATE) => ("503 Service Unavailable", "late".to_owned()),
        "/readyz" if UNREADY.load(Ordering::SeqCst) => ("503 Service Unavailable", "no database".to_owned()),
        "/healthz" | "/readyz" => ("200 OK", "ok".to_owned()),
        "/version" => ("200 OK", var("RELEASE_ID")),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(1));
            ("200 OK", var("RELEASE_ID"))
        }
        "/secret-length" => ("200 OK", var("DB_PASSWORD").len().to_string()),
        "/chatter" => {
            for number in 0..100_000 {
                println!("line {number} of a great many, each of them about a hundred characters long {}", "x".repeat(30));
            }
            ("200 OK", String::new())
        }
        // What is written once: told a second time, it was sent on twice.
        order if order.starts_with("/orders/") => {
            let is_new = write(order) == 1;
            (if is_new { "200 OK" } else { "409 Conflict" }, var("RELEASE_ID"))
        }
        said if said.starts_with("/say/") => {
            println!("{} says {}", var("RELEASE_ID"), &said["/say/".len()..]);
            ("200 OK", String::new())
        }
        "/unready" => {
            UNREADY.store(true, Ordering::SeqCst);
            ("200 OK", String::new())
        }
        "/hang" => {
            HANGS.store(true, Ordering::SeqCst);
            ("200 OK", String::new())
        }
        "/crash" => {
            eprintln!("the order book is damaged");
            std::process::exit(9)
        }
        "/leak" => {
            println!("caching everything");
            std::thread::spawn(leak);
            ("200 OK", String::new())
        }
        key if key.starts_with("/write/") => ("200 OK", format!("{} {}", var("RELEASE_ID"), write(key))),
        "/written" => {
            let written = WRITTEN.lock().unwrap();
            ("200 OK", format!("{} {}", written.len(), written.values().sum::<u64>()))
        }
        _ => ("404 Not Found", String::new()),
    }
}

/// Returns how often this was written by now.
fn write(key: &str) -> u64 {
    let mut written = WRITTEN.lock().unwrap();
    let times = written.entry(key.to_owned()).or_default();
    *times += 1;
    *times
}

fn leak() {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 1 << 20]);
        std::thread::sleep(Duration::from_millis(5));
    }
}
