//! `schema`: the JSON Schema of pipeline.yaml, from the types that read it.

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::project::Project;
use crate::report::Report;

pub const SCHEMA_FILE: &str = "pipeline.schema.json";

pub fn schema(check: bool, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let path = project.root.join(SCHEMA_FILE);
    let text =
        serde_json::to_string_pretty(&pipeline::schema()).or_fail(|| "the schema cannot be written".to_owned())? + "\n";
    let fresh = std::fs::read_to_string(&path).is_ok_and(|found| found == text);
    if check && !fresh {
        return Err(Failure::failed(format!("`{SCHEMA_FILE}` is not what this tool reads")).next("cargo xtask schema"));
    }
    if !fresh {
        files::write_atomic(&path, text.as_bytes()).or_fail(|| format!("`{}` cannot be written", path.display()))?;
    }
    let done = if fresh { "is up to date" } else { "was written" };
    report.data(
        "schema",
        &format!("{SCHEMA_FILE} {done}"),
        serde_json::json!({ "file": SCHEMA_FILE, "written": !fresh }),
    );
    Ok(())
}
