//! A site whose files are named after their content.

use crate::closure::{Node, closure_digests};
use crate::content::{content_type, language};
use crate::manifest::{Manifest, ManifestAsset, ManifestEntry};
use crate::reference::{Kind, Reference, references};
use bytes::Bytes;
use contract::Digest;
use std::collections::BTreeMap;
use std::fmt;

/// Every file but the entry document is published as `assets/NAME.HASH.EXT`, where the hash covers the file's bytes and
/// those of everything it references: a changed leaf renames its importers and nothing else. References between files
/// are rewritten to the published names, from the root, because the entry document answers for deep links too.
#[derive(Debug, Clone)]
pub struct Site {
    entry: String,
    document: Bytes,
    assets: Vec<Asset>,
    manifest: Manifest,
    manifest_bytes: Bytes,
    digest: Digest,
}

/// A file as it is published.
#[derive(Debug, Clone)]
pub struct Asset {
    pub key: String,
    pub bytes: Bytes,
    pub sha256: Digest,
    pub content_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    #[error("the site has no file `{entry}`, which is to be its entry document{}", hint(nearest))]
    NoEntry { entry: String, nearest: Option<String> },
    #[error("the entry document `{0}` must lie at the top of the site's folder and be an .html file")]
    BadEntry(String),
    #[error("`{0}` cannot be part of a URL as it is: name files with letters, digits, `.`, `_`, `-`, `~` and `@`")]
    BadName(String),
    #[error("`{0}` is not UTF-8, so its references cannot be found")]
    NotText(String),
    #[error("{}", lines(.0))]
    Missing(Vec<MissingReference>),
    #[error("the manifest could not be written: {0}")]
    Manifest(String),
}

/// A reference to a file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingReference {
    pub file: String,
    pub line: usize,
    pub path: String,
    /// The nearest existing path, from the top of the site.
    pub nearest: Option<String>,
}

impl fmt::Display for MissingReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            path,
            nearest,
        } = self;
        write!(f, "{file}:{line}: `{path}` names no file of the site{}", hint(nearest))
    }
}

impl Site {
    /// `files` by relative path with forward slashes; `entry` is one of them. All missing references are told at once.
    pub fn from_files(files: BTreeMap<String, Vec<u8>>, entry: &str) -> Result<Self, SiteError> {
        let sources = Sources::new(files, entry)?;
        let keys = sources.keys();
        let mut published = sources.published(&keys);
        let document = published.remove(entry).unwrap_or_default();
        let assets: Vec<Asset> = published
            .into_iter()
            .map(|(path, bytes)| Asset {
                key: keys[path].clone(),
                sha256: Digest::of(&bytes),
                content_type: content_type(path),
                bytes,
            })
            .collect();
        let manifest = Manifest {
            version: Manifest::VERSION,
            entry: ManifestEntry {
                path: entry.to_owned(),
                sha256: Digest::of(&document),
                size: document.len() as u64,
            },
            assets: keys
                .keys()
                .zip(&assets)
                .map(|(path, asset)| ManifestAsset {
                    path: (*path).to_owned(),
                    key: asset.key.clone(),
                    sha256: asset.sha256,
                    size: asset.bytes.len() as u64,
                    content_type: asset.content_type.to_owned(),
                })
                .collect(),
        };
        let manifest_bytes = manifest
            .to_bytes()
            .map_err(|error| SiteError::Manifest(error.to_string()))?;
        let digest = Digest::of(&manifest_bytes);
        Ok(Self {
            entry: entry.to_owned(),
            document,
            assets,
            manifest,
            manifest_bytes: manifest_bytes.into(),
            digest,
        })
    }

    /// The front end's identity: the same files have the same digest anywhere.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// The entry document, rewritten.
    pub fn document(&self) -> &Bytes {
        &self.document
    }

    /// Everything else, ordered by source path.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn manifest_bytes(&self) -> &Bytes {
        &self.manifest_bytes
    }
}

/// Files with their references resolved.
struct Sources {
    entry: String,
    files: BTreeMap<String, Source>,
}

struct Source {
    bytes: Vec<u8>,
    references: Vec<(Reference, Target)>,
}

/// What a reference leads to.
enum Target {
    File(String),
    /// The entry document: keeps its name, so its content is no part of anyone's hash.
    Entry,
    /// The site's root, where the entry document is served.
    Root,
}

impl Sources {
    fn new(files: BTreeMap<String, Vec<u8>>, entry: &str) -> Result<Self, SiteError> {
        if !files.contains_key(entry) {
            let nearest = nearest(entry, files.keys());
            return Err(SiteError::NoEntry {
                entry: entry.to_owned(),
                nearest,
            });
        }
        if entry.contains('/') || !content_type(entry).starts_with("text/html") {
            return Err(SiteError::BadEntry(entry.to_owned()));
        }
        if let Some(bad) = files.keys().find(|path| !is_plain_path(path)) {
            return Err(SiteError::BadName(bad.clone()));
        }
        let mut missing = Vec::new();
        let mut resolved = BTreeMap::new();
        for (path, bytes) in &files {
            resolved.insert(path.clone(), resolve_all(path, bytes, &files, entry, &mut missing)?);
        }
        if !missing.is_empty() {
            return Err(SiteError::Missing(missing));
        }
        let files = files
            .into_iter()
            .zip(resolved.into_values())
            .map(|((path, bytes), references)| (path, Source { bytes, references }))
            .collect();
        Ok(Self {
            entry: entry.to_owned(),
            files,
        })
    }

    /// The published key of every file but the entry document.
    fn keys(&self) -> BTreeMap<&str, String> {
        let paths: Vec<&str> = self
            .files
            .keys()
            .map(String::as_str)
            .filter(|path| *path != self.entry)
            .collect();
        let nodes: Vec<Node<'_>> = paths
            .iter()
            .map(|path| Node {
                path,
                content: Digest::of(&self.files[*path].bytes),
                references: self.files[*path]
                    .references
                    .iter()
                    .filter_map(|(_, target)| match target {
                        Target::File(to) => paths.binary_search(&to.as_str()).ok(),
                        Target::Entry | Target::Root => None,
                    })
                    .collect(),
            })
            .collect();
        let digests = closure_digests(&nodes);
        paths
            .iter()
            .zip(digests)
            .map(|(path, digest)| (*path, asset_key(path, &digest)))
            .collect()
    }

    /// Every file with its references rewritten.
    fn published(&self, keys: &BTreeMap<&str, String>) -> BTreeMap<&str, Bytes> {
        let rewritten = |source: &Source| {
            let mut bytes = Vec::with_capacity(source.bytes.len());
            let mut at = 0;
            for (reference, target) in &source.references {
                bytes.extend_from_slice(&source.bytes[at..reference.span.start]);
                bytes.push(b'/');
                bytes.extend_from_slice(match target {
                    Target::File(path) => keys[path.as_str()].as_bytes(),
                    Target::Entry => self.entry.as_bytes(),
                    Target::Root => b"",
                });
                at = reference.span.end;
            }
            bytes.extend_from_slice(&source.bytes[at..]);
            Bytes::from(bytes)
        };
        self.files
            .iter()
            .map(|(path, source)| (path.as_str(), rewritten(source)))
            .collect()
    }
}

/// The references of one file that lead to files of the site; those that should and do not go to `missing`.
fn resolve_all(
    file: &str,
    bytes: &[u8],
    files: &BTreeMap<String, Vec<u8>>,
    entry: &str,
    missing: &mut Vec<MissingReference>,
) -> Result<Vec<(Reference, Target)>, SiteError> {
    let Some(language) = language(file) else {
        return Ok(Vec::new());
    };
    let text = std::str::from_utf8(bytes).map_err(|_| SiteError::NotText(file.to_owned()))?;
    let mut found = Vec::new();
    for reference in references(language, text) {
        let path = &text[reference.span.clone()];
        let base = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let bases: &[&str] = if reference.kind == Kind::Literal {
            &[base, ""]
        } else {
            &[base]
        };
        let candidates = bases.iter().filter_map(|base| join(base, path));
        match candidates
            .into_iter()
            .find_map(|joined| target(joined, path, reference.kind, files, entry))
        {
            Some(target) => found.push((reference, target)),
            None if must_exist(path, reference.kind) => missing.push(MissingReference {
                file: file.to_owned(),
                line: text[..reference.span.start].matches('\n').count() + 1,
                path: path.to_owned(),
                nearest: join(base, path).and_then(|joined| nearest(&joined, files.keys())),
            }),
            None => {}
        }
    }
    Ok(found)
}

fn target(joined: String, path: &str, kind: Kind, files: &BTreeMap<String, Vec<u8>>, entry: &str) -> Option<Target> {
    // In a script, `"/"` and `"./"` are as likely a separator as a place.
    if joined.is_empty() {
        return (kind == Kind::Link).then_some(Target::Root);
    }
    if path.ends_with('/') || !files.contains_key(&joined) {
        return None;
    }
    Some(if joined == entry {
        Target::Entry
    } else {
        Target::File(joined)
    })
}

/// Whether a reference that leads nowhere is a mistake: routes of the page and of the API look like paths too.
fn must_exist(path: &str, kind: Kind) -> bool {
    let relative = !path.starts_with('/');
    match kind {
        Kind::Import => relative,
        Kind::Link => relative && (path.starts_with('.') || path.rsplit('/').next().is_some_and(|n| n.contains('.'))),
        Kind::Literal => false,
    }
}

/// `path` seen from the folder `base`, without `.` and `..`; `None` above the root.
fn join(base: &str, path: &str) -> Option<String> {
    let base = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn asset_key(path: &str, closure: &Digest) -> String {
    // 64 bits: among ten thousand files two would meet once in 300 billion sites.
    let hash = &closure.hex()[..16];
    let (folder, name) = path
        .rsplit_once('/')
        .map_or(("", path), |(folder, name)| (folder, name));
    let slash = if folder.is_empty() { "" } else { "/" };
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("assets/{folder}{slash}{stem}.{hash}.{extension}"),
        _ => format!("assets/{folder}{slash}{name}.{hash}"),
    }
}

/// Safe in a URL, in an object key and in every quoting context, without escapes.
fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-~@".contains(c);
    path.len() <= 512
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain))
}

fn nearest<'a>(path: &str, candidates: impl Iterator<Item = &'a String>) -> Option<String> {
    let (distance, nearest) = candidates
        .map(|other| (strsim::damerau_levenshtein(path, other), other))
        .min()?;
    (distance <= 2.max(path.len() / 3)).then(|| nearest.clone())
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

fn lines(missing: &[MissingReference]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
