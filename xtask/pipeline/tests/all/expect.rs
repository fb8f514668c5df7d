//! Whole outputs compared with files. `UPDATE_EXPECT=1 cargo test -p pipeline` writes the files anew.

use std::path::{Path, PathBuf};

/// A path from the project's root.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub fn expect_file(name: &str, actual: &str) {
    expect_path(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/all/golden")
            .join(name),
        actual,
    );
}

pub fn expect_path(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let differing = expected
        .lines()
        .zip(actual.lines())
        .position(|(expected, actual)| expected != actual);
    assert!(
        expected == actual,
        "{} differs from line {} on; if the new one is right, run `UPDATE_EXPECT=1 cargo test -p pipeline`\n\n{actual}",
        path.display(),
        differing.unwrap_or(expected.lines().count()) + 1,
    );
}
