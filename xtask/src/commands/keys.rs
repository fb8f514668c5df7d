//! `keys new`, `keys rotate`, `keys retire`.

use crate::cli::KeysCommand;
use crate::context::Context;
use crate::failure::Result;
use crate::keys::{self as key_files, Rotated};
use crate::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use channel::Channel;
use serde_json::json;

pub async fn keys(profile: &str, command: &KeysCommand, report: &Report) -> Result<()> {
    let project = Project::find()?;
    match command {
        KeysCommand::New => {
            let key = key_files::create(&project)?.key().public();
            let (secret, trusted) = (key_files::signing_key_path(&project), key_files::trusted_path(&project));
            let text = format!(
                "key {}\n  signs: {} (keep it secret)\n  hosts trust: {} (put it on every host)",
                key.id,
                secret.display(),
                trusted.display()
            );
            report.data("key", &text, json!({ "key": key, "trusted": trusted }));
        }
        KeysCommand::Rotate => {
            let context = open(project, profile, report).await?;
            let rotated = key_files::rotate(&context.project, &channels(&context)?).await?;
            show(
                &context,
                &rotated,
                "cargo xtask keys retire, once whoever else signs has the new key",
            );
        }
        KeysCommand::Retire => {
            let context = open(project, profile, report).await?;
            let retired = key_files::retire(&context.project, &channels(&context)?).await?;
            show(&context, &retired, "remove copies of the old key");
        }
    }
    Ok(())
}

async fn open(project: Project, profile: &str, report: &Report) -> Result<Context> {
    let pipeline = project.pipeline(profile)?;
    preflight::expect_fit(&project, &pipeline).await?;
    let docker = preflight::engine(Install::Never).await?;
    Context::open(project, pipeline, report.clone(), docker).await
}

fn channels(context: &Context) -> Result<Vec<Channel>> {
    let environments = plan::environments(&context.pipeline).into_iter();
    environments
        .map(|environment| context.channel(&environment.name))
        .collect()
}

fn show(context: &Context, rotated: &Rotated, next: &str) {
    let Rotated { key, set } = rotated;
    let ids: Vec<String> = set.keys.iter().map(|key| key.id.to_string()).collect();
    let text = format!(
        "key {} signs: {} (keep it secret)\n  hosts follow key set {} within ten minutes: {}\n  next: {next}",
        key.id,
        key_files::signing_key_path(&context.project).display(),
        set.version,
        ids.join(", ")
    );
    context
        .report
        .data("keys", &text, json!({ "key": key, "trusted": set }));
}
