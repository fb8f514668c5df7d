//! A first look at a version through the routers, before users meet it.

use crate::failure::{Failure, OrFail, Result};
use contract::{EnvironmentName, ReleaseId, TESTER_HEADER};
use pipeline::model::Smoke;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Of an answer, what is looked at, and what is shown.
const MOST_BYTES: usize = 1024 * 1024;
const SHOWN_CHARS: usize = 200;

/// What came back.
struct Answer {
    status: u16,
    body: String,
    took: Duration,
}

/// Asks `release` by name on each host, whatever the weights; every check must answer as expected within its deadline.
pub async fn smoke(
    environment: &EnvironmentName,
    routers: &[SocketAddr],
    checks: &[Smoke],
    release: ReleaseId,
) -> Result<usize> {
    for router in routers {
        for check in checks {
            let url = format!("http://{router}{}", check.path);
            let client = crate::http::client(check.within.unwrap_or(ANSWER_WITHIN).max(ANSWER_WITHIN));
            let method = check.method.as_str();
            let request = client
                .request(method.parse().or_fail(|| format!("`{method}` is no method"))?, &url)
                .header(TESTER_HEADER, release.to_string())
                .build()
                .or_fail(|| format!("`{url}` cannot be asked for"))?;
            let since = Instant::now();
            while let Err(found) = ask(&client, &request, check).await {
                if since.elapsed() > check.deadline {
                    let waited = since.elapsed().as_secs_f64();
                    return Err(Failure::failed(format!("a smoke check of `{environment}` failed"))
                        .why(format!("{method} {url}: {found}, asked for {waited:.1} s")));
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }
    Ok(routers.len() * checks.len())
}

async fn ask(client: &reqwest::Client, request: &reqwest::Request, check: &Smoke) -> Result<(), String> {
    let since = Instant::now();
    let request = request.try_clone().ok_or("it cannot be asked twice")?;
    let mut response = client.execute(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let took = since.elapsed();
    judge(check, &Answer { status, body, took })
}

fn judge(check: &Smoke, answer: &Answer) -> Result<(), String> {
    let Answer { status, body, took } = answer;
    if *status != check.status {
        return Err(format!("expected {}, found {status} {}", check.status, beginning(body)));
    }
    if let Some(within) = check.within.filter(|within| took > within) {
        return Err(format!("expected an answer within {within:?}, it took {took:?}"));
    }
    let Some(pointer) = &check.pointer else {
        return Ok(());
    };
    let document: Value =
        serde_json::from_str(body).map_err(|error| format!("expected JSON, found {} ({error})", beginning(body)))?;
    let found = document.pointer(pointer).filter(|found| !found.is_null());
    let found = found.ok_or_else(|| format!("expected something at `{pointer}`, found {}", beginning(body)))?;
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    match &check.equals {
        Some(expected) if *expected != text => Err(format!(
            "expected `{expected}` at `{pointer}`, found `{}`",
            beginning(&text)
        )),
        _ => Ok(()),
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::model::Method;

    fn check() -> Smoke {
        Smoke {
            method: Method::Get,
            path: "/version".to_owned(),
            status: 200,
            pointer: None,
            equals: None,
            within: None,
            deadline: Duration::ZERO,
        }
    }

    fn judged(check: &Smoke, status: u16, body: &str, took_ms: u64) -> Result<(), String> {
        let (body, took) = (body.to_owned(), Duration::from_millis(took_ms));
        judge(check, &Answer { status, body, took })
    }

    #[test]
    fn another_status_is_told_with_the_beginning_of_the_answer() {
        assert_eq!(judged(&check(), 200, "", 1), Ok(()));
        let found = judged(&check(), 503, &"x".repeat(1000), 1).unwrap_err();
        assert_eq!(found, format!("expected 200, found 503 {}", "x".repeat(SHOWN_CHARS)));
    }

    #[test]
    fn a_right_answer_that_took_too_long_is_wrong() {
        let check = Smoke {
            within: Some(Duration::from_millis(100)),
            ..check()
        };
        assert_eq!(judged(&check, 200, "", 100), Ok(()));
        let found = judged(&check, 200, "", 101).unwrap_err();
        assert_eq!(found, "expected an answer within 100ms, it took 101ms");
    }

    #[test]
    fn what_a_pointer_names_must_be_there_and_be_what_is_expected() {
        let at = |pointer: &str, equals: Option<&str>| Smoke {
            pointer: Some(pointer.to_owned()),
            equals: equals.map(str::to_owned),
            ..check()
        };
        let body = r#"{"app":"shop","ready":true,"tags":[{"n":7}],"none":null}"#;
        for (pointer, equals) in [
            ("/app", None),
            ("/app", Some("shop")),
            ("/ready", Some("true")),
            ("/tags/0/n", Some("7")),
        ] {
            assert_eq!(judged(&at(pointer, equals), 200, body, 1), Ok(()), "{pointer}");
        }
        for (pointer, equals, expected) in [
            ("/app", Some("store"), "expected `store` at `/app`, found `shop`"),
            ("/nothing", None, "expected something at `/nothing`"),
            ("/none", None, "expected something at `/none`"),
        ] {
            let found = judged(&at(pointer, equals), 200, body, 1).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(
            judged(&at("/app", None), 200, "<html>", 1)
                .unwrap_err()
                .starts_with("expected JSON")
        );
    }
}
