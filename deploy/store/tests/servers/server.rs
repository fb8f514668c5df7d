//! S3 servers from PyPI, in an environment of their own that later runs find again.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use store::S3Access;

const UP_WITHIN: Duration = Duration::from_secs(60);
/// Any will do for moto and ministack; rclone is told of them.
pub const KEYS: (&str, &str) = ("access-key", "secret-key");

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Moto,
    Ministack,
    Rclone,
}

/// Ends when dropped.
pub struct Server {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn start(kind: Kind) -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = address.port().to_string();
        let program = |name: &str| Command::new(programs.join(name));
        let mut command = match kind {
            Kind::Moto => program("moto_server"),
            Kind::Ministack => program("ministack"),
            Kind::Rclone => program("rclone"),
        };
        match kind {
            Kind::Moto => command.args(["-H", "127.0.0.1", "-p", &port]),
            Kind::Ministack => command
                .envs([
                    ("BIND_HOST", "127.0.0.1"),
                    ("GATEWAY_PORT", &port),
                    ("SERVICES", "s3,ecr,ssm"),
                ])
                // It would listen elsewhere, too, and keep notes where every other one does.
                .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")])
                .env("TMPDIR", folder.path()),
            Kind::Rclone => command
                .args(["serve", "s3", "--addr", &address.to_string(), "--config", "/dev/null"])
                .args(["--auth-key", &format!("{},{}", KEYS.0, KEYS.1)])
                .arg(folder.path()),
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self {
            address,
            child: child.spawn().unwrap(),
            _folder: folder,
        };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(since.elapsed() < UP_WITHIN, "{kind:?} does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn access(&self) -> S3Access {
        S3Access {
            region: "us-east-1".to_owned(),
            endpoint: Some(self.endpoint()),
            keys: store::Keys::given(KEYS.0, KEYS.1, None),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the programs that `requirements.txt` names.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(install)
}

fn install() -> PathBuf {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3-servers");
    let programs = environment.join("bin");
    if !programs.join("pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    }
    // Other packages' tests start these servers, too.
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let requirements = folders.find_map(|folder| {
        let path = folder.join("deploy/store/tests/servers/requirements.txt");
        path.is_file().then_some(path)
    });
    let mut install = Command::new(programs.join("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(install.arg(requirements.unwrap()));
    programs
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
