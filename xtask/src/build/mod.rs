//! From source to an image in the registry.

mod docker;
mod native;
mod promote;
mod push;
pub mod stages;

use crate::context::Context;
use crate::failure::Result;
use contract::ImageRef;
use pipeline::model::Builder;
use serde::{Deserialize, Serialize};

/// What the build stage found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    pub image: ImageRef,
    pub builder: String,
    /// Of the image as the registry stores it.
    pub size: u64,
    pub uploaded: u64,
    pub compile_ms: u64,
    pub push_ms: u64,
}

/// Of the source tree.
pub async fn build(context: &Context) -> Result<Built> {
    match context.pipeline.build.builder {
        Builder::Docker => docker::build(context).await,
        Builder::Native => native::build(context).await,
        Builder::Auto if context.project.root.join("Cargo.toml").is_file() => native::build(context).await,
        Builder::Auto => docker::build(context).await,
    }
}

pub use native::{COMPILE_WITHIN, assemble, compile};
pub use promote::promote;
pub use push::{client, login, push, repository};
