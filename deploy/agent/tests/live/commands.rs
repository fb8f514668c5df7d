//! What somebody who is logged in on the host gets to see and can do, also while the agent is dead.

use crate::host::{Host, release, rollout};
use crate::http;
use contract::RolloutId;
use serde_json::Value;
use std::process::Output;

/// What `agent …` of this host says, and how it ends.
async fn ask(args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(args);
    command.output().await.unwrap()
}

async fn said(host: &Host, verb: &str, more: &[&str]) -> String {
    let path = host.path("host.json");
    let path = path.to_str().unwrap();
    let last: &[&str] = if verb == "logs" { &["--host", path] } else { &[path] };
    let output = ask(&[&[verb], more, last].concat()).await;
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    format!("{out}{err}exit {}", output.status.code().unwrap())
}

async fn status(host: &Host) -> Value {
    let text = said(host, "status", &["--json"]).await;
    serde_json::from_str(text.strip_suffix("exit 0").unwrap_or_else(|| panic!("{text}"))).unwrap()
}

#[tokio::test]
async fn status_tells_what_is_told_what_runs_and_that_the_agent_is_dead() {
    let mut host = Host::start().await;
    assert!(said(&host, "status", &[]).await.contains("no version runs here"));
    host.bring(host.settled()).await;
    let generation = host.bring(host.canary(250, "well")).await.generation;
    for alive in [true, false] {
        if !alive {
            host.kill_agent();
        }
        let found = status(&host).await;
        assert_eq!(found["agent_pid"].is_null(), !alive);
        let told = &found["told"]["given"];
        assert_eq!(told["rollout"], rollout(2).to_string());
        assert_eq!(told["weight"], "25%");
        assert_eq!(
            (&told["generation"], &found["in_force"]),
            (&Value::from(generation.0), &Value::from(generation.0))
        );
        let versions = found["versions"].as_array().unwrap();
        let seen: Vec<_> = versions
            .iter()
            .map(|version| {
                [
                    &version["part"],
                    &version["release"],
                    &version["weight"],
                    &version["container"]["health"],
                ]
            })
            .map(|fields| fields.map(|field| field.as_str().unwrap().to_owned()).join(" "))
            .collect();
        let expected = [
            format!("candidate {} 25% ready", release(2)),
            format!("stable {} 75% ready", release(1)),
        ];
        assert_eq!(seen, expected);
        let text = said(&host, "status", &[]).await;
        assert_eq!(text.contains("NOT RUNNING"), !alive, "{text}");
    }
    host.kill_router();
    let text = said(&host, "status", &[]).await;
    assert!(
        text.contains("the router does not answer") && text.ends_with("exit 0"),
        "{text}"
    );
}

#[tokio::test]
async fn status_shows_a_failure_with_its_evidence_and_a_refusal() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.publish(host.canary(0, "exit")).await;
    host.sees_failure().await;
    host.kill_agent();
    let text = said(&host, "status", &[]).await;
    assert!(text.contains("exited with code 3 before it was ready"), "{text}");
    assert!(text.contains("| no such table: members"), "{text}");

    host.start_agent();
    let stranger = contract::SigningKey::from_seed([9; 32]);
    let envelope = stranger.seal(&host.settled()).unwrap();
    host.publish_sealed(&envelope).await;
    host.sees("it is refused", |seen| seen.refused.is_some()).await;
    let refused = &status(&host).await["refused"]["reason"];
    assert!(refused.as_str().unwrap().contains("key"), "{refused}");
    // Once something is accepted, it is history.
    host.publish(host.settled()).await;
    host.sees("it is accepted", |seen| seen.refused.is_none()).await;
    assert!(status(&host).await["refused"].is_null());
}

#[tokio::test]
async fn rollback_moves_all_traffic_at_once_and_is_final_for_its_rollout() {
    for agent_lives in [true, false] {
        let mut host = Host::start().await;
        host.bring(host.settled()).await;
        let settled = said(&host, "rollback", &[]).await;
        assert!(
            settled.contains("nothing is on trial here") && settled.ends_with("exit 1"),
            "{settled}"
        );
        assert!(settled.contains("cargo xtask rollback staging"), "{settled}");

        host.bring(host.canary(1000, "well")).await;
        assert_eq!(host.serves().await, release(2).to_string());
        if !agent_lives {
            host.kill_agent();
        }
        let text = said(&host, "rollback", &[]).await;
        assert!(
            text.contains(&format!("back on release {}", release(1))) && text.ends_with("exit 0"),
            "{text}"
        );
        for _ in 0..20 {
            assert_eq!(host.serves().await, release(1).to_string());
        }
        if !agent_lives {
            host.start_agent();
        }
        let lapsed = |seen: &contract::Observed| seen.router.as_ref().and_then(|router| router.lapsed);
        host.sees("the controller can see it", |seen| lapsed(seen) == Some(rollout(2)))
            .await;
        let again = said(&host, "rollback", &[]).await;
        assert!(again.contains("back on") && again.ends_with("exit 0"), "{again}");

        // What the controller still publishes of that rollout is not followed; a new one is.
        let ignored = host.publish(host.canary(500, "well")).await;
        host.sees("it is taken note of", |seen| seen.accepted == ignored).await;
        assert!(status(&host).await["told"]["given"]["lapsed"].as_bool().unwrap());
        assert_eq!(host.serves().await, release(1).to_string());
        let other = RolloutId::from_parts(3, 0);
        host.bring(contract::Desired {
            rollout: other,
            ..host.canary(1000, "well")
        })
        .await;
        assert_eq!(host.serves().await, release(2).to_string());
    }
}

#[tokio::test]
async fn logs_come_from_the_engine_or_are_the_last_words_of_what_is_gone() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.bring(host.canary(250, "well")).await;
    for (named, n) in [("stable", 1), ("candidate", 2)] {
        let text = said(&host, "logs", &[named]).await;
        assert!(text.contains("serving on 0.0.0.0:8080"), "{text}");
        assert!(text.contains(&format!("of release {}", release(n))), "{text}");
    }
    assert!(
        !said(&host, "logs", &["--lines", "0", "stable"])
            .await
            .contains("serving")
    );
    host.bring(host.promoted()).await;
    host.sees("version 1 is gone", |seen| seen.versions.len() == 1).await;
    host.kill_agent();
    let id = release(1).to_string();
    let text = said(&host, "logs", &[&id]).await;
    assert!(
        text.contains("no container any more") && text.contains("serving on 0.0.0.0:8080"),
        "{text}"
    );
    let unknown = said(&host, "logs", &["zz"]).await;
    assert!(
        unknown.contains("nothing is known here of release `zz`") && unknown.ends_with("exit 1"),
        "{unknown}"
    );
}

#[tokio::test]
async fn logs_follow_until_the_container_ends() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let path = host.path("host.json");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_agent"));
    command
        .args(["logs", "--follow", "--host"])
        .arg(&path)
        .kill_on_drop(true);
    let follower = tokio::spawn(async move { command.output().await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!follower.is_finished(), "it waits for more");
    host.kill_agent();
    host.docker.remove(&host.of_version(1).await[0]).await.unwrap();
    let output = tokio::time::timeout(std::time::Duration::from_secs(10), follower)
        .await
        .unwrap()
        .unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("serving on"));
}

#[tokio::test]
async fn doctor_is_content_with_a_sound_host_and_names_what_is_in_the_way() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let text = said(&host, "doctor", &[]).await;
    assert!(text.ends_with("exit 0"), "{text}");
    for fine in [
        "engine ",
        "router ",
        "agent ",
        "channel ",
        "trusted keys",
        "secrets",
        "ports",
        "clock",
    ] {
        let line = text
            .lines()
            .find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(fine)));
        assert!(line.is_some_and(|line| line.starts_with("ok")), "{fine}: {text}");
    }
    assert!(text.contains("one of them signed what is published"), "{text}");

    host.kill_agent();
    host.kill_router();
    host.write_secret(0o644);
    std::fs::write(host.path("keys.json"), "{}").unwrap();
    let text = said(&host, "doctor", &[]).await;
    assert!(text.ends_with("exit 1"), "{text}");
    for bad in ["router ", "agent ", "listening socket", "trusted keys", "secrets"] {
        let line = text
            .lines()
            .find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(bad)));
        assert!(line.is_some_and(|line| line.starts_with("BAD")), "{bad}: {text}");
    }
    assert!(!text.contains(crate::host::SECRET));
}

#[tokio::test]
async fn what_is_typed_wrongly_is_named() {
    let version = ask(&["version"]).await;
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!(
            "agent {}, contract {}\n",
            env!("CARGO_PKG_VERSION"),
            contract::CONTRACT_VERSION
        )
    );
    let unknown = ask(&["stats"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        String::from_utf8(unknown.stderr)
            .unwrap()
            .contains("there is no command `stats`\n\nusage: agent run")
    );
    let missing = ask(&["status", "/nonexistent/host.json"]).await;
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("cannot find `/nonexistent/host.json`")
    );
}

#[tokio::test]
async fn users_are_told_to_come_back_until_they_may_go_on() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.kill_agent();
    let held = said(&host, "hold", &["maintenance", "--seconds", "7"]).await;
    assert!(
        held.contains("come back after 7 s") && held.ends_with("exit 0"),
        "{held}"
    );
    assert_eq!(http::get(host.listen, "/version").await.0, 503);
    let off = said(&host, "hold", &["off"]).await;
    assert_eq!(off, "nobody is held any more\nexit 0");
    assert_eq!(host.serves().await, release(1).to_string());
    // Paused, they wait; and go on when it is over.
    said(&host, "hold", &["pause", "--seconds", "1"]).await;
    assert_eq!(host.serves().await, release(1).to_string());
    host.kill_router();
    let away = said(&host, "hold", &["off"]).await;
    assert!(
        away.contains("the router does not answer") && away.ends_with("exit 1"),
        "{away}"
    );
}
