//! Conditions on reads and writes.

use super::record::Record;
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

#[derive(Debug, Clone, Default)]
pub struct WriteCondition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    /// As S3 has it: `If-Match` on an object that does not exist is 404, all else is 412.
    pub fn check(&self, current: Option<&Record>) -> S3Result<()> {
        if let Some(wanted) = &self.if_match {
            let current = current.ok_or_else(|| s3_error!(NoSuchKey, "If-Match, but there is no such object"))?;
            if !strongly_matches(wanted, current) {
                return Err(s3_error!(
                    PreconditionFailed,
                    "the object's ETag is \"{}\"",
                    current.etag
                ));
            }
        }
        if let (Some(unwanted), Some(current)) = (&self.if_none_match, current)
            && weakly_matches(unwanted, current)
        {
            return Err(s3_error!(
                PreconditionFailed,
                "the object exists with ETag \"{}\"",
                current.etag
            ));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
pub struct ReadCondition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// An ETag has precedence over a time (RFC 9110 §13.2.2).
    pub fn check(&self, current: &Record) -> S3Result<()> {
        // Times in headers have whole seconds.
        let modified = current.modified.as_second();
        let seconds = |time: &Timestamp| time::seconds(time);
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) if !strongly_matches(wanted, current) => return Err(s3_error!(PreconditionFailed)),
            (None, Some(since)) if modified > seconds(since) => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(unwanted), _) if weakly_matches(unwanted, current) => Err(not_modified(current)),
            (None, Some(since)) if modified <= seconds(since) => Err(not_modified(current)),
            _ => Ok(()),
        }
    }
}

mod time {
    use s3s::dto::{Timestamp, TimestampFormat};

    /// The type hides its number and only writes it; what it writes in this format always parses.
    pub fn seconds(time: &Timestamp) -> i64 {
        let mut text = Vec::new();
        let written = time.format(TimestampFormat::EpochSeconds, &mut text).is_ok();
        let text = String::from_utf8(text).unwrap_or_default();
        let whole = text.split('.').next().unwrap_or_default();
        written.then(|| whole.parse().ok()).flatten().unwrap_or_default()
    }
}

fn strongly_matches(condition: &ETagCondition, current: &Record) -> bool {
    condition.as_etag().is_none_or(|etag| etag.strong_cmp(&current.etag()))
}

fn weakly_matches(condition: &ETagCondition, current: &Record) -> bool {
    condition.as_etag().is_none_or(|etag| etag.weak_cmp(&current.etag()))
}

fn not_modified(current: &Record) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    if let Ok(etag) = current.etag().to_http_header() {
        error.set_headers(http::HeaderMap::from_iter([(http::header::ETAG, etag)]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::ETag;

    fn record(etag: &str) -> Record {
        Record {
            key: "k".into(),
            size: 0,
            etag: etag.into(),
            modified: jiff::Timestamp::from_second(1_000).unwrap(),
            headers: Default::default(),
            checksums: Default::default(),
        }
    }

    fn etag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.into())))
    }

    fn code(outcome: S3Result<()>) -> Option<S3ErrorCode> {
        outcome.err().map(|error| error.code().clone())
    }

    #[test]
    fn a_write_goes_through_only_on_the_version_it_names() {
        let check = |if_match, if_none_match, current: Option<&Record>| {
            code(
                WriteCondition {
                    if_match,
                    if_none_match,
                }
                .check(current),
            )
        };
        let current = record("one");
        assert_eq!(check(etag("one"), None, Some(&current)), None);
        assert_eq!(
            check(etag("two"), None, Some(&current)),
            Some(S3ErrorCode::PreconditionFailed)
        );
        assert_eq!(check(etag("one"), None, None), Some(S3ErrorCode::NoSuchKey));
        assert_eq!(check(None, Some(ETagCondition::Any), None), None);
        assert_eq!(
            check(None, Some(ETagCondition::Any), Some(&current)),
            Some(S3ErrorCode::PreconditionFailed)
        );
        assert_eq!(check(None, None, Some(&current)), None);
    }

    #[test]
    fn an_etag_outweighs_a_time_in_a_read() {
        let time = |seconds: i64| {
            let time = jiff::Timestamp::from_second(seconds).unwrap();
            Some(Timestamp::from(std::time::SystemTime::from(time)))
        };
        let check = |if_none_match, if_modified_since| {
            let condition = ReadCondition {
                if_none_match,
                if_modified_since,
                ..ReadCondition::default()
            };
            code(condition.check(&record("one")))
        };
        assert_eq!(check(etag("one"), None), Some(S3ErrorCode::NotModified));
        assert_eq!(check(etag("two"), time(2_000)), None);
        assert_eq!(check(None, time(1_000)), Some(S3ErrorCode::NotModified));
        assert_eq!(check(None, time(999)), None);
    }
}
