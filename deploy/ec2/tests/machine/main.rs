//! A bare machine becomes a host, as cloud-init would make it one: made of Debian packages, systemd as its first process,
//! a Docker engine of its own, the real agent and router. Not part of a plain `cargo test`, because it installs packages:
//! the tier `hosts` of `cargo xtask test`.

mod machine;

use machine::Machine;

const TABLE: &str = r#"{"generation": 1, "backends": [{"release": "00000000010000000000000000", "role": "stable",
    "address": "127.0.0.1:9000", "weight": "100%", "ready": true}], "lease": null}"#;

#[test]
fn a_bare_machine_becomes_a_host_and_stays_one() {
    let mut machine = Machine::start();
    a_wrong_sum_is_refused_before_anything_is_run(&mut machine);
    the_script_makes_a_host_and_the_second_run_changes_nothing(&machine);
    the_agent_may_talk_to_the_router_and_others_may_not(&machine);
    machine.serve_something();
    machine
        .run("curl -sf --unix-socket /run/release-router/admin.sock -X PUT http://r/table -d @/opt/bundle/table.json");
    an_upgrade_loses_no_request(&mut machine);
    a_dead_router_is_back_and_makes_nobody_fail(&machine);
    restarting_the_agent_touches_nothing(&machine);
    a_router_that_cannot_begin_is_never_put_in_charge(&machine);
    the_same_comes_back_after_a_reboot(&machine);
}

fn a_wrong_sum_is_refused_before_anything_is_run(machine: &mut Machine) {
    machine.run("mkdir -p /etc/docker && echo '{\"mtu\": 1400}' > /etc/docker/daemon.json");
    machine.bundle(&[("table.json", TABLE.as_bytes())]);
    let script = machine.user_data();
    let (_, said) = machine.run_script(&script.replacen("  router\n", "  router\n".to_uppercase().as_str(), 1));
    assert!(said.contains("SHA256SUMS does not name `router`"), "{said}");
    let sum = script.split("SHA256SUMS='\n").nth(1).unwrap()[..64].to_owned();
    let (succeeded, said) = machine.run_script(&script.replace(&sum, &"0".repeat(64)));
    assert!(
        !succeeded && said.contains("a file is not what SHA256SUMS says; nothing was changed"),
        "{said}"
    );
    assert!(said.contains("FAILED while fetching"), "{said}");
    machine.run("! test -e /usr/local/lib/release/agent && ! test -e /etc/release/host.json");
}

fn the_script_makes_a_host_and_the_second_run_changes_nothing(machine: &Machine) {
    let (succeeded, said) = machine.run_script(&machine.user_data());
    assert!(succeeded, "{said}");
    let daemon = machine.run("cat /etc/docker/daemon.json");
    for kept in [
        "\"mtu\": 1400",
        "\"live-restore\": true",
        "\"userland-proxy\": false",
        "\"max-size\": \"10m\"",
    ] {
        assert!(daemon.contains(kept), "{kept}: {daemon}");
    }
    let doctor = machine.run("agent doctor || true");
    for fine in [
        "engine ",
        "live-restore ",
        "router ",
        "listening socket ",
        "agent ",
        "channel ",
        "secrets ",
        "ports ",
    ] {
        assert!(doctor.contains(&format!("ok    {fine}")), "{fine}: {doctor}");
    }
    assert!(doctor.contains("kept by `systemd` (process 1)"), "{doctor}");
    let processes = "systemctl show --property MainPID --value release-router release-agent docker";
    let before = machine.run(processes);
    let (succeeded, again) = machine.run_script(&machine.user_data());
    assert!(succeeded && !again.contains("user-data:   "), "{again}");
    assert_eq!(machine.run(processes), before);
    assert_eq!(machine.run("systemctl --failed --no-legend"), "");
}

fn the_agent_may_talk_to_the_router_and_others_may_not(machine: &Machine) {
    let modes =
        machine.run("stat -c '%a %U %G' /run/release-router /run/release-router/admin.sock /etc/release/secrets");
    assert_eq!(
        modes,
        "750 release-router release-router\n660 release-router release-router\n700 release-agent release-agent\n"
    );
    let ask = "curl -s -o /dev/null --unix-socket /run/release-router/admin.sock http://r/status";
    machine.run(&format!(
        "! setpriv --reuid nobody --regid nogroup --clear-groups {ask}"
    ));
    machine.run(&format!(
        "setpriv --reuid release-agent --regid release-agent --groups release-router {ask}"
    ));
    assert!(
        machine
            .run("systemctl show --property=Groups --property=SupplementaryGroups release-router")
            .trim()
            .ends_with('=')
    );
    let router = "/proc/$(systemctl show --property MainPID --value release-router)/status";
    let status = machine.run(&format!("grep -E 'CapEff|NoNewPrivs|Seccomp:' {router}"));
    let fields = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(fields, "CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2");
}

/// A binary with other bytes is another version to everybody but itself.
fn an_upgrade_loses_no_request(machine: &mut Machine) {
    let before = machine.run("systemctl show --property MainPID --value release-router");
    let mut router = machine.read("router");
    router.push(0);
    let load = machine.load(6);
    machine.bundle(&[("router", &router)]);
    let (succeeded, said) = machine.run_script(&machine.user_data());
    assert!(succeeded && said.contains("/usr/local/lib/release/router"), "{said}");
    machine.eventually(&format!(
        "test $(systemctl show --property MainPID --value release-router) != {}",
        before.trim()
    ));
    let (answered, failed, slowest_ms) = load.end();
    println!("upgrade: {answered} answered, {failed} failed, slowest {slowest_ms} ms");
    assert!(answered > 100 && failed == 0, "{answered} answered, {failed} failed");
    assert_eq!(
        machine
            .run("systemctl show --property NRestarts --value release-router")
            .trim(),
        "0"
    );
}

fn a_dead_router_is_back_and_makes_nobody_fail(machine: &Machine) {
    machine.run(
        "systemctl kill --kill-who=main --signal=KILL release-router && curl -sf --max-time 10 http://127.0.0.1:8080/",
    );
    machine.eventually("systemctl is-active --quiet release-router");
    assert!(
        machine.run("agent status").contains("generation 0.1"),
        "it has the table it had"
    );
}

fn restarting_the_agent_touches_nothing(machine: &Machine) {
    let before = machine.run("systemctl show --property MainPID --value release-router");
    let load = machine.load(4);
    machine.run("systemctl restart release-agent && systemctl restart docker && systemctl restart release-agent");
    let (answered, failed, _) = load.end();
    assert!(answered > 100 && failed == 0, "{answered} answered, {failed} failed");
    assert_eq!(
        machine.run("systemctl show --property MainPID --value release-router"),
        before
    );
}

fn a_router_that_cannot_begin_is_never_put_in_charge(machine: &Machine) {
    let before = machine.run("systemctl show --property MainPID --value release-router");
    machine.run("mv /usr/local/lib/release/router /opt/good && cp /bin/false /usr/local/lib/release/router");
    machine.run("! systemctl reload release-router");
    machine.run("curl -sf http://127.0.0.1:8080/");
    assert_eq!(
        machine.run("systemctl show --property MainPID --value release-router"),
        before
    );
    machine.run("mv /opt/good /usr/local/lib/release/router");
}

fn the_same_comes_back_after_a_reboot(machine: &Machine) {
    machine.reboot();
    machine.serve_something();
    machine.eventually("curl -sf http://127.0.0.1:8080/");
    assert!(machine.run("agent status").contains("generation 0.1"));
    assert_eq!(machine.run("systemctl --failed --no-legend"), "");
}
