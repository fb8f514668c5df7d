//! What an upload sends, and what it leaves alone.

mod common;

use common::{BUCKET, Store, generation, release, site, small_site};
use flate2::read::GzDecoder;
use frontend::{Flip, FlipError, Progress, Site};
use std::io::Read as _;
use std::time::{Duration, Instant};

/// Keys of the small site's assets whose source paths are given.
fn keys(site: &Site, paths: &[&str]) -> Vec<String> {
    let assets = site
        .manifest()
        .assets
        .iter()
        .filter(|asset| paths.contains(&asset.path.as_str()));
    let mut keys: Vec<String> = assets.map(|asset| asset.key.clone()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_first_publication_sends_everything_and_the_flip_makes_it_live() {
    let store = Store::start().await;
    let (publisher, site) = (store.publisher(), small_site("one"));
    assert_eq!(publisher.live().await.unwrap(), None);

    let plan = publisher.plan(&site).await.unwrap();
    assert_eq!((plan.to_send.len(), plan.unchanged), (4, 0));
    let mut last = None;
    let report = publisher.upload(&site, |progress| last = Some(progress)).await.unwrap();
    assert_eq!((report.sent, report.unchanged), (4, 0));
    assert_eq!(
        last,
        Some(Progress {
            sent: 4,
            of: 4,
            sent_bytes: report.sent_bytes
        })
    );
    assert_eq!(
        publisher.live().await.unwrap(),
        None,
        "an upload alone changes nothing that users get"
    );

    let flip = publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    assert_eq!(flip, Flip::Moved { from: None });
    let live = publisher.live().await.unwrap().unwrap();
    assert_eq!(
        (live.manifest, live.release, live.generation),
        (site.digest(), release(1), generation(1, 0))
    );
}

#[tokio::test]
async fn an_unchanged_second_publication_sends_nothing_after_one_read() {
    let store = Store::start().await;
    let (publisher, site) = (store.publisher(), small_site("one"));
    publisher.upload(&site, |_| {}).await.unwrap();
    publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    store.take_log();

    let report = publisher
        .upload(&site, |_| panic!("nothing is to be sent"))
        .await
        .unwrap();
    assert_eq!((report.sent, report.sent_bytes, report.unchanged), (0, 0, 4));
    assert_eq!(store.take_log().len(), 1);
}

#[tokio::test]
async fn a_changed_leaf_sends_its_importers_and_no_other_asset() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let (one, two) = (small_site("one"), small_site("two"));
    publisher.upload(&one, |_| {}).await.unwrap();
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    store.take_log();

    let report = publisher.upload(&two, |_| {}).await.unwrap();
    assert_eq!((report.sent, report.unchanged), (3, 1));
    let mut expected = keys(&two, &["api.js", "feed.js", "main.js"]);
    expected.push(format!("releases/{}/index.html", two.digest().hex()));
    expected.push(format!("releases/{}/manifest.json", two.digest().hex()));
    assert_eq!(store.take_writes(), expected);
}

#[tokio::test]
async fn an_upload_that_dies_changes_nothing_for_users_and_the_next_sends_the_rest() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let old = small_site("one");
    publisher.upload(&old, |_| {}).await.unwrap();
    publisher
        .flip(old.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    let before = publisher.live().await.unwrap();

    let files: Vec<(String, String)> = (0..200)
        .map(|n| (format!("f{n}.js"), format!("export const n = {n};")))
        .collect();
    let mut files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    files.push(("index.html", "<script src=f0.js></script>"));
    let new = site(&files);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let dying = tokio::spawn({
        let (publisher, new) = (publisher.clone(), new.clone());
        async move {
            publisher
                .upload(&new, |progress| tell.send(progress.sent).unwrap())
                .await
        }
    });
    while told.recv().await.is_some_and(|sent| sent < 50) {}
    dying.abort();
    assert!(
        dying.await.unwrap_err().is_cancelled(),
        "the upload must not have come to its end"
    );

    assert_eq!(publisher.live().await.unwrap(), before);
    let flip = publisher.flip(new.digest(), release(2), generation(2, 0)).await;
    assert!(matches!(flip, Err(FlipError::NotUploaded { .. })), "{flip:?}");
    assert_eq!(publisher.live().await.unwrap(), before);

    let report = publisher.upload(&new, |_| {}).await.unwrap();
    assert!(
        report.unchanged >= 50 && report.sent + report.unchanged == 200,
        "{report:?}"
    );
    publisher
        .flip(new.digest(), release(2), generation(2, 0))
        .await
        .unwrap();
}

#[tokio::test]
async fn assets_may_be_cached_for_ever_and_the_entry_document_never_unasked() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let long = "a { color: red }\n".repeat(100);
    let site = site(&[
        ("index.html", "<link href=a.css><img src=b.png>"),
        ("a.css", &long),
        ("b.png", "png"),
    ]);
    publisher.upload(&site, |_| {}).await.unwrap();
    publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();

    let client = store.client();
    let get = async |key: &str| client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    let style = get(&keys(&site, &["a.css"])[0]).await;
    assert_eq!(style.content_type(), Some("text/css; charset=utf-8"));
    assert_eq!(style.content_encoding(), Some("gzip"));
    assert_eq!(style.cache_control(), Some("public, max-age=31536000, immutable"));
    assert_eq!(decoded(&style.body.collect().await.unwrap().into_bytes()), long);
    let image = get(&keys(&site, &["b.png"])[0]).await;
    assert_eq!(
        (image.content_type(), image.content_encoding()),
        (Some("image/png"), None)
    );
    let entry = get("index.html").await;
    assert_eq!(
        (entry.content_type(), entry.cache_control()),
        (Some("text/html; charset=utf-8"), Some("no-cache"))
    );
    assert_eq!(
        decoded(&entry.body.collect().await.unwrap().into_bytes()).as_bytes(),
        site.document()
    );
}

#[tokio::test]
async fn a_store_that_stumbles_is_asked_again() {
    let store = Store::start().await;
    let site = small_site("one");
    store.fail_writes(2);
    let report = store.publisher().upload(&site, |_| {}).await.unwrap();
    assert_eq!(report.sent, 4);
    let writes = store.take_writes().len();
    assert_eq!(
        writes,
        4 + 2 + 2,
        "four assets, manifest and document, and the two that failed"
    );
}

#[tokio::test]
async fn a_store_that_stays_down_is_named_with_key_and_bucket() {
    let store = Store::start().await;
    store.fail_writes(usize::MAX);
    let error = store
        .publisher()
        .upload(&small_site("one"), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("could not write `assets/"), "{error}");
    assert!(
        error.ends_with("in bucket `website`: the store answered 503"),
        "{error}"
    );
}

#[tokio::test]
async fn what_somebody_deleted_is_found_and_sent_when_manifests_are_not_trusted() {
    let store = Store::start().await;
    let (publisher, site) = (store.publisher(), small_site("one"));
    publisher.upload(&site, |_| {}).await.unwrap();
    let lost = keys(&site, &["api.js"]);
    store
        .client()
        .delete_object()
        .bucket(BUCKET)
        .key(&lost[0])
        .send()
        .await
        .unwrap();

    assert_eq!(publisher.upload(&site, |_| {}).await.unwrap().sent, 0);
    let careful = publisher.distrusting_manifests();
    assert_eq!(careful.plan(&site).await.unwrap().to_send, lost);
    assert_eq!(careful.upload(&site, |_| {}).await.unwrap().sent, 1);
    assert_eq!(careful.plan(&site).await.unwrap().to_send, [] as [String; 0]);
}

#[tokio::test]
async fn a_live_manifest_that_is_broken_costs_questions_and_no_mistake() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let (one, two) = (small_site("one"), small_site("two"));
    publisher.upload(&one, |_| {}).await.unwrap();
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    let key = format!("releases/{}/manifest.json", one.digest().hex());
    store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(b"{}".to_vec().into())
        .send()
        .await
        .unwrap();

    let plan = publisher.plan(&two).await.unwrap();
    assert_eq!(plan.to_send, keys(&two, &["api.js", "feed.js", "main.js"]));
}

#[tokio::test]
async fn five_hundred_files_are_quick_and_a_change_of_one_costs_one() {
    let store = Store::start().await;
    let publisher = store.publisher();
    let build = |changed: &str| {
        let padding = "// padding\n".repeat(500);
        let files: Vec<(String, String)> = (0..500)
            .map(|n| {
                (
                    format!("f{n}.js"),
                    format!("export const n = '{n}{}';{padding}", if n == 7 { changed } else { "" }),
                )
            })
            .collect();
        let mut files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        files.push(("index.html", "<script src=f7.js></script>"));
        site(&files)
    };
    let (one, two) = (build(""), build("!"));
    let start = Instant::now();
    publisher.upload(&one, |_| {}).await.unwrap();
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    let first = start.elapsed();
    store.take_log();
    let start = Instant::now();
    let report = publisher.upload(&two, |_| {}).await.unwrap();
    let second = start.elapsed();
    assert_eq!((report.sent, report.unchanged), (1, 499));
    // Counted rather than timed: a busy machine is slow, but it asks no more.
    assert!(store.take_log().len() <= 7, "499 unchanged assets cost no request");
    assert!(first < Duration::from_secs(60), "took {first:?}");
    eprintln!("500 files: {first:?}, then one changed: {second:?}");
}

fn decoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}
