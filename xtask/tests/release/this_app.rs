//! The app this repository ships, released by the tool that ships it.

use crate::ask::request;
use crate::load::{Ask, Load};
use crate::project::{Project, docker};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A copy of this repository as git sees it, with its changes, and with this one's build cache.
fn this_app() -> Project {
    let project = Project::empty();
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = Command::new("git")
        .args(args)
        .current_dir(repository())
        .output()
        .unwrap()
        .stdout;
    for name in String::from_utf8(listed)
        .unwrap()
        .split('\0')
        .filter(|name| !name.is_empty())
    {
        let (from, to) = (repository().join(name), project.root.join(name));
        if from.is_file() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
    project.commit("as it is");
    project
}

/// Releases with the build cache of this repository.
fn release(project: &Project) -> Value {
    let mut command = project.command(&["release", "--yes", "--json"]);
    command.env("CARGO_TARGET_DIR", repository().join("target"));
    Project::end(&mut command).expect(0).event("live")["release"].clone()
}

fn call(method: reqwest::Method, url: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let answer = request(|client| {
        let request = client.request(method, url);
        // No token is a stranger, an empty one is refused.
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    });
    let (status, text) = answer.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Signs a member up and in; returns the token.
fn member(url: &str) -> String {
    let name = format!("load{:016x}", rand::random::<u64>());
    let body = json!({ "email": format!("{name}@example.com"), "real_name": "부하", "nickname": name, "password": "correct horse battery" });
    let (status, answer) = call(reqwest::Method::POST, &format!("{url}/api/members"), "", Some(body));
    assert_eq!(status, 201, "{answer}");
    let body = json!({ "name": name, "password": "correct horse battery" });
    let (status, answer) = call(reqwest::Method::POST, &format!("{url}/api/sessions"), "", Some(body));
    assert!(status == 200 || status == 201, "{status} {answer}");
    answer["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// One write in three, each with a text of its own.
fn reads_and_writes(token: String, run: String) -> Ask {
    Arc::new(move |client, router, number| match number % 3 {
        0 => client
            .post(format!("{router}/api/posts"))
            .bearer_auth(&token)
            .json(&json!({ "text": format!("{run} {number}") })),
        1 => client.get(format!("{router}/api/posts?limit=5")),
        _ => client.get(format!("{router}/version")),
    })
}

/// The texts of this run that the API lists, page by page.
fn written(url: &str, run: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = "/api/posts?limit=50".to_owned();
    for _ in 0..10_000 {
        let (status, page) = call(reqwest::Method::GET, &format!("{url}{path}"), "", None);
        assert_eq!(status, 200, "{page}");
        let texts = page["posts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|post| post["text"].as_str());
        found.extend(texts.filter(|text| text.starts_with(run)).map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => {
                path = if next.starts_with('/') {
                    next.to_owned()
                } else {
                    format!("/api/posts?limit=50&before={next}")
                }
            }
            None => return found,
        }
    }
    panic!("the list of posts does not end");
}

/// The share a step's candidate had must be what chance makes of its weight.
fn expect_split(steps: &Value) -> usize {
    let mut judged = 0;
    for step in steps.as_array().unwrap() {
        let weight: f64 = step["weight"]
            .as_str()
            .unwrap()
            .trim_end_matches('%')
            .parse::<f64>()
            .unwrap()
            / 100.0;
        let requests = |side: &str| step["judgement"][side]["requests"].as_f64().unwrap();
        let total = requests("candidate") + requests("stable");
        if weight >= 1.0 {
            continue;
        }
        let share = requests("candidate") / total;
        let sigma = (weight * (1.0 - weight) / total).sqrt();
        println!(
            "weight {:.1}%: {share:.4} of {total} requests, {:.2}σ off",
            weight * 100.0,
            (share - weight).abs() / sigma
        );
        assert!(
            (share - weight).abs() <= 3.0 * sigma,
            "weight {weight}, share {share} of {total} requests"
        );
        judged += 1;
    }
    judged
}

#[test]
fn the_app_goes_live_and_a_changed_line_goes_live_under_load_without_a_failed_request() {
    let project = this_app();
    // Long enough at each weight for a share that says something.
    project.edit("pipeline.yaml", "bake: 3s", "bake: 5s");
    project.commit("longer steps");
    let first = release(&project);
    let url = project.url("production");
    let token = member(&url);

    project.edit("app/src/operations.rs", "//! ", "//! Changed. ");
    project.edit("app/web/index.html", "</title>", " 2</title>");
    let run = format!("run {:08x}", rand::random::<u32>());
    let load = Load::start(
        &project.routers(),
        8,
        // Beside it, the release has a compiler and tests to run.
        Duration::from_millis(10),
        reads_and_writes(token, run.clone()),
    );
    let second = release(&project);
    let report = load.end();
    assert_ne!(second["id"], first["id"]);

    println!("{} requests, {} failed", report.sent, report.failures.len());
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.sent >= 5_000, "only {} requests: no honest load", report.sent);
    let journal = std::fs::read_to_string(
        project
            .root
            .join(format!(".release/releases/{}/journal", second["id"].as_str().unwrap())),
    )
    .unwrap();
    let mut finished = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.split_once(' ')?.1).ok());
    let shifted = finished
        .rfind(|entry| entry["event"] == "stage-finished" && entry["stage"] == "production")
        .unwrap();
    assert!(expect_split(&shifted["outcome"]["steps"]) >= 3, "{shifted}");

    let texts = written(&url, &run);
    let different: BTreeSet<&String> = texts.iter().collect();
    assert_eq!(texts.len(), different.len(), "a write happened twice");
    assert_eq!(
        texts.len() as u64,
        report.writes,
        "rows written, and writes answered with success"
    );
    assert!(
        report.writes * 10 >= report.sent * 3,
        "{} of {} were writes",
        report.writes,
        report.sent
    );
}

/// The image of a release that waits for approval, its tests left out: they do not change it.
fn built(project: &Project, cache: &Path) -> String {
    let tests = "command: [cargo, test, --quiet, --package, api-tests, --test, api]";
    project.edit("pipeline.yaml", tests, "command: [\"true\"]");
    let mut command = project.command(&["release", "--json"]);
    Project::end(command.env("CARGO_TARGET_DIR", cache)).expect(3);
    let releases = project.run(&["releases", "--json"]).expect(0).event("releases");
    releases["releases"][0]["release"]["image"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_source_gives_the_same_small_image_in_another_folder() {
    // With a build cache of its own, nothing is taken over from the first.
    let there = this_app();
    let image = built(&there, &there.root.with_file_name("a cache of its own"));
    let here = this_app();
    let other = built(&here, &repository().join("target"));
    let digest = |image: &str| image.split('@').nth(1).unwrap().to_owned();
    assert_eq!(digest(&image), digest(&other));

    let size = docker(&["image", "inspect", "--format", "{{.Size}}", &image]);
    println!("{} in both, {size} bytes unpacked", digest(&image));
    assert!(size.parse::<u64>().unwrap() < 15_000_000, "{size}");
    let user = docker(&["image", "inspect", "--format", "{{.Config.User}}", &image]);
    assert_eq!(user, "65532:65532");
}

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
