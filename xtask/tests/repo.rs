//! The rules of this repository, as tests. Each failure says what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let output = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The workspace's own packages: name, folder, and the names of what each depends on, tests left out.
fn own_packages() -> BTreeMap<String, (PathBuf, BTreeSet<String>)> {
    let metadata = metadata();
    let packages = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| package["source"].is_null());
    packages
        .map(|package| {
            let name = package["name"].as_str().unwrap().to_owned();
            let folder = PathBuf::from(package["manifest_path"].as_str().unwrap())
                .parent()
                .unwrap()
                .to_owned();
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
            (
                name,
                (
                    folder,
                    normal
                        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                        .collect(),
                ),
            )
        })
        .collect()
}

/// Files that git knows, or would know after `git add --all`.
fn files(below: &str) -> Vec<PathBuf> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", below];
    let output = Command::new("git").args(args).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    listed
        .lines()
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn lines_with(files: &[PathBuf], unwanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        let hits = text.lines().enumerate().filter(|(_, line)| unwanted(line));
        found.extend(hits.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim())));
    }
    found
}

#[test]
fn the_release_tool_knows_hosts_only_by_the_contract() {
    let packages = own_packages();
    let shared = [
        "aws",
        "channel",
        "contract",
        "credentials",
        "docker",
        "features",
        "machine",
        "outside",
        "store",
    ];
    for (name, (folder, dependencies)) in &packages {
        if !folder.starts_with(root().join("xtask")) {
            continue;
        }
        for dependency in dependencies
            .iter()
            .filter(|dependency| packages.contains_key(*dependency))
        {
            let inside = packages[dependency].0.starts_with(root().join("xtask"));
            assert!(
                inside || shared.contains(&dependency.as_str()),
                "`{name}` depends on `{dependency}`; of deploy/ only {shared:?} may be used here: put what both need into one of those"
            );
        }
    }
}

#[test]
fn the_app_knows_nothing_of_deployment() {
    let packages = own_packages();
    for (name, (folder, dependencies)) in packages
        .iter()
        .filter(|(_, (folder, _))| folder.starts_with(root().join("app")))
    {
        let foreign: Vec<_> = dependencies
            .iter()
            .filter(|dependency| {
                packages
                    .get(*dependency)
                    .is_some_and(|(other, _)| !other.starts_with(root().join("app")))
            })
            .collect();
        assert!(
            foreign.is_empty(),
            "`{name}` in {} depends on {foreign:?}: the app must run without the tool",
            folder.display()
        );
    }
}

#[test]
fn the_tool_does_not_know_the_app_it_ships() {
    let mut files = files("xtask");
    files.extend(self::files("deploy"));
    files.retain(|path| path.file_name().is_none_or(|name| name != "repo.rs"));
    let app = ["insta", "gram"].concat();
    let found = lines_with(&files, |line| line.to_ascii_lowercase().contains(&app));
    assert!(
        found.is_empty(),
        "other teams point the tool at their own app; take the name from pipeline.yaml:\n{}",
        found.join("\n")
    );
}

#[test]
fn what_is_pure_has_no_io() {
    let packages = own_packages();
    for pure in ["contract", "pipeline"] {
        let dependencies = &packages[pure].1;
        let forbidden: Vec<_> = ["tokio", "reqwest", "bollard", "hyper", "aws-sdk-s3"]
            .into_iter()
            .filter(|name| dependencies.contains(*name))
            .collect();
        assert!(
            forbidden.is_empty(),
            "`{pure}` depends on {forbidden:?}: move what needs them to its caller"
        );
    }
    let io = [
        "std::fs",
        "std::net::Tcp",
        "tokio::",
        "std::process",
        "async fn",
        "std::env",
        "Timestamp::now",
        "Instant::now",
    ];
    let mut files: Vec<PathBuf> = files("deploy/contract/src")
        .into_iter()
        .chain(self::files("xtask/pipeline/src"))
        .collect();
    for file in [
        "xtask/src/plan.rs",
        "xtask/src/commands/completions/words.rs",
        "xtask/src/rollout/next.rs",
        "xtask/src/rollout/document.rs",
        "xtask/src/stages/migration.rs",
        "deploy/agent/src/decide.rs",
        "deploy/router/src/split.rs",
    ] {
        let path = root().join(file);
        assert!(
            path.is_file(),
            "{file} is gone: name the new place of this pure part in this test"
        );
        files.push(path);
    }
    let found = lines_with(&files, |line| {
        !line.trim_start().starts_with("//") && io.iter().any(|word| line.contains(word))
    });
    assert!(
        found.is_empty(),
        "decisions are pure: hand in what they need to know\n{}",
        found.join("\n")
    );
}

#[test]
fn licences_sources_and_bans_hold() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let section = |name: &str| {
        deny.split(&format!("[{name}]"))
            .nth(1)
            .unwrap()
            .split("\n[")
            .next()
            .unwrap()
            .to_owned()
    };
    let quoted = |text: &str| {
        text.split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let allowed = quoted(&section("licenses"));
    let banned: BTreeSet<String> = section("bans")
        .lines()
        .filter(|line| line.contains("name ="))
        .flat_map(quoted)
        .collect();
    assert!(allowed.len() > 5 && banned.len() > 2, "deny.toml was not understood");
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(
            !banned.contains(name),
            "`{name}` is banned in deny.toml; `cargo tree --invert {name}` says who brings it"
        );
        if let Some(source) = package["source"].as_str() {
            assert!(
                source.starts_with("registry+https://github.com/rust-lang/crates.io-index"),
                "`{name}` comes from {source}"
            );
        }
        let licence = package["license"].as_str().unwrap_or("none");
        let fits = |licence: &str| allowed.contains(licence.trim_matches(['(', ')', ' ']));
        let all_of = |choice: &str| choice.split(" AND ").all(fits);
        let any_of = licence
            .replace('/', " OR ")
            .replace(") AND (", " AND ")
            .split(" OR ")
            .any(all_of);
        assert!(any_of, "`{name}` is under `{licence}`, which deny.toml does not allow");
    }
}

#[test]
fn nothing_of_the_machine_it_was_written_on_is_in_it() {
    let unwanted = [
        ["/wo", "rk/"].concat(),
        ["../sha", "red"].concat(),
        ["/root", "/"].concat(),
    ];
    let found = lines_with(&files("."), |line| unwanted.iter().any(|text| line.contains(text)));
    assert!(
        found.is_empty(),
        "paths of one machine mean nothing on another:\n{}",
        found.join("\n")
    );
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_undone() {
    let sources: Vec<PathBuf> = files(".")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect();
    let words = [
        ["#[ign", "ore"].concat(),
        ["todo", "!("].concat(),
        ["unimpl", "emented!("].concat(),
    ];
    let found = lines_with(&sources, |line| words.iter().any(|word| line.contains(word)));
    assert!(
        found.is_empty(),
        "finish it, or write down why it cannot be done:\n{}",
        found.join("\n")
    );
}

#[test]
fn unsafe_says_why() {
    let sources: Vec<PathBuf> = files(".")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect();
    for path in sources
        .iter()
        .filter(|path| path.file_name().is_none_or(|name| name != "repo.rs"))
    {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        for (number, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
            let before = lines[number.saturating_sub(6)..number].join("\n");
            assert!(
                before.contains("SAFETY:"),
                "{}:{}: write a `// SAFETY:` comment above",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn every_test_command_of_the_readme_is_what_ci_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(
        readme.contains("cargo xtask test"),
        "the README must name the test command"
    );
    assert!(
        ci.contains("cargo xtask test"),
        ".ci/run must run the README's test command"
    );
}

/// `package version` → features, for everything that is compiled for these packages.
fn features_of(packages: &[&str]) -> BTreeMap<String, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args([
        "tree", "--locked", "--edges", "no-dev", "--prefix", "none", "--format", "{p}|{f}",
    ]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().replace(" (*)", "");
    text.lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, features)| (name.to_owned(), features.to_owned()))
        .collect()
}

#[test]
fn what_tool_and_hosts_share_is_compiled_once() {
    let tool = features_of(&["xtask"]);
    let hosts = features_of(&["agent", "ground", "router", "supervisor"]);
    let twice: Vec<String> = tool
        .iter()
        .filter_map(|(name, ours)| Some((name, ours, hosts.get(name)?)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(name, ours, theirs)| format!("{name}\n  tool:  {ours}\n  hosts: {theirs}"))
        .collect();
    assert!(
        twice.is_empty(),
        "name the union of both in deploy/features/Cargo.toml:\n{}",
        twice.join("\n")
    );
}
