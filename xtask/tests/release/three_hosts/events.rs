//! Listeners to server-sent events, who come back after what they heard last when a stream ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Listeners {
    stop: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<Report>>,
}

/// Of one listener, or of all together.
#[derive(Default)]
pub struct Report {
    pub events: usize,
    pub streams: usize,
    pub lost: usize,
    pub twice: usize,
    pub refused: Vec<String>,
}

impl Listeners {
    /// One at each router.
    pub fn start(routers: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let listener = |router: &String| {
            let (stop, address) = (Arc::clone(&stop), router.trim_start_matches("http://").to_owned());
            std::thread::spawn(move || listen(&address, &stop))
        };
        let listeners = routers.iter().map(listener).collect();
        Self { stop, listeners }
    }

    pub fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Report::default();
        for listener in self.listeners {
            let one = listener.join().unwrap();
            all.events += one.events;
            all.streams += one.streams;
            all.lost += one.lost;
            all.twice += one.twice;
            all.refused.extend(one.refused);
        }
        all
    }
}

fn listen(address: &str, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    let mut last: Option<u64> = None;
    while !stop.load(Ordering::Relaxed) {
        report.streams += 1;
        let mut lines = match open(address, last) {
            Ok(lines) => lines,
            Err(why) => {
                report.refused.push(format!("{address}: {why}"));
                return report;
            }
        };
        let mut line = String::new();
        while !stop.load(Ordering::Relaxed) {
            line.clear();
            // A line without its end is of a stream that broke off: its event comes again.
            if !matches!(lines.read_line(&mut line), Ok(1..)) || !line.ends_with('\n') {
                break;
            }
            let Some(number) = line.trim().strip_prefix("data: ") else {
                continue;
            };
            let number: u64 = number.parse().unwrap();
            report.events += 1;
            match last.replace(number) {
                Some(before) if number > before => report.lost += (number - before - 1) as usize,
                Some(_) => report.twice += 1,
                None => {}
            }
        }
    }
    report
}

fn open(address: &str, last: Option<u64>) -> Result<BufReader<TcpStream>, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let last = last.map_or(String::new(), |last| format!("last-event-id: {last}\r\n"));
    // By the older version, whose answers come as they are and end with their connection.
    let request = format!("GET /events HTTP/1.0\r\nhost: app\r\n{last}\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(lines.read_line(&mut head), Ok(1..)) {
            return Err(format!("no answer: {head}"));
        }
    }
    match head.starts_with("HTTP/1.0 200") {
        true => Ok(lines),
        false => Err(head),
    }
}
