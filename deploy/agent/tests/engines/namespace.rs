//! Namespaces of one machine: a network, mounts and processes that nobody else sees.

use crate::network::{Network, remove_all_groups, remove_namespace, run};
use crate::wait::{PATIENCE, soon};
use rustix::process::{Pid, Signal, kill_process};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What lies here is this machine's own, in memory, and gone with it.
pub const OWN: &str = "/run/machine";

/// Waits as the first process of its own namespace, with which all others end. It collects those that nobody waits for,
/// which an engine would take for alive.
const FIRST: &str = "
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/machine/data
mount -t tmpfs -o size=${DATA_MB}m tmpfs /run/machine/data
touch /run/machine/made
while true; do sleep 3600; done";

#[derive(Debug)]
pub struct Namespace {
    name: String,
    pub address: IpAddr,
    unshare: Child,
    /// Of the first process, as seen from outside.
    first: u32,
}

impl Namespace {
    /// With `data_mb` for what its engine keeps.
    pub async fn make(network: &Network, number: u8, data_mb: u32) -> Self {
        let name = format!("{}{number}", network.name);
        let address = network.address(10 + number);
        run("ip", &["netns", "add", &name]);
        let inside: &[&str] = &["-n", &name];
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", &name];
        run("ip", &[&["link", "add", &name][..], &peer].concat());
        run("ip", &["link", "set", &name, "master", &network.name, "up"]);
        let with_length = format!("{address}/24");
        run(
            "ip",
            &[inside, &["address", "add", &with_length, "dev", "eth0"]].concat(),
        );
        run("ip", &[inside, &["link", "set", "eth0", "up"]].concat());
        run("ip", &[inside, &["link", "set", "lo", "up"]].concat());
        // Not by `ip netns exec`: that hides the control groups. Should this test be killed, all of it ends.
        let net = format!("--net=/run/netns/{name}");
        let unshare = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nsenter", &net, "unshare", "--mount"])
            .args(["--propagation", "private", "--pid", "--fork", "--mount-proc"])
            .args(["--kill-child", "sh", "-c", FIRST])
            .env("DATA_MB", data_mb.to_string())
            .stdin(Stdio::null())
            // It complains of a child that was killed.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut namespace = Self {
            name,
            address,
            unshare,
            first: 0,
        };
        soon(PATIENCE, "the machine's namespaces are made", async || {
            namespace.first = namespace.child().unwrap_or_default();
            namespace.first != 0 && namespace.path("made").exists()
        })
        .await;
        namespace
    }

    fn child(&self) -> Option<u32> {
        let parent = self.unshare.id();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.trim().parse().ok()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something below [`OWN`], as it is to be found from outside.
    pub fn path(&self, name: &str) -> PathBuf {
        format!("/proc/{}/root{OWN}/{name}", self.first).into()
    }

    /// To be run in there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string(), "--mount", "--pid", "--net", "--"])
            .arg(program)
            .stdin(Stdio::null());
        // There is no way out of here.
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(variable).env_remove(variable.to_lowercase());
        }
        command
    }

    pub fn run(&self, program: &str, args: &[&str]) {
        let done = self.command(program).args(args).output().unwrap();
        let why = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{program} {}: {why}", args.join(" "));
    }

    /// A process by its id in there: no number can mean one outside.
    pub fn signal(&self, process: u32, signal: &str) {
        let _ = self
            .command("kill")
            .args([&format!("-{signal}"), &process.to_string()])
            .output();
    }

    pub fn is_running(&self, process: u32) -> bool {
        let found = self.command("kill").args(["-0", &process.to_string()]).output();
        found.is_ok_and(|found| found.status.success())
    }

    /// What is sent from here to that port of the test's own side is lost from now on.
    pub fn cut_off(&self, port: u16) {
        self.run("iptables", &rule("--insert", &port.to_string()));
    }

    pub fn heal(&self, port: u16) {
        self.run("iptables", &rule("--delete", &port.to_string()));
    }
}

fn rule<'a>(verb: &'a str, port: &'a str) -> [&'a str; 9] {
    [
        "--wait",
        verb,
        "OUTPUT",
        "--protocol",
        "tcp",
        "--dport",
        port,
        "--jump",
        "DROP",
    ]
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the first process all that ever ran in there is killed; `unshare` waits until that is over.
        match Pid::from_raw(self.first.cast_signed()) {
            Some(first) => drop(kill_process(first, Signal::KILL)),
            None => drop(self.unshare.kill()),
        }
        let _ = self.unshare.wait();
        remove_namespace(&self.name);
        remove_all_groups(&self.name);
    }
}
