//! Other ways to build, to push and to give orders than those of the ground.

use crate::ask::json;
use crate::project::{Ended, Project, docker, files_below};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use registry::{Access, Registry};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tokens::{Authority, TokenServer};

#[path = "../../oci/tests/registries/parts/registry.rs"]
#[allow(dead_code, reason = "the registry client's own tests use the rest")]
mod registry;
#[path = "../../oci/tests/registries/parts/tokens.rs"]
#[allow(dead_code, reason = "the registry client's own tests use the rest")]
mod tokens;

/// Whom the registries know.
const USERNAME: &str = "ann";
const PASSWORD: &str = "correct horse";

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Lays this over profile local of the fixture.
fn on_local(project: &Project, settings: &str) {
    project.edit(
        "pipeline.yaml",
        "local: { ground: {} }",
        &format!("local: {{ ground: {{}}, {settings} }}"),
    );
}

#[test]
fn hosts_can_take_their_orders_from_a_bucket() {
    let project = Project::fixture();
    on_local(
        &project,
        "channel: { s3: { bucket: orders, prefix: releases, region: us-east-1 } }",
    );
    let first = project.released();
    project.expect_serving(&first);
    project.edit("web/style.css", "16px", "17px");
    let second = project.released();
    project.expect_serving(&second);
    assert!(
        !project.root.join(".release/channel").exists(),
        "nothing goes by way of a folder"
    );
    project.run(&["rollback", "production"]).expect(0);
    project.expect_serving(&first);
}

#[test]
fn an_app_that_wants_storage_has_a_bucket_of_its_own_in_each_environment() {
    let project = Project::fixture();
    on_local(&project, "storage: { bucket: media }");
    project.released();
    for environment in ["staging", "production"] {
        let found = json(&format!("{}/storage", project.url(environment)));
        let expected = serde_json::json!({
            "bucket": format!("{environment}-media"), "signs": true, "unsigned": "403",
        });
        assert_eq!(found, expected, "by name, from inside the container");
    }
    let again = project.run(&["release", "--yes"]).expect(0);
    assert!(again.stdout.contains("already live"), "{}", again.all());
}

/// A folder with what `docker login` would have written there.
fn logged_in(registry: &Registry, password: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let auth = BASE64.encode(format!("{USERNAME}:{password}"));
    let config = serde_json::json!({ "auths": { registry.address.as_str(): { "auth": auth } } });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn release_through(project: &Project, login: &Path) -> Ended {
    Project::end(
        project
            .command(&["release", "--yes", "--json"])
            .env("DOCKER_CONFIG", login),
    )
}

/// Tool, engine and hosts all have to say who they are; nothing of it is written down anywhere.
fn goes_live_through(registry: &Registry) {
    let project = Project::fixture();
    on_local(
        &project,
        &format!("registry: {{ repository: \"{}/shop/fixture\" }}", registry.address),
    );
    let refused = release_through(&project, logged_in(registry, "wrong horse").path()).expect(1);
    let why = refused.event("failure").to_string();
    assert!(
        why.contains("401") && why.contains(&format!("docker login {}", registry.address)),
        "{why}"
    );

    let login = logged_in(registry, PASSWORD);
    let live = release_through(&project, login.path()).expect(0).event("live");
    let (id, image) = (
        live["release"]["id"].as_str().unwrap(),
        live["release"]["image"].as_str().unwrap(),
    );
    assert!(
        image.starts_with(&format!("{}/shop/fixture@sha256:", registry.address)),
        "{image}"
    );
    project.expect_serving(id);
    let secrets = [PASSWORD.to_owned(), BASE64.encode(format!("{USERNAME}:{PASSWORD}"))];
    let tells = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        secrets.iter().any(|secret| text.contains(secret))
    };
    let telling: Vec<PathBuf> = files_below(&project.root.join(".release"))
        .into_iter()
        .filter(|(_, bytes)| tells(bytes))
        .map(|(path, _)| path)
        .collect();
    assert!(telling.is_empty(), "the password is in {telling:?}");
    project.run(&["local", "down", "--purge"]).expect(0);
    let images = docker(&["images", "--digests", "--format", "{{.Repository}}"]);
    assert!(!images.contains(&registry.address), "an image is left: {images}");
}

#[test]
fn an_image_goes_through_a_registry_that_wants_a_password() {
    goes_live_through(&Registry::start(Access::Password));
}

#[test]
fn an_image_goes_through_a_registry_that_wants_a_token() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let authority = Arc::new(Authority::new("tokens"));
    let tokens = runtime.block_on(TokenServer::start(Arc::clone(&authority)));
    goes_live_through(&Registry::start(Access::Token {
        realm: &tokens.realm,
        certificate: &authority.certificate(),
    }));
    assert!(
        tokens.given().contains(&"shop/fixture:pull,push".to_owned()),
        "{:?}",
        tokens.given()
    );
}

/// This machine's Rust and C compiler as an image: what `rust:1.95-slim` is to those who can pull it.
struct Base {
    tag: String,
}

impl Base {
    fn make() -> Self {
        let text = |command: &mut Command| String::from_utf8(run(command).stdout).unwrap();
        let sysroot = text(Command::new("rustc").args(["--print", "sysroot"]))
            .trim()
            .to_owned();
        let mut files = vec![format!("{sysroot}/bin/cargo"), format!("{sysroot}/bin/rustc")];
        let rust = text(Command::new("find").args([
            &format!("{sysroot}/lib"),
            "-path",
            "*/share",
            "-prune",
            "-o",
            "-not",
            "-type",
            "d",
            "-print",
        ]));
        files.extend(rust.lines().map(str::to_owned));
        let wanted = ["gcc", "libc6-dev", "dash", "coreutils"];
        let apart = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"]
            .map(|kind| format!("--no-{kind}"));
        let all = text(
            Command::new("apt-cache")
                .args(["depends", "--recurse", "--installed"])
                .args(apart)
                .args(wanted),
        );
        let packages = all
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric()));
        let owned = text(Command::new("dpkg").arg("--listfiles").args(packages));
        // Made by the packages' scripts, so nobody owns them.
        files.extend(["/usr/bin/cc", "/etc/alternatives/cc", "/bin/sh"].map(str::to_owned));
        files.extend(owned.lines().map(str::to_owned));
        files.sort();
        files.dedup();
        // `/bin` may be a link to a folder here; in the image it is one.
        files.retain(|path| {
            let path = Path::new(path);
            path.symlink_metadata().is_ok() && !path.is_dir()
        });

        let tag = format!("xtask-test-base:{}", std::process::id());
        let mut tar = Command::new("tar");
        tar.args([
            "--create",
            "--directory",
            "/",
            "--absolute-names",
            "--no-recursion",
            "--files-from",
            "-",
        ]);
        let mut tar = tar.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut list = tar.stdin.take().unwrap();
        let names = std::thread::spawn(move || list.write_all(files.join("\n").as_bytes()));
        let path = format!("ENV PATH={sysroot}/bin:/usr/bin:/bin");
        let mut import = Command::new("docker");
        import.args(["import", "--change", &path, "--change", "LABEL xtask.test=1", "-", &tag]);
        run(import.stdin(tar.stdout.take().unwrap()));
        names.join().unwrap().unwrap();
        assert!(tar.wait().unwrap().success());
        Self { tag }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", &self.tag]).output();
    }
}

const DOCKERFILE: &str = r#"ARG BASE=rust:1.95-slim
FROM ${BASE} AS build
WORKDIR /src
COPY . .
RUN RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --offline --target x86_64-unknown-linux-gnu \
    && mkdir /image && cp target/x86_64-unknown-linux-gnu/release/fixture /image/
FROM scratch
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/fixture"]
"#;

#[test]
fn an_image_can_be_built_from_a_dockerfile() {
    let base = Base::make();
    let images = || {
        docker(&["images", "--all", "--quiet", "--no-trunc"])
            .lines()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let before = images();
    let project = Project::fixture();
    std::fs::write(project.root.join("Dockerfile"), DOCKERFILE).unwrap();
    project.edit(
        "pipeline.yaml",
        "builder: native",
        &format!("builder: docker, args: {{ BASE: \"{}\" }}", base.tag),
    );
    project.commit("a Dockerfile");
    let live = project.run(&["release", "--yes", "--json"]).expect(0).event("live");
    let (id, image) = (
        live["release"]["id"].as_str().unwrap(),
        live["release"]["image"].as_str().unwrap(),
    );
    project.expect_serving(id);
    assert_eq!(project.running_digests(), [image.split('@').nth(1).unwrap(); 3]);

    project.edit(
        "Dockerfile",
        "USER 65532:65532",
        "USER 65532:65532\nRUN [\"/fixture\", \"no-such\"",
    );
    let broken = project.run(&["release", "--yes"]).expect(1);
    assert!(
        broken.stderr.contains("`Dockerfile` does not build"),
        "{}",
        broken.all()
    );
    project.expect_serving(id);

    project.run(&["local", "down", "--purge"]).expect(0);
    // Others' may have gone meanwhile.
    let left: Vec<String> = images().difference(&before).cloned().collect();
    assert!(left.is_empty(), "images are left: {left:?}");
}
