//! Requests to forget cached objects, and what became of them.

use super::cache::Cache;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

pub const MAX_PATHS: usize = 1_000;
const MAX_PATH_BYTES: usize = 2_048;
/// Older ones are no longer known.
const MAX_REMEMBERED: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    InProgress,
    Completed,
}

#[derive(Debug, Clone, Serialize)]
pub struct Invalidation {
    pub id: String,
    pub status: Status,
}

#[derive(Default)]
pub struct Invalidations {
    known: Mutex<VecDeque<Invalidation>>,
}

/// `/index.html`, or `/assets/*` with the star at the end.
#[derive(Debug, PartialEq, Eq)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Pattern {
    pub fn parse(path: &str, entry: &str) -> Result<Self, String> {
        let shown: String = path.chars().take(100).collect();
        let key = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH_BYTES);
        let key =
            key.ok_or_else(|| format!("expected a path such as `/index.html` or `/assets/*`, found `{shown}`"))?;
        match key.split_once('*') {
            None if key.is_empty() => Ok(Self::Exact(entry.to_owned())),
            None => Ok(Self::Exact(key.to_owned())),
            Some((prefix, "")) => Ok(Self::Prefix(prefix.to_owned())),
            Some(_) => Err(format!("a star may only end a path, found `{shown}`")),
        }
    }

    fn means(&self, key: &str) -> bool {
        match self {
            Self::Exact(exact) => key == exact,
            Self::Prefix(prefix) => key.starts_with(prefix),
        }
    }
}

impl Invalidations {
    /// Answers at once and works in the background, as a CDN does; `get` tells when it is done.
    pub fn start(self: &Arc<Self>, cache: Arc<Cache>, patterns: Vec<Pattern>) -> Invalidation {
        let id = format!("{:016x}", rand::random::<u64>());
        let invalidation = Invalidation {
            id,
            status: Status::InProgress,
        };
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() == MAX_REMEMBERED {
                known.pop_front();
            }
            known.push_back(invalidation.clone());
        }
        let (invalidations, id) = (self.clone(), invalidation.id.clone());
        tokio::spawn(async move {
            cache.invalidate(|key| patterns.iter().any(|pattern| pattern.means(key)));
            invalidations.complete(&id);
        });
        invalidation
    }

    pub fn get(&self, id: &str) -> Option<Invalidation> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|invalidation| invalidation.id == id).cloned()
    }

    fn complete(&self, id: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(invalidation) = known.iter_mut().find(|invalidation| invalidation.id == id) {
            invalidation.status = Status::Completed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_path_or_a_prefix() {
        let means = |path: &str, key: &str| Pattern::parse(path, "index.html").unwrap().means(key);
        assert!(means("/", "index.html") && means("/index.html", "index.html") && means("/*", "anything/at/all"));
        assert!(means("/assets/*", "assets/app.js") && !means("/assets/*", "index.html"));
        assert!(!means("/index.html", "index.html.map"));
    }

    #[test]
    fn odd_patterns_are_refused() {
        for odd in [
            "",
            "index.html",
            "*",
            "/a*b",
            "/*/x",
            &format!("/{}", "a".repeat(MAX_PATH_BYTES)),
        ] {
            assert!(Pattern::parse(odd, "index.html").is_err(), "`{odd}` was accepted");
        }
    }
}
