//! Objects kept in memory: the least recently used go first.

use super::freshness::Freshness;
use super::origin::Object;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const MAX_BYTES: usize = 64 << 20;
/// What an entry costs beside its object's bytes, so that many small ones are bounded too.
const ENTRY_BYTES: usize = 512;

#[derive(Default)]
pub struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// Keys by when they were last used.
    by_use: BTreeMap<u64, String>,
    uses: u64,
    bytes: usize,
    /// Raised by each invalidation.
    epoch: u64,
}

struct Entry {
    object: Arc<Object>,
    stored: Instant,
    fresh_until: Instant,
    used: u64,
}

/// A cached object. Stale, it saves the transfer if the bucket says that it has not changed.
pub struct Found {
    pub object: Arc<Object>,
    pub is_fresh: bool,
    pub age_seconds: u64,
}

/// Says when a fetch began: its result is not kept if an invalidation came in between, since it may be from before.
#[derive(Clone, Copy)]
pub struct Epoch(u64);

impl Cache {
    pub fn epoch(&self) -> Epoch {
        Epoch(self.lock().epoch)
    }

    pub fn get(&self, key: &str, now: Instant) -> Option<Found> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let entry = inner.entries.get_mut(key)?;
        inner.uses += 1;
        inner.by_use.remove(&entry.used);
        inner.by_use.insert(inner.uses, key.to_owned());
        entry.used = inner.uses;
        Some(Found {
            object: entry.object.clone(),
            is_fresh: now < entry.fresh_until,
            age_seconds: now.saturating_duration_since(entry.stored).as_secs(),
        })
    }

    pub fn put(&self, began: Epoch, key: &str, object: Arc<Object>, freshness: Freshness, now: Instant) {
        let mut inner = self.lock();
        if inner.epoch != began.0 {
            return;
        }
        inner.remove(key);
        let Freshness::For(lifetime) = freshness else { return };
        let cost = cost(key, &object);
        if cost > MAX_BYTES {
            return;
        }
        while inner.bytes + cost > MAX_BYTES {
            let Some((_, oldest)) = inner.by_use.first_key_value() else {
                break;
            };
            let oldest = oldest.clone();
            inner.remove(&oldest);
        }
        inner.uses += 1;
        let used = inner.uses;
        inner.bytes += cost;
        inner.by_use.insert(used, key.to_owned());
        inner.entries.insert(
            key.to_owned(),
            Entry {
                object,
                stored: now,
                fresh_until: now + lifetime,
                used,
            },
        );
    }

    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    pub fn invalidate(&self, is_meant: impl Fn(&str) -> bool) {
        let mut inner = self.lock();
        inner.epoch += 1;
        let keys: Vec<String> = inner.entries.keys().filter(|key| is_meant(key)).cloned().collect();
        for key in keys {
            inner.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= cost(key, &entry.object);
        }
    }
}

fn cost(key: &str, object: &Object) -> usize {
    object.bytes.len() + key.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn object(size: usize) -> Arc<Object> {
        Arc::new(Object {
            bytes: vec![0; size].into(),
            head: Default::default(),
        })
    }

    const MINUTE: Freshness = Freshness::For(Duration::from_secs(60));

    #[test]
    fn an_entry_is_fresh_for_its_time_and_then_stale() {
        let (cache, now) = (Cache::default(), Instant::now());
        cache.put(cache.epoch(), "a", object(1), MINUTE, now);
        let found = |after| cache.get("a", now + Duration::from_secs(after)).unwrap();
        assert!(found(59).is_fresh);
        assert_eq!(found(59).age_seconds, 59);
        assert!(!found(60).is_fresh);
        cache.put(cache.epoch(), "a", object(1), Freshness::Unstorable, now);
        assert!(cache.get("a", now).is_none());
    }

    #[test]
    fn the_least_recently_used_make_room() {
        let (cache, now) = (Cache::default(), Instant::now());
        for key in ["a", "b", "c"] {
            cache.put(cache.epoch(), key, object(MAX_BYTES / 4), MINUTE, now);
        }
        cache.get("a", now);
        cache.put(cache.epoch(), "d", object(MAX_BYTES / 2), MINUTE, now);
        assert!(cache.get("a", now).is_some() && cache.get("d", now).is_some());
        assert!(cache.get("b", now).is_none() && cache.get("c", now).is_none());
        assert!(cache.lock().bytes <= MAX_BYTES);
        cache.put(cache.epoch(), "e", object(MAX_BYTES), MINUTE, now);
        assert!(cache.get("e", now).is_none(), "larger than the cache");
        cache.invalidate(|_| true);
        let inner = cache.lock();
        assert_eq!((inner.bytes, inner.by_use.len()), (0, 0));
    }

    #[test]
    fn a_fetch_that_began_before_an_invalidation_is_not_kept() {
        let (cache, now) = (Cache::default(), Instant::now());
        let began = cache.epoch();
        cache.invalidate(|key| key == "a");
        cache.put(began, "a", object(1), MINUTE, now);
        assert!(cache.get("a", now).is_none());
    }
}
