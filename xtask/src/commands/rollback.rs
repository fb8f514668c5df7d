//! `rollback ENV`: back to a release that was good, front end and all.

use crate::context::Context;
use crate::engine::{self, History, Records, Settled};
use crate::failure::{Failure, Result};
use crate::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::{Report, seconds};
use contract::EnvironmentName;
use std::time::Instant;

pub async fn rollback(profile: &str, name: &str, to: Option<&str>, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, name)?.clone();
    let records = Records::open(&project, &pipeline)?;
    let history = History::load(&records, &environment.name).await?;
    let target = target(&history, &environment.name, to)?.clone();
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let since = Instant::now();
    let release = target.version.release;
    report.note(&format!("returning `{}` to release {release}", environment.name));
    engine::roll_back(&context, &environment, &target).await?;
    let text = format!(
        "`{}` serves release {release} again, after {}",
        environment.name,
        seconds(since.elapsed())
    );
    report.data(
        "rolled-back",
        &text,
        serde_json::json!({ "environment": environment.name, "release": release }),
    );
    Ok(())
}

fn target<'a>(history: &'a History, environment: &EnvironmentName, to: Option<&str>) -> Result<&'a Settled> {
    let Some(current) = history.latest() else {
        return Err(Failure::bad_input(format!("`{environment}` has run no release yet")).next("cargo xtask release"));
    };
    let current = current.version.release;
    match to {
        None => history.previous().ok_or_else(|| {
            Failure::bad_input(format!("`{environment}` has run no release before {current}"))
                .next("cargo xtask releases")
        }),
        Some(text) => {
            let wanted = text.to_ascii_uppercase();
            let fits =
                |settled: &&Settled| !wanted.is_empty() && settled.version.release.to_string().starts_with(&wanted);
            let found: Vec<&Settled> = history.settled.iter().filter(fits).collect();
            match found.as_slice() {
                [one] => Ok(one),
                _ => Err(unknown(history, environment, text)),
            }
        }
    }
}

fn unknown(history: &History, environment: &EnvironmentName, text: &str) -> Failure {
    let known: Vec<String> = history
        .settled
        .iter()
        .rev()
        .take(5)
        .map(|settled| settled.version.release.to_string())
        .collect();
    let text: String = text.chars().take(40).collect();
    Failure::bad_input(format!("`{environment}` has run no one release `{text}`"))
        .why(format!("it has run {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::plan::SourceFacts;
    use contract::{Digest, ImageRef, ReleaseId, Version};

    fn history(releases: &[u64]) -> History {
        let settled = |number: &u64| Settled {
            version: Version {
                release: ReleaseId::from_parts(*number, 0),
                commit: String::new(),
                image: ImageRef {
                    repository: "r/a".to_owned(),
                    digest: Digest::of(b""),
                },
                port: 1,
                env: Default::default(),
                secrets: Vec::new(),
                memory_mb: None,
            },
            source: SourceFacts {
                commit: String::new(),
                branch: None,
                dirty: None,
            },
            config: Digest::of(b""),
            frontend: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            withdrawn: false,
        };
        History {
            settled: releases.iter().map(settled).collect(),
        }
    }

    fn chosen(releases: &[u64], to: Option<&str>) -> Result<ReleaseId> {
        let environment = EnvironmentName::parse("production").unwrap();
        target(&history(releases), &environment, to).map(|settled| settled.version.release)
    }

    #[test]
    fn without_a_name_it_is_the_release_before() {
        assert_eq!(chosen(&[1, 2, 3], None).unwrap(), ReleaseId::from_parts(2, 0));
        assert_eq!(chosen(&[1], None).unwrap_err().exit, Exit::BadInput);
        assert_eq!(chosen(&[], None).unwrap_err().exit, Exit::BadInput);
    }

    #[test]
    fn a_name_that_fits_none_or_several_lists_what_there_is() {
        let id = ReleaseId::from_parts(1, 0).to_string();
        assert_eq!(chosen(&[1, 2], Some(&id)).unwrap(), ReleaseId::from_parts(1, 0));
        assert!(chosen(&[1, 2], Some("0")).unwrap_err().to_string().contains(&id));
    }
}
