//! On the real engine: what a container is, can and leaves behind.

mod common;

use common::{Bench, tar_of};
use contract::Cpus;
use docker::{BuildOptions, ContainerSpec, HealthCheck, MOST_PROCESSES, Owner, PublishedPort, Restart, Status};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_secs(20);

fn health(deadline: Duration) -> HealthCheck {
    HealthCheck {
        command: vec!["/probe".to_owned(), "health".to_owned()],
        interval: Duration::from_millis(200),
        timeout: Duration::from_secs(2),
        retries: 3,
        start_period: deadline,
    }
}

#[tokio::test]
async fn a_container_runs_and_its_exit_code_and_last_lines_are_known() {
    let bench = Bench::new().await;
    let id = bench.run(&bench.spec("exit", &["exit", "7"])).await;
    assert_eq!(bench.docker.wait(&id, SHORT).await.unwrap(), Some(7));
    let state = bench.docker.inspect(&id).await.unwrap().unwrap();
    assert_eq!(
        (state.status, state.exit_code, state.out_of_memory),
        (Status::Exited, Some(7), false)
    );
    assert_eq!(bench.docker.logs_tail(&id, 5).await.unwrap(), ["leaving with 7"]);
    let printing = bench.run(&bench.spec("print", &["print", "a", "b", "c"])).await;
    bench.docker.wait(&printing, SHORT).await.unwrap();
    assert_eq!(bench.docker.logs_tail(&printing, 2).await.unwrap(), ["b", "c"]);
}

#[tokio::test]
async fn waiting_for_a_container_that_runs_on_ends_at_the_deadline() {
    let bench = Bench::new().await;
    let id = bench.run(&bench.spec("sleep", &["sleep"])).await;
    assert_eq!(bench.docker.wait(&id, Duration::from_millis(300)).await.unwrap(), None);
    let state = bench.docker.inspect(&id).await.unwrap().unwrap();
    assert_eq!(
        (state.status, state.exit_code, state.health),
        (Status::Running, None, None)
    );
    assert!(state.pid.is_some() && state.ip.is_some() && state.started_at.is_some());
}

#[tokio::test]
async fn stopping_kills_after_the_grace_and_is_fine_twice_and_when_gone() {
    let bench = Bench::new().await;
    let id = bench.run(&bench.spec("sleep", &["sleep"])).await;
    // Until the program itself runs, the signal would end what starts it.
    bench.until_logged(&id, "up").await;
    let began = Instant::now();
    bench.docker.stop(&id, Duration::from_millis(200)).await.unwrap();
    assert!(
        (1..8).contains(&began.elapsed().as_secs()),
        "the grace is rounded up to a second: {:?}",
        began.elapsed()
    );
    assert_eq!(bench.docker.inspect(&id).await.unwrap().unwrap().exit_code, Some(137));
    bench.docker.stop(&id, Duration::ZERO).await.unwrap();
    bench.docker.remove(&id).await.unwrap();
    bench.docker.remove(&id).await.unwrap();
    bench.docker.stop(&id, Duration::ZERO).await.unwrap();
    assert_eq!(bench.docker.inspect(&id).await.unwrap(), None);
}

#[tokio::test]
async fn listing_gives_only_containers_with_every_label() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("one", &["exit", "0"]);
    spec.labels.insert("xtask.test.colour".to_owned(), bench.name.clone());
    let id = bench.docker.create(&spec).await.unwrap();
    bench.docker.create(&bench.spec("two", &["exit", "0"])).await.unwrap();
    let found = bench
        .docker
        .list(&[("xtask.test", "1"), ("xtask.test.colour", &bench.name)])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].id, &found[0].name, found[0].running),
        (&id, &spec.name, false)
    );
    assert_eq!(found[0].labels, spec.labels);
}

#[tokio::test]
async fn networks_volumes_and_images_are_listed_by_what_they_carry() {
    let bench = Bench::new().await;
    let (network, volume) = (format!("{}-net", bench.name), format!("{}-volume", bench.name));
    let mut labels = Bench::labels();
    labels.insert("xtask.test.colour".to_owned(), bench.name.clone());
    bench.docker.ensure_network(&network, &labels).await.unwrap();
    bench.docker.ensure_volume(&volume, &labels).await.unwrap();
    let colour = [("xtask.test.colour", bench.name.as_str())];
    assert_eq!(bench.docker.networks(&colour).await.unwrap(), [network]);
    assert_eq!(bench.docker.volumes(&colour).await.unwrap(), [volume]);
    let images = bench.docker.images().await.unwrap();
    let image = images
        .iter()
        .find(|image| image.references.contains(&bench.image))
        .unwrap();
    assert_eq!(image.labels, Bench::labels());
}

#[tokio::test]
async fn an_uploaded_file_is_there_before_the_program_starts() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("cat", &["cat", "/run/secrets/word"]);
    spec.user = Some("4711:4712".to_owned());
    let id = bench.docker.create(&spec).await.unwrap();
    let owner = Owner { uid: 4711, gid: 4712 };
    bench
        .docker
        .put_file_as(&id, "/run/secrets/word", b"open sesame", 0o400, owner)
        .await
        .unwrap();
    bench.docker.start(&id).await.unwrap();
    bench.docker.wait(&id, SHORT).await.unwrap();
    assert_eq!(bench.docker.logs_tail(&id, 1).await.unwrap(), ["open sesame"]);
}

#[tokio::test]
async fn a_private_file_of_root_is_not_readable_by_another_user() {
    let bench = Bench::new().await;
    let mut spec = bench.spec("cat", &["cat", "/secret"]);
    spec.user = Some("4711".to_owned());
    let id = bench.docker.create(&spec).await.unwrap();
    bench
        .docker
        .put_file(&id, "/secret", b"open sesame", 0o600)
        .await
        .unwrap();
    bench.docker.start(&id).await.unwrap();
    bench.docker.wait(&id, SHORT).await.unwrap();
    assert!(bench.docker.logs_tail(&id, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_container_over_its_memory_limit_is_known_to_be_killed_for_it() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        memory_mb: Some(16),
        health: Some(health(SHORT)),
        ..bench.spec("eat", &["eat"])
    };
    let id = bench.run(&spec).await;
    assert_eq!(bench.docker.wait(&id, SHORT).await.unwrap(), Some(137));
    let error = bench.docker.wait_healthy(&id, SHORT).await.unwrap_err();
    assert_eq!(
        (error.status.as_str(), error.exit_code, error.out_of_memory),
        ("exited", Some(137), true)
    );
    assert!(
        error.to_string().contains("exit code 137, killed for want of memory"),
        "{error}"
    );
}

#[tokio::test]
async fn containers_on_one_network_find_each_other_by_alias() {
    let bench = Bench::new().await;
    let network = format!("{}-net", bench.name);
    let labels = Bench::labels();
    let (one, two) = tokio::join!(
        bench.docker.ensure_network(&network, &labels),
        bench.docker.ensure_network(&network, &labels)
    );
    let one = one.unwrap();
    assert_eq!(one, two.unwrap(), "two at once must end up with one network");
    assert!(one.gateway.is_some());
    let mut server = bench.spec("server", &["sleep"]);
    server.network = Some(network.clone());
    server.aliases = vec!["store".to_owned()];
    bench.run(&server).await;
    let mut client = bench.spec("client", &["resolve", "store"]);
    client.network = Some(network.clone());
    let client = bench.run(&client).await;
    bench.docker.wait(&client, SHORT).await.unwrap();
    assert_eq!(bench.docker.logs_tail(&client, 1).await.unwrap(), ["store: 1"]);
    let busy = format!("{:#}", bench.docker.remove_network(&network).await.unwrap_err());
    assert!(busy.contains(&format!("removing network `{network}`")), "{busy}");
}

#[tokio::test]
async fn what_is_written_to_a_volume_outlives_the_container() {
    let bench = Bench::new().await;
    let volume = format!("{}-volume", bench.name);
    for _ in 0..2 {
        bench.docker.ensure_volume(&volume, &Bench::labels()).await.unwrap();
    }
    let mut spec = bench.spec("first", &["exit", "0"]);
    spec.volumes = vec![(volume.clone(), "/data".to_owned())];
    let first = bench.docker.create(&spec).await.unwrap();
    bench
        .docker
        .put_file(&first, "/data/kept", b"still here", 0o644)
        .await
        .unwrap();
    bench.docker.remove(&first).await.unwrap();
    let mut spec = bench.spec("second", &["cat", "/data/kept"]);
    spec.volumes = vec![(volume.clone(), "/data".to_owned())];
    let second = bench.run(&spec).await;
    bench.docker.wait(&second, SHORT).await.unwrap();
    assert_eq!(bench.docker.logs_tail(&second, 1).await.unwrap(), ["still here"]);
}

#[tokio::test]
async fn ports_limits_restart_and_hardening_reach_the_engine() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        ports: vec![PublishedPort::on_loopback(0, 80)],
        restart: Restart::UnlessStopped,
        read_only_root: true,
        hardened: true,
        log_rotation: true,
        cpus: Cpus::milli(250),
        ..bench.spec("sleep", &["sleep"])
    };
    let id = bench.run(&spec).await;
    let state = bench.docker.inspect(&id).await.unwrap().unwrap();
    assert_eq!(state.ports.len(), 1);
    assert!(
        state.ports[0].host_ip.is_loopback() && state.ports[0].host_port != 0 && state.ports[0].container_port == 80
    );
    let raw = bench
        .docker
        .api()
        .inspect_container(&id, None)
        .await
        .unwrap()
        .host_config
        .unwrap();
    assert_eq!(raw.cap_drop.unwrap(), ["ALL"]);
    assert_eq!(raw.security_opt.unwrap(), ["no-new-privileges"]);
    assert_eq!(raw.readonly_rootfs, Some(true));
    assert_eq!(raw.nano_cpus, Some(250_000_000));
    assert_eq!(raw.pids_limit, Some(MOST_PROCESSES));
    assert_eq!(raw.restart_policy.unwrap().name.unwrap().to_string(), "unless-stopped");
    assert_eq!(raw.log_config.unwrap().config.unwrap()["max-size"], "10m");
}

#[tokio::test]
async fn where_the_engine_keeps_its_data_and_how_large_an_image_is_can_be_asked() {
    let bench = Bench::new().await;
    let root = bench.docker.data_root().await.unwrap();
    assert!(root.path.is_absolute() && !root.machine.is_empty(), "{root:?}");
    let bytes = bench.docker.image_bytes(&bench.image).await.unwrap().unwrap();
    assert!(bytes >= common::probe().len() as u64, "{bytes}");
    assert_eq!(
        bench.docker.image_bytes("xtask-test-docker-none:none").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_container_is_waited_for_until_its_probe_passes() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        health: Some(health(SHORT)),
        ..bench.spec("sleep", &["sleep"])
    };
    let id = bench.run(&spec).await;
    let early = bench
        .docker
        .wait_healthy(&id, Duration::from_millis(900))
        .await
        .unwrap_err();
    assert_eq!(early.status, "starting");
    bench.docker.put_file(&id, "/ready", b"", 0o644).await.unwrap();
    let took = bench.docker.wait_healthy(&id, SHORT).await.unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(
        bench.docker.inspect(&id).await.unwrap().unwrap().health.as_deref(),
        Some("healthy")
    );
}

#[tokio::test]
async fn what_never_gets_healthy_is_given_up_at_the_deadline_with_its_last_probe() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        health: Some(health(Duration::ZERO)),
        ..bench.spec("sleep", &["sleep"])
    };
    let id = bench.run(&spec).await;
    let unhealthy = async || bench.docker.inspect(&id).await.unwrap().unwrap().health.as_deref() == Some("unhealthy");
    let limit = Instant::now() + SHORT;
    while !unhealthy().await {
        assert!(Instant::now() < limit, "three failed probes did not make it unhealthy");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    let error = bench
        .docker
        .wait_healthy(&id, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(error.status, "unhealthy");
    assert_eq!(error.last_probe.as_deref(), Some("exit code 3: not ready yet"));
    assert_eq!(error.log_tail, ["up"]);
    let text = error.to_string();
    assert!(
        text.contains("it is unhealthy\nlast probe: exit code 3: not ready yet\nlast log lines:\n  up"),
        "{text}"
    );
}

#[tokio::test]
async fn what_exits_or_has_no_health_check_is_not_waited_for() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        health: Some(health(SHORT)),
        ..bench.spec("exit", &["exit", "9"])
    };
    let exits = bench.run(&spec).await;
    let began = Instant::now();
    let error = bench.docker.wait_healthy(&exits, SHORT).await.unwrap_err();
    assert_eq!((error.status.as_str(), error.exit_code), ("exited", Some(9)));
    assert_eq!(error.log_tail, ["leaving with 9"]);
    let unchecked = bench.run(&bench.spec("sleep", &["sleep"])).await;
    assert_eq!(
        bench.docker.wait_healthy(&unchecked, SHORT).await.unwrap_err().status,
        "without a health check"
    );
    assert_eq!(
        bench
            .docker
            .wait_healthy("no-such-container", SHORT)
            .await
            .unwrap_err()
            .status,
        "gone"
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_build_reports_its_lines_and_a_failed_one_the_reason() {
    let bench = Bench::new().await;
    let options = |tag: &str| BuildOptions {
        dockerfile: "sub/Dockerfile".to_owned(),
        tag: tag.to_owned(),
        args: [("WORD".to_owned(), "hello".to_owned())].into(),
        labels: Bench::labels(),
    };
    let base = format!("FROM {}\n", bench.image);
    let good = format!("{base}ARG WORD\nLABEL word=$WORD\n");
    let mut lines = Vec::new();
    let context = tar_of(&[("sub/Dockerfile", good.as_bytes(), 0o644)]);
    let tag = format!("{}:built", bench.name);
    let id = bench
        .docker
        .build(context, options(&tag), |line| lines.push(line.to_owned()))
        .await
        .image
        .unwrap();
    assert_eq!(bench.docker.image_id(&tag).await.unwrap(), Some(id.clone()));
    assert!(
        lines.iter().any(|line| line.contains("Successfully built")),
        "{lines:?}"
    );
    let labels = bench
        .docker
        .api()
        .inspect_image(&id)
        .await
        .unwrap()
        .config
        .unwrap()
        .labels
        .unwrap();
    assert_eq!((labels["word"].as_str(), labels["xtask.test"].as_str()), ("hello", "1"));
    bench.docker.remove_image(&tag).await.unwrap();
    bench.docker.remove_image(&tag).await.unwrap();
    assert!(!bench.docker.has_image(&tag).await.unwrap());

    let bad = format!("{base}COPY missing /missing\n");
    let context = tar_of(&[("sub/Dockerfile", bad.as_bytes(), 0o644)]);
    let error = format!(
        "{:#}",
        bench
            .docker
            .build(context, options(&tag), |_| ())
            .await
            .image
            .unwrap_err()
    );
    assert!(error.contains(&tag) && error.contains("missing"), "{error}");
}

#[tokio::test]
async fn a_container_of_an_image_that_is_not_there_names_both() {
    let bench = Bench::new().await;
    let spec = ContainerSpec {
        image: "127.0.0.1:1/nothing:here".to_owned(),
        ..bench.spec("x", &[])
    };
    let error = format!("{:#}", bench.docker.create(&spec).await.unwrap_err());
    assert!(
        error.contains(&spec.name) && error.contains("127.0.0.1:1/nothing:here"),
        "{error}"
    );
    assert!(!bench.docker.has_image(&spec.image).await.unwrap());
}

#[tokio::test]
async fn a_command_runs_inside_a_container_and_its_exit_code_and_output_come_back() {
    let bench = Bench::new().await;
    let id = bench.run(&bench.spec("sleep", &["sleep"])).await;
    let env = [("WORD".to_owned(), "hello".to_owned())].into();
    let printed = bench
        .docker
        .exec(&id, &["/probe", "env", "WORD"], &env, SHORT)
        .await
        .unwrap();
    assert_eq!((printed.exit_code, printed.output.as_str()), (0, "hello\n"));
    let failed = bench
        .docker
        .exec(&id, &["/probe", "exit", "4"], &env, SHORT)
        .await
        .unwrap();
    assert_eq!((failed.exit_code, failed.output.as_str()), (4, "leaving with 4\n"));
    let late = bench
        .docker
        .exec(&id, &["/probe", "sleep"], &env, Duration::from_millis(500))
        .await
        .unwrap_err();
    assert!(
        late.to_string().contains("`/probe`") && late.to_string().contains("500ms"),
        "{late:#}"
    );
}
