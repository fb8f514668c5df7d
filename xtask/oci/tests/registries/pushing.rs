//! What goes up, what stays, and what comes back.

use crate::parts::{Access, Registry, client, image};
use contract::Digest;
use oci::image::{BuiltImage, FileEntry, ImageSpec, build};
use oci::registry::{CredentialSource, Progress, Silent};
use std::sync::Mutex;

/// Remembers what it was told.
#[derive(Default)]
struct Watched {
    totals: Mutex<Vec<u64>>,
    last: Mutex<u64>,
}

impl Progress for Watched {
    fn total(&self, bytes: u64) {
        self.totals.lock().unwrap().push(bytes);
    }
    fn bytes(&self, sent: u64) {
        *self.last.lock().unwrap() = sent;
    }
}

fn blob_bytes(image: &BuiltImage) -> u64 {
    image.blobs().map(|blob| blob.size()).sum()
}

#[tokio::test]
async fn an_image_goes_up_once_and_then_not_a_byte() {
    let registry = Registry::start(Access::Open);
    let (client, repository) = (client(CredentialSource::Anonymous), registry.repository("a/shop"));
    let image = image(1_000_000);
    assert!(!client.exists(&repository, image.digest()).await.unwrap());

    let watched = Watched::default();
    let first = client.push(&repository, &image, &["v1", "v2"], &watched).await.unwrap();
    assert_eq!(
        (first.digest, first.blobs_skipped, first.skipped_bytes),
        (image.digest(), 0, 0)
    );
    // Two layers and a config, then the SBOM with its empty config.
    assert_eq!(first.blobs_uploaded, 5);
    assert_eq!(*watched.totals.lock().unwrap(), [blob_bytes(&image)]);
    assert_eq!(*watched.last.lock().unwrap(), blob_bytes(&image));

    let second = client.push(&repository, &image, &["v1", "v2"], &Silent).await.unwrap();
    assert_eq!((second.blobs_uploaded, second.uploaded_bytes), (0, 0));
    assert_eq!((second.blobs_skipped, second.skipped_bytes), (5, first.uploaded_bytes));
    for tag in ["v1", "v2"] {
        assert_eq!(client.resolve(&repository, tag).await.unwrap(), Some(image.digest()));
    }
    assert_eq!(client.resolve(&repository, "v3").await.unwrap(), None);
    assert!(client.exists(&repository, image.digest()).await.unwrap());
}

#[tokio::test]
async fn an_edited_program_sends_its_own_layer_and_config_only() {
    let registry = Registry::start(Access::Open);
    let (client, repository) = (client(CredentialSource::Anonymous), registry.repository("shop"));
    let version = |program: &str| {
        let base = vec![FileEntry::file("/etc/motd", "hello")];
        build(&ImageSpec {
            layers: vec![base, vec![FileEntry::executable("/shop", program.to_owned())]],
            ..ImageSpec::default()
        })
        .unwrap()
    };
    client.push(&repository, &version("one"), &[], &Silent).await.unwrap();
    let report = client.push(&repository, &version("two"), &[], &Silent).await.unwrap();
    assert_eq!((report.blobs_uploaded, report.blobs_skipped), (2, 1));
}

#[tokio::test]
async fn what_was_pushed_comes_back_byte_for_byte() {
    let registry = Registry::start(Access::Open);
    let (client, repository) = (client(CredentialSource::Anonymous), registry.repository("shop"));
    let image = image(300_000);
    client.push(&repository, &image, &[], &Silent).await.unwrap();
    let manifest = client.pull_manifest(&repository, image.digest()).await.unwrap();
    assert_eq!(manifest.bytes, image.manifest.bytes);
    assert_eq!(manifest.media_type, image.manifest.media_type.as_str());
    for blob in image.blobs() {
        let mut sink = Vec::new();
        client
            .pull_blob(&repository, blob.digest, blob.size(), &mut sink)
            .await
            .unwrap();
        assert_eq!(sink, blob.bytes);
    }
    let error = client
        .pull_manifest(&repository, Digest::of(b"no such"))
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
}

#[tokio::test]
async fn the_sbom_is_found_from_the_image_also_where_there_is_no_referrers_api() {
    let registry = Registry::start(Access::Open);
    let (client, repository) = (client(CredentialSource::Anonymous), registry.repository("shop"));
    let image = image(1000);
    assert_eq!(client.referrers(&repository, image.digest()).await.unwrap(), []);
    // Twice: the list must not grow.
    for _ in 0..2 {
        client.push(&repository, &image, &[], &Silent).await.unwrap();
    }
    let sbom = image.sbom.as_ref().unwrap();
    let listed = client.referrers(&repository, image.digest()).await.unwrap();
    assert_eq!(listed, [sbom.descriptor()]);
    let manifest = client.pull_manifest(&repository, listed[0].digest).await.unwrap();
    assert_eq!(manifest.bytes, sbom.manifest.bytes);
}
