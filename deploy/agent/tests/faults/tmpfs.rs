//! A small disk of its own for one folder, which can be full or read-only: a root user's files ignore their modes.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Tmpfs(PathBuf);

impl Tmpfs {
    pub fn on(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(&folder));
        Self(folder)
    }

    /// By another mount above it: whoever holds a file open in there keeps it, and writes nothing new.
    pub fn set_read_only(&self, read_only: bool) {
        if !read_only {
            return run(Command::new("umount").arg("--lazy").arg(&self.0));
        }
        run(Command::new("mount").arg("--bind").args([&self.0, &self.0]));
        run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&self.0));
    }

    /// To the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [4096, 1] {
            while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
        }
    }

    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        Path::new(&self.0).join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Whoever still runs in there may go on until it is killed.
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {why}hint: this test mounts a small disk, which takes a root user"
    );
}
