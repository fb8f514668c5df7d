//! What is live, and the one write that changes it.

use crate::bucket::{Condition, Object, Put};
use crate::content::{CACHE_ENTRY, content_type, gzip};
use crate::publish::{PublishError, Publisher, document_key, manifest_key};
use bytes::Bytes;
use contract::{Digest, Generation, ReleaseId};
use std::collections::{BTreeMap, HashMap};

/// How often to look again after losing a race. Whoever won has a generation of its own, so two or three turns decide.
const FLIP_ATTEMPTS: u32 = 8;

/// How many releases the entry document remembers to have followed. As metadata they must fit 2 KB.
pub(crate) const REMEMBERED_RELEASES: usize = 24;

const META_MANIFEST: &str = "manifest";
const META_GENERATION: &str = "generation";
const META_RELEASE: &str = "release";
const META_PREVIOUS: &str = "previous";

/// What the entry document says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub manifest: Digest,
    pub generation: Generation,
    pub release: ReleaseId,
    /// Different for every generation, even where the document's content is the same.
    pub etag: String,
    /// The front ends that were live before, latest first, each once.
    pub previous: Vec<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Users get another front end from now on.
    Moved { from: Option<Digest> },
    /// This front end was live already; at most its generation was raised.
    Unchanged,
}

#[derive(Debug, thiserror::Error)]
pub enum FlipError {
    #[error(
        "front end `{}` of release {} is live with generation {}, newer than {asked}: another release has taken over",
        live.manifest.short(), live.release, live.generation
    )]
    Superseded { live: Box<Live>, asked: Generation },
    #[error("front end `{}` is not in the bucket (no `{key}`): upload it first, or it was pruned", manifest.short())]
    NotUploaded { manifest: Digest, key: String },
    #[error("`{entry}` changed under each of {FLIP_ATTEMPTS} attempts to write it: something else writes it too")]
    Contended { entry: String },
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl From<crate::bucket::BucketError> for FlipError {
    fn from(error: crate::bucket::BucketError) -> Self {
        Self::Publish(error.into())
    }
}

/// What stands at the entry document's key.
#[derive(Debug)]
enum Standing {
    Nothing,
    /// A document that no flip has written.
    Foreign {
        etag: String,
    },
    Live(Live),
}

/// What to do about it.
#[derive(Debug)]
enum Step<'a> {
    Superseded(&'a Live),
    AlreadyLive,
    Write(Condition<'a>),
}

impl Publisher {
    pub async fn live(&self) -> Result<Option<Live>, PublishError> {
        Ok(self.standing().await?.live().cloned())
    }

    /// Makes an uploaded front end live: a release, or a way back. One conditional write, refused when a newer
    /// generation got there first, so that a holder of a lost lease is harmless.
    pub async fn flip(&self, manifest: Digest, release: ReleaseId, generation: Generation) -> Result<Flip, FlipError> {
        let document = self.uploaded_document(manifest).await?;
        // A write whose answer was lost is repeated by the client, and refused: the next look shows that it was ours.
        let mut tried = None;
        for _ in 0..FLIP_ATTEMPTS {
            let standing = self.standing().await?;
            let condition = match step(&standing, manifest, generation) {
                Step::Superseded(live) => {
                    return Err(FlipError::Superseded {
                        live: Box::new(live.clone()),
                        asked: generation,
                    });
                }
                Step::AlreadyLive => return Ok(tried.unwrap_or(Flip::Unchanged)),
                Step::Write(condition) => condition,
            };
            let live = standing.live();
            let from = live.map(|live| live.manifest);
            let flip = if from == Some(manifest) {
                Flip::Unchanged
            } else {
                Flip::Moved { from }
            };
            let previous = live.map(|live| followed(live, manifest)).unwrap_or_default();
            let next = Live {
                manifest,
                generation,
                release,
                etag: String::new(),
                previous,
            };
            match self
                .bucket
                .put_if(self.entry_object(&document, &next)?, condition)
                .await?
            {
                Put::Written => return Ok(flip),
                Put::Refused => tried = Some(flip),
            }
        }
        Err(FlipError::Contended {
            entry: self.entry.clone(),
        })
    }

    async fn standing(&self) -> Result<Standing, PublishError> {
        let Some(head) = self.bucket.head(&self.entry).await? else {
            return Ok(Standing::Nothing);
        };
        if !head.metadata.contains_key(META_MANIFEST) {
            return Ok(Standing::Foreign { etag: head.etag });
        }
        // Half of a record is worse than none: without its generation, a stale holder could write over it.
        let live = live_from(&head.metadata, head.etag);
        live.map(Standing::Live).map_err(|why| PublishError::Broken {
            key: self.entry.clone(),
            why,
        })
    }

    /// The entry document of an upload that was finished.
    async fn uploaded_document(&self, digest: Digest) -> Result<Bytes, FlipError> {
        let missing = |key: String| FlipError::NotUploaded { manifest: digest, key };
        let key = document_key(digest, &self.entry);
        let (manifest, document) = tokio::join!(self.manifest(digest), self.bucket.get(&key));
        let manifest = manifest?.ok_or_else(|| missing(manifest_key(digest)))?;
        let document = document?.ok_or_else(|| missing(key.clone()))?;
        let found = Digest::of(&document);
        if found != manifest.entry.sha256 {
            let why = format!(
                "expected bytes with digest `{}`, found `{found}`",
                manifest.entry.sha256
            );
            return Err(PublishError::Broken { key, why }.into());
        }
        Ok(document)
    }

    /// The entry document is stored compressed however small it is, for its gzip header carries the generation: an ETag
    /// covers bytes and not metadata, so without that, a front end that came back would have its old ETag again, and a
    /// holder that read it the first time could write over the second.
    fn entry_object(&self, document: &Bytes, live: &Live) -> Result<Object, PublishError> {
        let stamp = format!("generation {} release {}", live.generation, live.release);
        let broken = |error: std::io::Error| PublishError::Broken {
            key: self.entry.clone(),
            why: error.to_string(),
        };
        let previous = live.previous.iter().map(Digest::hex).collect::<Vec<_>>().join(",");
        let metadata = [
            (META_MANIFEST, live.manifest.to_string()),
            (META_GENERATION, live.generation.0.to_string()),
            (META_RELEASE, live.release.to_string()),
            (META_PREVIOUS, previous),
        ];
        Ok(Object {
            key: self.entry.clone(),
            bytes: gzip(document, Some(stamp)).map_err(broken)?,
            content_type: content_type(&self.entry).to_owned(),
            cache_control: CACHE_ENTRY,
            gzip: true,
            metadata: metadata
                .into_iter()
                // S3 has no empty metadata.
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<HashMap<_, _>>(),
        })
    }
}

impl Standing {
    fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Nothing | Self::Foreign { .. } => None,
        }
    }
}

fn step(standing: &Standing, manifest: Digest, generation: Generation) -> Step<'_> {
    match standing {
        Standing::Nothing => Step::Write(Condition::Absent),
        Standing::Foreign { etag } => Step::Write(Condition::Unchanged(etag)),
        Standing::Live(live) if live.generation > generation => Step::Superseded(live),
        Standing::Live(live) if live.manifest == manifest && live.generation == generation => Step::AlreadyLive,
        // Also where only the generation differs: raised, it shuts out whoever held the lease before.
        Standing::Live(live) => Step::Write(Condition::Unchanged(&live.etag)),
    }
}

/// What to remember when `next` follows `live`.
fn followed(live: &Live, next: Digest) -> Vec<Digest> {
    let mut previous = vec![live.manifest];
    previous.extend(live.previous.iter().filter(|digest| **digest != live.manifest));
    previous.retain(|digest| *digest != next);
    previous.truncate(REMEMBERED_RELEASES);
    previous
}

fn live_from(metadata: &BTreeMap<String, String>, etag: String) -> Result<Live, String> {
    let value = |name| {
        metadata
            .get(name)
            .ok_or_else(|| format!("it has metadata, but no `{name}`"))
    };
    let generation = value(META_GENERATION)?;
    let previous = metadata.get(META_PREVIOUS).map(String::as_str).unwrap_or_default();
    let digest = |hex: &str| Digest::parse(&format!("sha256:{hex}")).map_err(|error| error.to_string());
    Ok(Live {
        manifest: Digest::parse(value(META_MANIFEST)?).map_err(|error| error.to_string())?,
        generation: Generation(
            generation
                .parse()
                .map_err(|_| format!("expected a generation (a number), found `{generation}`"))?,
        ),
        release: ReleaseId::parse(value(META_RELEASE)?).map_err(|error| error.to_string())?,
        etag,
        previous: previous
            .split(',')
            .filter(|hex| !hex.is_empty())
            .map(digest)
            .collect::<Result<_, _>>()?,
    })
}
