//! What router and agent print, kept beside `host.json` within bounds.
//!
//! They write to the file themselves rather than through a pipe, so that they can go on when the supervisor is gone. It
//! is therefore shortened in place: what is printed between the copy and the cut, microseconds, is lost.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Looked at every second; there is one older part of the same size.
pub const LOG_BYTES: u64 = 4 * 1024 * 1024;

pub fn open(path: &Path) -> io::Result<File> {
    // Append mode: after a cut, the next line goes to the new end.
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Moves the content of a log that has grown beyond `bound` to `NAME.1`.
pub fn cut(path: &Path, bound: u64) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if file.metadata()?.len() > bound {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        std::fs::copy(path, PathBuf::from(older))?;
        file.set_len(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_moved_once_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("router.log");
        cut(&path, 10).unwrap();
        let mut writer = open(&path).unwrap();
        writer.write_all(b"0123456789").unwrap();
        cut(&path, 10).unwrap();
        assert!(!dir.path().join("router.log.1").exists());
        writer.write_all(b"more").unwrap();
        cut(&path, 10).unwrap();
        writer.write_all(b"after").unwrap();
        assert_eq!(
            std::fs::read(dir.path().join("router.log.1")).unwrap(),
            b"0123456789more"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
    }
}
