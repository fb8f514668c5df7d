//! The root file system of the image, and the build context that holds it.

use super::{OWNER, SOCKET, USER};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

pub(super) const CONFIG_PATH: &str = "/etc/mysql/server.cnf";
/// User, labels and the like come with the final commit: here each would be a step of a second.
const DOCKERFILE: &str = "FROM scratch\nADD root.tar /\n";
/// Documentation, other languages, maintenance tools, and what only package scripts need. None of it is used by a server.
const UNWANTED: [&str; 10] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/debconf",
    "usr/share/perl5",
    "usr/share/zoneinfo/posix",
    "usr/share/zoneinfo/right",
    "var/cache",
];
/// The server, and the client of the health check. Every other program goes: the packages' tools are 25 MB.
const PROGRAM_DIRS: [&str; 2] = ["usr/bin", "usr/sbin"];
const PROGRAMS: [&str; 2] = ["mariadb", "mariadbd"];
const DATA_DIR: &str = "var/lib/mysql";
const RUN_DIR: &str = "run/mysqld";

/// A 16 MB redo log: the default of 96 MB would be most of the image, and is copied for every new volume.
fn config() -> String {
    format!(
        "[mariadbd]\ndatadir=/{DATA_DIR}\nsocket={SOCKET}\npid-file=/{RUN_DIR}/mysqld.pid\n\
         innodb_log_file_size=16M\nskip_name_resolve\nskip_log_bin\n\n[client]\nsocket={SOCKET}\n"
    )
}

pub(super) fn recipe() -> String {
    format!("{DOCKERFILE} {} {UNWANTED:?} {PROGRAMS:?} {OWNER:?} {USER}", config())
}

/// A tar of the Dockerfile and of `root.tar`. The inner one keeps owners, which `COPY` would not.
pub(super) fn build_context(root: &Path) -> Result<Vec<u8>> {
    prepare(root).context("preparing the root file system")?;
    let mut inner = tar::Builder::new(Vec::new());
    append_tree(&mut inner, root, Path::new("")).context("packing the root file system")?;
    let inner = inner.into_inner()?;
    let mut context = tar::Builder::new(Vec::new());
    for (name, bytes) in [("Dockerfile", DOCKERFILE.as_bytes()), ("root.tar", &inner)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        context.append_data(&mut header, name, bytes)?;
    }
    Ok(context.into_inner()?)
}

fn prepare(root: &Path) -> Result<()> {
    for unwanted in UNWANTED {
        match fs::remove_dir_all(root.join(unwanted)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(unwanted),
            _ => (),
        }
    }
    for dir in PROGRAM_DIRS {
        for entry in fs::read_dir(root.join(dir)).context(dir)? {
            let entry = entry?;
            if !PROGRAMS.iter().any(|kept| entry.file_name() == *kept) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    for dir in [DATA_DIR, RUN_DIR, "tmp", "etc/mysql"] {
        fs::create_dir_all(root.join(dir))?;
    }
    // Distributions with a merged /usr make these links in a package that is not needed for anything else.
    for link in ["bin", "sbin", "lib", "lib64"] {
        let target = format!("usr/{link}");
        if !root.join(link).exists() && root.join(&target).exists() {
            std::os::unix::fs::symlink(&target, root.join(link))?;
        }
    }
    let (uid, gid) = (OWNER.uid, OWNER.gid);
    fs::write(
        root.join("etc/passwd"),
        format!("root:x:0:0::/:/none\n{USER}:x:{uid}:{gid}::/:/none\n"),
    )?;
    fs::write(root.join("etc/group"), format!("root:x:0:\n{USER}:x:{gid}:\n"))?;
    fs::write(root.join(&CONFIG_PATH[1..]), config())?;
    Ok(())
}

/// Everything belongs to root but what the server writes to, whoever unpacked it.
fn append_tree(archive: &mut tar::Builder<Vec<u8>>, root: &Path, at: &Path) -> Result<()> {
    let mut names = fs::read_dir(root.join(at))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = at.join(name);
        let source = root.join(&path);
        let metadata = fs::symlink_metadata(&source)?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&metadata, tar::HeaderMode::Deterministic);
        let servers = path == Path::new(DATA_DIR) || path == Path::new(RUN_DIR);
        let owner = if servers { OWNER } else { docker::Owner::default() };
        header.set_uid(u64::from(owner.uid));
        header.set_gid(u64::from(owner.gid));
        if metadata.is_symlink() {
            archive.append_link(&mut header, &path, fs::read_link(&source)?)?;
        } else if metadata.is_dir() {
            header.set_mode(if path == Path::new("tmp") { 0o1777 } else { 0o755 });
            archive.append_data(&mut header, &path, std::io::empty())?;
            append_tree(archive, root, &path)?;
        } else if metadata.is_file() {
            archive.append_data(&mut header, &path, fs::File::open(&source)?)?;
        }
    }
    Ok(())
}
