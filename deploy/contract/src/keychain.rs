//! How trust passes from one set of keys to the next.

use crate::{Envelope, KeySet, SignatureError};
use serde::{Deserialize, Serialize};

/// Hosts that were away for more rotations than this are given their set by hand.
const MOST_LINKS: usize = 32;
/// One that signs, one that is to follow it, and room for those who sign elsewhere.
const MOST_KEYS: usize = 8;

/// Every set of keys since the first, oldest first, each signed by a key of the one before: a host that missed some of
/// them still gets from the set that it trusts to the newest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChain {
    pub links: Vec<Envelope>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyChainError {
    #[error("key set {version}: {error}")]
    Untrusted { version: u32, error: SignatureError },
    #[error("a key set cannot be read: {0}")]
    Unreadable(String),
    #[error("the newest key set is {found}; expected none before {own}, which is in force here")]
    Older { found: u32, own: u32 },
    #[error("key set {0} is not the one of that number which is in force here")]
    Rewritten(u32),
    #[error("key set {version} holds {found} keys; expected 1 to {MOST_KEYS}, each with its own id")]
    BadKeys { version: u32, found: usize },
}

impl KeyChain {
    /// The newest set that is claimed; none of it is proven.
    pub fn newest(&self) -> Result<Option<KeySet>, KeyChainError> {
        self.links.last().map(claimed).transpose()
    }

    /// With one more set, signed by whoever signed `link`.
    pub fn extended(&self, link: Envelope) -> Self {
        let surplus = (self.links.len() + 1).saturating_sub(MOST_LINKS);
        let kept = self.links.iter().skip(surplus).cloned();
        Self {
            links: kept.chain([link]).collect(),
        }
    }
}

impl KeySet {
    /// The set that a host which trusts this one trusts after these; `None` if that is still this one.
    pub fn follow(&self, chain: &KeyChain) -> Result<Option<Self>, KeyChainError> {
        let mut trusted = self.clone();
        let mut newest = 0;
        for link in chain.links.iter().rev().take(MOST_LINKS).rev() {
            let next = claimed(link)?;
            newest = newest.max(next.version);
            if next.version == trusted.version && next != trusted {
                return Err(KeyChainError::Rewritten(next.version));
            }
            if next.version <= trusted.version {
                continue;
            }
            let version = next.version;
            let proven = link.open::<Self>(&trusted);
            trusted = proven.map_err(|error| KeyChainError::Untrusted { version, error })?;
            trusted.expect_keys()?;
        }
        if !chain.links.is_empty() && newest < trusted.version {
            return Err(KeyChainError::Older {
                found: newest,
                own: trusted.version,
            });
        }
        Ok((trusted.version > self.version).then_some(trusted))
    }

    fn expect_keys(&self) -> Result<(), KeyChainError> {
        let has_own_id = |key: &crate::PublicKey| key.is_whole();
        let found = self.keys.len();
        if (1..=MOST_KEYS).contains(&found) && self.keys.iter().all(has_own_id) {
            return Ok(());
        }
        Err(KeyChainError::BadKeys {
            version: self.version,
            found,
        })
    }
}

fn claimed(link: &Envelope) -> Result<KeySet, KeyChainError> {
    serde_json::from_str(&link.document).map_err(|error| KeyChainError::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    fn set(version: u32, seeds: &[u8]) -> KeySet {
        KeySet {
            version,
            keys: seeds.iter().map(|seed| key(*seed).public()).collect(),
        }
    }

    /// Sets of these keys, each signed by one.
    fn chain(links: &[(u32, &[u8], u8)]) -> KeyChain {
        let seal = |(version, seeds, by): &(u32, &[u8], u8)| key(*by).seal(&set(*version, seeds)).unwrap();
        KeyChain {
            links: links.iter().map(seal).collect(),
        }
    }

    /// One key, then both, then the second alone.
    fn rotated() -> KeyChain {
        chain(&[(2, &[1, 2], 1), (3, &[2], 2)])
    }

    #[test]
    fn a_host_gets_from_any_set_to_the_newest() {
        assert_eq!(set(1, &[1]).follow(&rotated()), Ok(Some(set(3, &[2]))));
        assert_eq!(set(2, &[1, 2]).follow(&rotated()), Ok(Some(set(3, &[2]))));
        assert_eq!(set(3, &[2]).follow(&rotated()), Ok(None));
        assert_eq!(set(1, &[1]).follow(&KeyChain::default()), Ok(None));
    }

    #[test]
    fn a_set_that_no_trusted_key_signed_is_refused() {
        let forged = chain(&[(2, &[9], 9)]);
        let refused = set(1, &[1]).follow(&forged).unwrap_err();
        assert!(
            refused.to_string().contains("which this host does not trust"),
            "{refused}"
        );
        // Nor by a key that was dropped before.
        let late = chain(&[(2, &[1, 2], 1), (3, &[2], 2), (4, &[1], 1)]);
        assert!(matches!(
            set(1, &[1]).follow(&late),
            Err(KeyChainError::Untrusted { version: 4, .. })
        ));
        let mut changed = rotated();
        changed.links[0].document = changed.links[0].document.replace("\"version\":2", "\"version\":5");
        let refused = set(1, &[1]).follow(&changed).unwrap_err();
        assert!(refused.to_string().contains("does not fit the document"), "{refused}");
    }

    #[test]
    fn the_way_back_is_closed() {
        let older = KeyChainError::Older { found: 2, own: 3 };
        assert_eq!(set(3, &[2]).follow(&chain(&[(2, &[1, 2], 1)])), Err(older));
        let other = chain(&[(2, &[1, 2], 1), (3, &[1], 1)]);
        assert_eq!(set(3, &[2]).follow(&other), Err(KeyChainError::Rewritten(3)));
    }

    #[test]
    fn a_set_of_no_keys_or_of_keys_under_other_names_is_refused() {
        let none = chain(&[(2, &[], 1)]);
        assert_eq!(
            set(1, &[1]).follow(&none),
            Err(KeyChainError::BadKeys { version: 2, found: 0 })
        );
        let mut renamed = set(2, &[1, 2]);
        renamed.keys[1].id = key(3).public().id;
        let renamed = KeyChain {
            links: vec![key(1).seal(&renamed).unwrap()],
        };
        assert!(matches!(
            set(1, &[1]).follow(&renamed),
            Err(KeyChainError::BadKeys { version: 2, found: 2 })
        ));
    }

    #[test]
    fn a_chain_keeps_its_newest_links() {
        let mut chain = KeyChain::default();
        for version in 2..50 {
            chain = chain.extended(key(1).seal(&set(version, &[1])).unwrap());
        }
        assert_eq!(chain.links.len(), MOST_LINKS);
        assert_eq!(chain.newest(), Ok(Some(set(49, &[1]))));
    }
}
