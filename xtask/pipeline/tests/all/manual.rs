//! The commented `pipeline.yaml` at the root is the manual: it must work as it stands, in each of its profiles.

use crate::expect::{expect_file, root};
use pipeline::model::{Pipeline, Place, RegistryAuth};

fn manual() -> String {
    std::fs::read_to_string(root("pipeline.yaml")).unwrap()
}

/// The model as JSON, compared with the file. The release tool knows no app, so neither do its tests: the name is left
/// out.
fn expect_model(name: &str, model: &Pipeline) {
    let json = serde_json::to_string_pretty(model).unwrap() + "\n";
    expect_file(name, &json.replace(model.app.as_str(), "APP"));
}

fn load(profile: &str) -> Pipeline {
    pipeline::load("pipeline.yaml", &manual(), profile).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_manual_means_this_in_profile_local() {
    let model = load("local");
    assert!(model.ground.is_some() && !model.source.require_clean && model.test.allow_substitute);
    expect_model("manual.local.json", &model);
}

#[test]
fn the_manual_means_this_in_profile_aws() {
    let model = load("aws");
    assert!(model.ground.is_none() && model.source.require_clean && !model.test.allow_substitute);
    assert!(matches!(model.channel, Place::S3 { .. }) && model.registry.auth == RegistryAuth::Ecr);
    expect_model("manual.aws.json", &model);
}

#[test]
fn a_newcomer_can_read_the_manual_in_one_sitting() {
    let manual = manual();
    assert!(manual.lines().count() <= 150, "{} lines", manual.lines().count());
    for (number, line) in manual.lines().enumerate() {
        assert!(line.chars().count() <= 120, "line {} is too long", number + 1);
    }
}
