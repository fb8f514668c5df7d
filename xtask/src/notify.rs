//! Tells people how a release goes. Nobody waits for it for long, and no release fails because of it.

use crate::context::Context;
use crate::redact;
use pipeline::model::Occasion;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// Everybody who wants to know of this occasion.
pub async fn notify(context: &Context, occasion: Occasion, text: &str) {
    for asked in context
        .pipeline
        .notify
        .iter()
        .filter(|asked| asked.on.contains(&occasion))
    {
        let name = &asked.webhook;
        let Some(address) = std::env::var(name).ok().filter(|address| !address.is_empty()) else {
            context.report.note(&format!("nobody is told: `{name}` is not set"));
            continue;
        };
        if let Err(why) = tell(&address, text).await {
            // Neither the address nor what the client says of it: it is a secret.
            context
                .report
                .note(&format!("who listens at `{name}` could not be told: {why}"));
        }
    }
}

pub async fn tell(address: &str, text: &str) -> Result<(), String> {
    let client = client(address)?;
    let body = serde_json::json!({ "text": redact::mask(text) });
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome = match client.post(address).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => Err(answer.status().to_string()),
            Err(error) => Err(causes(error.without_url())),
        };
    }
    outcome
}

fn client(address: &str) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder().timeout(ANSWER_WITHIN);
    if outside::is_url_here(address) {
        builder = builder.no_proxy();
    }
    if outside::is_url_plainly_here(address) {
        builder = builder.tls_certs_only([]);
    }
    outside::check_for(address).map_err(|misset| misset.to_string())?;
    builder.build().map_err(|error| causes(error.without_url()))
}

/// A certificate that is not trusted is named only by the last of them.
fn causes(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
