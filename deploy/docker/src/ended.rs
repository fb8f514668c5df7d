//! How a container ended that runs again: the engine forgets that with its start, but not at once what it told of it.

use crate::Docker;
use anyhow::{Context as _, Result};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use std::collections::HashMap;

/// The exit code of what was killed.
const KILLED: i64 = 137;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub exit_code: i64,
    pub out_of_memory: bool,
}

impl Docker {
    /// Its last end until then, in seconds since 1970 by the engine's clock. `None` where that is no longer known: the
    /// engine keeps a few hundred of its latest events.
    pub async fn last_end(&self, id: &str, until: i64) -> Result<Option<Ended>> {
        let filters = HashMap::from([("container", vec![id]), ("event", vec!["die", "oom"])]);
        let options = EventsOptionsBuilder::default()
            .since("1")
            .until(&until.to_string())
            .filters(&filters)
            .build();
        let mut events = std::pin::pin!(self.api().events(Some(options)));
        let (mut exit_code, mut out_of_memory) = (None, false);
        while let Some(event) = events.next().await {
            let event = event.with_context(|| format!("reading what happened to container `{id}`"))?;
            let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
            match event.action.as_deref() {
                Some("oom") => out_of_memory = true,
                Some("die") => exit_code = attributes.get("exitCode").and_then(|code| code.parse().ok()),
                _ => {}
            }
        }
        Ok(exit_code.map(|exit_code| Ended {
            exit_code,
            out_of_memory: out_of_memory && exit_code == KILLED,
        }))
    }
}
