//! The app this repository ships, released by the tool that ships it.

mod cache;
mod compose;
mod hosts;
mod image;
mod interface;
mod live;
mod outage;
mod server;
mod soak;
mod two_releases;

use crate::ask::request;
use crate::project::Project;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// As from a shell: told about the package of these tests, it would compile again what looks at such variables.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_PRIMARY_PACKAGE" {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(repository());
    cargo
}

/// A copy of this repository as git sees it, with its changes.
fn this_app() -> Project {
    let project = Project::empty();
    cache::copy(&project.root);
    project.commit("as it is");
    project
}

const TESTS: &str = "command: [cargo, test, --quiet, --package, api-tests, --test, api]";
const NO_TESTS: &str = "command: [\"true\"]";

/// Where they are not the point, and were run by another release.
fn leave_out_tests(project: &Project) {
    project.edit("pipeline.yaml", TESTS, NO_TESTS);
    project.commit("without its tests");
}

fn take_tests_in(project: &Project) {
    project.edit("pipeline.yaml", NO_TESTS, TESTS);
    project.commit("with its tests");
}

/// Releases with the build cache of this repository.
fn release(project: &Project) -> Value {
    let mut command = project.command(&["release", "--yes", "--json"]);
    let ended = cache::fill(&cache::usual(), project, &mut command);
    ended.expect(0).event("live")["release"].clone()
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

/// One red pixel.
const PHOTO: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\
\0\0\0\x0cIDATx\xdac\xf8\xcf\xc0\0\0\x03\x01\x01\0\xf7\x03AC\0\0\0\0IEND\xaeB`\x82";

fn with_photo(request: RequestBuilder) -> RequestBuilder {
    let head = b"--photo\r\nContent-Disposition: form-data; name=\"file\"; filename=\"red.png\"\r\n\r\n";
    let body = [head, PHOTO, b"\r\n--photo--\r\n"].concat();
    request
        .header("content-type", "multipart/form-data; boundary=photo")
        .body(body)
}
