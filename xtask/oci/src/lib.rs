//! OCI images without a daemon: assembly, and a registry client that pushes only what is missing.
//!
//! [`image::build`] is a pure function from what an image should hold to the very bytes a registry stores, so that the
//! same input has the same digest everywhere. [`registry::Client`] carries those bytes to any registry.

pub mod image;
pub mod registry;
pub mod rootfs;

pub use image::{BuiltImage, ImageSpec};
pub use registry::{Client, ClientOptions, Repository};
