//! `local …`: the ground by hand.

use crate::cli::LocalCommand;
use crate::failure::{Failure, Result};
use crate::local::{self, DownReport, GroundState};
use crate::plan::environments;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use serde_json::json;

pub async fn local(profile: &str, command: LocalCommand, report: &Report) -> Result<()> {
    let project = Project::find()?;
    match command {
        LocalCommand::Up => up(profile, &project, report).await,
        LocalCommand::Stop => {
            let docker = preflight::engine(Install::Never).await?;
            let gone = local::stop(&docker, &project, report).await?;
            let text = format!(
                "ended {} processes, stopped {} containers; ports, data, weights and releases are kept\nback with: cargo xtask local up",
                gone.processes, gone.containers
            );
            report.data("stopped", &text, &gone);
            Ok(())
        }
        LocalCommand::Down { purge } => {
            let docker = preflight::engine(Install::Never).await?;
            report.note(if purge {
                "removing processes, containers, networks, volumes with their data, images, and .release/"
            } else {
                "removing processes, containers and networks; releases, keys and data are kept"
            });
            let gone = local::down(&docker, &project, purge, report).await?;
            report.data("down", &describe(&gone), &gone);
            Ok(())
        }
        LocalCommand::Status => status(&project, report),
        LocalCommand::Logs { name } => logs(&project, name.as_deref(), report),
    }
}

async fn up(profile: &str, project: &Project, report: &Report) -> Result<()> {
    let pipeline = project.pipeline(profile)?;
    let wanted = pipeline.ground.ok_or_else(|| {
        Failure::bad_input(format!("profile `{profile}` has no ground: its hosts are real"))
            .next("cargo xtask local up --profile local")
    })?;
    let docker = preflight::engine(Install::Ask).await?;
    let ground = local::up(&docker, project, &pipeline, &wanted, report).await?;
    let mut text = format!("site        {}\n", ground.site_url());
    let mut urls = serde_json::Map::from_iter([("site".to_owned(), json!(ground.site_url()))]);
    for environment in environments(&pipeline) {
        if let Some(url) = ground.environment_url(&environment.name) {
            text.push_str(&format!("{:<11} {url}\n", environment.name.as_str()));
            urls.insert(environment.name.to_string(), json!(url));
        }
    }
    report.data("up", &text, json!({ "urls": urls }));
    Ok(())
}

fn describe(gone: &DownReport) -> String {
    let mut text = format!(
        "removed {} processes, {} containers, {} networks, {} volumes, {} images",
        gone.processes, gone.containers, gone.networks, gone.volumes, gone.images
    );
    for folder in &gone.folders {
        text.push_str(&format!("\nremoved {}", folder.display()));
    }
    text
}

fn status(project: &Project, report: &Report) -> Result<()> {
    let Some(state) = GroundState::load(project)? else {
        report.data(
            "local-status",
            "there is no ground yet: cargo xtask local up",
            json!({ "processes": [] }),
        );
        return Ok(());
    };
    let processes = local::processes(project, &state);
    let mut text = String::new();
    for process in &processes {
        let running = process
            .pid
            .map_or("not running".to_owned(), |pid| format!("process {pid}"));
        text.push_str(&format!("{:<26} {:<14} {}\n", process.name, running, process.serves));
    }
    report.data(
        "local-status",
        &text,
        json!({ "ground": state, "processes": processes }),
    );
    Ok(())
}

fn logs(project: &Project, name: Option<&str>, report: &Report) -> Result<()> {
    let logs = local::logs(project);
    let fits = |log: &&local::LogFile| name.is_none_or(|name| log.name == name);
    let found: Vec<&local::LogFile> = logs.iter().filter(fits).collect();
    if found.is_empty() {
        let known: Vec<&str> = logs.iter().map(|log| log.name.as_str()).collect();
        return Err(Failure::bad_input("there is no such log").why(format!("known: {}", known.join(", "))));
    }
    let lines = if name.is_some() { 200 } else { 15 };
    let mut text = String::new();
    for log in found {
        text.push_str(&format!("== {}\n{}\n", log.name, local::tail(&log.path, lines)));
    }
    report.data("local-logs", &text, json!({ "text": text }));
    Ok(())
}
