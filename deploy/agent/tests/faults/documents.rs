//! Documents that are not to be followed, published under load.

use crate::ground::{Ground, weights};
use crate::host::Host;
use crate::load::Load;
use contract::{AppName, CONTRACT_VERSION, Desired, Envelope, EnvironmentName, Generation, HostName, SigningKey};

/// Each would stop everything, and what the host says to it.
fn cases(host: &Host, replayed: Envelope) -> Vec<(&'static str, Envelope, &'static str)> {
    let stop = || Desired {
        generation: Generation(99),
        release: None,
        ..host.settled()
    };
    let seal = |desired: Desired| host.key.seal(&desired).unwrap();
    let sealed = seal(stop());
    let forged = Envelope {
        document: sealed.document.replace("staging", "stagine"),
        ..sealed.clone()
    };
    let stranger = SigningKey::from_seed([9; 32]);
    let posing = Envelope {
        key: sealed.key.clone(),
        ..stranger.seal(&stop()).unwrap()
    };
    let garbled = Envelope {
        signature: "no signature".to_owned(),
        ..sealed
    };
    vec![
        ("forged", forged, "does not fit the document"),
        (
            "by another key",
            stranger.seal(&stop()).unwrap(),
            "which this host does not trust",
        ),
        (
            "by another key under a trusted name",
            posing,
            "does not fit the document",
        ),
        ("with no signature", garbled, "signature"),
        ("replayed", replayed, "does not rise above"),
        (
            "downgraded",
            seal(Desired {
                generation: Generation(1),
                ..stop()
            }),
            "does not rise above",
        ),
        (
            "rewritten",
            seal(Desired {
                generation: Generation(2),
                ..stop()
            }),
            "accepted before with other content",
        ),
        (
            "of a newer contract",
            seal(Desired {
                contract: CONTRACT_VERSION + 1,
                ..stop()
            }),
            "contract version",
        ),
        (
            "for another app",
            seal(Desired {
                app: AppName::parse("bank").unwrap(),
                ..stop()
            }),
            "`staging` of `bank`",
        ),
        (
            "for another environment",
            seal(Desired {
                environment: EnvironmentName::parse("production").unwrap(),
                ..stop()
            }),
            "`production` of `shop`",
        ),
        (
            "for other hosts",
            seal(Desired {
                hosts: vec![HostName::parse("host-9").unwrap()],
                ..stop()
            }),
            "not among the document's hosts",
        ),
    ]
}

#[tokio::test]
async fn what_is_not_to_be_followed_is_refused_under_load_and_changes_nothing() {
    let mut ground = Ground::settled().await;
    let (replayed, _) = ground.host.channel.read_desired().await.unwrap().unwrap();
    let before = ground.host.bring(ground.host.canary(250, "well")).await;
    let load = Load::on(ground.host.listen);
    for (what, envelope, expected) in cases(&ground.host, replayed) {
        ground.host.publish_sealed(&envelope).await;
        let seen = ground.host.sees(expected, |seen| {
            seen.refused
                .as_ref()
                .is_some_and(|refused| refused.reason.contains(expected))
        });
        let seen = seen.await;
        println!("  {what}: {}", seen.refused.as_ref().unwrap().reason);
        assert_eq!(
            (seen.accepted, seen.generation),
            (before.generation, before.generation),
            "{what}"
        );
        assert_eq!(weights(&seen), (750, 250), "{what}");
        load.flows(30).await;
    }
    ground.host.bring(ground.host.canary(500, "well")).await;
    load.end().print_unharmed("documents that are not to be followed");
}
