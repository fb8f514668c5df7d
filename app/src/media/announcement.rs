//! The announcement of a file that its owner is about to put into the bucket, and the answer to it.

use super::PRESIGNED_LIFETIME;
use super::photo::{self, Format};
use super::store::Media;
use crate::body::Whole;
use crate::interface::schema;
use crate::problem::{Fields, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::Object;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnounceBody {
    #[schema(schema_with = content_types)]
    content_type: String,
    #[schema(schema_with = sizes)]
    bytes: Whole,
}

pub fn content_types() -> Object {
    schema::one_of(Format::ALL.map(Format::content_type)).build()
}

fn sizes() -> Object {
    schema::number(1..=photo::MAX_BYTES).build()
}

impl AnnounceBody {
    pub fn parse(&self) -> Result<(Format, usize), Problem> {
        let mut fields = Fields::default();
        let format = Format::of_content_type(&self.content_type).ok_or_else(|| {
            let known = Format::ALL.map(Format::content_type).join(", ");
            format!("must be one of {known}")
        });
        let bytes = match usize::try_from(self.bytes.0) {
            Ok(bytes @ 1..=photo::MAX_BYTES) => Ok(bytes),
            _ => Err(format!("must be a number from 1 to {}", photo::MAX_BYTES)),
        };
        let format = fields.check("content_type", format);
        let bytes = fields.check("bytes", bytes);
        format.zip(bytes).ok_or_else(|| fields.into_problem())
    }
}

#[derive(Serialize, ToSchema)]
pub struct Announced {
    media: Media,
    upload: Upload,
}

/// The request by which the file is to be put into the bucket.
#[derive(Serialize, ToSchema)]
struct Upload {
    method: &'static str,
    url: String,
    headers: BTreeMap<&'static str, String>,
    /// Seconds.
    expires_in: u64,
}

impl Announced {
    pub fn new(media: Media, url: String, format: Format, bytes: usize) -> Announced {
        let headers = [
            ("content-type", format.content_type().to_owned()),
            ("content-length", bytes.to_string()),
        ];
        let upload = Upload {
            method: "PUT",
            url,
            headers: BTreeMap::from(headers),
            expires_in: PRESIGNED_LIFETIME.as_secs(),
        };
        Announced { media, upload }
    }
}
