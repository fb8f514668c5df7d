//! The JSON Schema that editors use: fresh, and of one mind with the reader.

use crate::expect::{expect_path, root};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_committed_schema_is_fresh() {
    let manual = std::fs::read_to_string(root("pipeline.yaml")).unwrap();
    assert_eq!(
        manual.lines().next(),
        Some("# yaml-language-server: $schema=./pipeline.schema.json")
    );
    expect_path(
        &root("pipeline.schema.json"),
        &(serde_json::to_string_pretty(&pipeline::schema()).unwrap() + "\n"),
    );
}

/// At each mapping the schema knows of, a key that nobody knows is put: the reader must answer with the very keys that
/// the schema lists there.
#[test]
fn the_reader_knows_the_same_keys_as_the_schema() {
    let schema = pipeline::schema();
    let mut mappings = Vec::new();
    walk(&schema, &schema, "{}".to_owned(), &mut mappings);
    assert!(mappings.len() > 40, "only {} mappings were found", mappings.len());
    for (text, keys) in mappings {
        let text = text.replace("{}", "{ zzzzzzzzzz: 1 }");
        let problems = pipeline::load("pipeline.yaml", &text, "local").unwrap_err();
        let unknown = problems
            .problems()
            .iter()
            .find(|problem| problem.message == "unknown key `zzzzzzzzzz`");
        let unknown = unknown.unwrap_or_else(|| panic!("{text} was read as\n{problems}"));
        let known: BTreeSet<&str> = unknown.expected.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, keys.iter().map(String::as_str).collect(), "in {text}");
    }
}

/// Collects, for every mapping with fixed keys, a text in which `{}` stands for it, and its keys.
fn walk(root: &Value, schema: &Value, text: String, mappings: &mut Vec<(String, BTreeSet<String>)>) {
    let schema = resolve(root, schema);
    let within = |inner: &str| text.replace("{}", inner);
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{text}");
        mappings.push((text.clone(), properties.keys().cloned().collect()));
        for (name, property) in properties {
            walk(root, property, within(&format!("{{ {name}: {{}} }}")), mappings);
        }
    } else if schema["additionalProperties"].is_object() {
        walk(root, &schema["additionalProperties"], within("{ a: {} }"), mappings);
    } else if schema["items"].is_object() {
        walk(root, &schema["items"], within("[{}]"), mappings);
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema["allOf"][0].get("$ref"));
    match reference.and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}
