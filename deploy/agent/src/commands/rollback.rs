//! `rollback`: an emergency on this host alone. The router lets the rollout's lease lapse now, which the agent follows
//! and the controller sees: it returns every other host. A lapse is final for its rollout, so nothing here can undo it.

use super::seen;
use crate::reach::Reach;
use crate::router::{PutError, Router};
use anyhow::{Result, bail};
use contract::{HostConfig, RolloutId, RouterStatus, Weight};
use std::sync::Arc;

pub async fn rollback(config: &HostConfig, reach: Arc<dyn Reach>) -> Result<String> {
    let router = Router::new(reach);
    match router.revert().await {
        Ok(status) => Ok(done(&status)),
        Err(PutError::Refused(why)) => {
            // The agent has followed a lapse by a table without a lease: asked twice, this is already so.
            let lapsed = router.status().await.ok().and_then(|status| status.lapsed);
            let followed = seen::memory(config).ok().and_then(|memory| memory.desired());
            match lapsed.filter(|rollout| followed.is_some_and(|desired| desired.rollout == *rollout)) {
                Some(rollout) => Ok(already(rollout)),
                None => bail!(
                    "{why}\nhint: `cargo xtask rollback {}`, from where you release, returns the whole environment to \
                     the release before",
                    config.environment
                ),
            }
        }
        Err(error) => {
            bail!("{error}\nhint: `systemctl start release-router`, then ask again; `agent status` shows more")
        }
    }
}

fn done(status: &RouterStatus) -> String {
    let serving = status.versions.iter().find(|version| version.weight == Weight::ALL);
    let serving = serving.map_or("the fallback".to_owned(), |version| {
        format!("release {}", version.release)
    });
    let rollout = status
        .lapsed
        .map_or("this rollout".to_owned(), |rollout| format!("rollout {rollout}"));
    format!(
        "all weight is back on {serving}\n\
         {rollout} is over for this host, for good; the controller returns the other hosts as soon as it sees this\n\
         a later attempt is a new release or `cargo xtask release --resume ID`\n"
    )
}

fn already(rollout: RolloutId) -> String {
    format!("all weight is back on the fallback already: rollout {rollout} is over for this host\n")
}
