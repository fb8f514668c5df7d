//! The admin socket's answers.

use crate::backend::Backend;
use crate::host::{Router, table, with_lease};
use contract::{Generation, RolloutId, Weight};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn garbage_is_400_an_unsound_table_422_and_a_lower_generation_409() {
    let backend = Backend::start(1).await;
    let router = Router::start().await;
    router.put(&table(5, &[(&backend, 1000)])).await.expect_status(200);

    for garbage in [
        &b""[..],
        b"{",
        b"[]",
        br#"{"generation": 6, "backends": [], "lease": null, "more": 1}"#,
    ] {
        let reply = router.admin("PUT", "/table", garbage).await.expect_status(400);
        assert!(reply.text().starts_with("not a table: "), "{}", reply.text());
    }
    let unsound = router.put(&table(6, &[(&backend, 999)])).await.expect_status(422);
    assert_eq!(unsound.text(), "the weights add up to 999 per mille, not to 1000");
    let stale = router.put(&table(4, &[(&backend, 1000)])).await.expect_status(409);
    assert_eq!(stale.text(), "generation 0.4 is lower than 0.5, which is in force");
    router
        .admin("PUT", "/table", &vec![b' '; 100_000])
        .await
        .expect_status(413);
    router.admin("POST", "/table", b"").await.expect_status(405);
    router.admin("GET", "/nothing", b"").await.expect_status(404);

    assert_eq!(router.status().await.generation, Generation(5));
    assert_eq!(router.get("/").await.expect_status(200).text(), "1");
}

#[tokio::test]
async fn the_same_generation_may_bring_another_address() {
    let (first, second) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::serving(&first).await;
    let mut moved = table(1, &[(&first, 1000)]);
    moved.backends[0].replicas[0].address = second.address;
    router.put(&moved).await.expect_status(200);
    assert_eq!(router.get("/").await.text(), "2");
}

#[tokio::test]
async fn a_table_that_cannot_be_saved_is_refused_and_traffic_stays_as_it_was() {
    let (first, second) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::serving(&first).await;
    // Where the next state would be written, there is a folder.
    std::fs::create_dir(router.path("router.json.new")).unwrap();
    let refused = router.put(&table(2, &[(&second, 1000)])).await.expect_status(507);
    assert!(refused.text().contains("`router.json`"), "{}", refused.text());
    assert_eq!(router.get("/").await.text(), "1");
    std::fs::remove_dir(router.path("router.json.new")).unwrap();
    router.put(&table(2, &[(&second, 1000)])).await.expect_status(200);
    assert_eq!(router.get("/").await.text(), "2");
}

#[tokio::test]
async fn the_admin_socket_and_the_state_are_for_the_owner_alone() {
    let router = Router::start().await;
    for name in ["admin.sock", "router.json"] {
        let mode = std::fs::metadata(router.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

#[tokio::test]
async fn a_revert_moves_all_weight_at_once_and_outlives_a_kill_9() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let mut router = Router::start().await;
    let nothing = router.admin("POST", "/revert", b"").await.expect_status(409);
    assert!(
        nothing.text().starts_with("nothing is on trial here"),
        "{}",
        nothing.text()
    );

    let trial = with_lease(table(1, &[(&stable, 0), (&candidate, 1000)]), 7, 60_000);
    router.put(&trial).await.expect_status(200);
    assert_eq!(router.get("/").await.text(), "2");
    router.admin("POST", "/revert", b"").await.expect_status(200);
    assert_eq!(router.get("/").await.text(), "1");
    router.put(&trial).await.expect_status(409);

    router.kill().await;
    router.start_successor();
    router.wait_until_it_answers().await;
    assert_eq!(router.get("/").await.text(), "1");
    let status = router.status().await;
    assert_eq!(status.lapsed, Some(RolloutId::from_parts(7, 0)));
    let weight = status.versions.iter().find(|version| version.release == stable.release);
    assert!(weight.is_none_or(|version| version.weight == Weight::ALL));
    router.admin("POST", "/revert", b"").await.expect_status(200);
}

#[tokio::test]
async fn a_revert_that_cannot_be_kept_is_in_force_all_the_same_and_says_so() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    let trial = with_lease(table(1, &[(&stable, 0), (&candidate, 1000)]), 7, 60_000);
    router.put(&trial).await.expect_status(200);
    std::fs::create_dir(router.path("router.json.new")).unwrap();
    let reply = router.admin("POST", "/revert", b"").await.expect_status(507);
    assert!(
        reply
            .text()
            .starts_with("all weight is back on the stable version, but"),
        "{}",
        reply.text()
    );
    assert_eq!(router.get("/").await.text(), "1");
}

#[tokio::test]
async fn a_group_that_may_enter_the_folder_may_use_the_admin_socket() {
    for (folder, socket) in [(0o750, 0o660), (0o755, 0o700), (0o700, 0o700)] {
        let mut router = Router::start().await;
        router.kill().await;
        std::fs::set_permissions(router.dir.path(), PermissionsExt::from_mode(folder)).unwrap();
        router.start_successor();
        router.wait_until_it_answers().await;
        let found = || {
            std::fs::metadata(router.path("admin.sock"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        crate::host::eventually("the socket has its mode", async || found() == socket).await;
        let state = std::fs::metadata(router.path("router.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o077;
        assert_eq!(state, 0, "the state is the owner's in any case");
    }
}
