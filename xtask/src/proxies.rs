//! Every client of this tool in a company's network: it gets out only through the proxy, and only with the company's own
//! authority trusted.
//!
//! A process has one environment, which no test may change under the others: the clients ask in a process of their own.

mod company;

use crate::notify;
use company::{Company, PAGE};
use contract::ChannelPlace;
use frontend::{Edge, Site};
use oci::registry::Retry;
use oci::{Client, ClientOptions, Repository};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use store::Store;
use tokio::process::Command;

/// Only the proxy knows where these are.
const NAMES: [&str; 4] = ["hooks", "registry", "store", "www"];
const ENDS_WITHIN: Duration = Duration::from_secs(120);
/// Tell a process that it is the one that asks, and where something of this machine itself is, with TLS and without.
const HERE: &str = "XTASK_TEST_HERE";
const GROUND: &str = "XTASK_TEST_GROUND";
const STORE: &str = "https://store.internal.example";
const WWW: &str = "https://www.internal.example";
const ASKING: &str = "proxies::each_client_asks";

#[tokio::test]
async fn each_client_asks() {
    let Ok(here) = std::env::var(HERE) else {
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcomes = [
        (
            "hooks",
            notify::tell("https://hooks.internal.example/secret", "hello").await,
        ),
        ("registry", registry().await.map_err(|error| error.to_string())),
        ("store", bucket(STORE).await.map_err(|error| format!("{error:#}"))),
        ("www", site(WWW).await.map_err(|error| format!("{error:#}"))),
        ("here", notify::tell(&here, "hello").await),
        ("ground", ground().await.map_err(|error| format!("{error:#}"))),
    ];
    for (client, outcome) in outcomes {
        let said = outcome.err().unwrap_or_default().replace('\n', " ");
        println!("\nasked {client}: {said}");
    }
}

async fn registry() -> Result<(), oci::registry::RegistryError> {
    let retry = Retry {
        attempts: 1,
        ..Retry::default()
    };
    let client = Client::new(ClientOptions {
        retry,
        ..ClientOptions::default()
    });
    let repository = Repository::parse("registry.internal.example/shop").unwrap();
    let found = client.unwrap().resolve(&repository, "v1").await?;
    assert_eq!(found, None);
    Ok(())
}

async fn bucket(endpoint: &str) -> anyhow::Result<()> {
    let place = ChannelPlace::S3 {
        bucket: "releases".to_owned(),
        prefix: String::new(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
    };
    let found = Store::open(&place, "shop")?.get("journal").await?;
    assert!(found.is_none());
    Ok(())
}

async fn site(url: &str) -> anyhow::Result<()> {
    let files = [("index.html".to_owned(), PAGE.as_bytes().to_vec())].into();
    let site = Site::from_files(files, "index.html")?;
    Ok(frontend::verify(&site, url).await.map(drop)?)
}

/// Whatever of the ground is asked by whoever asks it.
async fn ground() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::var(GROUND)?.parse()?;
    let url = format!("http://localhost:{}", address.port());
    crate::http::client(ENDS_WITHIN).get(&url).send().await?;
    Edge::new(address)?;
    bucket(&format!("http://{address}")).await?;
    site(&url).await?;
    notify::tell(&url, "hello").await.map_err(anyhow::Error::msg)
}

/// What each client said with these variables, and nothing where all was well.
async fn ask(company: &Company, variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", ASKING, "--nocapture"]);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    child.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    child
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    child.env(HERE, format!("https://localhost:{}/", company.server.port()));
    child.env(GROUND, company.plain.to_string());
    child.envs(variables.iter().copied());
    let output = child.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(ENDS_WITHIN, output)
        .await
        .expect("an end")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let asked = text
        .lines()
        .filter_map(|line| line.strip_prefix("asked ")?.split_once(':'));
    let said: BTreeMap<_, _> = asked
        .map(|(client, said)| (client.to_owned(), said.trim().to_owned()))
        .collect();
    assert_eq!(
        said.len(),
        NAMES.len() + 2,
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn proxy(company: &Company) -> String {
    format!("http://ann:correct%20horse@{}", company.proxy)
}

#[track_caller]
fn expect_all(said: &BTreeMap<String, String>, words: &str) {
    for name in NAMES {
        assert!(
            said[name].contains(words),
            "{name}: expected `{words}`, found `{}`",
            said[name]
        );
    }
}

#[tokio::test]
async fn each_client_goes_through_the_proxy_in_any_spelling_and_to_this_machine_directly() {
    let company = Company::start().await;
    let (proxy, authority) = (proxy(&company), company.authority.to_str().unwrap());
    let all = NAMES.map(|name| format!("CONNECT {name}.internal.example:443 HTTP/1.1"));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let said = ask(&company, &[(variable, &proxy), ("SSL_CERT_FILE", authority)]).await;
        assert!(said.values().all(String::is_empty), "{variable}: {said:?}");
        assert_eq!(company.asked(), all, "{variable}");
    }
    let stranger = proxy.replace("correct", "wrong");
    let said = ask(&company, &[("HTTPS_PROXY", &stranger), ("SSL_CERT_FILE", authority)]).await;
    assert!(NAMES.iter().all(|name| !said[*name].is_empty()), "{said:?}");
    assert!(said.values().all(|said| !said.contains("horse")), "{said:?}");
}

#[tokio::test]
async fn what_no_proxy_names_is_asked_directly() {
    let company = Company::start().await;
    let (proxy, authority) = (proxy(&company), company.authority.to_str().unwrap());
    let proxied = [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", authority)];
    for (variable, value) in [
        ("NO_PROXY", ".internal.example"),
        ("no_proxy", "10.0.0.0/8, internal.example"),
        ("NO_PROXY", "*"),
    ] {
        let said = ask(&company, &[&proxied[..], &[(variable, value)]].concat()).await;
        // Which finds nobody.
        assert!(
            NAMES.iter().all(|name| !said[*name].is_empty()),
            "{variable}={value}: {said:?}"
        );
        assert_eq!(company.asked(), [""; 0], "{variable}={value}");
    }
    let one = ("NO_PROXY", "store.internal.example");
    let said = ask(&company, &[&proxied[..], &[one]].concat()).await;
    let unreached: Vec<_> = said.iter().filter(|(_, said)| !said.is_empty()).collect();
    assert!(matches!(unreached[..], [(name, _)] if name == "store"), "{said:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_named_by_each_client() {
    let company = Company::start().await;
    let said = ask(&company, &[("HTTPS_PROXY", &proxy(&company))]).await;
    expect_all(&said, "certificate");
    assert!(said["here"].contains("certificate"), "{said:?}");
    assert!(
        !said["hooks"].contains("secret"),
        "a webhook's address is one: {said:?}"
    );
}

#[tokio::test]
async fn what_is_misset_is_named_by_each_client_but_for_this_machine_does_not_matter() {
    let company = Company::start().await;
    let missing = Path::new("/nowhere/company.pem");
    let said = ask(&company, &[("SSL_CERT_FILE", missing.to_str().unwrap())]).await;
    expect_all(
        &said,
        "`SSL_CERT_FILE` is to name the certificates to trust: expected PEM in `/nowhere/company.pem`",
    );
    assert_eq!(said["ground"], "");
    let said = ask(
        &company,
        &[("https_proxy", "socks5://ann:hunter2@proxy.internal.example")],
    )
    .await;
    expect_all(&said, "`https_proxy` names no proxy: expected `http://HOST:PORT`");
    assert!(!said["here"].contains("https_proxy"), "{said:?}");
    assert_eq!(said["ground"], "");
    assert!(said.values().all(|said| !said.contains("hunter2")), "{said:?}");
    assert_eq!(company.asked(), [""; 0]);
}
