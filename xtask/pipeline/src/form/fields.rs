//! A mapping while it is read: every key of it is asked for once, and no other may be there.

use super::{Field, Form, Key};
use crate::node::{Node, Value, at};
use crate::problem::{Problem, Problems};
use schemars::{Schema, json_schema};
use serde_json::Map;
use serde_yaml::Spanned;

#[derive(Debug)]
pub struct Fields<'a> {
    key: Key<'a>,
    known: &'a [&'static str],
    entries: &'a [(Spanned<String>, Node)],
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    /// Reports what is not a mapping, and every key that is not known.
    pub fn open(node: &'a Node, key: Key<'a>, known: &'a [&'static str], problems: &'a mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.push(not_a_mapping(node, key));
            return None;
        };
        for (unknown, _) in entries.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
            let message = format!("unknown key `{}`", unknown.value.escape_debug());
            let problem = Problem::new(at(unknown), message, one_of(known)).nearest(&unknown.value, known);
            problems.push(problem);
        }
        Some(Self {
            key,
            known,
            entries,
            problems,
        })
    }

    pub fn key(&self) -> Key<'a> {
        self.key
    }

    pub fn take<T: Form>(&mut self, name: &str) -> Field<T> {
        // Where a key is given twice, which was reported, the first one counts.
        let Some((key, node)) = self.entries.iter().find(|(key, _)| key.value == name) else {
            return Field::Absent;
        };
        match T::read(node, Key { name, at: at(key) }, self.problems) {
            Some(value) => Field::Given(value),
            None => Field::Bad,
        }
    }

    /// Reports a choice that is not one. An unknown key was most likely meant to be it, and was reported.
    pub fn exactly_one(&mut self) -> Option<()> {
        match self.entries {
            [(only, _)] if self.known.contains(&only.value.as_str()) => Some(()),
            [_] => None,
            entries => {
                let message = format!("`{}` holds {} keys", self.key.name, entries.len());
                self.problems.push(Problem::new(
                    self.key.at,
                    message,
                    format!("expected exactly {}", choice(self.known)),
                ));
                None
            }
        }
    }
}

/// The schema of a mapping with these keys (name, description, schema) and no others.
pub fn mapping_schema<const N: usize>(about: &str, keys: [(&'static str, &str, Schema); N]) -> Schema {
    let mut properties = Map::new();
    for (name, about, schema) in keys {
        let mut schema = schema.to_value();
        if let Some(schema) = schema.as_object_mut() {
            // In this draft of JSON Schema, what stands beside a `$ref` is ignored.
            if let Some(reference) = schema.remove("$ref") {
                schema.insert("allOf".to_owned(), serde_json::json!([{ "$ref": reference }]));
            }
            schema.insert("description".to_owned(), about.trim().into());
        }
        properties.insert(name.to_owned(), schema);
    }
    json_schema!({
        "type": "object",
        "description": about.trim(),
        "properties": properties,
        "additionalProperties": false,
    })
}

fn not_a_mapping(node: &Node, key: Key<'_>) -> Problem {
    let message = format!("`{}` is not a mapping", key.name);
    let expected = format!("expected keys and their values, found {}", node.value.found());
    match node.value {
        Value::Nothing => Problem::new(key.at, message, expected).help("remove the line, or write `{}`"),
        _ => Problem::new(at(node), message, expected),
    }
}

fn one_of(names: &[&str]) -> String {
    format!("expected {}", choice(names))
}

fn choice(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [only] => only.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}
