//! The settings in force: those for everywhere, with one profile laid over them.

use crate::form::{Field, Form as _, Leaf, Mapping as _};
use crate::problem::{At, Problem, Problems};
use crate::text::{Ground, Pipeline, Settings, Source, Test};

/// `None` if there is no such profile, which is reported.
pub fn settings(pipeline: &Pipeline, profile: &str, problems: &mut Problems) -> Option<Settings> {
    let mut settings = pipeline.settings.clone();
    let is_local = profile == "local";
    if is_local {
        settings.lay(local(settings.at));
    }
    let profiles = pipeline.profiles.given();
    let overlays = profiles.map_or(&[][..], |profiles| &profiles.entries);
    match overlays.iter().find(|(name, _)| name.value == profile) {
        Some((name, overlay)) => {
            settings.lay(overlay.clone());
            // What is missing as a whole is missing for this profile.
            settings.at = name.at;
        }
        None if is_local => {}
        None => {
            let at = profiles.map_or(At::START, |profiles| profiles.at);
            problems.push(unknown(profile, at, &names(pipeline)));
            return None;
        }
    }
    Some(settings)
}

/// `local` is always there.
pub fn names(pipeline: &Pipeline) -> Vec<&str> {
    let overlays = pipeline.profiles.given().map_or(&[][..], |profiles| &profiles.entries);
    let mut names: Vec<&str> = overlays.iter().map(|(name, _)| name.value.as_str()).collect();
    if !names.contains(&"local") {
        names.insert(0, "local");
    }
    names
}

fn unknown(profile: &str, at: At, names: &[&str]) -> Problem {
    let known = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let shown: String = profile.chars().take(60).collect();
    Problem::new(
        at,
        format!("there is no profile `{shown}`"),
        format!("expected one of {known}"),
    )
    .nearest(profile, names)
}

/// The profile for a machine without any cloud. It is there even if the file does not name it; what the file says in
/// its own `local` is laid over this in turn.
fn local(at: At) -> Settings {
    let no = Field::Given(Leaf { value: false, at });
    let yes = Field::Given(Leaf { value: true, at });
    let source = Source {
        require_branch: no.clone(),
        require_clean: no,
        ..Source::absent(at)
    };
    let test = Test {
        allow_substitute: yes,
        ..Test::absent(at)
    };
    Settings {
        source: Field::Given(source),
        test: Field::Given(test),
        ground: Field::Given(Ground::absent(at)),
        ..Settings::absent(at)
    }
}
