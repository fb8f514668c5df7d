//! Claims about rotations: a host that was given the first set stands for all of them.

use super::*;
use crate::keys::create;
use contract::{AppName, EnvironmentName};
use store::{Memory, Store};
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    project: Project,
    channels: Vec<Channel>,
    /// What a host was given.
    first: KeySet,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project {
            root: folder.path().to_owned(),
        };
        create(&project).unwrap();
        let first = trusted(&project).unwrap();
        let channels = ["staging", "production"].map(channel).into();
        Self {
            folder,
            project,
            channels,
            first,
        }
    }

    /// What a host of each environment trusts by now.
    async fn hosts_trust(&self) -> Vec<KeySet> {
        let mut sets = Vec::new();
        for channel in &self.channels {
            let chain = channel
                .read_keys()
                .await
                .unwrap()
                .map(|(chain, _)| chain)
                .unwrap_or_default();
            sets.push(self.first.follow(&chain).unwrap().unwrap_or_else(|| self.first.clone()));
        }
        sets
    }

    fn signs(&self) -> PublicKey {
        load(&self.project).unwrap().key().public()
    }

    fn keeps(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.project.keys()).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn channel(environment: &str) -> Channel {
    let (app, environment) = (
        AppName::parse("shop").unwrap(),
        EnvironmentName::parse(environment).unwrap(),
    );
    Channel::new(Store::new(Memory::default()), &app, &environment)
}

/// A place that nobody can write to.
fn unreachable(bench: &Bench) -> Channel {
    let file = bench.folder.path().join("file");
    std::fs::write(&file, b"no folder").unwrap();
    let (app, environment) = (
        AppName::parse("shop").unwrap(),
        EnvironmentName::parse("staging").unwrap(),
    );
    Channel::directory(file, &app, &environment)
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_and_every_host_trusts_both() {
    let bench = Bench::new();
    let old = bench.signs();
    let rotated = rotate(&bench.project, &bench.channels).await.unwrap();
    assert_eq!(bench.signs(), rotated.key);
    assert_eq!(rotated.set.keys, [old.clone(), rotated.key.clone()]);
    assert_eq!(bench.hosts_trust().await, [rotated.set.clone(), rotated.set.clone()]);
    assert_eq!(trusted(&bench.project).unwrap(), rotated.set);
    assert_eq!(bench.keeps(), ["chain.json", "signing.key", "trusted.json"]);

    // Dropped for good, at once or by the next rotation.
    let retired = retire(&bench.project, &bench.channels).await.unwrap();
    assert_eq!(
        (retired.set.version, &retired.set.keys[..]),
        (3, &[rotated.key.clone()][..])
    );
    assert_eq!(bench.hosts_trust().await[1], retired.set);
    let again = rotate(&bench.project, &bench.channels).await.unwrap();
    assert_eq!(again.set.keys, [rotated.key, again.key]);
    assert_eq!(bench.hosts_trust().await[0], again.set);
}

#[tokio::test]
async fn nothing_is_signed_by_a_key_that_some_channel_was_not_told_of() {
    let mut bench = Bench::new();
    let old = bench.signs();
    let gone = unreachable(&bench);
    let away = std::mem::replace(&mut bench.channels[1], gone);
    rotate(&bench.project, &bench.channels).await.unwrap_err();
    assert_eq!(bench.signs(), old);
    assert_eq!(trusted(&bench.project).unwrap(), bench.first);
    retire(&bench.project, &bench.channels).await.unwrap_err();

    // The same command goes on with the same key.
    let begun = read_key(&next_path(&bench.project)).unwrap().unwrap().public();
    bench.channels[1] = away;
    let rotated = rotate(&bench.project, &bench.channels).await.unwrap();
    assert_eq!((rotated.key, rotated.set.version), (begun, 2));
    assert_eq!(bench.hosts_trust().await, [rotated.set.clone(), rotated.set]);
}

#[tokio::test]
async fn a_rotation_that_was_cut_off_anywhere_is_carried_to_the_same_end() {
    let whole = Bench::new();
    let before = std::fs::read(signing_key_path(&whole.project)).unwrap();
    let rotated = rotate(&whole.project, &whole.channels).await.unwrap();
    let after = std::fs::read(signing_key_path(&whole.project)).unwrap();
    // As it was before the last step, and before each step before that.
    let keys = whole.project.keys();
    for undone in ["signing.key", "trusted.json", "chain.json"] {
        std::fs::write(keys.join("signing.key"), &before).unwrap();
        files::write_secret(&keys.join("next.key"), &after).unwrap();
        match undone {
            "trusted.json" => files::write_json(&keys.join("trusted.json"), &whole.first).unwrap(),
            "chain.json" => std::fs::remove_file(keys.join("chain.json")).unwrap(),
            _ => {}
        }
        if undone == "chain.json" {
            files::write_json(&keys.join("trusted.json"), &whole.first).unwrap();
        }
        let again = rotate(&whole.project, &whole.channels).await.unwrap();
        assert_eq!(
            (again.key, again.set),
            (rotated.key.clone(), rotated.set.clone()),
            "{undone}"
        );
        assert_eq!(whole.signs(), rotated.key);
        assert_eq!(whole.hosts_trust().await[0], rotated.set);
    }
}

#[tokio::test]
async fn a_machine_with_older_keys_is_told_before_hosts_refuse_it() {
    let bench = Bench::new();
    let before = load(&bench.project).unwrap();
    rotate(&bench.project, &bench.channels).await.unwrap();
    let refused = before.introduce(&bench.channels[0]).await.unwrap_err().to_string();
    assert!(
        refused.contains("hosts are told of another key set 2; the newest here is 1"),
        "{refused}"
    );
    // A channel that is new, or of another profile, learns of all sets before it is used.
    let other = channel("other");
    load(&bench.project).unwrap().introduce(&other).await.unwrap();
    let (chain, _) = other.read_keys().await.unwrap().unwrap();
    assert_eq!(chain.newest().unwrap(), Some(trusted(&bench.project).unwrap()));
}
