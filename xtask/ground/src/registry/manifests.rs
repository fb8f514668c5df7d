//! Which manifests and tags each repository has, as files below `repositories/NAME`.

use super::manifest_document::Facts;
use super::name::{Reference, Repository};
use crate::disk;
use contract::Digest;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub struct Manifests {
    dir: PathBuf,
    scratch: PathBuf,
}

const LINKS: &str = "_manifests";
const TAGS: &str = "_tags";
const REFERRERS: &str = "_referrers";

impl Manifests {
    pub fn open(root: &Path, scratch: &Path) -> io::Result<Self> {
        let manifests = Self {
            dir: root.join("repositories"),
            scratch: scratch.to_owned(),
        };
        std::fs::create_dir_all(&manifests.dir)?;
        Ok(manifests)
    }

    pub fn knows(&self, name: &Repository) -> bool {
        self.folder(name, LINKS).is_dir()
    }

    /// Links a manifest, whose bytes are a blob already, into a repository. The tag comes last: once it is seen,
    /// everything it leads to is there.
    pub fn put(&self, name: &Repository, reference: &Reference, digest: Digest, facts: &Facts) -> io::Result<()> {
        let links = self.folder(name, LINKS);
        let tags = self.folder(name, TAGS);
        std::fs::create_dir_all(&links)?;
        std::fs::create_dir_all(&tags)?;
        let text = serde_json::to_vec(facts)?;
        disk::write_atomically(&self.scratch, &links.join(digest.hex()), &text)?;
        if let Some(subject) = facts.subject {
            let referrers = self.referrers_folder(name, subject);
            std::fs::create_dir_all(&referrers)?;
            disk::write_atomically(&self.scratch, &referrers.join(digest.hex()), b"")?;
        }
        if let Reference::Tag(tag) = reference {
            disk::write_atomically(&self.scratch, &tags.join(tag), digest.to_string().as_bytes())?;
        }
        Ok(())
    }

    pub fn resolve(&self, name: &Repository, reference: &Reference) -> io::Result<Option<(Digest, Facts)>> {
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => match self.tagged(name, tag)? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        Ok(self.facts(name, digest)?.map(|facts| (digest, facts)))
    }

    pub fn facts(&self, name: &Repository, digest: Digest) -> io::Result<Option<Facts>> {
        self.read_link(&self.folder(name, LINKS).join(digest.hex()))
    }

    /// Removes the manifest from the repository, and the tags that name it. Says whether it was there.
    pub fn remove(&self, name: &Repository, digest: Digest) -> io::Result<bool> {
        let Some(facts) = self.facts(name, digest)? else {
            return Ok(false);
        };
        for tag in self.tags(name)? {
            if self.tagged(name, &tag)? == Some(digest) {
                self.remove_tag(name, &tag)?;
            }
        }
        if let Some(subject) = facts.subject {
            disk::remove_if_there(&self.referrers_folder(name, subject).join(digest.hex()))?;
        }
        disk::remove_if_there(&self.folder(name, LINKS).join(digest.hex()))
    }

    pub fn remove_tag(&self, name: &Repository, tag: &str) -> io::Result<bool> {
        disk::remove_if_there(&self.folder(name, TAGS).join(tag))
    }

    /// In the order of the specification: by bytes.
    pub fn tags(&self, name: &Repository) -> io::Result<Vec<String>> {
        let mut tags = file_names(&self.folder(name, TAGS))?;
        tags.sort();
        Ok(tags)
    }

    pub fn referrers(&self, name: &Repository, subject: Digest) -> io::Result<Vec<(Digest, Facts)>> {
        let mut found = Vec::new();
        for hex in file_names(&self.referrers_folder(name, subject))? {
            let Ok(digest) = Digest::parse(&format!("sha256:{hex}")) else {
                continue;
            };
            if let Some(facts) = self.facts(name, digest)? {
                found.push((digest, facts));
            }
        }
        found.sort_by_key(|(digest, _)| *digest);
        Ok(found)
    }

    /// Every manifest linked anywhere.
    pub fn all(&self) -> io::Result<Vec<(Digest, Facts)>> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name == LINKS {
                    for hex in file_names(&entry.path())? {
                        let digest = Digest::parse(&format!("sha256:{hex}")).map_err(io::Error::other)?;
                        found.extend(self.read_link(&entry.path().join(&hex))?.map(|facts| (digest, facts)));
                    }
                } else if !name.starts_with('_') && entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    fn tagged(&self, name: &Repository, tag: &str) -> io::Result<Option<Digest>> {
        match std::fs::read_to_string(self.folder(name, TAGS).join(tag)) {
            Ok(text) => Digest::parse(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<Facts>> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| io::Error::other(format!("`{}` is corrupt: {error}", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn folder(&self, name: &Repository, kind: &str) -> PathBuf {
        self.dir.join(name.folder()).join(kind)
    }

    fn referrers_folder(&self, name: &Repository, subject: Digest) -> PathBuf {
        self.folder(name, REFERRERS).join(subject.hex())
    }
}

/// None for a folder that is not there.
fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
