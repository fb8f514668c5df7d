//! The only place that touches S3: objects in, objects out, errors that name bucket and key.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

/// A listing that would not end is cut off: 100 pages of 1,000.
const MAX_PAGES: usize = 100;

/// What S3 takes in one request.
pub const MAX_DELETES: usize = 1_000;

#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error("could not {verb} `{key}` in bucket `{bucket}`: {why}")]
pub struct BucketError {
    pub verb: &'static str,
    pub key: String,
    pub bucket: String,
    pub why: String,
}

/// An object to be written.
#[derive(Debug, Clone)]
pub struct Object {
    pub key: String,
    pub bytes: Bytes,
    pub content_type: String,
    pub cache_control: &'static str,
    pub gzip: bool,
    pub metadata: HashMap<String, String>,
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone)]
pub struct Head {
    pub etag: String,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// Only where nothing is there.
    Absent,
    /// Only over the object with this ETag.
    Unchanged(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Written,
    /// The condition did not hold; nothing was written.
    Refused,
}

#[derive(Debug, Clone)]
pub struct Listed {
    pub key: String,
    pub modified: Option<SystemTime>,
}

impl Bucket {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, BucketError> {
        let output = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(output) => output,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => return Ok(None),
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        let body = output
            .body
            .collect()
            .await
            .map_err(|error| self.error("read", key, error.to_string()))?;
        Ok(Some(body.into_bytes()))
    }

    pub async fn head(&self, key: &str) -> Result<Option<Head>, BucketError> {
        let output = match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(output) => output,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.failed("look at", key, &error)),
        };
        Ok(Some(Head {
            etag: output.e_tag.unwrap_or_default(),
            metadata: output.metadata.unwrap_or_default().into_iter().collect(),
        }))
    }

    pub async fn put(&self, object: Object) -> Result<(), BucketError> {
        let key = object.key.clone();
        self.request(object)
            .send()
            .await
            .map_err(|error| self.failed("write", &key, &error))?;
        Ok(())
    }

    pub async fn put_if(&self, object: Object, condition: Condition<'_>) -> Result<Put, BucketError> {
        let key = object.key.clone();
        let request = match condition {
            Condition::Absent => self.request(object).if_none_match("*"),
            Condition::Unchanged(etag) => self.request(object).if_match(etag),
        };
        match request.send().await {
            Ok(_) => Ok(Put::Written),
            // 412: the condition does not hold. 409: another conditional write is under way. 404: the object that was to
            // be replaced is gone.
            Err(error) if matches!(status(&error), Some(412 | 409)) => Ok(Put::Refused),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(Put::Refused),
            Err(error) => Err(self.failed("write", &key, &error)),
        }
    }

    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BucketError> {
        let mut listed = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_continuation_token(next);
            let page = request
                .send()
                .await
                .map_err(|error| self.failed("list", prefix, &error))?;
            for object in page.contents.unwrap_or_default() {
                let modified = object.last_modified.and_then(|at| SystemTime::try_from(at).ok());
                listed.extend(object.key.map(|key| Listed { key, modified }));
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(listed);
            }
        }
        Err(self.error(
            "list",
            prefix,
            format!("more than {MAX_PAGES},000 objects; expected a few releases' worth"),
        ))
    }

    /// Deletes at most [`MAX_DELETES`]; keys that are not there are fine.
    pub async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let object = |key: &String| ObjectIdentifier::builder().key(key).build();
        let delete = keys
            .iter()
            .map(object)
            .collect::<Result<_, _>>()
            .and_then(|objects: Vec<_>| Delete::builder().set_objects(Some(objects)).quiet(true).build());
        let delete = delete.map_err(|error| self.error("delete", first, error.to_string()))?;
        let request = self.client.delete_objects().bucket(&self.name).delete(delete);
        let output = request
            .send()
            .await
            .map_err(|error| self.failed("delete", first, &error))?;
        match output.errors.unwrap_or_default().first() {
            None => Ok(()),
            Some(error) => {
                let key = error.key.as_deref().unwrap_or(first);
                let why = error
                    .code
                    .iter()
                    .chain(&error.message)
                    .map(String::as_str)
                    .collect::<Vec<_>>();
                Err(self.error("delete", key, why.join(": ")))
            }
        }
    }

    fn request(&self, object: Object) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.name)
            .key(object.key)
            .content_type(object.content_type)
            .cache_control(object.cache_control)
            .set_content_encoding(object.gzip.then(|| "gzip".to_owned()))
            .set_metadata(Some(object.metadata))
            .body(ByteStream::from(object.bytes))
    }

    /// The store's own words where it answered, the whole chain of causes where it did not.
    fn failed<E>(&self, verb: &'static str, key: &str, error: &SdkError<E>) -> BucketError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let why = match (error.code(), status(error)) {
            (Some(code), _) => format!("{code}: {}", error.message().unwrap_or("no message")),
            (None, Some(status)) => format!("the store answered {status}"),
            (None, None) => DisplayErrorContext(error).to_string(),
        };
        self.error(verb, key, why)
    }

    fn error(&self, verb: &'static str, key: &str, why: String) -> BucketError {
        BucketError {
            verb,
            key: key.to_owned(),
            bucket: self.name.clone(),
            why,
        }
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
