//! The service that versions in these tests run: a static binary without dependencies, compiled by the test itself. It
//! behaves as `BEHAVE` says; `POST /crash` ends it, `POST /unready` and `POST /hang` change its mind later.

use std::collections::BTreeSet;
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
static ORDERS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

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
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).ok()?;
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
            let is_new = ORDERS.lock().unwrap().insert(order.to_owned());
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
        "/crash" => std::process::exit(9),
        _ => ("404 Not Found", String::new()),
    }
}
