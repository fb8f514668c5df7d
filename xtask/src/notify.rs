//! Tells people how a release goes. Nobody waits for it for long, and no release fails because of it.

use crate::context::Context;
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

async fn tell(address: &str, text: &str) -> Result<(), String> {
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build();
    let client = client.map_err(|error| error.without_url().to_string())?;
    let body = serde_json::json!({ "text": text });
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome = match client.post(address).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => Err(answer.status().to_string()),
            Err(error) => Err(error.without_url().to_string()),
        };
    }
    outcome
}
