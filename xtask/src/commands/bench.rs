//! `bench`: figures as a ratio against a peer in the same run.

mod image;

use crate::failure::{Failure, Result};
use crate::report::Report;

const KNOWN: [&str; 1] = ["image"];

pub async fn bench(profile: &str, names: &[String], report: &Report) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Failure::bad_input(format!("there is no benchmark `{unknown}`"))
            .why(format!("known: {}", KNOWN.join(", "))));
    }
    image::image(profile, report).await
}
