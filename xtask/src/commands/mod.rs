//! The verbs, one file each.

pub mod approve;
pub mod bench;
pub mod completions;
pub mod doctor;
pub mod exec;
pub mod fuzz;
pub mod keys;
pub mod local;
pub mod logs;
pub mod plan;
pub mod release;
pub mod releases;
pub mod rollback;
pub mod schema;
pub mod seed;
pub mod status;
pub mod stop;
pub mod test;
pub mod unlock;
