//! New identifiers and other randomness.

use crate::clock;
use contract::{AskId, ReleaseId, RolloutId, TaskId};

fn now_ms() -> u64 {
    u64::try_from(clock::now().as_millisecond()).unwrap_or(0)
}

pub fn new_release() -> ReleaseId {
    ReleaseId::from_parts(now_ms(), rand::random())
}

pub fn new_rollout() -> RolloutId {
    RolloutId::from_parts(now_ms(), rand::random())
}

pub fn new_task() -> TaskId {
    TaskId::from_parts(now_ms(), rand::random())
}

pub fn new_ask() -> AskId {
    AskId::from_parts(now_ms(), rand::random())
}

/// Eight hexadecimal digits: tells this project's containers and networks from those of others on the same engine.
pub fn new_ground() -> String {
    format!("{:08x}", rand::random::<u32>())
}
