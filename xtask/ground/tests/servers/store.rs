//! The embedded bucket, held against what every store of releases has to be.

use crate::support::{BUCKET, Ground};
use ::store::Store;
use claims::Place;

#[path = "../../../../deploy/store/tests/store/claims.rs"]
mod claims;

async fn places() -> [Place; 1] {
    let ground = Ground::start();
    [Place {
        store: Store::s3(&ground.s3_access(), BUCKET.to_owned(), "some/prefix"),
        _alive: Box::new(ground),
    }]
}
