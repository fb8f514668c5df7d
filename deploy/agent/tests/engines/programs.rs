//! The programs of a host. Cargo builds for a test its own package's only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// It may take a while.
pub fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "router", "--package", "supervisor"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "router and supervisor do not build");
    });
}

pub fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_agent")).with_file_name(name)
}
