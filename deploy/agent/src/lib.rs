//! Keeps this host's containers and its router's table in step with what the channel asks for.
//!
//! What is guaranteed, whatever dies and whenever:
//! - What serves goes on serving until its successor is proven; a version that fails its gate never takes a request.
//! - The agent's death touches no traffic: containers belong to the engine, weights to the router.
//! - Only the controller gives a candidate more traffic. This process may only take it away: when the candidate fails,
//!   or when nothing was heard from the controller for as long as the lease allows.
//! - A one-shot task is run at most once: its container carries its id, its result is on disk before that goes.
//!
//! - What somebody asks to hear is answered by a task of its own, within bounds, and touches nothing of the above.
//!
//! What is owned here is a cache (`agent/state.json`): without it everything is found again from container labels, the
//! router's state and the channel.

mod accept;
mod act;
mod agent;
mod asks;
pub mod commands;
mod contact;
mod containers;
mod decide;
mod documents;
mod evidence;
mod follow;
#[doc(hidden)]
pub mod fuzzing;
mod images;
mod jitter;
mod observe;
mod ports;
mod probe;
mod process;
mod reach;
mod readings;
mod report;
mod retire;
mod room;
mod router;
mod saying;
mod secrets;
mod shelf;
mod start;
mod state;
mod tables;
mod tasks;
mod tidy;
mod trust;
mod world;

pub use agent::run;
pub use reach::{Reach, Stream, ThisHost};
