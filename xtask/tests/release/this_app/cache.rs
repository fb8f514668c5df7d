//! One build cache for many copies of one tree.
//!
//! Cargo takes a file for changed when it is younger than what was made of it, and every copy is young. So the cache
//! remembers which tree it was last filled from: a copy of just that tree keeps the times of its files, and nothing is
//! compiled again. While another is being compiled the cache remembers none.

use super::repository;
use crate::project::{Ended, Project};
use contract::Digest;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// This repository's own.
pub fn usual() -> PathBuf {
    repository().join("target")
}

/// Runs `command`, which compiles the project with this cache.
pub fn fill(cache: &Path, project: &Project, command: &mut Command) -> Ended {
    let tree = tree(&project.root, &names(&project.root));
    if filled_from(cache).as_ref() != Some(&tree) {
        let _ = fs::remove_file(record(cache));
    }
    let ended = Project::end(command.env("CARGO_TARGET_DIR", cache));
    if ended.stdout.contains(r#""event":"stage-finished","stage":"build""#) {
        fs::write(record(cache), tree).unwrap();
    }
    ended
}

/// Copies this repository as git sees it, with its changes.
pub fn copy(to: &Path) {
    let names = names(&repository());
    for name in &names {
        let (from, to) = (repository().join(name), to.join(name));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    if filled_from(&usual()) == Some(tree(to, &names)) {
        for name in &names {
            let modified = fs::metadata(repository().join(name)).unwrap().modified().unwrap();
            let copy = File::options().append(true).open(to.join(name)).unwrap();
            copy.set_modified(modified).unwrap();
        }
    }
}

fn record(cache: &Path) -> PathBuf {
    cache.join("filled-from")
}

fn filled_from(cache: &Path) -> Option<String> {
    fs::read_to_string(record(cache)).ok()
}

fn names(root: &Path) -> Vec<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = String::from_utf8(list.current_dir(root).output().unwrap().stdout).unwrap();
    // What was deleted and not committed is listed, too.
    let there = listed.split('\0').filter(|name| root.join(name).is_file());
    let mut names: Vec<String> = there.map(str::to_owned).collect();
    names.sort();
    names
}

/// All that a compiler might read.
fn tree(root: &Path, names: &[String]) -> String {
    let mut text = String::new();
    for name in names.iter().filter(|name| *name != "pipeline.yaml") {
        let content = fs::read(root.join(name)).unwrap();
        text.push_str(&format!("{name} {}\n", Digest::of(&content)));
    }
    Digest::of(text.as_bytes()).to_string()
}
