//! `status`: what runs where, and who is changing it.

use crate::context::open_channel;
use crate::engine::{Lease, Past, Records, Unproven};
use crate::failure::{OrFail, Result};
use crate::local::{Ground, GroundState};
use crate::plan::environments;
use crate::project::Project;
use crate::report::Report;
use channel::Channel;
use contract::{Desired, Health, Observed, ReleaseId};
use jiff::Timestamp;
use pipeline::model::{Environment, Pipeline};
use serde_json::json;

/// A host that has said nothing for this long is not counted on.
const STALE_S: i64 = 20;

pub async fn status(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let mut text = String::new();
    let mut data = Vec::new();
    for environment in environments(&pipeline) {
        let (lines, value) = describe(&project, &pipeline, environment).await?;
        text.push_str(&lines);
        data.push(value);
    }
    report.data("status", &text, json!({ "environments": data }));
    Ok(())
}

async fn describe(
    project: &Project,
    pipeline: &Pipeline,
    environment: &Environment,
) -> Result<(String, serde_json::Value)> {
    let name = &environment.name;
    let records = Records::open(project, pipeline)?;
    let Past { history, schema, .. } = Past::load(&records, name).await?;
    let settled = history.latest().map(|settled| settled.version.release);
    let lease = Lease::read(&records, name).await?;
    let holder = lease.holder.filter(|holder| holder.expires_at > Timestamp::now());
    let (desired, fleet) = look(project, pipeline, environment).await?;
    let mut text = match settled {
        Some(release) => format!("{name}: release {release}\n"),
        None => format!("{name}: no release yet\n"),
    };
    if let Some(Unproven { reason, by }) = history.latest().and_then(|settled| settled.unproven.as_ref()) {
        text.push_str(&format!(
            "  returned to by {by} although it is not proven on the schema: {reason}\n"
        ));
    }
    if let Some(change) = schema.changes.last() {
        text.push_str(&format!("  schema {} since release {}\n", change.schema, change.by));
    }
    if let Some(holder) = &holder {
        let held = Timestamp::now().duration_since(holder.since).as_secs();
        text.push_str(&format!(
            "  being changed by release {} ({}, for {held} s)\n",
            holder.release, holder.who
        ));
    }
    for host in &environment.hosts {
        text.push_str(&format!(
            "  {host:<16} {}\n",
            fleet.get(host).map_or("has said nothing yet".to_owned(), host_line)
        ));
    }
    let generation = desired.map(|desired| desired.generation.to_string());
    let value = json!({
        "environment": name, "release": settled, "schema": schema.current(), "holder": holder, "generation": generation,
        "hosts": fleet,
    });
    Ok((text, value))
}

fn host_line(observed: &Observed) -> String {
    let age = Timestamp::now().duration_since(observed.at).as_secs();
    if age > STALE_S {
        return format!("has said nothing for {age} s");
    }
    let versions: Vec<String> = observed
        .versions
        .iter()
        .map(|version| {
            let health = match version.health() {
                Health::Ready => "ready",
                Health::Starting => "starting",
                Health::Unready => "not ready",
                Health::Exited => "exited",
            };
            format!(
                "{} {} {health}, {} requests",
                version.release, version.weight, version.counts.requests
            )
        })
        .collect();
    let failure = observed
        .failure
        .as_ref()
        .map(|failure| format!("; {}", failure.summary))
        .unwrap_or_default();
    let refused = observed
        .refused
        .as_ref()
        .map(|refused| format!("; refused: {}", refused.reason))
        .unwrap_or_default();
    let refused_ask = observed
        .refused_ask
        .as_ref()
        .map(|refused| format!("; an ask refused: {}", refused.reason))
        .unwrap_or_default();
    let versions = if versions.is_empty() {
        "runs nothing".to_owned()
    } else {
        versions.join(" | ")
    };
    format!("{versions}{failure}{refused}{refused_ask}")
}

type Fleet = std::collections::BTreeMap<contract::HostName, Observed>;

/// Reads the channel without needing anything to be up.
async fn look(project: &Project, pipeline: &Pipeline, environment: &Environment) -> Result<(Option<Desired>, Fleet)> {
    let name = &environment.name;
    let Some(channel) = channel(project, pipeline, environment)? else {
        return Ok((None, Fleet::new()));
    };
    let failed = || format!("the channel of `{name}` cannot be read");
    let desired = match channel.read_desired().await.or_fail(failed)? {
        Some((envelope, _)) => Some(serde_json::from_str(&envelope.document).or_fail(failed)?),
        None => None,
    };
    Ok((desired, channel.read_observed().await.or_fail(failed)?))
}

/// `None` for a ground that was never brought up.
pub fn channel(project: &Project, pipeline: &Pipeline, environment: &Environment) -> Result<Option<Channel>> {
    let ground = match (&pipeline.ground, GroundState::load(project)?) {
        (Some(_), None) => return Ok(None),
        (Some(_), Some(state)) => Some(Ground {
            project: project.clone(),
            state,
        }),
        (None, _) => None,
    };
    open_channel(project, pipeline, ground.as_ref(), &environment.name).map(Some)
}

/// Whether every production host says, just now, that `release` takes all traffic there.
pub async fn runs_everywhere(project: &Project, pipeline: &Pipeline, release: ReleaseId) -> Result<bool> {
    let production = &pipeline.production;
    let (desired, fleet) = look(project, pipeline, production).await?;
    let settled = desired.is_some_and(|desired| {
        desired.lease_ttl_ms.is_none()
            && desired
                .release
                .as_ref()
                .is_some_and(|version| version.release == release)
    });
    let serves = |observed: &Observed| {
        let age = Timestamp::now().duration_since(observed.at).as_secs();
        let version = observed.version(release);
        age <= STALE_S && version.is_some_and(|v| v.health() == Health::Ready && v.weight == contract::Weight::ALL)
    };
    Ok(settled && production.hosts.iter().all(|host| fleet.get(host).is_some_and(serves)))
}
