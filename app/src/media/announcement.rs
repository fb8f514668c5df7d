//! The announcement of a file that its owner is about to put into the bucket, and the answer to it.

use super::content::{self, Kind};
use super::store::Media;
use crate::body::Whole;
use crate::interface::schema::{self, written_as};
use crate::problem::{Fields, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{Object, ObjectBuilder, OneOfBuilder};

/// How long the bucket takes an announced file.
pub const PRESIGNED_LIFETIME: Duration = Duration::from_secs(10 * 60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceBody {
    content_type: String,
    bytes: Whole,
}

written_as!(
    AnnounceBody,
    Kind::ALL.into_iter().fold(OneOfBuilder::new(), |one_of, kind| {
        let (content_type, bytes) = (
            schema::one_of([kind.content_type()]),
            schema::number(1..=kind.max_bytes()),
        );
        let body = ObjectBuilder::new()
            .property("content_type", content_type)
            .required("content_type")
            .property("bytes", bytes)
            .required("bytes");
        one_of.item(body.additional_properties(Some(AdditionalProperties::FreeForm(false))))
    })
);

pub fn content_types() -> Object {
    schema::one_of(Kind::ALL.map(Kind::content_type)).build()
}

impl AnnounceBody {
    pub fn parse(&self) -> Result<(Kind, usize), Problem> {
        let mut fields = Fields::default();
        let kind = Kind::of_content_type(&self.content_type).ok_or_else(|| {
            let known = Kind::ALL.map(Kind::content_type).join(", ");
            format!("must be one of {known}")
        });
        let most = kind.as_ref().map_or(content::MOST_BYTES, |kind| kind.max_bytes());
        let bytes = match usize::try_from(self.bytes.0) {
            Ok(bytes) if (1..=most).contains(&bytes) => Ok(bytes),
            _ => Err(format!("must be a number from 1 to {most}")),
        };
        let kind = fields.check("content_type", kind);
        let bytes = fields.check("bytes", bytes);
        kind.zip(bytes).ok_or_else(|| fields.into_problem())
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
    pub fn new(media: Media, url: String, kind: Kind, bytes: usize) -> Announced {
        let headers = [
            ("content-type", kind.content_type().to_owned()),
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
