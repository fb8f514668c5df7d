//! Mail: written whole when it is enqueued, and handed on by the workers, so that a mail server which is away loses
//! nothing and delays no request. Retries hand on the very same bytes, under the same Message-ID.
//!
//! What is guaranteed: exactly once into a folder that all processes share, for the file is named by the Message-ID and
//! appears whole; at least once over SMTP, where a repeated mail can be known by its Message-ID.

mod config;
mod folder;
mod letter;
mod smtp;

use crate::app::App;
use crate::jobs::{self, Failure, Kind, Workers};
use anyhow::Context;
use folder::Folder;
use serde::{Deserialize, Serialize};
use smtp::Server;
use sqlx::mysql::MySqlConnection;
use std::sync::Arc;

pub use config::MailConfig;
pub use letter::Letter;

/// A mail as it waits in the table of jobs.
#[derive(Debug, Serialize, Deserialize)]
struct Mail {
    id: String,
    from: String,
    to: String,
    message: String,
}

/// To be called with the transaction of what the mail is about.
pub async fn enqueue(transaction: &mut MySqlConnection, app: &App, letter: &Letter<'_>) -> sqlx::Result<()> {
    let id = letter::message_id(&app.mail_from);
    let mail = Mail {
        message: letter.render(&app.mail_from, &id, std::time::SystemTime::now()),
        from: app.mail_from.as_str().to_owned(),
        to: letter.to.as_str().to_owned(),
        id,
    };
    jobs::enqueue(transaction, Kind::Mail, &mail, &app.release).await
}

/// Starts the worker that hands mail on, if there is somewhere to hand it to.
pub fn deliver(app: &App, config: MailConfig, workers: &mut Workers) -> anyhow::Result<()> {
    let target = match config.transport {
        None => {
            tracing::warn!("mail is kept in the database: neither MAIL_DIR nor MAIL_SMTP is set");
            return Ok(());
        }
        Some(config::Transport::Folder(path)) => Target::Folder(Folder::new(path)),
        Some(config::Transport::Smtp(settings)) => {
            Target::Server(Server::new(settings).context("cannot speak to the server of MAIL_SMTP")?)
        }
    };
    let target = Arc::new(target);
    workers.start(app, Kind::Mail, move |payload| hand_on(payload, target.clone()));
    Ok(())
}

enum Target {
    Folder(Folder),
    Server(Server),
}

async fn hand_on(payload: String, target: Arc<Target>) -> Result<(), Failure> {
    let mail: Mail = serde_json::from_str(&payload).map_err(Failure::lasting)?;
    match &*target {
        Target::Folder(folder) => folder.put(mail).await,
        Target::Server(server) => server.send(&mail).await,
    }
}
