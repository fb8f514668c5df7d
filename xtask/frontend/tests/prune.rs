//! What is kept for open tabs, and what goes.

mod common;

use common::{BUCKET, Store, generation, release, small_site};
use frontend::{FlipError, Publisher, Site};
use std::collections::BTreeSet;

/// Publishes the sites one after another; the last is live.
async fn published(sites: &[&Site]) -> (Store, Publisher) {
    let store = Store::start().await;
    let publisher = store.publisher();
    for (sequence, site) in sites.iter().enumerate() {
        publisher.upload(site, |_| {}).await.unwrap();
        publisher
            .flip(site.digest(), release(sequence as u64), generation(1, sequence as u32))
            .await
            .unwrap();
    }
    (store, publisher)
}

fn assets(sites: &[&Site]) -> BTreeSet<String> {
    sites
        .iter()
        .flat_map(|site| site.assets())
        .map(|asset| asset.key.clone())
        .collect()
}

async fn stored(store: &Store) -> BTreeSet<String> {
    store.keys("assets/").await.into_iter().collect()
}

#[tokio::test]
async fn assets_of_the_releases_before_the_live_one_stay_and_older_ones_go() {
    let sites: Vec<Site> = (0..5).map(|n| small_site(&n.to_string())).collect();
    let (store, publisher) = published(&sites.iter().collect::<Vec<_>>()).await;

    let report = publisher.prune(2).await.unwrap();
    assert_eq!((report.kept, report.retired.len(), report.left), (3, 2, 0));
    // Each of the two had three assets of its own; the style is everyone's.
    assert_eq!(report.deleted_assets, 6);
    assert_eq!(stored(&store).await, assets(&[&sites[2], &sites[3], &sites[4]]));
    assert!(
        !store
            .keys("releases/")
            .await
            .iter()
            .any(|key| key.contains(&sites[0].digest().hex()))
    );

    let back = publisher.flip(sites[0].digest(), release(9), generation(2, 0)).await;
    assert!(matches!(back, Err(FlipError::NotUploaded { .. })), "{back:?}");
    publisher
        .flip(sites[2].digest(), release(2), generation(2, 0))
        .await
        .unwrap();
    let again = publisher.prune(4).await.unwrap();
    assert_eq!((again.retired.len(), again.deleted_assets), (0, 0));
}

#[tokio::test]
async fn rank_is_by_when_a_release_was_live_and_not_by_when_it_was_uploaded() {
    let (a, b, c) = (small_site("a"), small_site("b"), small_site("c"));
    let (store, publisher) = published(&[&a, &b, &c]).await;
    // Back to the oldest, which open tabs then hold, and on again.
    publisher.flip(a.digest(), release(1), generation(2, 0)).await.unwrap();
    publisher.flip(c.digest(), release(3), generation(2, 1)).await.unwrap();
    publisher.prune(1).await.unwrap();
    assert_eq!(stored(&store).await, assets(&[&a, &c]));
}

#[tokio::test]
async fn an_upload_that_is_not_live_yet_is_left_alone() {
    let (old, live, coming) = (small_site("old"), small_site("live"), small_site("coming"));
    let (store, publisher) = published(&[&old, &live]).await;
    publisher.upload(&coming, |_| {}).await.unwrap();
    // Half an upload: assets that no manifest names yet.
    let stray = store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key("assets/stray.js")
        .body(b"x".to_vec().into());
    stray.send().await.unwrap();

    publisher.prune(0).await.unwrap();
    let mut expected = assets(&[&live, &coming]);
    expected.insert("assets/stray.js".to_owned());
    assert_eq!(stored(&store).await, expected);
    publisher
        .flip(coming.digest(), release(3), generation(2, 0))
        .await
        .unwrap();
}

#[tokio::test]
async fn old_assets_that_no_release_names_go() {
    let site = small_site("live");
    let (store, publisher) = published(&[&site]).await;
    let stray = store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key("assets/stray.js")
        .body(b"x".to_vec().into());
    stray.send().await.unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(store.dir.path().join(BUCKET).join("assets/stray.js"))
        .unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 60 * 60))
        .unwrap();

    assert_eq!(publisher.prune(5).await.unwrap().deleted_assets, 1);
    assert_eq!(stored(&store).await, assets(&[&site]));
}

#[tokio::test]
async fn without_a_live_release_nothing_is_deleted() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let site = small_site("one");
    publisher.upload(&site, |_| {}).await.unwrap();
    assert_eq!(publisher.prune(0).await.unwrap(), frontend::PruneReport::default());
    assert_eq!(stored(&store).await, assets(&[&site]));
}

#[tokio::test]
async fn nothing_is_deleted_while_it_cannot_be_told_what_a_kept_release_needs() {
    let sites: Vec<Site> = (0..3).map(|n| small_site(&n.to_string())).collect();
    let (store, publisher) = published(&sites.iter().collect::<Vec<_>>()).await;
    for broken in [&sites[1], &sites[2]] {
        let key = format!("releases/{}/manifest.json", broken.digest().hex());
        let object = store.client().put_object().bucket(BUCKET).key(&key);
        object.body(b"torn".to_vec().into()).send().await.unwrap();
        let error = publisher.prune(1).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{key}` cannot be used")), "{error}");
        assert_eq!(stored(&store).await, assets(&sites.iter().collect::<Vec<_>>()));
        let object = store.client().put_object().bucket(BUCKET).key(&key);
        object
            .body(broken.manifest_bytes().clone().into())
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_prune_deletes_a_bounded_number_and_the_next_the_rest() {
    let live = small_site("live");
    let (store, publisher) = published(&[&live]).await;
    let dir = store.dir.path().join(BUCKET).join("assets");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 60 * 60);
    for n in 0..1_100 {
        std::fs::File::create(dir.join(format!("stray{n}.js")))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let first = publisher.prune(5).await.unwrap();
    assert_eq!((first.deleted_assets, first.left), (1_000, 100));
    let second = publisher.prune(5).await.unwrap();
    assert_eq!((second.deleted_assets, second.left), (100, 0));
    assert_eq!(stored(&store).await, assets(&[&live]));
}
