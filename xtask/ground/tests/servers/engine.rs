//! What people use with a registry: the Docker engine and skopeo.

use crate::support::Ground;
use std::process::Command;

/// Removed with the test, whatever becomes of it.
struct Images(Vec<String>);

impl Drop for Images {
    fn drop(&mut self) {
        for image in &self.0 {
            let _ = Command::new("docker").args(["image", "rm", "--force", image]).output();
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `{program}` ({error}); install it to run this test"));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "`{program} {}`: {stdout}{stderr}",
        arguments.join(" ")
    );
    stdout.trim().to_owned()
}

/// Builds a small image from nothing and pushes it; returns the repository, `host:port/path`.
fn push_image(ground: &Ground, images: &mut Images) -> String {
    let context = tempfile::tempdir().unwrap();
    std::fs::write(context.path().join("content"), format!("of {}", ground.registry())).unwrap();
    // Unlike any other image from the first step on: images that share a step are removed together.
    let dockerfile = format!(
        "FROM scratch\nLABEL xtask.test=1 of={}\nCOPY content /content\n",
        ground.registry()
    );
    std::fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
    let repository = format!("{}/team/small", ground.config.registry.listen[0]);
    let tagged = format!("{repository}:v1");
    images.0.push(tagged.clone());
    run(
        "docker",
        &["build", "--quiet", "--tag", &tagged, context.path().to_str().unwrap()],
    );
    run("docker", &["push", &tagged]);
    repository
}

#[test]
fn the_engine_pulls_by_digest_what_it_pushed_before_a_restart() {
    let mut ground = Ground::start();
    let mut images = Images(Vec::new());
    let repository = push_image(&ground, &mut images);
    let pushed = run(
        "docker",
        &[
            "image",
            "inspect",
            "--format",
            "{{index .RepoDigests 0}}",
            &format!("{repository}:v1"),
        ],
    );
    let id = run("docker", &["image", "inspect", "--format", "{{.Id}}", &pushed]);
    assert!(pushed.starts_with(&format!("{repository}@sha256:")), "{pushed}");
    ground.restart();
    run("docker", &["image", "rm", "--force", &id]);
    images.0.push(pushed.clone());
    run("docker", &["pull", &pushed]);
    assert_eq!(run("docker", &["image", "inspect", "--format", "{{.Id}}", &pushed]), id);
}

#[test]
fn skopeo_inspects_and_copies() {
    let ground = Ground::start();
    let mut images = Images(Vec::new());
    let repository = push_image(&ground, &mut images);
    let (source, copy) = (
        format!("docker://{repository}:v1"),
        format!("docker://{repository}-copy:v2"),
    );
    let inspect = |image: &str| -> serde_json::Value {
        serde_json::from_str(&run("skopeo", &["inspect", "--tls-verify=false", image])).unwrap()
    };
    run(
        "skopeo",
        &[
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &source,
            &copy,
        ],
    );
    let (original, copied) = (inspect(&source), inspect(&copy));
    assert_eq!(original["Digest"], copied["Digest"]);
    assert_eq!(copied["Labels"]["xtask.test"], "1");
    assert_eq!(copied["RepoTags"], serde_json::json!(["v2"]));

    let layout = tempfile::tempdir().unwrap();
    let to = format!("oci:{}:v1", layout.path().display());
    run("skopeo", &["copy", "--src-tls-verify=false", &source, &to]);
    let back = format!("docker://{repository}:oci");
    run("skopeo", &["copy", "--dest-tls-verify=false", &to, &back]);
    assert_eq!(inspect(&back)["Layers"].as_array().unwrap().len(), 1);
}
