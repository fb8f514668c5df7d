//! Releases that are kept in a bucket, on S3 servers that other people wrote.

use crate::project::{Ended, Project, copy, files_below};
use server::{Kind, Server};
use std::process::Command;

#[path = "../../../deploy/store/tests/servers/server.rs"]
#[allow(dead_code, reason = "the store's own tests use the rest")]
mod server;

fn create_bucket(server: &Server, name: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = server.access().client();
    runtime.block_on(client.create_bucket().bucket(name).send()).unwrap();
}

fn bucket(server: &Server, name: &str) -> String {
    let endpoint = server.endpoint();
    format!("{{ s3: {{ bucket: {name}, region: us-east-1, endpoint: \"{endpoint}\" }} }}")
}

fn with_keys(project: &Project, server: &Server, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command
        .env("AWS_ACCESS_KEY_ID", server::KEYS.0)
        .env("AWS_SECRET_ACCESS_KEY", server::KEYS.1)
        .env("AWS_ENDPOINT_URL_S3", server.endpoint());
    command
}

/// A checkout that releases to hosts which are not its own, and keeps its releases in a bucket.
struct Checkout<'a> {
    project: Project,
    server: &'a Server,
}

impl<'a> Checkout<'a> {
    /// Two of the same commit. Hosts trust whoever has their key.
    fn two(hosts: &Project, server: &'a Server) -> [Self; 2] {
        let one = Project::fixture();
        let registry = hosts.ground()["registry"].as_str().unwrap().to_owned();
        let places = format!(
            "channel: {}\n    store: {}",
            bucket(server, "orders"),
            bucket(server, "releases")
        );
        for (from, to) in [
            ("registry.example/fixture", format!("\"{registry}/fixture\"")),
            (
                "channel: { s3: { bucket: channel, prefix: releases, region: eu-north-1 } }",
                places,
            ),
            ("[production-1]", "[production-1, production-2]".to_owned()),
        ] {
            one.edit("pipeline.yaml", from, &to);
        }
        one.commit("where the hosts are");
        let other = Project::empty();
        other.git(&["clone", "--quiet", &one.root.to_string_lossy(), "."]);
        [one, other].map(|project| {
            let keys = |of: &Project| of.root.join(".release/keys");
            copy(&keys(hosts), &keys(&project));
            Self { project, server }
        })
    }

    fn run(&self, args: &[&str]) -> Ended {
        let args = [args, &["--profile", "remote"]].concat();
        Project::end(&mut with_keys(&self.project, self.server, &args))
    }
}

#[test]
fn a_release_begun_in_one_checkout_goes_on_from_another() {
    let server = Server::start(Kind::Moto);
    for name in ["orders", "releases", "web"] {
        create_bucket(&server, name);
    }
    // The hosts of a ground that releases nothing itself.
    let hosts = Project::fixture();
    let orders = bucket(&server, "orders");
    hosts.edit(
        "pipeline.yaml",
        "ground: {}",
        &format!("ground: {{}}, channel: {orders}"),
    );
    Project::end(&mut with_keys(&hosts, &server, &["local", "up"])).expect(0);
    let [one, other] = Checkout::two(&hosts, &server);

    // Begun here, and approved there.
    let parked = one.run(&["release", "--json"]).expect(3).event("failure");
    let first = parked["what"].as_str().unwrap().split(' ').nth(1).unwrap().to_owned();
    let shown = other.run(&["show", &first]).expect(0).stdout;
    assert!(shown.contains("waits for approval"), "{shown}");
    let planned = other.run(&["plan"]).expect(0).stdout;
    assert!(planned.contains("production"), "{planned}");
    let logs = other.run(&["logs", &first]).expect(2).all();
    assert!(logs.contains("on the machine where it ran"), "{logs}");
    other.run(&["approve", &first]).expect(0);
    hosts.expect_serving(&first);
    let refused = one.run(&["approve", &first]).expect(2).all();
    assert!(refused.contains(&first), "{refused}");

    // Left off here, and resumed there.
    one.project.edit("web/style.css", "16px", "17px");
    one.project.commit("a change");
    let stopped = one
        .run(&["release", "--json", "--to", "staging"])
        .expect(0)
        .event("stopped");
    let second = stopped["release"]["id"].as_str().unwrap().to_owned();
    let elsewhere = other.run(&["release", "--yes", "--resume", &second]).expect(2).all();
    assert!(elsewhere.contains("begun from another source tree"), "{elsewhere}");
    other.project.git(&["pull", "--quiet"]);
    let resumed = other
        .run(&["release", "--yes", "--json", "--resume", &second])
        .expect(0);
    assert_eq!(resumed.event("live")["release"]["id"], second.as_str());
    hosts.expect_serving(&second);

    // Live there, and taken back here; both have seen the same.
    one.run(&["rollback", "production"]).expect(0);
    hosts.expect_serving(&first);
    let seen = [&one, &other].map(|checkout| checkout.run(&["releases"]).expect(0).stdout);
    assert_eq!(seen[0], seen[1]);
    for checkout in [&one, &other] {
        assert!(!checkout.project.root.join(".release/environments").exists());
    }
}

#[test]
fn a_store_that_ignores_conditions_is_refused_before_anything_is_touched() {
    let server = Server::start(Kind::Rclone);
    create_bucket(&server, "releases");
    let project = Project::fixture();
    let store = bucket(&server, "releases");
    project.edit("pipeline.yaml", "ground: {}", &format!("ground: {{}}, store: {store}"));
    let before = files_below(&project.root);
    let what = format!(
        "`store` cannot be kept on `{}`: it ignores conditional writes",
        server.endpoint()
    );
    for args in [
        &["doctor"][..],
        &["release", "--yes", "--no-install"],
        &["rollback", "production"],
        &["stop", "production", "--yes"],
        &["start", "production"],
    ] {
        let refused = Project::end(&mut with_keys(&project, &server, args)).expect(2).all();
        for words in [
            what.as_str(),
            "expected `If-None-Match: *`",
            "next: name a bucket on a server",
        ] {
            assert!(refused.contains(words), "{args:?}: expected `{words}`: {refused}");
        }
    }
    assert_eq!(files_below(&project.root), before);
    // Looking asks for nothing of the kind.
    Project::end(&mut with_keys(&project, &server, &["releases"])).expect(0);
}
