//! What goes on for one app beside its requests: its agent is listened to, and its lease watched.

use crate::access_log::AccessLog;
use crate::admin;
use crate::clock::Clock;
use crate::control::Control;
use crate::shield::Budget;
use crate::sites::Site;
use anyhow::Result;
use host::{Given, notify};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

pub struct Attendant {
    control: Arc<Control>,
    admin_socket: PathBuf,
    admin: JoinHandle<()>,
    lease: JoinHandle<()>,
}

impl Attendant {
    pub fn start(host: &Given, clock: Clock) -> Result<(Self, Site)> {
        let control = Arc::new(Control::start(&host.folder.join(&host.config.router_state), clock)?);
        let admin_socket = host.folder.join(&host.config.admin_socket);
        let listener = admin::bind(&admin_socket)?;
        let site = site(host, control.clone())?;
        let watched = control.clone();
        let attendant = Self {
            admin: tokio::spawn(admin::serve(control.clone(), listener)),
            lease: tokio::spawn(async move { watched.watch_lease().await }),
            control,
            admin_socket,
        };
        Ok((attendant, site))
    }

    /// The next router waits for the state file and then takes the admin socket's name, so that goes first.
    pub async fn give_up(self) {
        self.admin.abort();
        let _ = self.admin.await;
        if let Err(error) = std::fs::remove_file(&self.admin_socket) {
            tracing::warn!(%error, "the admin socket was gone already");
        }
        self.lease.abort();
        self.control.give_up().await;
    }
}

fn site(host: &Given, control: Arc<Control>) -> Result<Site> {
    let router = &host.config.router;
    let log = router.access_log.as_ref().map(|log| {
        let file = host.folder.join(&log.file);
        AccessLog::open(&contract::AccessLog { file, ..log.clone() })
    });
    Ok(Site {
        hosts: router.hosts.clone(),
        path: router.path.clone(),
        control,
        log: log.transpose()?,
        max_body_bytes: router.max_body_mb.saturating_mul(1 << 20),
        shield: Budget::default(),
    })
}

/// Says that this router turns, for as long as its tables can be looked at.
pub async fn feed_watchdog(controls: Vec<Arc<Control>>) {
    let Some(interval) = notify::watchdog_interval() else {
        return;
    };
    loop {
        tokio::time::sleep(interval).await;
        for control in &controls {
            control.status().await;
        }
        notify::alive();
    }
}
