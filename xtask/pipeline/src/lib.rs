//! `pipeline.yaml`: typed text, validated model, and every problem at once. Pure: text in, model or problems out.
//!
//! Data flows one way: YAML → `node` (a tree with positions) → `text` (typed, by the declarations of `form` and
//! `scalar`) → `profile` (one overlay laid over the rest) → `validate` → [`model`]. A problem at any step is noted, and
//! the step goes on as well as it can, so that all are reported together; the model exists only if there was none.

mod form;
mod freeze;
mod identity;
pub mod model;
mod node;
mod problem;
mod profile;
mod scalar;
mod schema;
mod text;
mod validate;

pub use identity::{Identity, Kind};
pub use problem::{Problem, Problems};
pub use scalar::{HOUR, SECOND, Time};
pub use schema::schema;

use form::{Form as _, Key};
use node::Value;
use problem::At;

/// Reads a pipeline. `file_name` is what problems call it; `profile` is the overlay to put in force.
pub fn load(file_name: &str, text: &str, profile: &str) -> Result<model::Pipeline, Problems> {
    // Some editors begin a file with a byte order mark; columns count without it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Problems::new(file_name, text);
    read(text, profile, &mut problems).ok_or(problems)
}

/// Names of the profiles there are, as far as the text can be read.
pub fn profiles(text: &str) -> Vec<String> {
    let mut problems = Problems::new("", text);
    let root = node::parse(text, &mut problems);
    let key = Key {
        name: "pipeline",
        at: At::START,
    };
    let pipeline = root.and_then(|root| text::Pipeline::read(&root, key, &mut problems));
    pipeline.map_or_else(Vec::new, |pipeline| {
        profile::names(&pipeline).into_iter().map(str::to_owned).collect()
    })
}

fn read(text: &str, profile: &str, problems: &mut Problems) -> Option<model::Pipeline> {
    let root = node::parse(text, problems)?;
    if let Value::Nothing = root.value {
        let expected = "expected at least `version`, `app` and `test.command`";
        problems.push(Problem::new(At::START, "the file is empty", expected));
        return None;
    }
    let text = text::Pipeline::read(
        &root,
        Key {
            name: "pipeline",
            at: At::START,
        },
        problems,
    )?;
    let settings = profile::settings(&text, profile, problems)?;
    validate::pipeline(&text, &settings, profile, problems)
}
