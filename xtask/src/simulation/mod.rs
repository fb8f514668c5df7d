//! A whole world in one thread of a test. Engine, store, agents and routers are the real ones; containers, the front end's
//! bucket and time are not. Time stands still while anything is to be done, and then jumps to whatever is due next.

mod approvals;
mod boundaries;
mod containers;
mod cut;
mod exec;
mod fleet;
mod host;
mod meter;
mod outputs;
mod providers;
mod retries;
mod schema;
mod site;
mod two_engines;
mod world;

use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z, so that ids made in a simulation are not those of another age.
const BEGINNING: i64 = 1_767_225_600;

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// This thread's time is the paused clock of its runtime until this is dropped.
#[derive(Debug)]
struct Simulated;

impl Simulated {
    fn begin() -> Self {
        BEGAN.set(Some(Instant::now()));
        Self
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        BEGAN.set(None);
    }
}

/// A world has a runtime of its own, and ends with it.
fn simulate<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// The wall clock of a simulation; `None` where there is none.
pub fn now() -> Option<Timestamp> {
    let elapsed = SignedDuration::try_from(BEGAN.get()?.elapsed()).ok()?;
    Timestamp::from_second(BEGINNING).ok()?.checked_add(elapsed).ok()
}

/// The monotonic clock of a simulated machine.
fn milliseconds() -> u64 {
    BEGAN.get().map_or(0, |began| began.elapsed().as_millis() as u64)
}
