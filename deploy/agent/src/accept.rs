//! Whether to follow a document. Pure.

use crate::state::Memory;
use contract::{
    AppName, CONTRACT_VERSION, Desired, Envelope, EnvironmentName, Generation, HostConfig, KeySet, SignatureError,
    Weight,
};
use serde::{Deserialize, de::DeserializeOwned};

/// Why not; in words, for the report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(
        "the document speaks contract version {found}; this agent understands {CONTRACT_VERSION} and the one before"
    )]
    Contract { found: u32 },
    #[error("the document is for {found}; this host runs {expected}")]
    Elsewhere { found: String, expected: String },
    #[error("host `{0}` is not among the document's hosts")]
    NotListed(String),
    #[error("generation {found} does not rise above {highest}, the highest accepted here")]
    Stale { found: Generation, highest: Generation },
    #[error("generation {0} was accepted before with other content")]
    Rewritten(Generation),
    #[error("the document gives the release {0} and names no warm fallback for the rest")]
    NobodyForTheRest(Weight),
}

/// The document, if this host should follow it.
pub fn judge(envelope: &Envelope, trusted: &KeySet, config: &HostConfig, memory: &Memory) -> Result<Desired, Refused> {
    let desired: Desired = open(envelope, trusted)?;
    expect_here((&desired.app, &desired.environment), config)?;
    if !desired.hosts.contains(&config.host) {
        return Err(Refused::NotListed(config.host.to_string()));
    }
    rises(envelope, &desired, memory)?;
    let is_alone = desired.warm_fallback().is_none();
    if desired.release.is_some() && is_alone && desired.weight != Weight::ALL {
        return Err(Refused::NobodyForTheRest(desired.weight));
    }
    Ok(desired)
}

/// A signed document of a contract version that is understood here.
pub fn open<T: DeserializeOwned>(envelope: &Envelope, trusted: &KeySet) -> Result<T, Refused> {
    // A later contract may have fields that this one does not know: its version has to be seen before they are.
    let Versioned { contract } = envelope.open(trusted)?;
    if contract > CONTRACT_VERSION || contract + 1 < CONTRACT_VERSION {
        return Err(Refused::Contract { found: contract });
    }
    Ok(envelope.open(trusted)?)
}

/// For this host's environment.
pub fn expect_here((app, environment): (&AppName, &EnvironmentName), config: &HostConfig) -> Result<(), Refused> {
    if (app, environment) == (&config.app, &config.environment) {
        return Ok(());
    }
    Err(Refused::Elsewhere {
        found: format!("`{environment}` of `{app}`"),
        expected: format!("`{}` of `{}`", config.environment, config.app),
    })
}

#[derive(Deserialize)]
struct Versioned {
    contract: u32,
}

fn rises(envelope: &Envelope, desired: &Desired, memory: &Memory) -> Result<(), Refused> {
    let found = desired.generation;
    let Some(highest) = memory.highest else { return Ok(()) };
    if found > highest {
        return Ok(());
    }
    match &memory.accepted {
        _ if found < highest => Err(Refused::Stale { found, highest }),
        Some(accepted) if accepted.envelope.document != envelope.document => Err(Refused::Rewritten(found)),
        // The same, or what it was is not known any more.
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Accepted;
    use crate::world::tests::{config, document, version};
    use contract::{HostName, SigningKey};
    use serde_json::json;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    fn trusted() -> KeySet {
        KeySet {
            version: 1,
            keys: vec![key(1).public()],
        }
    }

    fn memory(highest: u64) -> Memory {
        Memory {
            highest: Some(Generation(highest)),
            ..Memory::default()
        }
    }

    /// What is said about a document that was changed like this, by a host that has accepted generation 4.
    fn refusal(change: impl FnOnce(&mut Desired)) -> String {
        let mut desired = document(5);
        change(&mut desired);
        let envelope = key(1).seal(&desired).unwrap();
        match judge(&envelope, &trusted(), &config(), &memory(4)) {
            Ok(_) => "accepted".to_owned(),
            Err(refused) => refused.to_string(),
        }
    }

    #[test]
    fn a_rising_document_for_this_host_is_accepted() {
        assert_eq!(refusal(|_| ()), "accepted");
    }

    #[test]
    fn what_is_meant_for_another_is_refused() {
        let other_app = refusal(|desired| desired.app = AppName::parse("blog").unwrap());
        assert_eq!(
            other_app,
            "the document is for `staging` of `blog`; this host runs `staging` of `shop`"
        );
        let other_place = refusal(|desired| desired.environment = EnvironmentName::parse("production").unwrap());
        assert_eq!(
            other_place,
            "the document is for `production` of `shop`; this host runs `staging` of `shop`"
        );
        let other_host = refusal(|desired| desired.hosts = vec![HostName::parse("host-9").unwrap()]);
        assert_eq!(other_host, "host `host-1` is not among the document's hosts");
    }

    #[test]
    fn a_generation_that_does_not_rise_is_refused() {
        let older = refusal(|desired| desired.generation = Generation(3));
        assert_eq!(
            older,
            "generation 0.3 does not rise above 0.4, the highest accepted here"
        );
    }

    #[test]
    fn the_same_generation_is_fine_only_with_the_same_bytes() {
        let envelope = key(1).seal(&document(5)).unwrap();
        let accepted = Accepted {
            envelope: envelope.clone(),
            at: "2025-01-02T03:04:05Z".parse().unwrap(),
        };
        let memory = Memory {
            accepted: Some(accepted),
            ..memory(5)
        };
        assert!(judge(&envelope, &trusted(), &config(), &memory).is_ok());
        let mut other = document(5);
        other.release = Some(version(9));
        let rewritten = judge(&key(1).seal(&other).unwrap(), &trusted(), &config(), &memory);
        assert_eq!(rewritten, Err(Refused::Rewritten(Generation(5))));
    }

    #[test]
    fn an_agent_that_lost_its_memory_takes_the_generation_in_force_again_but_none_before() {
        let judge = |generation| {
            let envelope = key(1).seal(&document(generation)).unwrap();
            judge(&envelope, &trusted(), &config(), &memory(5))
        };
        assert!(judge(5).is_ok());
        assert!(matches!(judge(4), Err(Refused::Stale { .. })));
    }

    #[test]
    fn an_unknown_key_and_a_changed_byte_are_refused() {
        let stranger = judge(&key(2).seal(&document(5)).unwrap(), &trusted(), &config(), &memory(4));
        assert!(matches!(
            stranger,
            Err(Refused::Signature(SignatureError::UnknownKey(_)))
        ));
        let mut envelope = key(1).seal(&document(5)).unwrap();
        envelope.document = envelope.document.replace("shop", "shoq");
        let changed = judge(&envelope, &trusted(), &config(), &memory(4));
        assert!(matches!(
            changed,
            Err(Refused::Signature(SignatureError::BadSignature(_)))
        ));
    }

    #[test]
    fn a_later_contract_is_refused_by_name_whatever_fields_it_has() {
        let mut later = serde_json::to_value(document(5)).unwrap();
        later["contract"] = json!(CONTRACT_VERSION + 1);
        later["shields"] = json!(["new"]);
        let refused = judge(&key(1).seal(&later).unwrap(), &trusted(), &config(), &memory(4)).unwrap_err();
        assert_eq!(
            refused,
            Refused::Contract {
                found: CONTRACT_VERSION + 1
            }
        );
        assert!(refused.to_string().contains("contract version 2"), "{refused}");
    }

    #[test]
    fn traffic_that_nobody_would_take_is_refused() {
        let refused = refusal(|desired| desired.weight = Weight::parse("5%").unwrap());
        assert_eq!(
            refused,
            "the document gives the release 5% and names no warm fallback for the rest"
        );
    }
}
