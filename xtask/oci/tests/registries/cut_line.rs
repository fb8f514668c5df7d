//! A line that is cut in the middle of an upload.

use crate::parts::{Access, Ground, Registry, client, image};
use oci::Repository;
use oci::registry::{CredentialSource, Silent};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on, and cuts the first few connections once each has carried so many.
struct CutLine {
    address: SocketAddr,
    carried: Arc<AtomicU64>,
    cuts_left: Arc<AtomicU64>,
}

impl CutLine {
    async fn start(to: &str, cuts: u64, cut_after_bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            carried: Arc::default(),
            cuts_left: Arc::new(AtomicU64::new(cuts)),
        };
        let (to, carried, cuts_left) = (to.to_owned(), Arc::clone(&line.carried), Arc::clone(&line.cuts_left));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&to).await.unwrap();
                tokio::spawn(carry(
                    near,
                    far,
                    Arc::clone(&carried),
                    Arc::clone(&cuts_left),
                    cut_after_bytes,
                ));
            }
        });
        line
    }
}

async fn carry(
    near: TcpStream,
    far: TcpStream,
    carried: Arc<AtomicU64>,
    cuts_left: Arc<AtomicU64>,
    cut_after_bytes: u64,
) {
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut far_read, &mut near_write).await });
    let (mut here, mut buffer) = (0, vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = near_read.read(&mut buffer).await {
        if far_write.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        carried.fetch_add(read as u64, Ordering::Relaxed);
        here += read as u64;
        let one_less = |left: u64| left.checked_sub(1);
        if here > cut_after_bytes
            && cuts_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
        {
            // Both halves of both connections go at once: neither side gets a word of goodbye.
            back.abort();
            return;
        }
    }
}

/// Pushes an image of 24 MB over a line that is cut three times, each time after ten; gives how much was carried in all
/// for each byte of the image.
async fn carried_per_byte(registry: &str) -> f64 {
    let image = image(24_000_000);
    let line = CutLine::start(registry, 3, 10_000_000).await;
    let cut = Repository::parse(&format!("{}/shop", line.address)).unwrap();
    let client = client(CredentialSource::Anonymous);
    client.push(&cut, &image, &["v1"], &Silent).await.unwrap();
    let direct = Repository::parse(&format!("{registry}/shop")).unwrap();
    assert_eq!(client.resolve(&direct, "v1").await.unwrap(), Some(image.digest()));
    assert!(line.cuts_left.load(Ordering::Relaxed) <= 1, "the line was hardly cut");
    line.carried.load(Ordering::Relaxed) as f64 / image.size() as f64
}

#[tokio::test]
async fn an_upload_goes_on_where_the_line_was_cut() {
    let ground = Ground::start();
    let carried = carried_per_byte(&ground.registry.to_string()).await;
    assert!(
        carried < 1.2,
        "{carried:.2} bytes were carried for each byte of the image"
    );
}

/// Docker's registry before its version 3, which Debian has, cannot say what it kept of a chunk.
#[tokio::test]
async fn an_upload_begins_again_where_the_registry_does_not_know_how_to_go_on() {
    let registry = Registry::start(Access::Open);
    let carried = carried_per_byte(&registry.address).await;
    assert!(
        carried > 2.0,
        "{carried:.2}: this registry can go on; test that instead"
    );
}

#[tokio::test]
async fn a_registry_that_went_away_in_the_middle_is_named() {
    let registry = Registry::start(Access::Open);
    let line = CutLine::start(&registry.address, u64::MAX, 1_000_000).await;
    let repository = Repository::parse(&format!("{}/shop", line.address)).unwrap();
    let error = client(CredentialSource::Anonymous)
        .push(&repository, &image(5_000_000), &[], &Silent)
        .await
        .unwrap_err();
    let (host, text) = (line.address.to_string(), error.to_string());
    assert!(
        text.starts_with(&format!("registry `{host}`: cannot upload blob `")),
        "{text}"
    );
    assert!(
        text.contains("in `shop`: no answer: ") && text.contains(&format!("check that `{host}`")),
        "{text}"
    );
}
