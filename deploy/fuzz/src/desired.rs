//! What a host finds where its desired state should be: anybody's bytes as an envelope, and, as if its key had leaked, a
//! trusted signature over anybody's bytes.

use contract::{Desired, Envelope, KeySet, SigningKey};

const TRUSTED: [u8; 32] = [1; 32];

pub fn check(bytes: &[u8]) {
    let key = SigningKey::from_seed(TRUSTED);
    let trusted = KeySet {
        version: 1,
        keys: vec![key.public()],
    };
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) {
        let again = serde_json::to_vec(&envelope).expect("an envelope can be written");
        assert_eq!(serde_json::from_slice::<Envelope>(&again).expect("and read"), envelope);
        // Whoever can sign what was not in this file has the key.
        assert!(
            agent::fuzzing::accept(&envelope, &trusted).is_none(),
            "nobody signed this"
        );
    }
    let Ok(document) = std::str::from_utf8(bytes) else {
        return;
    };
    let signed = key.sign(document.to_owned());
    assert_eq!(signed.document, document);
    let Some(desired) = agent::fuzzing::accept(&signed, &trusted) else {
        return;
    };
    let read: Desired = serde_json::from_str(document).expect("what was accepted can be read");
    assert_eq!(read, desired);
    let is_shared = desired.release.is_some() && desired.weight != contract::Weight::ALL;
    assert!(
        !is_shared || desired.warm_fallback().is_some(),
        "nobody would take the rest"
    );
}
