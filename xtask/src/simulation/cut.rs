//! Where an engine is cut off: before or after one of its effects on the world, for good or until it is revived.

use crate::interrupt::Interrupt;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Backend, Condition, Read, Revision, Store, Surveyed, WriteError};
use tokio::sync::{Notify, Semaphore};

#[derive(Debug)]
enum Boundary {
    /// Counted from 1.
    Number(usize),
    /// The first of this name.
    Name(&'static str),
}

/// One engine's life.
#[derive(Debug)]
pub struct Cut {
    /// The boundary at which something happens to it.
    at: Option<Boundary>,
    /// It is asked to end, instead of being cut off.
    pub interrupt: Option<Interrupt>,
    lived: Mutex<Vec<String>>,
    dead: Notify,
    revival: Semaphore,
}

impl Cut {
    pub fn never() -> Arc<Self> {
        Self::new(None, None)
    }

    pub fn at(boundary: usize) -> Arc<Self> {
        Self::new(Some(Boundary::Number(boundary)), None)
    }

    pub fn named(boundary: &'static str) -> Arc<Self> {
        Self::new(Some(Boundary::Name(boundary)), None)
    }

    /// Not cut off, but asked to end.
    pub fn asking(boundary: usize) -> Arc<Self> {
        Self::new(Some(Boundary::Number(boundary)), Some(Interrupt::new()))
    }

    pub fn asking_at(boundary: &'static str) -> Arc<Self> {
        Self::new(Some(Boundary::Name(boundary)), Some(Interrupt::new()))
    }

    fn new(at: Option<Boundary>, interrupt: Option<Interrupt>) -> Arc<Self> {
        Arc::new(Self {
            at,
            interrupt,
            lived: Mutex::default(),
            dead: Notify::new(),
            revival: Semaphore::new(0),
        })
    }

    /// Does something that others can see, between two boundaries.
    pub async fn around<T>(&self, what: &str, effect: impl Future<Output = T>) -> T {
        self.boundary(format!("before {what}")).await;
        let outcome = effect.await;
        self.boundary(format!("after {what}")).await;
        outcome
    }

    /// Does not return at the last one, nor at any after it: whatever of the engine is still there can do nothing more.
    async fn boundary(&self, name: String) {
        let is_last = {
            let mut lived = self.lived.lock().unwrap_or_else(PoisonError::into_inner);
            let was_last = self.interrupt.is_none() && lived.iter().enumerate().any(|lived| self.is_at(lived));
            if !was_last {
                lived.push(name);
            }
            was_last
                || lived
                    .iter()
                    .enumerate()
                    .next_back()
                    .is_some_and(|lived| self.is_at(lived))
        };
        if let (Some(interrupt), true) = (&self.interrupt, is_last) {
            interrupt.ask();
        } else if is_last {
            self.dead.notify_one();
            let _ = self.revival.acquire().await;
        }
    }

    fn is_at(&self, (index, name): (usize, &String)) -> bool {
        match self.at {
            None => false,
            Some(Boundary::Number(number)) => number == index + 1,
            Some(Boundary::Name(wanted)) => name == wanted,
        }
    }

    /// As a machine that was suspended: it goes on where it was, and does not know.
    pub fn revive(&self) {
        self.revival.add_permits(1);
    }

    pub async fn died(&self) {
        self.dead.notified().await;
    }

    pub fn boundaries(&self) -> Vec<String> {
        self.lived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A part of a store, with whatever is written there between two boundaries.
#[derive(Debug)]
pub struct Observed {
    store: Store,
    folder: String,
    cut: Arc<Cut>,
}

impl Observed {
    pub fn store(store: &Store, folder: String, cut: &Arc<Cut>) -> Store {
        Store::new(Self {
            store: store.clone(),
            folder,
            cut: cut.clone(),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.folder)
    }
}

impl Backend for Observed {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, anyhow::Result<Read>> {
        async move { self.store.read(&self.key(key), known).await }.boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        let what = format!("writing {}", self.key(key));
        async move {
            let written = async { self.store.write(&self.key(key), bytes, condition).await };
            self.cut.around(&what, written).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        let what = format!("deleting {}", self.key(key));
        async move {
            self.cut
                .around(&what, async { self.store.delete(&self.key(key)).await })
                .await
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, anyhow::Result<Vec<String>>> {
        async move { self.store.list(&self.key(folder), limit).await }.boxed()
    }

    fn survey<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, anyhow::Result<Vec<Surveyed>>> {
        async move { self.store.survey(&self.key(folder), limit).await }.boxed()
    }

    fn locate(&self, key: &str) -> String {
        self.store.locate(&self.key(key))
    }
}
