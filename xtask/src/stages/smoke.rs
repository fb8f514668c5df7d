//! A first look at a version through the routers, before users meet it.

use crate::failure::{Failure, Result};
use contract::{EnvironmentName, ReleaseId, TESTER_HEADER};
use pipeline::model::Smoke;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(15);

/// Asks `release` by name on each host, whatever the weights; every check must answer as expected within the deadline.
pub async fn smoke(
    environment: &EnvironmentName,
    routers: &[SocketAddr],
    checks: &[Smoke],
    release: ReleaseId,
) -> Result<usize> {
    let client = crate::http::client(Duration::from_secs(5));
    for router in routers {
        for check in checks {
            let url = format!("http://{router}{}", check.path);
            let deadline = Instant::now() + WITHIN;
            while let Err(found) = ask(&client, &url, check, release).await {
                if Instant::now() > deadline {
                    return Err(Failure::failed(format!("the smoke check of `{environment}` failed"))
                        .why(format!("GET {url}: expected {}, found {found}", check.status)));
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    Ok(routers.len() * checks.len())
}

async fn ask(client: &reqwest::Client, url: &str, check: &Smoke, release: ReleaseId) -> Result<(), String> {
    let request = client.get(url).header(TESTER_HEADER, release.to_string());
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    if status == check.status {
        return Ok(());
    }
    let body: String = response.text().await.unwrap_or_default().chars().take(200).collect();
    Err(format!("{status} {body}"))
}
