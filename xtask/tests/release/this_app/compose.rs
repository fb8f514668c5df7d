//! `deploy/compose.yaml`, for those who run the app without the tool: as it is read by each Compose on this machine.

use super::image::built;
use super::{call, repository, this_app};
use crate::ask::get;
use crate::project::{Ended, Project, docker, eventually};
use serde_json::json;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Programs that may be there; the first is, for this tier asks for it.
const COMPOSE: [&[&str]; 2] = [&["docker-compose"], &["docker", "compose"]];

/// What one Compose has made of the file, removed with the value.
struct Stack {
    program: &'static [&'static str],
    files: Vec<PathBuf>,
    variables: Vec<(&'static str, String)>,
}

impl Stack {
    fn new(program: &'static [&'static str], app: &str, database: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut variables = vec![
            (
                "COMPOSE_PROJECT_NAME",
                format!("compose-test-{:08x}", rand::random::<u32>()),
            ),
            ("APP_IMAGE", app.to_owned()),
            ("DB_PASSWORD", format!("{:032x}", rand::random::<u128>())),
            ("JWT_KEY", format!("{:032x}", rand::random::<u128>())),
            ("PORT", port.to_string()),
        ];
        variables.extend(database.map(|image| ("DATABASE_IMAGE", image.to_owned())));
        Self {
            program,
            files: vec![repository().join("deploy/compose.yaml")],
            variables,
        }
    }

    fn variable(&self, name: &str) -> &str {
        &self.variables.iter().find(|(key, _)| *key == name).unwrap().1
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(self.program[0]);
        command.args(&self.program[1..]).envs(self.variables.iter().cloned());
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        Project::end(command.args(args))
    }

    fn up(&self) -> Ended {
        self.run(&["up", "--detach", "--no-build"])
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.variable("PORT"))
    }

    /// Of the containers of a service, whatever their state: `inspect` with this format.
    fn inspect(&self, service: &str, format: &str) -> String {
        let project = format!(
            "label=com.docker.compose.project={}",
            self.variable("COMPOSE_PROJECT_NAME")
        );
        let service = format!("label=com.docker.compose.service={service}");
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &project, "--filter", &service]);
        let states = ids.lines().map(|id| docker(&["inspect", "--format", format, id]));
        states.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.run(&["logs", "--no-color"]).all());
        }
        self.run(&["down", "--volumes", "--timeout", "5"]);
    }
}

/// What is otherwise with the substitute, which has no start script of its own: how it gets user and database, and how it
/// is asked.
fn substitute(project: &Project, stack: &Stack) -> PathBuf {
    let statements = project.root.join("compose.sql");
    let password = stack.variable("DB_PASSWORD");
    let sql = format!(
        "CREATE DATABASE IF NOT EXISTS app;\nCREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON app.* TO app@'%';\n"
    );
    std::fs::write(&statements, sql).unwrap();
    let probe = "/usr/bin/mariadb --no-defaults --user mysql --socket /run/mysqld/mysqld.sock --execute select(1)";
    let database = json!({
        "command": ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci", "--init-file=/init.sql"],
        "healthcheck": { "test": std::iter::once("CMD").chain(probe.split(' ')).collect::<Vec<_>>() },
        "volumes": [format!("{}:/init.sql:ro", statements.display())],
    });
    written(project, "substitute.json", &database)
}

/// A database that lives, and never gets healthy.
fn never_healthy(project: &Project) -> PathBuf {
    let health = json!({ "test": ["CMD", "/nowhere"], "interval": "1s", "retries": 2 });
    written(project, "never-healthy.json", &json!({ "healthcheck": health }))
}

fn written(project: &Project, name: &str, database: &serde_json::Value) -> PathBuf {
    let path = project.root.join(name);
    std::fs::write(&path, json!({ "services": { "database": database } }).to_string()).unwrap();
    path
}

#[test]
fn the_compose_file_starts_the_app_once_its_database_is_healthy() {
    let project = this_app();
    let app = built(&project);
    let ids = project.docker(&["ps", "--quiet", "--filter", "label=xtask.service"]);
    let image = docker(&["inspect", "--format", "{{.Image}}", ids.lines().next().unwrap()]);
    let describe = "{{index .RepoTags 0}} {{index .Config.Labels \"xtask.substitute\"}}";
    let described = docker(&["image", "inspect", "--format", describe, &image]);
    let (tag, stands_in) = described.split_once(' ').unwrap_or((&described, ""));

    let there = |program: &&&[&str]| {
        let version = Command::new(program[0]).args(&program[1..]).arg("version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let programs: Vec<_> = COMPOSE.iter().filter(there).collect();
    assert!(!programs.is_empty(), "there is no docker-compose");
    for program in programs {
        println!(
            "{program:?} with {}",
            if stands_in.is_empty() { tag } else { stands_in }
        );
        let database = (!stands_in.is_empty()).then_some(tag);
        let mut stack = Stack::new(program, &app, database);
        if database.is_some() {
            stack.files.push(substitute(&project, &stack));
        }
        expect_served(&stack);
        drop(stack);

        let mut stack = Stack::new(program, &app, database);
        if database.is_some() {
            stack.files.push(substitute(&project, &stack));
        }
        stack.files.push(never_healthy(&project));
        expect_not_started(&stack);
        stack.variables.retain(|(name, _)| *name != "DB_PASSWORD");
        let refused = stack.run(&["config"]);
        assert_ne!(refused.code, 0, "{}", refused.all());
        assert!(refused.stderr.contains("DB_PASSWORD is not set"), "{}", refused.all());
        stack.variables.push(("DB_PASSWORD", "to take it down".to_owned()));
    }
}

fn expect_served(stack: &Stack) {
    stack.up().expect(0);
    let url = stack.url();
    eventually("the app is ready", Duration::from_secs(20), || {
        get(&format!("{url}/readyz")).0 == 200
    });
    let member = json!({ "email": "a@example.com", "real_name": "a", "nickname": "compose", "password": "correct horse battery" });
    let (status, answer) = call(reqwest::Method::POST, &format!("{url}/api/members"), "", Some(member));
    assert_eq!(status, 201, "{answer}");
    eventually("it says that it is healthy", Duration::from_secs(20), || {
        stack.inspect("app", "{{.State.Health.Status}} {{.RestartCount}}") == "healthy 0"
    });
    assert_eq!(
        stack.inspect("migrate", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 0"
    );
    // Again: nothing to do, and what was written is still there.
    stack.run(&["down", "--timeout", "5"]).expect(0);
    stack.up().expect(0);
    eventually("a member is still there", Duration::from_secs(20), || {
        get(&format!("{url}/api/members/compose")).0 == 200
    });
}

fn expect_not_started(stack: &Stack) {
    let ended = stack.up();
    assert_ne!(ended.code, 0, "{}", ended.all());
    assert_eq!(stack.inspect("database", "{{.State.Health.Status}}"), "unhealthy");
    for service in ["migrate", "app"] {
        let state = stack.inspect(service, "{{.State.Status}}");
        assert!(["", "created"].contains(&state.as_str()), "{service} is {state}");
    }
}
