//! Who decides what is live.

mod common;

use common::{BUCKET, Store, generation, release, small_site};
use frontend::{Flip, FlipError, Publisher, Site};

/// A store with the given sites uploaded.
async fn store_with(sites: &[&Site]) -> (Store, Publisher) {
    let store = Store::start().await;
    let publisher = store.publisher();
    for site in sites {
        publisher.upload(site, |_| {}).await.unwrap();
    }
    (store, publisher)
}

#[tokio::test]
async fn a_flip_is_one_write_and_the_way_back_another() {
    let (one, two) = (small_site("one"), small_site("two"));
    let (store, publisher) = store_with(&[&one, &two]).await;
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    store.take_log();

    let flip = publisher
        .flip(two.digest(), release(2), generation(2, 0))
        .await
        .unwrap();
    assert_eq!(
        flip,
        Flip::Moved {
            from: Some(one.digest())
        }
    );
    assert_eq!(store.take_writes(), ["index.html"]);
    let back = publisher
        .flip(one.digest(), release(1), generation(2, 1))
        .await
        .unwrap();
    assert_eq!(
        back,
        Flip::Moved {
            from: Some(two.digest())
        }
    );
    assert_eq!(store.take_writes(), ["index.html"]);
    let live = publisher.live().await.unwrap().unwrap();
    assert_eq!((live.manifest, live.release), (one.digest(), release(1)));
    assert_eq!(
        live.previous,
        [two.digest()],
        "each front end that was live before, once"
    );
}

#[tokio::test]
async fn flipping_to_what_is_live_writes_nothing() {
    let site = small_site("one");
    let (store, publisher) = store_with(&[&site]).await;
    publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    store.take_log();
    assert_eq!(
        publisher
            .flip(site.digest(), release(1), generation(1, 0))
            .await
            .unwrap(),
        Flip::Unchanged
    );
    assert_eq!(store.take_writes(), [] as [String; 0]);
}

#[tokio::test]
async fn the_same_front_end_under_a_newer_generation_shuts_out_the_older() {
    let (one, two) = (small_site("one"), small_site("two"));
    let (_store, publisher) = store_with(&[&one, &two]).await;
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    assert_eq!(
        publisher
            .flip(one.digest(), release(3), generation(3, 0))
            .await
            .unwrap(),
        Flip::Unchanged
    );
    let stale = publisher.flip(two.digest(), release(2), generation(2, 0)).await;
    assert!(matches!(stale, Err(FlipError::Superseded { .. })), "{stale:?}");
}

#[tokio::test]
async fn a_stale_generation_is_refused_and_told_who_took_over() {
    let (one, two) = (small_site("one"), small_site("two"));
    let (_store, publisher) = store_with(&[&one, &two]).await;
    publisher
        .flip(two.digest(), release(2), generation(2, 0))
        .await
        .unwrap();
    let error = publisher
        .flip(one.digest(), release(1), generation(1, 9))
        .await
        .unwrap_err();
    let expected = format!(
        "front end `{}` of release {} is live with generation 2.0, newer than 1.9: another release has taken over",
        two.digest().short(),
        release(2)
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(publisher.live().await.unwrap().unwrap().manifest, two.digest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_racing_flips_the_higher_generation_is_live_in_the_end() {
    let (base, low, high) = (small_site("base"), small_site("low"), small_site("high"));
    for first in [true, false] {
        let (store, publisher) = store_with(&[&base, &low, &high]).await;
        if first {
            publisher
                .flip(base.digest(), release(1), generation(1, 0))
                .await
                .unwrap();
        }
        // Both have read the same state when either write is let through.
        store.let_entry_writes_meet(2);
        let (low_flip, high_flip) = tokio::join!(
            publisher.flip(low.digest(), release(2), generation(2, 0)),
            publisher.flip(high.digest(), release(3), generation(3, 0)),
        );
        let from = first.then(|| base.digest());
        match low_flip {
            Ok(flip) => {
                assert_eq!(flip, Flip::Moved { from });
                assert_eq!(
                    high_flip.unwrap(),
                    Flip::Moved {
                        from: Some(low.digest())
                    }
                );
            }
            Err(error) => {
                assert!(matches!(error, FlipError::Superseded { .. }), "{error}");
                assert_eq!(high_flip.unwrap(), Flip::Moved { from });
            }
        }
        let live = publisher.live().await.unwrap().unwrap();
        assert_eq!((live.manifest, live.generation), (high.digest(), generation(3, 0)));
    }
}

#[tokio::test]
async fn a_front_end_that_comes_back_has_another_etag() {
    // Else a holder that read the first could, much later, write over the second: the ETag is all that S3 compares.
    let (one, two) = (small_site("one"), small_site("two"));
    let (store, publisher) = store_with(&[&one, &two]).await;
    let mut etags = Vec::new();
    for (sequence, site) in [&one, &two, &one].into_iter().enumerate() {
        publisher
            .flip(site.digest(), release(1), generation(1, sequence as u32))
            .await
            .unwrap();
        etags.push(publisher.live().await.unwrap().unwrap().etag);
    }
    assert!(
        etags[0] != etags[1] && etags[1] != etags[2] && etags[0] != etags[2],
        "{etags:?}"
    );
    let stale = store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key("index.html")
        .if_match(&etags[0]);
    assert!(stale.body(b"stale".to_vec().into()).send().await.is_err());
}

#[tokio::test]
async fn what_was_never_uploaded_cannot_go_live() {
    let (one, two) = (small_site("one"), small_site("two"));
    let (_store, publisher) = store_with(&[&one]).await;
    publisher
        .flip(one.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    let error = publisher
        .flip(two.digest(), release(2), generation(2, 0))
        .await
        .unwrap_err();
    let expected = format!("front end `{}` is not in the bucket", two.digest().short());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_document_that_no_flip_wrote_is_taken_over() {
    let site = small_site("one");
    let (store, publisher) = store_with(&[&site]).await;
    store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key("index.html")
        .body(b"old".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(publisher.live().await.unwrap(), None);
    let flip = publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap();
    assert_eq!(flip, Flip::Moved { from: None });
}

#[tokio::test]
async fn a_record_without_its_generation_is_not_written_over() {
    let site = small_site("one");
    let (store, publisher) = store_with(&[&site]).await;
    let half = store
        .client()
        .put_object()
        .bucket(BUCKET)
        .key("index.html")
        .metadata("manifest", site.digest().to_string());
    half.body(b"x".to_vec().into()).send().await.unwrap();
    let error = publisher
        .flip(site.digest(), release(1), generation(1, 0))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`index.html` cannot be used: it has metadata, but no `generation`"
    );
}
