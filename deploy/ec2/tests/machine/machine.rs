//! The machine: a container whose first process is systemd.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const MIRROR: &str = "http://deb.debian.org/debian";
const SUITE: &str = "bookworm";
const PACKAGES: &str = "systemd,systemd-sysv,dbus,curl,ca-certificates,python3,procps";
const LABEL: &str = "xtask.test.machine=1";
const UNITS: [&str; 3] = [
    "release-router.socket",
    "release-router.service",
    "release-agent.service",
];
/// systemd mounts, and makes control groups of its own below those that the engine gave it.
const INIT: &str = "for group in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,rw,bind $group 2>/dev/null; done; \
                    exec /sbin/init";
const HOST_JSON: &str = r#"{"contract": 1, "app": "shop", "environment": "staging", "host": "@HOST@",
    "listen": "0.0.0.0:8080", "admin_socket": "/run/release-router/admin.sock",
    "router_state": "/var/lib/release-router/state.json", "agent_state": "/var/lib/release-agent",
    "channel": {"directory": "/var/lib/release-agent/channel"}, "poll_interval_ms": 500,
    "trusted_keys": "/etc/release/keys.json", "secrets_dir": "/etc/release/secrets",
    "containers": {"network": null, "ports": {"first": 20000, "count": 20}, "labels": {}}}"#;
const APP: &str = r#"
import http.server
class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 9000), App).serve_forever()
"#;
/// Clients that never retry: how many answers, how many failures, the longest wait in milliseconds.
const LOAD: &str = r#"
import sys, threading, time, urllib.request
end = time.time() + float(sys.argv[1]); answered = []; failed = []
def client():
    while time.time() < end:
        since = time.time()
        try:
            assert urllib.request.urlopen("http://127.0.0.1:8080/", timeout=30).read() == b"ok"
            answered.append(time.time() - since)
        except Exception as error:
            failed.append(str(error))
threads = [threading.Thread(target=client) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(answered), len(failed), int(max(answered, default=0) * 1000)); print(failed[:3], file=sys.stderr)
"#;

pub struct Machine {
    name: String,
    image: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// Under way in the machine.
pub struct Load(Child);

impl Load {
    pub fn end(self) -> (u64, u64, u64) {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    }
}

impl Machine {
    pub fn start() -> Self {
        let files = host_files();
        let name = format!("xtask-test-machine-{}", std::process::id());
        let image = image();
        let machine = Self { name, image, files };
        let args = [
            "run",
            "--detach",
            "--label",
            LABEL,
            "--name",
            &machine.name,
            "--cap-add",
            "SYS_ADMIN",
            "--cap-add",
            "NET_ADMIN",
            "--cap-add",
            "SYS_PTRACE",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "apparmor=unconfined",
            "--cgroupns",
            "private",
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "--tmpfs",
            "/tmp",
            "--volume",
            "/var/lib/docker",
            &machine.image,
            "sh",
            "-c",
            INIT,
        ];
        expect(docker(&args));
        machine.is_up();
        machine
    }

    pub fn reboot(&self) {
        expect(docker(&["restart", "--time", "60", &self.name]));
        self.is_up();
    }

    fn is_up(&self) {
        self.eventually("systemctl is-system-running | grep -qxE 'running|degraded'");
    }

    /// Must end well; what it prints.
    pub fn run(&self, command: &str) -> String {
        println!("$ {command}");
        let output = docker(&["exec", &self.name, "bash", "-c", command]);
        let both = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(
            output.status.success(),
            "`{command}`: {}",
            String::from_utf8_lossy(&both)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn eventually(&self, command: &str) {
        println!("~ {command}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !docker(&["exec", &self.name, "bash", "-c", command]).status.success() {
            assert!(Instant::now() < deadline, "never came true: {command}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Adds or replaces what the script will fetch.
    pub fn bundle(&mut self, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            self.files.insert((*name).to_owned(), bytes.to_vec());
        }
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &self.files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        self.run("mkdir -p /opt/bundle");
        let from = format!("{}/.", folder.path().display());
        expect(docker(&["cp", &from, &format!("{}:/opt/bundle", self.name)]));
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        self.files[name].clone()
    }

    /// The script, filled in for what was bundled.
    pub fn user_data(&self) -> String {
        let sums = self.run("cd /opt/bundle && sha256sum agent router release-* host.json keys.json");
        let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("user-data")).unwrap();
        let filled = [
            ("BASE_URL=''", "BASE_URL='file:///opt/bundle'".to_owned()),
            ("SHA256SUMS='\n", format!("SHA256SUMS='\n{sums}")),
            ("HOST_NAME=$(hostname -s)", "HOST_NAME=host-1".to_owned()),
            // It would be the swap of the machine that tests.
            ("SWAP_MIB=2048", "SWAP_MIB=0".to_owned()),
        ];
        filled.iter().fold(script, |script, (from, to)| {
            assert!(script.contains(from), "{from}");
            script.replacen(from, to, 1)
        })
    }

    /// Whether it ended well, and all it said.
    pub fn run_script(&self, script: &str) -> (bool, String) {
        let mut child = Command::new("docker")
            .args(["exec", "--interactive", &self.name, "sh", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&both).into_owned())
    }

    /// Stands for a version of an app.
    pub fn serve_something(&self) {
        let args = ["exec", "--detach", &self.name, "python3", "-c", APP];
        expect(docker(&args));
        self.eventually("curl -sf http://127.0.0.1:9000/");
    }

    pub fn load(&self, seconds: u32) -> Load {
        let child = Command::new("docker")
            .args(["exec", &self.name, "python3", "-c", LOAD, &seconds.to_string()])
            .stdout(Stdio::piped())
            .spawn();
        // It should have begun before anything happens.
        std::thread::sleep(Duration::from_millis(500));
        Load(child.unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = docker(&[
                "exec",
                &self.name,
                "journalctl",
                "--no-pager",
                "--lines",
                "60",
                "--unit",
                "release-*",
            ]);
            eprintln!("{}", String::from_utf8_lossy(&journal.stdout));
        }
        docker(&["rm", "--force", "--volumes", &self.name]);
        docker(&["image", "rm", &self.image]);
    }
}

/// Made once of Debian packages; kept beside other things that builds make.
fn image() -> String {
    let tar = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("machine-{SUITE}.tar"));
    if !tar.is_file() {
        let partial = tar.with_extension("part.tar");
        let include = format!("--include={PACKAGES}");
        let mut command = Command::new("mmdebstrap");
        command
            .args(["--quiet", "--variant=apt", &include, SUITE])
            .arg(&partial)
            .arg(MIRROR);
        expect(
            command
                .output()
                .expect("`mmdebstrap`, of Debian's package of that name"),
        );
        std::fs::rename(partial, &tar).unwrap();
    }
    let label = format!("LABEL {LABEL}");
    let output = docker(&[
        "import",
        "--change",
        &label,
        tar.to_str().unwrap(),
        "xtask-test-machine:latest",
    ]);
    expect(output).trim().to_owned()
}

fn host_files() -> BTreeMap<String, Vec<u8>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "agent", "--package", "router"]);
    assert!(cargo.status().unwrap().success(), "agent and router do not build");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("debug");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let programs = ["agent", "router"].map(|name| (name.to_owned(), read(built.join(name))));
    let units = UNITS.map(|name| (name.to_owned(), read(source.join(name))));
    let keys = br#"{"version": 1, "keys": []}"#.to_vec();
    let config = [
        ("host.json".to_owned(), HOST_JSON.into()),
        ("keys.json".to_owned(), keys),
    ];
    programs.into_iter().chain(units).chain(config).collect()
}

fn docker(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("`docker`")
}

fn expect(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
