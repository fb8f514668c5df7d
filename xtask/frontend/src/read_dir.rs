//! Reads the folder that holds a site.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const MAX_FILES: usize = 10_000;
const MAX_BYTES: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("could not read `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is not a folder", .0.display())]
    NotAFolder(PathBuf),
    #[error("`{}` holds more than {MAX_FILES} files: is it the folder that was built to be served?", .0.display())]
    TooManyFiles(PathBuf),
    #[error("`{}` holds more than {} MiB: keep large media in a bucket of its own", .0.display(), MAX_BYTES >> 20)]
    TooLarge(PathBuf),
    #[error("`{}` links to `{}`, outside the site's folder: copy the file instead", path.display(), target.display())]
    LinkOutside { path: PathBuf, target: PathBuf },
    #[error("`{}` is neither a file nor a folder (nor a link to a file)", .0.display())]
    NotAFile(PathBuf),
    #[error("the name of `{}` is not UTF-8: rename it", .0.display())]
    Name(PathBuf),
}

/// Every file under `dir`, by its path relative to it with forward slashes. Hidden files and folders are skipped.
pub fn read_dir(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, ReadError> {
    let root = dir.canonicalize().map_err(|source| ReadError::Io {
        path: dir.to_owned(),
        source,
    })?;
    if !root.is_dir() {
        return Err(ReadError::NotAFolder(dir.to_owned()));
    }
    let mut files = BTreeMap::new();
    let mut left = MAX_BYTES;
    let mut folders = vec![(root.clone(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |source| ReadError::Io {
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| ReadError::Name(entry.path()))?;
            if name.starts_with('.') {
                continue;
            }
            let relative = format!("{prefix}{name}");
            // `file_type` does not follow links, so a folder is never entered twice.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push((entry.path(), format!("{relative}/")));
                continue;
            }
            if files.len() == MAX_FILES {
                return Err(ReadError::TooManyFiles(dir.to_owned()));
            }
            let bytes = read_file(&root, &entry.path(), left)?;
            left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| ReadError::TooLarge(dir.to_owned()))?;
            files.insert(relative, bytes);
        }
    }
    Ok(files)
}

/// At most one byte more than `limit`.
fn read_file(root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let target = path.canonicalize().map_err(failed)?;
    if !target.starts_with(root) {
        return Err(ReadError::LinkOutside {
            path: path.to_owned(),
            target,
        });
    }
    // Asked before opening: opening a named pipe would wait for its writer.
    if !target.is_file() {
        return Err(ReadError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(&target)
        .map_err(failed)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_read_by_relative_path_and_hidden_ones_skipped() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("views/.cache")).unwrap();
        for path in ["index.html", "views/feed.js", ".DS_Store", "views/.cache/x.js"] {
            fs::write(dir.path().join(path), path).unwrap();
        }
        symlink("views/feed.js", dir.path().join("alias.js")).unwrap();
        let files = read_dir(dir.path()).unwrap();
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            ["alias.js", "index.html", "views/feed.js"]
        );
        assert_eq!(files["alias.js"], b"views/feed.js");
    }

    #[test]
    fn a_link_that_leads_out_of_the_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc/hostname", dir.path().join("host.txt")).unwrap();
        let error = read_dir(dir.path()).unwrap_err();
        assert!(matches!(error, ReadError::LinkOutside { .. }), "{error}");
    }

    #[test]
    fn a_link_to_a_folder_is_refused_so_that_no_walk_is_endless() {
        let dir = tempfile::tempdir().unwrap();
        symlink(".", dir.path().join("again")).unwrap();
        assert!(matches!(read_dir(dir.path()).unwrap_err(), ReadError::NotAFile(_)));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = read_dir(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(
            error.to_string().starts_with("could not read `/nowhere/at/all`"),
            "{error}"
        );
    }

    #[test]
    fn more_than_ten_thousand_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for index in 0..=MAX_FILES {
            File::create(dir.path().join(index.to_string())).unwrap();
        }
        assert!(matches!(read_dir(dir.path()).unwrap_err(), ReadError::TooManyFiles(_)));
    }
}
