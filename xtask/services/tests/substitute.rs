//! The database made of Debian packages, on the real engine.

mod common;

use common::{Bench, NOWHERE, service};
use docker::Unhealthy;
use services::Secret;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[tokio::test]
async fn it_is_built_once_and_found_at_once_after_that() {
    let bench = Bench::new().await;
    let service = service(NOWHERE);
    let mut lines = Vec::new();
    let mut note = |line: &str| lines.push(line.to_owned());
    let first = services::resolve_image(&bench.docker, "db", &service, true, &mut note)
        .await
        .unwrap();
    let substitute = first.substitute.clone().unwrap();
    assert!(
        substitute.starts_with("MariaDB 1") && substitute.ends_with(" packages"),
        "{substitute}"
    );
    assert!(
        lines[0].contains(NOWHERE) && lines[0].contains("MariaDB"),
        "the substitute is announced: {lines:?}"
    );
    let began = Instant::now();
    let second = bench.substitute().await;
    assert_eq!(first, second);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(bench.docker.image_id(&first.reference).await.unwrap(), Some(first.id));
}

#[tokio::test]
async fn it_speaks_utf8mb4_and_keeps_seoul_time() {
    let bench = Bench::new().await;
    let password = Secret::random();
    let order = bench.order(bench.substitute().await, service(NOWHERE), &password);
    let running = services::start(&bench.docker, order).await.unwrap();
    assert!(running.ready_in < Duration::from_secs(30), "{:?}", running.ready_in);
    let account = ("shop", password.expose());
    let settings = "select @@character_set_server, @@collation_server, @@time_zone";
    assert_eq!(
        bench.ask(account, settings).await.output,
        "utf8mb4\tutf8mb4_unicode_ci\tAsia/Seoul\n"
    );
    let database = "select default_character_set_name, default_collation_name \
                    from information_schema.schemata where schema_name = 'shop_test'";
    assert_eq!(
        bench.ask(account, database).await.output,
        "utf8mb4\tutf8mb4_unicode_ci\n"
    );
    let zones = "select convert_tz('2026-07-01 12:00:00', 'UTC', 'Asia/Seoul'), \
                 convert_tz('2026-07-01 12:00:00', 'Europe/Berlin', 'America/New_York'), \
                 convert_tz('2026-01-15 12:00:00', 'Europe/London', 'UTC'), \
                 timestampdiff(hour, utc_timestamp(), now())";
    let expected = "2026-07-01 21:00:00\t2026-07-01 06:00:00\t2026-01-15 12:00:00\t9\n";
    assert_eq!(bench.ask(account, zones).await.output, expected);
    let text = "use shop_test; create table t (a varchar(20)); insert into t values ('안녕 🦀'); \
                select a from t where a = '안녕 🦀'";
    assert_eq!(
        bench.ask(account, &format!("set names utf8mb4; {text}")).await.output,
        "안녕 🦀\n"
    );
}

#[tokio::test]
async fn nobody_gets_in_without_the_password_and_it_is_nowhere_to_be_seen() {
    let bench = Bench::new().await;
    let password = Secret::random();
    let order = bench.order(bench.substitute().await, service(NOWHERE), &password);
    let container = services::start(&bench.docker, order).await.unwrap().container;
    assert_eq!(bench.ask(("shop", password.expose()), "select 1").await.output, "1\n");
    for account in [
        ("shop", "wrong"),
        ("shop", ""),
        ("root", ""),
        ("mysql", ""),
        ("mariadb.sys", ""),
        ("", ""),
    ] {
        let refused = bench.ask(account, "select 1").await;
        assert_ne!(refused.exit_code, 0, "{account:?} got in: {}", refused.output);
    }
    let other = bench
        .ask(("shop", password.expose()), "create database shopXtest")
        .await;
    assert!(
        other.output.contains("denied"),
        "the account may do more than its own database: {}",
        other.output
    );

    let inspected = bench.docker.api().inspect_container(&container, None).await.unwrap();
    assert!(
        !serde_json::to_string(&inspected).unwrap().contains(password.expose()),
        "in the engine's description"
    );
    let logs = bench.docker.logs_tail(&container, 1_000).await.unwrap();
    assert!(
        !logs.is_empty() && !logs.join("\n").contains(password.expose()),
        "in the log"
    );
}

#[tokio::test]
async fn it_runs_as_an_ordinary_user_without_a_shell() {
    let bench = Bench::new().await;
    let order = bench.order(bench.substitute().await, service(NOWHERE), &Secret::random());
    let container = services::start(&bench.docker, order).await.unwrap().container;
    let inspected = bench.docker.api().inspect_container(&container, None).await.unwrap();
    let labels = inspected.config.as_ref().unwrap().labels.clone().unwrap();
    assert_eq!(labels["xtask.image"], "database");
    assert!(
        labels["xtask.recipe"].len() == 12 && labels["xtask.test"] == "1",
        "{labels:?}"
    );
    assert_eq!(inspected.config.unwrap().user.as_deref(), Some("999:999"));
    assert_eq!(inspected.host_config.unwrap().cap_drop.unwrap(), ["ALL"]);
    for shell in ["/bin/sh", "/bin/bash", "/usr/bin/dash"] {
        let ran = bench
            .docker
            .exec(
                &container,
                &[shell, "-c", "true"],
                &BTreeMap::new(),
                Duration::from_secs(10),
            )
            .await;
        assert!(ran.as_ref().map_or(true, |ran| ran.exit_code != 0), "{shell}: {ran:?}");
    }
}

#[tokio::test]
async fn its_data_outlives_the_container_on_a_volume_and_a_new_password_is_taken() {
    let bench = Bench::new().await;
    let image = bench.substitute().await;
    let (first, second) = (Secret::random(), Secret::random());
    let order = |password: &Secret| {
        let mut order = bench.order(image.clone(), service(NOWHERE), password);
        order.volume = Some(bench.volume.clone());
        order
    };
    let container = services::start(&bench.docker, order(&first)).await.unwrap().container;
    let made = "use shop_test; create table kept (n int); insert into kept values (42)";
    let made = bench.ask(("shop", first.expose()), made).await;
    assert_eq!(made.exit_code, 0, "{}", made.output);
    // Killed, as when the machine loses power.
    bench.docker.remove(&container).await.unwrap();

    let container = services::start(&bench.docker, order(&first)).await.unwrap().container;
    assert_eq!(
        bench
            .ask(("shop", first.expose()), "select n from shop_test.kept")
            .await
            .output,
        "42\n"
    );
    bench.docker.stop(&container, Duration::from_secs(10)).await.unwrap();
    bench.docker.start(&container).await.unwrap();
    bench
        .docker
        .wait_healthy(&container, Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!(
        bench
            .ask(("shop", first.expose()), "select n from shop_test.kept")
            .await
            .output,
        "42\n"
    );
    bench.docker.remove(&container).await.unwrap();

    services::start(&bench.docker, order(&second)).await.unwrap();
    assert_eq!(
        bench
            .ask(("shop", second.expose()), "select n from shop_test.kept")
            .await
            .output,
        "42\n"
    );
    assert_ne!(
        bench.ask(("shop", first.expose()), "select 1").await.exit_code,
        0,
        "the old password still works"
    );
}

#[tokio::test]
async fn a_volume_with_the_data_of_another_kind_of_server_is_refused_by_name() {
    let bench = Bench::new().await;
    let mut labels = Bench::labels();
    labels.insert("xtask.database".to_owned(), "mysql".to_owned());
    bench.docker.ensure_volume(&bench.volume, &labels).await.unwrap();
    let mut order = bench.order(bench.substitute().await, service(NOWHERE), &Secret::random());
    order.volume = Some(bench.volume.clone());
    let error = services::start(&bench.docker, order).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("volume `{}` holds the data of mysql", bench.volume)),
        "{error}"
    );
    assert!(error.contains("hint: "), "{error}");
}

#[tokio::test]
async fn a_server_that_never_gets_healthy_is_given_up_in_time_with_evidence_and_left_to_be_looked_at() {
    let bench = Bench::new().await;
    let mut spec = service(NOWHERE);
    // Where the health check does not look.
    spec.command = vec!["--socket=/tmp/elsewhere.sock".to_owned()];
    spec.health.deadline = Duration::from_secs(6);
    let order = bench.order(bench.substitute().await, spec, &Secret::random());
    let began = Instant::now();
    let error = services::start(&bench.docker, order).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    let text = format!("{error:#}");
    let container = format!("{}-db", bench.name);
    assert!(text.contains("service `db`") && text.contains(&container), "{text}");
    let evidence = error.downcast_ref::<Unhealthy>().unwrap();
    assert!(
        evidence.last_probe.as_ref().unwrap().contains("Can't connect"),
        "{evidence:?}"
    );
    assert!(
        evidence
            .log_tail
            .iter()
            .any(|line| line.contains("ready for connections")),
        "{evidence:?}"
    );
    assert!(
        bench.docker.inspect(&container).await.unwrap().is_some(),
        "the container is left for the caller"
    );
}

#[tokio::test]
async fn a_server_that_exits_is_not_waited_for() {
    let bench = Bench::new().await;
    let mut spec = service(NOWHERE);
    spec.command = vec!["--no-such-option".to_owned()];
    let order = bench.order(bench.substitute().await, spec, &Secret::random());
    let began = Instant::now();
    let error = services::start(&bench.docker, order).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let evidence = error.downcast_ref::<Unhealthy>().unwrap();
    assert_eq!(evidence.status, "exited");
    assert!(evidence.exit_code.is_some_and(|code| code != 0), "{evidence:?}");
    assert!(
        evidence.log_tail.iter().any(|line| line.contains("no-such-option")),
        "{evidence:?}"
    );
}
