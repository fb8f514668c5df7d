//! The parts that every request shares, and the routes of all features put together.

use crate::config::{Config, Release};
use crate::database::Database;
use crate::interface::{self, Routes};
use crate::jobs::Bell;
use crate::media::Storage;
use crate::messages::{Feed, Places};
use crate::metrics::Metrics;
use crate::names::Email;
use crate::password::Passwords;
use crate::problem::{Code, Problem};
use crate::s3::Bucket;
use crate::token::Tokens;
use crate::{comments, follows, likes, media, members, messages, operations, posts, request, sessions};
use axum::{Router, middleware};
use std::sync::Arc;
use tokio::sync::watch;

/// All that is in the document.
pub fn features() -> Routes {
    operations::routes()
        .merge(interface::routes())
        .merge(members::routes())
        .merge(follows::routes())
        .merge(sessions::routes())
        .merge(posts::routes())
        .merge(likes::routes())
        .merge(comments::routes())
        .merge(media::routes())
        .merge(messages::routes())
}

#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub database: Database,
    pub passwords: Passwords,
    pub storage: Storage,
    pub tokens: Tokens,
    pub metrics: Metrics,
    pub release: Release,
    pub mail_from: Email,
    /// Rung after a job was enqueued.
    pub bell: Bell,
    /// Who is to be told of new messages at once.
    pub feed: Feed,
    pub places: Places,
    pub public_proxies: u8,
    draining: watch::Sender<bool>,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub fn new(config: &Config) -> App {
        App(Arc::new(Parts {
            database: Database::new(&config.database),
            passwords: Passwords::new(),
            storage: Storage::new(config.bucket.as_ref().map(Bucket::new)),
            tokens: Tokens::new(&config.jwt_keys),
            metrics: Metrics::default(),
            release: config.release.clone(),
            mail_from: config.mail.from.clone(),
            bell: Bell::default(),
            feed: Feed::default(),
            places: Places::default(),
            public_proxies: config.public_proxies,
            draining: watch::Sender::new(false),
        }))
    }

    pub fn router(&self) -> Router {
        features()
            .into_router()
            .merge(interface::pages())
            .fallback(async || Problem::new(Code::NotFoundRoute))
            .layer(middleware::from_fn_with_state(self.clone(), request::observe))
            .with_state(self.clone())
    }

    /// From now on `/readyz` says no.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until this process is told to stop.
    pub async fn draining(&self) {
        // Fails only when the sender is gone, and the sender is here.
        self.draining.subscribe().wait_for(|draining| *draining).await.ok();
    }
}
