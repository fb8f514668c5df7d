//! Several containers of one version on one host.

use crate::host::{Host, release};
use crate::http::Load;
use contract::{Desired, Fallback, Health, Keep, Replicas, Version};

fn twice(version: Version) -> Version {
    Version {
        replicas: Replicas::new(2).unwrap(),
        ..version
    }
}

/// Every version of the document runs in two containers.
fn of_two(desired: Desired) -> Desired {
    Desired {
        release: desired.release.map(twice),
        fallback: desired.fallback.map(|fallback| Fallback {
            version: twice(fallback.version),
            ..fallback
        }),
        ..desired
    }
}

#[tokio::test]
async fn two_containers_of_each_version_are_gated_routed_and_let_go_together() {
    let mut host = Host::start().await;
    let seen = host.bring(of_two(host.settled())).await;
    let version = seen.version(release(1)).unwrap();
    assert_eq!((version.replicas.len(), version.health()), (2, Health::Ready));
    assert_ne!(version.replicas[0].address, version.replicas[1].address);
    let load = Load::on(host.listen, "/version");
    for weight in [0, 250, 1000] {
        let seen = host.bring(of_two(host.canary(weight, "well"))).await;
        assert_eq!(seen.version(release(2)).unwrap().replicas.len(), 2);
        assert_eq!(host.containers().await.len(), 4);
    }
    host.bring(of_two(host.promoted())).await;
    host.sees_containers(2).await;
    // One less is wanted now.
    host.bring(host.promoted()).await;
    host.sees_containers(1).await;
    let (sent, failed) = load.end().await;
    println!("two containers a version: {sent} requests, {} failed", failed.len());
    assert!(sent > 0 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
}

#[tokio::test]
async fn one_that_cannot_be_made_fails_the_release_and_takes_its_siblings_along() {
    let mut host = Host::start().await;
    host.bring(of_two(host.settled())).await;
    // Eight ports: two are taken, so that the seventh of these finds none.
    let many = Version {
        replicas: Replicas::MOST,
        ..host.version(2, "well")
    };
    let desired = Desired {
        release: Some(many),
        fallback: Some(Fallback {
            version: twice(host.version(1, "well")),
            keep: Keep::Warm,
        }),
        ..host.canary(50, "well")
    };
    host.publish(desired).await;
    let failure = host.sees_failure().await;
    assert!(failure.summary.contains("no port is free"), "{failure:#?}");
    host.sees_containers(2).await;
    assert_eq!(host.serves().await, release(1).to_string());
}
