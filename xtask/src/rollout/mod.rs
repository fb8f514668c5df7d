//! Bringing a release to the hosts of one environment.
//!
//! `document` writes what hosts are told, `next` decides what to do about what they answer (pure), `controller` does it.

mod controller;
mod document;
mod next;

pub use controller::{Rollout, RolloutStart, SHIFT_WITHIN, START_MARGIN, Told};
pub use next::StepResult;
