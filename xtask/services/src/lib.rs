//! Database containers for the test stage and the local ground: pulled where a registry answers, else built from Debian
//! packages.
//!
//! Whatever the image, the server speaks utf8mb4 with `utf8mb4_unicode_ci`, keeps Asia/Seoul time with its zone tables
//! loaded, and has one database with one user whose password came in as a file. What is deliberately absent: backups,
//! replication, and any other kind of server than MySQL and MariaDB.

mod image;
mod oneoff;
mod pull;
mod secret;
mod start;
mod substitute;

pub use image::{ServiceImage, resolve_image};
pub use secret::Secret;
pub use start::{RunningService, StartService, start};

/// Says which of this crate's images or containers something is.
pub const IMAGE_LABEL: &str = "xtask.image";
