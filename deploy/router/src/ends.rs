//! What ends a router: a word from outside, or a successor.

use crate::handover::Successor;
use anyhow::Result;
use host::notify;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Ends {
    terminate: Signal,
    interrupt: Signal,
    hand_over: Signal,
}

impl Ends {
    pub fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// Returns once this router is to end: told so, or with a successor under way. One that cannot begin changes nothing.
    pub async fn wait(&mut self, successor: Arc<Successor>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return notify::stopping(),
                _ = self.interrupt.recv() => return notify::stopping(),
                _ = self.hand_over.recv() => (),
            }
            notify::reloading();
            let successor = successor.clone();
            let started = tokio::task::spawn_blocking(move || successor.start()).await;
            match started.map_err(anyhow::Error::from).flatten() {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(why = format!("{error:#}"), "no successor; this router goes on serving");
                    notify::ready();
                }
            }
        }
    }
}
