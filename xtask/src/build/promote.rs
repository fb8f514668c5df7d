//! An image that is there already, instead of one that is built.

use super::{Built, push};
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use contract::ImageRef;
use oci::Repository;
use serde_json::Value;

pub async fn promote(context: &Context, image: &ImageRef) -> Result<Built> {
    let bad = |why: String| Failure::bad_input(format!("`{image}` cannot be promoted")).why(why);
    let repository = Repository::parse(&image.repository).map_err(|error| bad(error.to_string()))?;
    let manifest = push::client(context)?.pull_manifest(&repository, image.digest).await;
    let manifest = manifest.map_err(|error| {
        let text = error.to_string();
        let (why, hint) = text.split_once("\nhint: ").unwrap_or((&text, "cargo xtask doctor"));
        bad(why.to_owned()).next(hint)
    })?;
    let failed = || format!("the manifest of `{image}` cannot be read");
    let parsed: Value = serde_json::from_slice(&manifest.bytes).or_fail(failed)?;
    let layers = parsed["layers"].as_array();
    // One of several platforms: which of them was tested could not be told by this digest.
    let layers = layers.ok_or_else(|| {
        bad(format!(
            "expected the manifest of one image, found {}",
            manifest.media_type
        ))
    })?;
    let blobs = layers.iter().chain([&parsed["config"]]);
    Ok(Built {
        image: image.clone(),
        builder: "nobody: it was there".to_owned(),
        size: blobs.filter_map(|blob| blob["size"].as_u64()).sum(),
        uploaded: 0,
        compile_ms: 0,
        push_ms: 0,
    })
}
