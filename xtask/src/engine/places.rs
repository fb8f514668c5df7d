//! Where records may be, each time empty: what holds for them holds in memory, in a directory and on an S3 server.

use super::Records;
use std::any::Any;
use store::{Memory, Store};

#[path = "../../../deploy/store/tests/store/server.rs"]
mod server;

pub struct Place {
    pub name: &'static str,
    pub records: Records,
    /// Lives as long as the records do.
    _alive: Box<dyn Any + Send>,
}

pub async fn places() -> [Place; 3] {
    let folder = tempfile::tempdir().unwrap();
    let directory = Store::directory(folder.path().to_owned());
    let (bucket, server) = server::Server::start().await;
    [
        place("memory", Store::new(Memory::default()), ()),
        place("a directory", directory, folder),
        place("a bucket", bucket, server),
    ]
}

fn place(name: &'static str, store: Store, alive: impl Any + Send) -> Place {
    Place {
        name,
        records: Records::new(store),
        _alive: Box::new(alive),
    }
}
