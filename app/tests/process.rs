//! The binary as a process: what it says and does at start, without its database, and when told to stop.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(15);

/// A server whose database is away for good: nothing listens on port 1.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Server {
        let address = free_address();
        let child = instagram(&["serve"])
            .env("LISTEN", address.to_string())
            .env("DATABASE_URL", "mysql://nobody:nothing@127.0.0.1:1/nowhere")
            .env("JWT_KEY", "0123456789abcdef0123456789abcdef")
            .env("RELEASE_ID", "01JDTEST")
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let server = Server { child, address };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nothing listens on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("sent");
        rest_of(&mut stream)
    }

    fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("signalled");
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn instagram(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instagram"));
    command.args(arguments).env_clear();
    command
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    instagram(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("ran")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn an_incomplete_environment_is_reported_whole_with_exit_code_2() {
    let output = run(
        &[],
        &[
            ("LISTEN", "nonsense"),
            ("DB_URL", "mysql://db/app"),
            ("DB_USERNAME", "u"),
        ],
    );
    assert_eq!(output.status.code(), Some(2));
    for name in ["LISTEN", "DB_PASSWORD", "JWT_KEY"] {
        assert!(stderr(&output).contains(name), "{name} is not in: {}", stderr(&output));
    }
    assert_eq!(run(&["migrate"], &[]).status.code(), Some(2));
    assert_eq!(run(&["sevre"], &[]).status.code(), Some(2));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let environment = [
        ("LISTEN", address.as_str()),
        ("DATABASE_URL", "mysql://u:p@127.0.0.1:1/app"),
        ("JWT_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    let output = run(&["serve"], &environment);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn without_its_database_the_process_is_alive_and_not_ready() {
    let server = Server::start();
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    let ready = server.get("/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("the database cannot be reached"),
        "{ready}"
    );
    assert!(server.get("/api/version").contains("\"release\":\"01JDTEST\""));

    let posts = server.get("/api/posts");
    assert!(
        posts.starts_with("HTTP/1.1 503 ") && posts.contains("DATABASE_UNAVAILABLE"),
        "{posts}"
    );
    assert!(
        !posts.contains("127.0.0.1"),
        "the address of the database has leaked: {posts}"
    );
}

#[test]
fn healthcheck_tells_a_live_server_from_none() {
    let server = Server::start();
    let live = run(&["healthcheck"], &[("LISTEN", &server.address.to_string())]);
    assert_eq!(live.status.code(), Some(0), "{}", stderr(&live));
    let none = run(&["healthcheck"], &[("LISTEN", &free_address().to_string())]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("unhealthy"));
}

#[test]
fn a_process_told_to_stop_finishes_its_requests_refuses_new_ones_and_exits_0() {
    let mut server = Server::start();
    let body = r#"{"name":"nobody","password":"unknown","extra":1}"#;
    let mut in_flight = server.connect();
    write!(
        in_flight,
        "POST /api/sessions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    )
    .expect("sent");
    // The interim answer proves that the handler has begun to read the body.
    let mut interim = [0; 25];
    in_flight.read_exact(&mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    server.terminate();
    let deadline = Instant::now() + DEADLINE;
    while !server.get("/readyz").contains("\"reason\":\"draining\"") {
        assert!(
            Instant::now() < deadline,
            "`/readyz` does not say that the process is draining"
        );
    }
    while TcpStream::connect(server.address).is_ok() {
        assert!(Instant::now() < deadline, "connections are still taken");
        std::thread::sleep(Duration::from_millis(20));
    }
    in_flight.write_all(body.as_bytes()).expect("sent");
    let answer = rest_of(&mut in_flight);
    assert!(
        answer.starts_with("HTTP/1.1 422 ") && answer.contains("\"extra\""),
        "{answer}"
    );
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_request_that_never_ends_does_not_hold_the_process_beyond_10_seconds() {
    let mut server = Server::start();
    let mut stuck = server.connect();
    stuck
        .write_all(b"POST /api/sessions HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{")
        .expect("sent");
    let told = Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "took {:?}", told.elapsed());
}
