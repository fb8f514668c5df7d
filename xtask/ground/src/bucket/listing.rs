//! Listing a bucket: keys in order, grouped by a delimiter, a page at a time.

use super::record::Record;
use super::store::Store;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::S3Result;
use s3s::dto::*;
use std::ops::Bound;

const MAX_PAGE: i32 = 1_000;
/// What `encoding-type=url` leaves as it is.
const KEPT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

struct Asked<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    /// Keys and groups up to and including this one were listed before.
    after: &'a str,
    max: usize,
}

#[derive(Default)]
struct Page {
    objects: Vec<Object>,
    groups: Vec<String>,
    last: String,
    truncated: bool,
}

impl Store {
    pub(super) fn list_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let max_keys = input.max_keys.unwrap_or(MAX_PAGE).clamp(0, MAX_PAGE);
        // The token is the last key of the page before, so it outweighs `start_after`.
        let after = input
            .continuation_token
            .as_deref()
            .or(input.start_after.as_deref())
            .unwrap_or_default();
        let asked = Asked {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after,
            max: usize::try_from(max_keys).unwrap_or_default(),
        };
        let page = self.page(&input.bucket, &asked)?;
        let url = is_url(&input.encoding_type);
        let count = page.objects.len() + page.groups.len();
        Ok(ListObjectsV2Output {
            key_count: i32::try_from(count).ok(),
            max_keys: Some(max_keys),
            is_truncated: Some(page.truncated),
            next_continuation_token: page.truncated.then(|| page.last.clone()),
            contents: Some(encoded_objects(page.objects, url)),
            common_prefixes: Some(encoded_groups(page.groups, url)),
            prefix: input.prefix.map(|text| encode(text, url)),
            delimiter: input.delimiter.map(|text| encode(text, url)),
            start_after: input.start_after.map(|text| encode(text, url)),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsV2Output::default()
        })
    }

    pub(super) fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let max_keys = input.max_keys.unwrap_or(MAX_PAGE).clamp(0, MAX_PAGE);
        let asked = Asked {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: input.marker.as_deref().unwrap_or_default(),
            max: usize::try_from(max_keys).unwrap_or_default(),
        };
        let page = self.page(&input.bucket, &asked)?;
        let url = is_url(&input.encoding_type);
        Ok(ListObjectsOutput {
            max_keys: Some(max_keys),
            is_truncated: Some(page.truncated),
            next_marker: page.truncated.then(|| encode(page.last.clone(), url)),
            contents: Some(encoded_objects(page.objects, url)),
            common_prefixes: Some(encoded_groups(page.groups, url)),
            prefix: input.prefix.map(|text| encode(text, url)),
            delimiter: input.delimiter.map(|text| encode(text, url)),
            marker: input.marker.map(|text| encode(text, url)),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsOutput::default()
        })
    }

    fn page(&self, bucket: &str, asked: &Asked<'_>) -> S3Result<Page> {
        let mut page = Page::default();
        let start = match asked.after >= asked.prefix && !asked.after.is_empty() {
            true => Bound::Excluded(asked.after),
            false => Bound::Included(asked.prefix),
        };
        self.scan(bucket, start, |record| {
            record.key.starts_with(asked.prefix) && page.add(record, asked)
        })?;
        Ok(page)
    }
}

impl Page {
    /// Says whether to go on.
    fn add(&mut self, record: &Record, asked: &Asked<'_>) -> bool {
        let group = asked.delimiter.and_then(|delimiter| {
            let at = record.key[asked.prefix.len()..].find(delimiter)?;
            Some(&record.key[..asked.prefix.len() + at + delimiter.len()])
        });
        if let Some(group) = group
            && (self.groups.last().is_some_and(|last| last == group) || group <= asked.after)
        {
            return true;
        }
        if self.objects.len() + self.groups.len() == asked.max {
            self.truncated = asked.max > 0;
            return false;
        }
        match group {
            Some(group) => {
                self.groups.push(group.to_owned());
                self.last = group.to_owned();
            }
            None => {
                self.objects.push(listed(record));
                self.last.clone_from(&record.key);
            }
        }
        true
    }
}

fn listed(record: &Record) -> Object {
    Object {
        key: Some(record.key.clone()),
        e_tag: Some(record.etag()),
        last_modified: Some(record.last_modified()),
        size: Some(record.length()),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }
}

fn is_url(encoding: &Option<EncodingType>) -> bool {
    encoding
        .as_ref()
        .is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

fn encode(text: String, url: bool) -> String {
    if url {
        utf8_percent_encode(&text, &KEPT).to_string()
    } else {
        text
    }
}

fn encoded_objects(mut objects: Vec<Object>, url: bool) -> Vec<Object> {
    for object in &mut objects {
        object.key = object.key.take().map(|key| encode(key, url));
    }
    objects
}

fn encoded_groups(groups: Vec<String>, url: bool) -> Vec<CommonPrefix> {
    groups
        .into_iter()
        .map(|group| CommonPrefix {
            prefix: Some(encode(group, url)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::condition::WriteCondition;

    fn store(keys: &[&str]) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.create_bucket("files").unwrap();
        for key in keys {
            let mut file = tempfile::NamedTempFile::new_in(store.scratch()).unwrap();
            let record = Record {
                key: (*key).to_owned(),
                size: 0,
                etag: "e".into(),
                modified: jiff::Timestamp::UNIX_EPOCH,
                headers: Default::default(),
                checksums: Default::default(),
            };
            record.seal(file.as_file_mut()).unwrap();
            store
                .commit("files", &file.into_temp_path(), record, &WriteCondition::default())
                .unwrap();
        }
        (dir, store)
    }

    /// Every page, as `key` and `group/` in the order given.
    fn pages(store: &Store, prefix: &str, delimiter: Option<&str>, max: i32) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut token = None;
        loop {
            let input = ListObjectsV2Input {
                bucket: "files".into(),
                prefix: Some(prefix.into()),
                delimiter: delimiter.map(str::to_owned),
                max_keys: Some(max),
                continuation_token: token,
                ..ListObjectsV2Input::default()
            };
            let output = store.list_v2(input).unwrap();
            let keys = output.contents.unwrap().into_iter().filter_map(|object| object.key);
            let groups = output
                .common_prefixes
                .unwrap()
                .into_iter()
                .filter_map(|group| group.prefix);
            let mut page: Vec<String> = keys.chain(groups).collect();
            page.sort();
            pages.push(page);
            token = output.next_continuation_token;
            assert_eq!(token.is_some(), output.is_truncated == Some(true));
            if token.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn keys_are_grouped_at_the_delimiter_across_pages() {
        let (_dir, store) = store(&["a", "b/1", "b/2", "b/3", "c", "d/x/1", "e"]);
        assert_eq!(
            pages(&store, "", Some("/"), 2),
            [vec!["a", "b/"], vec!["c", "d/"], vec!["e"]]
        );
        assert_eq!(pages(&store, "b/", Some("/"), 1000), [["b/1", "b/2", "b/3"]]);
        assert_eq!(pages(&store, "d/", Some("/"), 1000), [["d/x/"]]);
        assert_eq!(
            pages(&store, "", None, 3),
            [vec!["a", "b/1", "b/2"], vec!["b/3", "c", "d/x/1"], vec!["e"]]
        );
    }

    #[test]
    fn a_page_that_ends_with_the_last_key_is_the_last_page() {
        let (_dir, store) = store(&["a", "b"]);
        assert_eq!(pages(&store, "", None, 2), [["a", "b"]]);
        assert_eq!(pages(&store, "z", None, 2), [Vec::<String>::new()]);
    }

    #[test]
    fn the_index_is_rebuilt_from_disk_without_torn_files() {
        let (dir, store) = store(&["a", "b"]);
        let files: Vec<_> = walk(&dir.path().join("files"));
        assert_eq!(files.len(), 2);
        std::fs::write(&files[0], b"torn").unwrap();
        drop(store);
        let reopened = Store::open(dir.path()).unwrap();
        assert_eq!(pages(&reopened, "", None, 10)[0].len(), 1);
    }

    fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
            .collect()
    }
}
