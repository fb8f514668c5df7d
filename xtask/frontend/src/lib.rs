//! A static front end, from a folder to a bucket behind a CDN.
//!
//! The story: [`read_dir`] reads a folder, [`Site::from_files`] gives every file but the entry document a name that
//! changes with its content, [`Publisher::upload`] sends what the bucket lacks, [`Publisher::flip`] makes it live by one
//! conditional write of the entry document, [`Edge`] forgets the old one, [`verify`] fetches what users now get, and
//! [`Publisher::prune`] deletes what no open tab needs any more.
//!
//! What holds at every instant, whatever dies:
//! - The entry document is written last, so every asset it names is already there.
//! - A release's manifest is written after its assets and deleted before them: a manifest in the bucket means that all
//!   its assets are there too, and one read of it replaces a listing.
//! - A flip with a lower generation than the live one is refused, by the store itself where two race.
//!
//! Deliberately absent: minifying, bundling and transpiling (a build step's work), source map comments, and more than
//! one entry document (with several, no single write could switch them all).

mod bucket;
mod cdn;
mod closure;
mod content;
mod flip;
mod html;
mod manifest;
mod prune;
mod publish;
mod read_dir;
mod reference;
mod script;
mod site;
mod verify;

pub use bucket::BucketError;
pub use cdn::{Edge, EdgeError, InvalidationId};
pub use flip::{Flip, FlipError, Live};
pub use manifest::{Manifest, ManifestAsset, ManifestEntry};
pub use prune::PruneReport;
pub use publish::{Progress, PublishError, PublishPlan, Publisher, UploadReport};
pub use read_dir::{ReadError, read_dir};
pub use site::{Asset, MissingReference, Site, SiteError};
pub use verify::{Verified, VerifyError, verify};
