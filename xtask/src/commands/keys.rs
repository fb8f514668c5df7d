//! `keys new`.

use crate::cli::KeysCommand;
use crate::failure::Result;
use crate::keys as key_files;
use crate::project::Project;
use crate::report::Report;

pub fn keys(command: &KeysCommand, report: &Report) -> Result<()> {
    let project = Project::find()?;
    match command {
        KeysCommand::New => {
            let key = key_files::create(&project)?;
            let (secret, trusted) = (key_files::signing_key_path(&project), key_files::trusted_path(&project));
            let text = format!(
                "key {}\n  signs: {} (keep it secret)\n  hosts trust: {} (put it on every host)",
                key.public().id,
                secret.display(),
                trusted.display()
            );
            report.data(
                "key",
                &text,
                serde_json::json!({ "key": key.public(), "trusted": trusted }),
            );
            Ok(())
        }
    }
}
