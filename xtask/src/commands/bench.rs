//! `bench`: figures as a ratio against a peer in the same run. Some are the tool's own, the others those that pipeline.yaml
//! names.

mod engine;
mod hosts;
mod image;
mod program;

use crate::cli::BenchArgs;
use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::report::Report;
use pipeline::model::Pipeline;

const OWN: [&str; 5] = ["image", "engine", "router", "rollout", "idle"];

/// All there are.
pub fn names(pipeline: &Pipeline) -> Vec<&str> {
    let others = pipeline.bench.keys().map(String::as_str);
    OWN.into_iter().chain(others).collect()
}

pub async fn bench(profile: &str, args: &BenchArgs, report: &Report) -> Result<()> {
    let pipeline = Project::find()?.pipeline(profile)?;
    let known = self::names(&pipeline);
    let names = &args.names;
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::bad_input(format!("there is no benchmark `{unknown}`"))
            .why(format!("known: {}", known.join(", "))));
    }
    for name in known {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        match pipeline.bench.get(name) {
            Some(program) => program::run(profile, (name, program), report).await?,
            None if name == "engine" => engine::engine(profile, report).await?,
            None if name == "router" => hosts::router(args.install, report).await?,
            None if name == "rollout" => hosts::rollout(report).await?,
            None if name == "idle" => hosts::idle(report).await?,
            None => image::image(profile, report).await?,
        }
    }
    Ok(())
}
