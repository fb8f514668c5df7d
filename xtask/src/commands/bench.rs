//! `bench`: figures as a ratio against a peer in the same run. Some are the tool's own, the others those that pipeline.yaml
//! names.

mod image;
mod program;

use crate::failure::{Failure, Result};
use crate::project::Project;
use crate::report::Report;

const OWN: &str = "image";

pub async fn bench(profile: &str, names: &[String], report: &Report) -> Result<()> {
    let pipeline = Project::find()?.pipeline(profile)?;
    let known: Vec<&str> = std::iter::once(OWN)
        .chain(pipeline.bench.keys().map(String::as_str))
        .collect();
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
            None => image::image(profile, report).await?,
        }
    }
    Ok(())
}
