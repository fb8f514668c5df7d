//! Database servers, in containers of their own.

use crate::project::{Project, docker};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A database server of its own whose user may make databases, ended with the value.
pub struct Server(String);

impl Server {
    pub fn start(project: &Project) -> Self {
        Self::with(project, &[], &[])
    }

    /// From the image that this ground's own databases run, with more files in `/` and more options.
    pub fn with(project: &Project, files: &[&Path], more: &[&str]) -> Self {
        let databases = project.docker(&["ps", "--quiet", "--filter", "label=xtask.service"]);
        let database = databases.lines().next().unwrap();
        let image = docker(&["inspect", "--format", "{{.Image}}", database]);
        let init = project.root.join("init.sql");
        let statements = "CREATE USER app@'%' IDENTIFIED BY 'app';\nGRANT ALL ON *.* TO app@'%' WITH GRANT OPTION;\nCREATE DATABASE first;\n";
        std::fs::write(&init, statements).unwrap();
        let mount = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            format!("--volume={}:/{name}:ro", path.display())
        };
        let mounts: Vec<String> = files.iter().copied().chain([init.as_path()]).map(mount).collect();
        let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
        let options = ["run", "--detach", "--label=xtask.test=1", "--publish=127.0.0.1::3306"];
        let server = [
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
        ];
        let zone = ["--default-time-zone=Asia/Seoul", "--init-file=/init.sql"];
        Self(docker(
            &[&options[..], &mounts, &[&image], &server, &zone, more].concat(),
        ))
    }

    pub fn url(&self, host: &str) -> String {
        let address = docker(&["port", &self.0, "3306/tcp"]);
        let (_, port) = address.lines().next().unwrap().rsplit_once(':').unwrap();
        format!("mysql://app:app@{host}:{port}/first")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

/// Of an authority, and of a server named `localhost` with its key.
pub fn certificates(folder: &Path) -> [PathBuf; 3] {
    std::fs::create_dir_all(folder).unwrap();
    let openssl = |options: &[&str], key: &str, out: &str| {
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(new.split(' ')).args(options);
        let made = command.args(["-keyout", key, "-out", out]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl(&["-subj", "/CN=Test CA"], "ca.key", "ca.pem");
    let of_server = [
        "-subj=/CN=localhost",
        "-addext=subjectAltName=DNS:localhost",
        "-addext=basicConstraints=critical,CA:FALSE",
        "-CA=ca.pem",
        "-CAkey=ca.key",
    ];
    let of_server: Vec<&str> = of_server.iter().flat_map(|option| option.splitn(2, '=')).collect();
    openssl(&of_server, "key.pem", "cert.pem");
    // The server in the container is another user.
    std::fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o644)).unwrap();
    ["ca.pem", "cert.pem", "key.pem"].map(|file| folder.join(file))
}
