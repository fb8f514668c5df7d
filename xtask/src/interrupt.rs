//! Ctrl-C, or a polite request to end. While something is in hand that must not be dropped, the first one asks for it to be
//! finished or undone; the second leaves at once, as one does when nothing is in hand.

use crate::failure::{Exit, Failure, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: watch::Sender<bool>,
    in_hand: Arc<AtomicUsize>,
}

/// Something is in hand until this is dropped.
#[derive(Debug)]
pub struct InHand(Arc<AtomicUsize>);

impl Interrupt {
    pub fn new() -> Self {
        Self {
            asked: watch::Sender::new(false),
            in_hand: Arc::default(),
        }
    }

    pub fn hold(&self) -> InHand {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        InHand(self.in_hand.clone())
    }

    /// Returns whether it is worth waiting for what is in hand.
    pub fn ask(&self) -> bool {
        self.asked.send_replace(true);
        self.in_hand.load(Ordering::Relaxed) > 0
    }

    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Between two steps.
    pub fn check(&self) -> Result<()> {
        match self.is_asked() {
            true => Err(cancelled()),
            false => Ok(()),
        }
    }

    /// For work that leaves nothing behind when it is dropped in the middle.
    pub async fn cuts<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut asked = self.asked.subscribe();
        let outcome = tokio::select! {
            outcome = work => outcome,
            // The sender lives as long as this does.
            _ = asked.wait_for(|asked| *asked) => Err(cancelled()),
        };
        // On a terminal, Ctrl-C reaches the programs that were started, too, and these are then said to have failed.
        match outcome {
            Err(failure) if failure.exit == Exit::Failed && self.is_asked() => Err(cancelled()),
            outcome => outcome,
        }
    }
}

pub fn cancelled() -> Failure {
    Failure::new(Exit::Cancelled, "ended, as asked")
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_in_hand_is_worth_waiting_for_and_other_work_is_cut() {
        let interrupt = Interrupt::new();
        let held = interrupt.hold();
        assert!(interrupt.check().is_ok());
        assert!(interrupt.ask());
        drop(held);
        assert!(!interrupt.ask());
        let never = interrupt.cuts(std::future::pending::<Result<()>>()).await;
        assert_eq!(never.unwrap_err().exit, Exit::Cancelled);
        let failed = interrupt
            .cuts(async { Err::<(), _>(Failure::failed("killed by SIGINT")) })
            .await;
        assert_eq!(failed.unwrap_err().exit, Exit::Cancelled);
    }
}
