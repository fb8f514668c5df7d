//! How the binary and a database get to trust each other. It needs two servers, so `cargo test --workspace` leaves it out:
//!
//!     DATABASE_URL=mysql://USER:PASSWORD@localhost:PORT/ANY    whose certificate is for `localhost` and for no other name
//!     DATABASE_CA=PATH                                         of the authority that signed it
//!     PLAIN_DATABASE_URL=mysql://USER:PASSWORD@HOST:PORT/ANY   which offers no TLS
//!     cargo test --package instagram --test tls
//!
//! The users must be allowed to make databases and users.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const OTHER_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/other-ca.pem");
const PASSWORD: &str = "hunter2hunter2";
/// `migrate` waits for half a minute where waiting may help.
const AT_ONCE: Duration = Duration::from_secs(15);

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the head of tls.rs"))
}

/// A database and a user of one test's own, on one of the two servers.
struct Database {
    port: u16,
    name: String,
    admin: MySqlConnection,
}

impl Database {
    async fn over_tls() -> Database {
        // The server lets this user in over TLS alone.
        Database::new("DATABASE_URL", " REQUIRE SSL").await
    }

    async fn without_tls() -> Database {
        Database::new("PLAIN_DATABASE_URL", "").await
    }

    async fn new(variable: &str, requirement: &str) -> Database {
        let options: MySqlConnectOptions = given(variable).parse().expect("a database address");
        let port = options.get_port();
        let options = options.ssl_mode(MySqlSslMode::Preferred);
        let mut admin = options.connect().await.expect("connected");
        let name = format!("tls_{:016x}", rand::random::<u64>());
        for statement in [
            format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"),
            format!("CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'{requirement}"),
            format!("GRANT ALL ON {name}.* TO {name}@'%'"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await.expect("done");
        }
        Database { port, name, admin }
    }

    fn binary(&self, command: &str, host: &str, variables: &[(&str, &str)]) -> Command {
        let mut binary = Command::new(env!("CARGO_BIN_EXE_instagram"));
        binary
            .arg(command)
            .env_clear()
            .env("DB_URL", format!("mysql://{host}:{}/{}", self.port, self.name))
            .env("DB_USERNAME", &self.name)
            .env("DB_PASSWORD", PASSWORD)
            .envs(variables.iter().copied());
        binary
    }

    /// `migrate` ends soon, and tells no secret.
    fn migrate(&self, host: &str, variables: &[(&str, &str)]) -> Output {
        let began = Instant::now();
        let output = self.binary("migrate", host, variables).output().expect("ran");
        assert!(
            began.elapsed() < AT_ONCE,
            "took {:?}: {}",
            began.elapsed(),
            told(&output)
        );
        assert!(!told(&output).contains(PASSWORD), "{}", told(&output));
        output
    }

    #[track_caller]
    fn accepts(&self, host: &str, variables: &[(&str, &str)]) {
        let output = self.migrate(host, variables);
        assert!(output.status.success(), "{variables:?}: {}", told(&output));
    }

    #[track_caller]
    fn refuses(&self, host: &str, variables: &[(&str, &str)], why: &str) {
        let output = self.migrate(host, variables);
        assert_eq!(output.status.code(), Some(1), "{variables:?}: {}", told(&output));
        assert!(
            told(&output).contains(why),
            "{variables:?}: {}\nexpected: {why}",
            told(&output)
        );
    }

    async fn drop(mut self) {
        let name = &self.name;
        for statement in [format!("DROP DATABASE {name}"), format!("DROP USER {name}@'%'")] {
            self.admin.execute(AssertSqlSafe(statement)).await.expect("done");
        }
        self.admin.close().await.expect("closed");
    }
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_trusted_and_the_session_is_encrypted() {
    let (database, ca) = (Database::over_tls().await, given("DATABASE_CA"));
    let pem = std::fs::read_to_string(&ca).expect("an authority");
    for ca in [&ca, &pem] {
        database.accepts("localhost", &[("DB_SSL_CA", ca)]);
        database.accepts("localhost", &[("DB_SSL_CA", ca), ("DB_SSL_MODE", "verify-identity")]);
    }
    // Encrypted though nothing was asked for, because the server offers it …
    database.accepts("localhost", &[]);
    // … and this is what the server says of a session that is not.
    let refusal = database.migrate("localhost", &[("DB_SSL_MODE", "disabled")]);
    assert_eq!(refusal.status.code(), Some(1), "{}", told(&refusal));
    database.drop().await;
}

#[tokio::test]
async fn a_server_of_another_name_is_refused_unless_only_its_authority_is_asked_for() {
    let (database, ca) = (Database::over_tls().await, given("DATABASE_CA"));
    let why = "expected a certificate for `127.0.0.1`, found one for `localhost`";
    database.refuses("127.0.0.1", &[("DB_SSL_CA", &ca)], why);
    database.refuses(
        "127.0.0.1",
        &[("DB_SSL_CA", &ca), ("DB_SSL_MODE", "verify-identity")],
        why,
    );
    database.accepts("127.0.0.1", &[("DB_SSL_CA", &ca), ("DB_SSL_MODE", "verify-ca")]);
    database.drop().await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let database = Database::over_tls().await;
    let why = format!(
        "expected a certificate signed by an authority of DB_SSL_CA `{OTHER_CA}` or a public one, found one of an unknown issuer"
    );
    for mode in ["verify-identity", "verify-ca"] {
        database.refuses("localhost", &[("DB_SSL_CA", OTHER_CA), ("DB_SSL_MODE", mode)], &why);
    }
    let why = "expected a certificate signed by an authority of the public ones (DB_SSL_CA is not set), found one of an unknown issuer";
    database.refuses("localhost", &[("DB_SSL_MODE", "verify-identity")], why);
    database.accepts("localhost", &[("DB_SSL_MODE", "required")]);
    database.drop().await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_expected() {
    let (database, ca) = (Database::without_tls().await, given("DATABASE_CA"));
    let why = "it offers no TLS, and DB_SSL_MODE `required` expects it";
    database.refuses("127.0.0.1", &[("DB_SSL_MODE", "required")], why);
    let why = "it offers no TLS, and DB_SSL_MODE `verify-identity` expects it";
    database.refuses("127.0.0.1", &[("DB_SSL_CA", &ca)], why);
    database.accepts("127.0.0.1", &[]);
    database.accepts("127.0.0.1", &[("DB_SSL_MODE", "disabled")]);
    database.drop().await;
}

#[tokio::test]
async fn a_host_that_does_not_trust_its_database_is_alive_not_ready_and_says_why_in_its_log_alone() {
    let database = Database::over_tls().await;
    database.accepts("localhost", &[]);
    let mut host = Host::start(&database, &[("DB_SSL_CA", OTHER_CA)]);
    assert!(host.get("/healthz").starts_with("HTTP/1.1 200 "));
    let ready = host.get("/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("the database is not trusted"),
        "{ready}"
    );
    let posts = host.get("/api/posts");
    assert!(
        posts.starts_with("HTTP/1.1 503 ") && posts.contains("DATABASE_UNAVAILABLE"),
        "{posts}"
    );
    for answer in [&ready, &posts] {
        assert!(
            !answer.contains(OTHER_CA) && !answer.contains("issuer"),
            "told to anyone: {answer}"
        );
    }
    let log = host.ended();
    assert!(
        log.contains("unknown issuer") && log.contains(OTHER_CA) && !log.contains(PASSWORD),
        "{log}"
    );
    database.drop().await;
}

struct Host {
    child: Child,
    address: String,
}

impl Host {
    fn start(database: &Database, variables: &[(&str, &str)]) -> Host {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port").to_string();
        let mut binary = database.binary("serve", "localhost", variables);
        let child = binary
            .env("LISTEN", &address)
            .env("JWT_KEY", "0123456789abcdef0123456789abcdef")
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let host = Host { child, address };
        let deadline = Instant::now() + AT_ONCE;
        while TcpStream::connect(&host.address).is_err() {
            assert!(Instant::now() < deadline, "nothing listens on {}", host.address);
            std::thread::sleep(Duration::from_millis(20));
        }
        host
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(AT_ONCE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// All that it wrote.
    fn ended(&mut self) -> String {
        self.child.kill().expect("ended");
        let mut log = String::new();
        let mut stdout = self.child.stdout.take().expect("its log");
        stdout.read_to_string(&mut log).expect("its log");
        log
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
