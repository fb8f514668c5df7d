//! The app's own tests that need a database server.

use super::server::{Server, certificates};
use super::{cargo, repository, this_app};

/// Runs one of the app's own tests that the workspace's leave out, because it needs more than a checkout.
fn expect_passed(test: &str, variables: &[(&str, &str)]) {
    let pipeline = std::fs::read_to_string(repository().join("pipeline.yaml")).unwrap();
    let package = pipeline
        .lines()
        .find_map(|line| line.trim().strip_prefix("package: "))
        .unwrap();
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--package", package, "--test", test]);
    tests.args(["--", "--test-threads=1"]);
    let output = tests.envs(variables.iter().copied()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let result = printed.lines().find(|line| line.starts_with("test result"));
    println!("{test}: {}", result.unwrap_or_default());
}

#[test]
fn what_holds_on_one_host_holds_on_several() {
    let project = this_app();
    project.run(&["local", "up"]).expect(0);
    let server = Server::start(&project);
    expect_passed("hosts", &[("DATABASE_URL", &server.url("127.0.0.1"))]);
}

#[test]
fn the_app_trusts_a_database_that_proves_its_name_and_no_other() {
    let project = this_app();
    project.run(&["local", "up"]).expect(0);
    let folder = project.root.with_file_name("certificates");
    let [ca, certificate, key] = certificates(&folder);
    let options = ["--ssl-ca=/ca.pem", "--ssl-cert=/cert.pem", "--ssl-key=/key.pem"];
    let secured = Server::with(&project, &[&ca, &certificate, &key], &options);
    let plain = Server::start(&project);
    let variables = [
        ("DATABASE_URL", secured.url("localhost")),
        ("DATABASE_CA", ca.to_str().unwrap().to_owned()),
        ("PLAIN_DATABASE_URL", plain.url("127.0.0.1")),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    expect_passed("tls", &variables);
}
