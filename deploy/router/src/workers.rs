//! Threads that serve connections, each for itself: a request and its backend's connection never change threads, so that
//! nobody has to wake anybody else for it.

use crate::limits::WORKERS;
use anyhow::{Context, Result};
use std::cell::Cell;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

thread_local! {
    static OWN_INDEX: Cell<usize> = const { Cell::new(0) };
}

/// Of the worker this is called in.
pub fn own_index() -> usize {
    OWN_INDEX.get()
}

/// Begins something, inside of a worker.
pub type Beginning = Box<dyn FnOnce() + Send>;

/// They end when the last of these is gone, whatever they are in the middle of.
#[derive(Debug, Clone)]
pub struct Workers {
    /// No longer than there may be connections.
    inboxes: Arc<[UnboundedSender<Beginning>]>,
    next: Arc<AtomicUsize>,
}

impl Workers {
    /// As many as the machine has processors for.
    pub fn start() -> Result<Self> {
        let count = std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(WORKERS);
        let start = |index| {
            let (inbox, beginnings) = unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("cannot start a worker")?;
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let work = move || {
                OWN_INDEX.set(index);
                runtime.block_on(work(beginnings));
            };
            thread.spawn(work).context("cannot start a worker's thread")?;
            Ok(inbox)
        };
        let inboxes: Result<Vec<_>> = (0..count).map(start).collect();
        Ok(Self {
            inboxes: inboxes?.into(),
            next: Arc::default(),
        })
    }

    /// To each in turn: which of them has the least to do shows only later.
    pub fn hand_over(&self, beginning: Beginning) {
        let index = self.next.fetch_add(1, Relaxed) % self.inboxes.len();
        if self.inboxes[index].send(beginning).is_err() {
            tracing::error!(index, "a worker is gone");
        }
    }
}

async fn work(mut beginnings: UnboundedReceiver<Beginning>) {
    while let Some(begin) = beginnings.recv().await {
        begin();
    }
}
