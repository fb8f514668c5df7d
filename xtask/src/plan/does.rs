//! What each stage would do, in the words of `plan`. Pure.

use super::{Facts, Running, StageName, Upload, names, span};
use crate::report::{bytes, counted};
use pipeline::model::{Builder, Environment, Frontend, Load, Pipeline, When};
use std::time::Duration;

/// A line each; `None` if there is no such stage.
pub fn stage(stage: StageName, pipeline: &Pipeline, facts: &Facts) -> Option<Vec<String>> {
    let production = &pipeline.production;
    let does = match stage {
        StageName::Source => vec![source(facts)],
        StageName::Build => vec![build(pipeline, facts)],
        StageName::Test => test(pipeline),
        StageName::Staging => environment(pipeline, &pipeline.staging, facts.staging.as_ref()),
        StageName::Approval => {
            let approval = production.approval.as_ref()?;
            let by = match approval.approvers.as_slice() {
                [] => "anyone".to_owned(),
                approvers => names(approvers),
            };
            vec![format!("wait for approval by {by}")]
        }
        StageName::Production => {
            let mut does = environment(pipeline, production, facts.production.as_ref());
            for freeze in &production.freeze {
                if let Some(until) = freeze.until(facts.now) {
                    does.insert(0, format!("stop here until {until}: frozen ({freeze})"));
                }
            }
            does
        }
        StageName::Frontend => frontend(pipeline.frontend.as_ref()?, facts.upload),
        StageName::Bake => vec![format!(
            "watch production for {}, then stop the previous version",
            span(production.bake)
        )],
    };
    let hooks = pipeline.hooks_of(stage.as_str()).map(|hook| {
        let when = match hook.when {
            When::Before => "before",
            When::After => "after",
        };
        format!("run `{}` {when} it", hook.command.join(" "))
    });
    Some(does.into_iter().chain(hooks).collect())
}

fn source(facts: &Facts) -> String {
    let branch = facts.source.branch.as_deref().unwrap_or("no branch");
    format!("commit {} on {branch}", facts.source.short())
}

fn build(pipeline: &Pipeline, facts: &Facts) -> String {
    let registry = pipeline
        .registry
        .repository
        .as_deref()
        .unwrap_or("the embedded registry");
    let builder = match pipeline.build.builder {
        Builder::Docker => "docker",
        Builder::Native | Builder::Auto => "native",
    };
    let running = facts.production.as_ref().and_then(|running| running.image_bytes);
    let size = running.map(|size| format!("; the image that runs now has {}", bytes(size)));
    format!(
        "build {} for linux/amd64 ({builder}), push to {registry} what of it is not there{}",
        pipeline.build.package,
        size.unwrap_or_default()
    )
}

fn test(pipeline: &Pipeline) -> Vec<String> {
    let test = &pipeline.test;
    let mut does: Vec<String> = test
        .services
        .iter()
        .map(|(name, service)| format!("start {name} ({}), wait until healthy", service.image))
        .collect();
    does.push("start the built image by digest beside it".to_owned());
    does.push(format!("run `{}` against it", test.command.join(" ")));
    does
}

fn environment(pipeline: &Pipeline, environment: &Environment, running: Option<&Running>) -> Vec<String> {
    let mut does = Vec::new();
    let hosts: Vec<&str> = environment.hosts.iter().map(|host| host.as_str()).collect();
    if environment.migrate.is_some() {
        does.push(format!(
            "migrate the database, from {}: what the image finds pending",
            hosts.first().unwrap_or(&"no host")
        ));
    }
    does.push(format!("start beside what runs on {}", hosts.join(", ")));
    if !environment.smoke.is_empty() {
        let checks = counted(environment.smoke.len() * hosts.len(), "smoke check");
        does.push(format!("make {checks}, before users meet it"));
    }
    let load = pipeline.load_of(environment);
    does.extend(load.map(|asked| self::load(asked, running)));
    let steps: Vec<String> = environment
        .canary
        .steps
        .iter()
        .map(|step| match step.bake {
            Duration::ZERO => step.weight.to_string(),
            bake => format!("{} for {}", step.weight, span(bake)),
        })
        .collect();
    match running {
        Some(running) => does.push(format!("shift traffic from {}: {}", running.release, steps.join(" → "))),
        None => does.push("take all traffic at once: nothing runs there yet".to_owned()),
    }
    does
}

fn load(asked: &Load, running: Option<&Running>) -> String {
    let both = running.map_or(String::new(), |running| format!(", and on {}", running.release));
    let mut limits: Vec<String> = asked
        .p99
        .iter()
        .map(|p99| format!("p99 at most {}", span(*p99)))
        .collect();
    limits.extend(
        asked
            .slower_by
            .iter()
            .map(|slower_by| format!("by at most {} slower", span(*slower_by))),
    );
    limits.push(format!("at most {} errors", asked.max_error_rate));
    format!(
        "put {} requests/s on it for {}{both}: {} {}; {}",
        asked.rps,
        span(asked.duration),
        asked.method.as_str(),
        asked.paths.join(", "),
        limits.join(", ")
    )
}

fn frontend(asked: &Frontend, upload: Option<Upload>) -> Vec<String> {
    let bucket = asked.bucket.as_deref().unwrap_or("the embedded bucket");
    let send = match upload {
        None => String::new(),
        Some(Upload {
            files: 0, unchanged, ..
        }) => format!(" (nothing new to send, {} there)", counted(unchanged, "file")),
        Some(Upload {
            files,
            bytes: size,
            unchanged,
        }) => format!(
            " ({} to send, {}; {unchanged} there)",
            counted(files, "file"),
            bytes(size)
        ),
    };
    let entry = &asked.entry;
    vec![
        format!("publish {} to {bucket}{send}, then flip {entry}", asked.dir.display()),
        format!("invalidate 2 paths, / and /{entry}; compare what is served"),
        format!("keep the assets of {} releases", asked.keep_releases),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SourceFacts, config_digest, plan};
    use crate::stages::load::GIVEN_UP_AFTER;
    use contract::ReleaseId;
    use jiff::Timestamp;

    #[test]
    fn a_load_check_is_announced_and_its_time_counted() {
        let staging = |load: &str| {
            let text =
                format!("version: 1\napp: shop\ntest: {{ command: [ok] }}\nenvironments: {{ staging: {load} }}\n");
            let pipeline = pipeline::load("pipeline.yaml", &text, "local").unwrap();
            let source = SourceFacts {
                commit: "1".repeat(40),
                branch: None,
                dirty: None,
            };
            let config = config_digest(&pipeline);
            let facts = Facts {
                now: Timestamp::UNIX_EPOCH,
                source: source.clone(),
                config,
                staging: Some(Running {
                    release: ReleaseId::from_parts(1, 0),
                    source,
                    config,
                    image_bytes: None,
                }),
                production: None,
                begun: None,
                upload: None,
            };
            let stages = plan(&pipeline, &facts).stages;
            stages
                .into_iter()
                .find(|planned| planned.stage == StageName::Staging)
                .unwrap()
        };
        let without = staging("{}");
        let with = staging("{ load: { rps: 50, duration: 30s, paths: [/a, /b], p99: 300ms } }");
        let announced: Vec<&String> = with.does.iter().filter(|line| !without.does.contains(line)).collect();
        let running = ReleaseId::from_parts(1, 0);
        let expected = format!(
            "put 50 requests/s on it for 30s, and on {running}: GET /a, /b; p99 at most 300ms, at most 1% errors"
        );
        assert_eq!(announced, [&expected]);
        assert_eq!(with.at_most_s - without.at_most_s, 30 + GIVEN_UP_AFTER.as_secs());
    }
}
