//! Each claim in memory, on a directory and on an S3 server in this process; and what is told of a place that is unfit.

mod claims;
mod server;

use anyhow::Result;
use claims::Place;
use futures_util::future::BoxFuture;
use store::{Backend, Condition, Memory, Read, Revision, Store, Unfit, WriteError};

async fn places() -> [Place; 3] {
    let dir = tempfile::tempdir().unwrap();
    let (bucket, server) = server::Server::start().await;
    [
        Place {
            store: Store::new(Memory::default()),
            _alive: Box::new(()),
        },
        Place {
            store: Store::directory(dir.path().join("not/yet/there")),
            _alive: Box::new(dir),
        },
        Place {
            store: bucket,
            _alive: Box::new(server),
        },
    ]
}

type Ignores = fn(Condition<'_>) -> bool;

/// Writes whatever the condition says, or whatever one of them says.
#[derive(Debug)]
struct Careless {
    kept: Memory,
    ignores: Ignores,
}

impl Backend for Careless {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, Result<Read>> {
        self.kept.read(key, known)
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        let heeded = if (self.ignores)(condition) {
            Condition::None
        } else {
            condition
        };
        self.kept.write(key, bytes, heeded)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.kept.delete(key)
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>>> {
        self.kept.list(folder, limit)
    }

    fn locate(&self, key: &str) -> String {
        self.kept.locate(key)
    }
}

#[tokio::test]
async fn a_place_that_overwrites_in_spite_of_a_condition_is_found_out() {
    let kinds: [(Ignores, &str); 3] = [
        (|_| true, "If-None-Match"),
        (|condition| matches!(condition, Condition::Absent), "If-None-Match"),
        (|condition| matches!(condition, Condition::Is(_)), "If-Match"),
    ];
    for (ignores, named) in kinds {
        let kept = Memory::default();
        let unfit = Store::new(Careless { kept, ignores }).expect_conditional_writes().await;
        let unfit = unfit.unwrap_err();
        assert!(matches!(unfit, Unfit::Overwrites { .. }), "{unfit}");
        assert!(unfit.to_string().contains(named), "{unfit}");
    }
}
