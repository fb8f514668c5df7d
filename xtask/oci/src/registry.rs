//! A client for any OCI registry: the embedded one, Docker's, ECR, GHCR, Harbor.

mod auth;
mod challenge;
mod client;
mod error;
mod name;
mod pull;
mod push;
mod referrers;
mod retry;
mod transport;
mod upload;

pub use client::{Client, ClientOptions, Timeouts};
pub use credentials::{CredentialSource, Login, Secret, Unusable};
pub use error::{Problem, RegistryError};
pub use name::Repository;
pub use pull::Manifest;
pub use push::{Progress, PushReport, Silent};
pub use retry::Retry;

pub type Result<T> = std::result::Result<T, RegistryError>;
