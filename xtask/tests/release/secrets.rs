//! Secrets that a release meets on its way are nowhere to be read afterwards.

use crate::listener::Listener;
use crate::project::{Project, docker, files_below};
use std::path::Path;
use std::process::Command;

const IN_ENV: &str = "planted-in-env-Zq81\"x";
const IN_ADDRESS: &str = "planted-in-address-Lk22";
const IN_HEADER: &str = "planted-in-header-Wm93";
const NEVER_LEARNED: &str = "planted-in-another-address-Rt54";
const PLANTED: [&str; 4] = ["planted-in-env", IN_ADDRESS, IN_HEADER, NEVER_LEARNED];

/// What careless programs print.
const CARELESS: &str = "\
printenv | grep -i planted
echo $DEPLOY_TOKEN again
echo GET https://bot:planted-in-another-address-Rt54@example.com/x
echo 'Authorization: Bearer planted-in-header-Wm93'
printf '{\"url\": \"https://bot:planted-in-another-address-Rt54@example.com\"}'
test ! -e .release/stumble
";

fn run(project: &Project, told: &Listener, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command
        .env("DEPLOY_TOKEN", IN_ENV)
        .env("METRICS_URL", format!("https://app:{IN_ADDRESS}@metrics.example/"))
        .env("GITHUB_STEP_SUMMARY", project.root.join(".release/summary.md"))
        .env("TOLD_AT", &told.address);
    command
}

#[track_caller]
fn expect_nothing(secrets: &[String], place: &str, text: &str) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "`{secret}` in {place}:\n{text}");
    }
}

#[test]
fn secrets_in_the_environment_in_addresses_and_headers_are_nowhere_to_be_seen() {
    let project = Project::fixture();
    let told = Listener::start();
    std::fs::create_dir_all(project.root.join(".release")).unwrap();
    std::fs::write(project.root.join(".release/careless.sh"), CARELESS).unwrap();
    project.edit(
        "pipeline.yaml",
        "frontend: { dir",
        "hooks: [{ before: staging, command: [sh, .release/careless.sh] }]\nnotify: [{ webhook: TOLD_AT }]\nfrontend: { dir",
    );
    project.edit(
        "pipeline.yaml",
        "command: [\"true\"]",
        "command: [sh, .release/careless.sh]",
    );
    project.edit("web/style.css", "16px", "17px");
    project.commit("a commit that says planted-in-env-Zq81\"x");

    // One that fails with what was printed, in lines; then live, as events.
    std::fs::write(project.root.join(".release/stumble"), "").unwrap();
    let failed = Project::end(&mut run(&project, &told, &["release", "--yes"])).expect(1);
    assert!(failed.stderr.contains("DEPLOY_TOKEN=[masked]"), "{}", failed.all());
    std::fs::remove_file(project.root.join(".release/stumble")).unwrap();
    let live = Project::end(&mut run(&project, &told, &["release", "--yes", "--json"])).expect(0);
    let release = live.event("live")["release"]["id"].as_str().unwrap().to_owned();
    let shown = Project::end(&mut run(&project, &told, &["show", &release])).expect(0);
    let logs = Project::end(&mut run(&project, &told, &["logs", &release])).expect(0);
    assert!(logs.stdout.contains("Authorization: [masked]"), "{}", logs.all());

    let mut secrets = PLANTED.map(str::to_owned).to_vec();
    secrets.push(told.address.clone());
    let made_up = made_up(&project);
    assert!(
        made_up.len() >= 3,
        "staging and production have a TOKEN, and buckets have keys: {made_up:?}"
    );
    let everywhere = [&secrets[..], &made_up].concat();
    for ended in [&failed, &live, &shown, &logs] {
        expect_nothing(&everywhere, "what was printed", &ended.all());
    }
    expect_nothing(&everywhere, "a message", &format!("{} {}", told.next(), told.next()));
    for (path, bytes) in files_below(&project.root.join(".release")) {
        if !keeps_secrets(&path) {
            expect_nothing(
                &everywhere,
                &path.display().to_string(),
                &String::from_utf8_lossy(&bytes),
            );
        }
    }
    let labels = project.docker(&["ps", "--all", "--format", "{{.Labels}}"]);
    assert!(labels.contains(&release), "{labels}");
    expect_nothing(&everywhere, "labels", &labels);
    let image = live.event("live")["release"]["image"].as_str().unwrap().to_owned();
    let saved = Command::new("docker").args(["save", &image]).output().unwrap();
    assert!(
        saved.status.success() && saved.stdout.len() > 1_000_000,
        "the image, layers and all"
    );
    expect_nothing(&everywhere, "the image", &String::from_utf8_lossy(&saved.stdout));
    expect_nothing(
        &everywhere,
        "the image's history",
        &docker(&["history", "--no-trunc", &image]),
    );
}

/// Secrets that the ground made up, and keys of its buckets.
fn made_up(project: &Project) -> Vec<String> {
    let folder = project.root.join(".release/secrets");
    let files = files_below(&folder).into_iter();
    let secrets = files.filter(|(path, _)| path.to_string_lossy().contains('@'));
    let mut made_up: Vec<String> = secrets
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap().trim().to_owned())
        .collect();
    let keys = std::fs::read_to_string(project.root.join(".release/ground/keys")).unwrap();
    made_up.extend(keys.lines().nth(1).map(str::to_owned));
    made_up
}

/// Files that only their owner can read, made to hold a secret; and the script of this test.
fn keeps_secrets(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0o777, |found| found.permissions().mode());
    mode.trailing_zeros() >= 6 || path.ends_with("careless.sh")
}
