//! Several hosts on one database.

use super::{repository, this_app};
use crate::project::{Project, docker};
use std::process::Command;

/// A database server of its own whose user may make databases, ended with the value.
struct Server(String);

impl Server {
    /// From the image that this ground's own databases run.
    fn start(project: &Project) -> Self {
        let databases = project.docker(&["ps", "--quiet", "--filter", "label=xtask.service"]);
        let database = databases.lines().next().unwrap();
        let image = docker(&["inspect", "--format", "{{.Image}}", database]);
        let init = project.root.join("init.sql");
        let statements =
            "CREATE USER app@'%' IDENTIFIED BY 'app';\nGRANT ALL ON *.* TO app@'%';\nCREATE DATABASE first;\n";
        std::fs::write(&init, statements).unwrap();
        let mount = format!("{}:/init.sql:ro", init.display());
        let options = [
            "run",
            "--detach",
            "--label",
            "xtask.test=1",
            "--publish",
            "127.0.0.1::3306",
            "--volume",
            &mount,
        ];
        let server = [
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
        ];
        let zone = ["--default-time-zone=Asia/Seoul", "--init-file=/init.sql"];
        Self(docker(&[&options[..], &[&image], &server, &zone].concat()))
    }

    fn url(&self) -> String {
        let port = docker(&["port", &self.0, "3306/tcp"]);
        format!("mysql://app:app@{}/first", port.lines().next().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

#[test]
fn what_holds_on_one_host_holds_on_several() {
    let project = this_app();
    project.run(&["local", "up"]).expect(0);
    let server = Server::start(&project);
    let pipeline = std::fs::read_to_string(project.root.join("pipeline.yaml")).unwrap();
    let package = pipeline
        .lines()
        .find_map(|line| line.trim().strip_prefix("package: "))
        .unwrap();
    let mut tests = Command::new("cargo");
    tests.args([
        "test",
        "--quiet",
        "--package",
        package,
        "--test",
        "hosts",
        "--",
        "--test-threads=1",
    ]);
    let tests = tests.current_dir(repository()).env("DATABASE_URL", server.url());
    let output = tests.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!(
        "{}",
        printed
            .lines()
            .find(|line| line.starts_with("test result"))
            .unwrap_or_default()
    );
}
