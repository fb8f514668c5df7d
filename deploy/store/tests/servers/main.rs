//! S3 servers that other people wrote. Not part of a plain `cargo test`, because they are fetched with pip: the tier `stores`
//! of `cargo xtask test`.

#[path = "../store/claims.rs"]
mod claims;
mod server;

use claims::Place;
use server::{Kind, Server};
use store::{Store, Unfit};

const BUCKET: &str = "store";

async fn bucket(kind: Kind) -> Place {
    let server = Server::start(kind);
    let client = server.access().client();
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    Place {
        store: Store::s3(&server.access(), BUCKET.to_owned(), "some/prefix"),
        _alive: Box::new(server),
    }
}

async fn places() -> [Place; 2] {
    [bucket(Kind::Moto).await, bucket(Kind::Ministack).await]
}

#[tokio::test]
async fn a_server_that_knows_no_conditional_writes_is_found_out() {
    let place = bucket(Kind::Rclone).await;
    let unfit = place.store.expect_conditional_writes().await.unwrap_err();
    assert!(matches!(unfit, Unfit::Overwrites { .. }), "{unfit}");
}
