//! A webhook, and what it was told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

pub struct Listener {
    pub address: String,
    told: std::sync::mpsc::Receiver<String>,
    _ends: std::sync::Arc<()>,
}

impl Listener {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let (sender, told) = std::sync::mpsc::channel();
        let ends = std::sync::Arc::new(());
        let alive = std::sync::Arc::downgrade(&ends);
        std::thread::spawn(move || {
            while alive.strong_count() > 0 {
                match listener.accept() {
                    Ok((mut stream, _)) => {
                        stream.set_nonblocking(false).unwrap();
                        let _ = sender.send(answered(&mut stream));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        Self {
            address,
            told,
            _ends: ends,
        }
    }

    pub fn next(&self) -> String {
        let body = self.told.recv_timeout(Duration::from_secs(10)).expect("somebody told");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        body["text"].as_str().expect("a text").to_owned()
    }
}

/// The body of one request, answered with 200.
fn answered(stream: &mut std::net::TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).unwrap();
    String::from_utf8(body).unwrap()
}
