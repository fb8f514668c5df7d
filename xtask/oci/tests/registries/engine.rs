//! A pushed image in the hands of a real Docker engine.

use crate::parts::{Access, Registry, client, run};
use oci::image::{BuiltImage, HealthCheck, ImageSpec, build};
use oci::registry::{CredentialSource, Silent};
use oci::rootfs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

const HEALTHY_DEADLINE: Duration = Duration::from_secs(30);

/// A program that says who it is and what it sees, then stays.
const PROGRAM: &str = r#"
use std::{env, fs, path::Path, thread, time::Duration};
fn main() {
    if env::args().nth(1).as_deref() == Some("healthcheck") { return; }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("Uid:")).unwrap());
    for path in ["/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo/Asia/Seoul", "/etc/nsswitch.conf"] {
        println!("{path} {}", Path::new(path).is_file());
    }
    println!("tmp {}", fs::write("/tmp/x", "x").is_ok());
    println!("home {}", fs::write(env::var("HOME").unwrap() + "/x", "x").is_ok());
    println!("etc {}", fs::write("/etc/x", "x").is_ok());
    thread::sleep(Duration::from_secs(600));
}
"#;

fn compiled() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (source, binary) = (directory.path().join("program.rs"), directory.path().join("program"));
    std::fs::write(&source, PROGRAM).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args([
        "--target",
        "x86_64-unknown-linux-gnu",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "strip=symbols",
    ]);
    run(rustc.arg("-o").arg(&binary).arg(&source));
    std::fs::read(&binary).unwrap()
}

fn image() -> BuiltImage {
    build(&ImageSpec {
        layers: vec![rootfs::base(), rootfs::program("/program", compiled())],
        entrypoint: vec!["/program".into()],
        env: BTreeMap::from([("PATH".into(), "/".into())]),
        user: format!("{}:{}", rootfs::USER_ID, rootfs::GROUP_ID),
        working_dir: "/".into(),
        exposed_ports: vec![8080],
        healthcheck: Some(HealthCheck {
            test: vec!["/program".into(), "healthcheck".into()],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            start_period: Duration::from_secs(5),
            retries: 3,
        }),
        labels: BTreeMap::from([("xtask.test".into(), "1".into())]),
        ..ImageSpec::default()
    })
    .unwrap()
}

fn docker(arguments: &[&str]) -> String {
    String::from_utf8(run(Command::new("docker").args(arguments)).stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Removes what a test made, also when it fails.
struct Cleanup {
    container: String,
    image: String,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.container]).output();
        let _ = Command::new("docker").args(["rmi", "-f", &self.image]).output();
    }
}

#[tokio::test]
async fn an_image_pulled_by_digest_runs_as_nobody_special_and_reports_its_health() {
    let registry = Registry::start(Access::Open);
    let repository = registry.repository("shop");
    let image = image();
    client(CredentialSource::Anonymous)
        .push(&repository, &image, &[], &Silent)
        .await
        .unwrap();

    let reference = repository.image(image.digest()).to_string();
    let name = format!("oci-test-{}", std::process::id());
    let _cleanup = Cleanup {
        container: name.clone(),
        image: reference.clone(),
    };
    docker(&["pull", "--quiet", &reference]);
    let inspected: Value = serde_json::from_str(&docker(&["inspect", "--format", "{{json .}}", &reference])).unwrap();
    assert_eq!(inspected["Id"], json!(image.config.digest));
    assert_eq!(inspected["RepoDigests"], json!([reference]));
    assert_eq!(
        (&inspected["Os"], &inspected["Architecture"]),
        (&json!("linux"), &json!("amd64"))
    );
    let expected = json!({
        "Test": ["CMD", "/program", "healthcheck"], "Interval": 1_000_000_000_u64, "Timeout": 5_000_000_000_u64,
        "StartPeriod": 5_000_000_000_u64, "Retries": 3,
    });
    assert_eq!(inspected["Config"]["Healthcheck"], expected);

    docker(&[
        "run",
        "--detach",
        "--name",
        &name,
        "--label",
        "xtask.test=1",
        "--network",
        "none",
        &reference,
    ]);
    let started = Instant::now();
    loop {
        let health = docker(&["inspect", "--format", "{{json .State.Health}}", &name]);
        if health.contains(r#""Status":"healthy""#) {
            break;
        }
        assert!(started.elapsed() < HEALTHY_DEADLINE, "not healthy: {health}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let expected = "Uid:\t65532\t65532\t65532\t65532\n/etc/ssl/certs/ca-certificates.crt true\n\
                    /usr/share/zoneinfo/Asia/Seoul true\n/etc/nsswitch.conf true\ntmp true\nhome true\netc false";
    assert_eq!(docker(&["logs", &name]), expected);
}
