//! Disks and the secrets' folder.

use super::Finding;
use contract::{HostConfig, SecretsPlace};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const MIB: u64 = 1024 * 1024;
/// Below this, a state file or an image's layer is what fails next.
const LITTLE_MIB: u64 = 512;
const SCARCE_MIB: u64 = 2 * 1024;

pub fn disk(what: &'static str, folder: &Path) -> Finding {
    let name = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free_mib = found.f_bavail.saturating_mul(found.f_frsize) / MIB;
            room(what, &name.to_string(), free_mib)
        }
        Err(error) => Finding::in_the_way(
            what,
            format!("`{name}` cannot be looked at: {error}"),
            "what is to be remembered there is not",
            format!("ls -ld {name}"),
        ),
    }
}

fn room(what: &'static str, folder: &str, free_mib: u64) -> Finding {
    let found = format!("{free_mib} MiB free below {folder}");
    let why = "the next image may not fit, and state that cannot be written is not taken";
    let next = format!("du -xh --max-depth=2 {folder} | sort -h | tail; docker image ls");
    match free_mib {
        0..LITTLE_MIB => Finding::in_the_way(what, found, why, next),
        LITTLE_MIB..SCARCE_MIB => Finding::weak(what, found, why, next),
        SCARCE_MIB.. => Finding::fine(what, found),
    }
}

/// The modes alone: what is in a secret is nobody's business here.
pub fn secrets(config: &HostConfig) -> Finding {
    let what = "secrets";
    let folder = match &config.secrets {
        SecretsPlace::Directory(folder) => folder,
        SecretsPlace::Ssm { ssm } => {
            // Each is asked for by name, when a version that needs it is started.
            return Finding::fine(what, format!("parameters below `{}` in {}", ssm.prefix, ssm.region));
        }
    };
    let name = folder.display();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            return Finding::in_the_way(
                what,
                format!("`{name}` cannot be read: {error}"),
                "a version that needs a secret cannot be started",
                format!("as root: install -d -m 0700 -o release-agent {name}; or ask again as root"),
            );
        }
    };
    let (mut count, mut open) = (0, Vec::new());
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        count += 1;
        let mode = entry.metadata().map_or(0, |found| found.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            open.push(format!("{} ({mode:04o})", entry.file_name().display()));
        }
    }
    open.sort();
    if open.is_empty() {
        return Finding::fine(what, format!("{count} in `{name}`, for their owner alone"));
    }
    Finding::in_the_way(
        what,
        format!("may be read by others: {}", open.join(", ")),
        "the agent refuses a secret that others may read, so that its version cannot be started",
        format!("chmod 600 {name}/*"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::world::tests::config;

    #[test]
    fn a_disk_is_in_the_way_before_it_is_full() {
        let check = |free| room("disk", "/var", free).state;
        assert_eq!(
            (check(511), check(512), check(2047)),
            (State::InTheWay, State::Weak, State::Weak)
        );
        assert_eq!(check(2048), State::Fine);
        assert_eq!(disk("disk", Path::new("/nonexistent")).state, State::InTheWay);
    }

    #[test]
    fn a_secret_that_others_may_read_is_named_and_its_value_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let config = HostConfig {
            secrets: SecretsPlace::Directory(dir.path().to_owned()),
            ..config()
        };
        let path = dir.path().join("DB_PASSWORD@1");
        fs::write(&path, "hunter2").unwrap();
        let with_mode = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            secrets(&config)
        };
        assert_eq!(with_mode(0o600).state, State::Fine);
        let open = with_mode(0o640);
        assert_eq!(open.state, State::InTheWay);
        assert_eq!(open.found, "may be read by others: DB_PASSWORD@1 (0640)");
        assert!(!format!("{open:?}").contains("hunter2"));
    }

    #[test]
    fn a_folder_of_secrets_that_is_not_there_is_in_the_way() {
        assert_eq!(secrets(&config()).state, State::InTheWay);
    }
}
