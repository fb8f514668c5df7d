//! A layer: files as a tar archive whose bytes depend on nothing but those files.

use super::{AssemblyError, Blob, MediaType};
use bytes::Bytes;
use contract::Digest;
use flate2::{Compression, GzBuilder};
use std::io::{self, Write as _};
use tar::{EntryType, Header};

/// One thing in a layer's file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Absolute and plain: `/etc/passwd`. Missing parent directories are the engine's to make (root's, 0755).
    pub path: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    File(Bytes),
    Directory,
    /// Points at this path, which need not exist.
    Symlink(String),
}

impl FileEntry {
    /// A file of root's that all may read.
    pub fn file(path: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::root(path, 0o644, Content::File(bytes.into()))
    }

    /// A file of root's that all may run.
    pub fn executable(path: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::root(path, 0o755, Content::File(bytes.into()))
    }

    pub fn directory(path: impl Into<String>, mode: u32) -> Self {
        Self::root(path, mode, Content::Directory)
    }

    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::root(path, 0o777, Content::Symlink(target.into()))
    }

    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    fn root(path: impl Into<String>, mode: u32, content: Content) -> Self {
        Self {
            path: path.into(),
            mode,
            uid: 0,
            gid: 0,
            content,
        }
    }
}

/// A compressed layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub blob: Blob,
    /// The digest of the archive before compression, by which the image config knows it.
    pub diff_id: Digest,
}

impl Layer {
    pub(super) fn build(entries: &[FileEntry]) -> Result<Self, AssemblyError> {
        let mut sorted: Vec<&FileEntry> = entries.iter().collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        for entry in &sorted {
            check_path(&entry.path)?;
        }
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(AssemblyError::Twice {
                path: pair[0].path.clone(),
            });
        }
        let archive = archive(&sorted)?;
        let diff_id = Digest::of(&archive);
        let compressed = compress(&archive).map_err(|error| AssemblyError::archive("the layer", &error))?;
        Ok(Self {
            blob: Blob::new(compressed, MediaType::Layer),
            diff_id,
        })
    }
}

fn archive(entries: &[&FileEntry]) -> Result<Vec<u8>, AssemblyError> {
    let size: usize = entries.iter().map(|entry| entry.size() + 1024).sum();
    let mut tar = tar::Builder::new(Vec::with_capacity(size));
    for entry in entries {
        append(&mut tar, entry).map_err(|error| AssemblyError::archive(&entry.path, &error))?;
    }
    tar.into_inner()
        .map_err(|error| AssemblyError::archive("the layer", &error))
}

fn append(tar: &mut tar::Builder<Vec<u8>>, entry: &FileEntry) -> io::Result<()> {
    // GNU headers: the tar crate spells names over 100 bytes as GNU long-name entries, which every engine reads.
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(0);
    header.set_size(0);
    let path = entry.path.trim_start_matches('/');
    match &entry.content {
        Content::File(bytes) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_ref())
        }
        Content::Directory => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Content::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, path, target)
        }
    }
}

fn compress(archive: &[u8]) -> io::Result<Vec<u8>> {
    // Both header fields are written out, because their defaults are the library's to change: no time, and "unknown" for
    // the operating system.
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut gzip = builder.write(Vec::with_capacity(archive.len() / 2), Compression::new(6));
    gzip.write_all(archive)?;
    gzip.finish()
}

/// One spelling per path, nothing outside the root, and nothing an engine reads as "delete this".
fn check_path(path: &str) -> Result<(), AssemblyError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(".wh.") && !part.contains('\0');
    match path.strip_prefix('/') {
        Some(relative) if relative.split('/').all(plain) => Ok(()),
        _ => Err(AssemblyError::Path {
            path: path.chars().take(200).collect(),
        }),
    }
}

impl FileEntry {
    fn size(&self) -> usize {
        match &self.content {
            Content::File(bytes) => bytes.len(),
            Content::Directory | Content::Symlink(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn some_files() -> Vec<FileEntry> {
        vec![
            FileEntry::file("/etc/motd", "hello\n"),
            FileEntry::executable("/app", vec![7; 10_000]),
            FileEntry::directory("/tmp", 0o1777),
            FileEntry::symlink("/bin/app", "/app"),
            FileEntry::file(format!("/srv/{}/deep", "a".repeat(120)), "x").owned_by(5, 6),
        ]
    }

    fn unpacked(layer: &Layer) -> Vec<u8> {
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(layer.blob.bytes.as_ref())
            .read_to_end(&mut archive)
            .unwrap();
        archive
    }

    #[test]
    fn the_order_files_are_given_in_does_not_show() {
        let mut files = some_files();
        let first = Layer::build(&files).unwrap();
        files.reverse();
        assert_eq!(Layer::build(&files).unwrap(), first);
    }

    #[test]
    fn nothing_of_this_machine_or_time_is_in_a_layer() {
        let layer = Layer::build(&some_files()).unwrap();
        // Magic, deflate, no flags, no time, (extra flags), unknown system.
        assert_eq!(layer.blob.bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        assert_eq!(layer.blob.bytes[9], 255);
        let archive = unpacked(&layer);
        assert_eq!(Digest::of(&archive), layer.diff_id);
        let mut reader = tar::Archive::new(archive.as_slice());
        let mut paths = Vec::new();
        for entry in reader.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            assert_eq!(header.username().unwrap(), Some(""));
            assert_eq!(header.groupname().unwrap(), Some(""));
            paths.push((
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
                header.uid().unwrap(),
            ));
        }
        let expected = [
            ("app".to_owned(), 0o755, 0),
            ("bin/app".to_owned(), 0o777, 0),
            ("etc/motd".to_owned(), 0o644, 0),
            (format!("srv/{}/deep", "a".repeat(120)), 0o644, 5),
            ("tmp/".to_owned(), 0o1777, 0),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn paths_that_are_not_plain_are_refused_by_name() {
        for bad in [
            "",
            "/",
            "etc/passwd",
            "/a//b",
            "/a/",
            "/a/../b",
            "/./a",
            "/a/.wh.b",
            "/a\0b",
        ] {
            let error = Layer::build(&[FileEntry::file(bad, "")]).unwrap_err();
            assert!(
                matches!(&error, AssemblyError::Path { path } if path == bad),
                "`{bad}`: {error:?}"
            );
        }
    }

    #[test]
    fn a_path_given_twice_is_refused_by_name() {
        let error = Layer::build(&[FileEntry::file("/a", "1"), FileEntry::file("/a", "2")]).unwrap_err();
        assert!(
            matches!(&error, AssemblyError::Twice { path } if path == "/a"),
            "{error:?}"
        );
    }
}
