//! Removing blobs that no manifest names, once, before anything is served: nobody can be pushing then.

use super::blobs::Blobs;
use super::manifests::Manifests;
use contract::Digest;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// A push that was cut short goes on where it was: what it had brought so far is kept for so long.
const KEEP_UNNAMED: Duration = Duration::from_secs(24 * 3_600);

/// Never a reason not to start: whatever cannot be read, nothing is removed.
pub fn sweep(blobs: &Blobs, manifests: &Manifests) {
    match remove_unnamed(blobs, manifests, KEEP_UNNAMED) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "swept blobs that no manifest names"),
        Err(error) => tracing::warn!(%error, "blobs were not swept"),
    }
}

fn remove_unnamed(blobs: &Blobs, manifests: &Manifests, keep: Duration) -> io::Result<usize> {
    let mut named = BTreeSet::<Digest>::new();
    for (digest, facts) in manifests.all()? {
        named.insert(digest);
        named.extend(facts.blobs);
    }
    let mut removed = 0;
    for (digest, written) in blobs.all()? {
        if !named.contains(&digest) && written.elapsed().unwrap_or_default() >= keep && blobs.remove(digest)? {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::super::manifest_document::Facts;
    use super::super::name::{Reference, Repository};
    use super::*;

    fn registry(root: &std::path::Path) -> (Blobs, Manifests) {
        std::fs::create_dir_all(root.join("scratch")).unwrap();
        (
            Blobs::open(root, &root.join("scratch")).unwrap(),
            Manifests::open(root, &root.join("scratch")).unwrap(),
        )
    }

    fn push(blobs: &Blobs, manifests: &Manifests, name: &str, layer: Digest) -> Digest {
        let bytes = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "x/y", "digest": layer, "size": 1}, "name": name});
        let bytes = bytes.to_string().into_bytes();
        let digest = blobs.put(&bytes).unwrap();
        let facts = Facts::of(&bytes, None).unwrap();
        manifests
            .put(
                &Repository::parse(name).unwrap(),
                &Reference::Digest(digest),
                digest,
                &facts,
            )
            .unwrap();
        digest
    }

    #[test]
    fn only_what_no_repository_names_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let (blobs, manifests) = registry(root.path());
        let (shared, orphan) = (blobs.put(b"shared").unwrap(), blobs.put(b"orphan").unwrap());
        let gone = push(&blobs, &manifests, "a", shared);
        let kept = push(&blobs, &manifests, "team/b", shared);
        assert!(manifests.remove(&Repository::parse("a").unwrap(), gone).unwrap());

        assert_eq!(
            remove_unnamed(&blobs, &manifests, KEEP_UNNAMED).unwrap(),
            0,
            "all of it is young"
        );
        assert_eq!(remove_unnamed(&blobs, &manifests, Duration::ZERO).unwrap(), 2);
        assert!(blobs.has(shared) && blobs.has(kept));
        assert!(!blobs.has(orphan) && !blobs.has(gone));
    }

    #[test]
    fn a_link_that_cannot_be_read_stops_the_sweep() {
        let root = tempfile::tempdir().unwrap();
        let (blobs, manifests) = registry(root.path());
        let orphan = blobs.put(b"orphan").unwrap();
        let linked = push(&blobs, &manifests, "a", orphan);
        std::fs::write(root.path().join("repositories/a/_manifests").join(linked.hex()), b"{").unwrap();
        let error = remove_unnamed(&blobs, &manifests, Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is corrupt"), "{error}");
        assert!(blobs.has(orphan));
    }
}
