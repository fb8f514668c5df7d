//! Lists, and mappings whose keys are names that the writer chooses.

use super::leaf::bad_value;
use super::{Form, Key, Leaf, Scalar};
use crate::node::{Node, Value, at};
use crate::problem::{At, Problem, Problems};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

const MAX_ITEMS: usize = 100;

/// At least one item: an empty list says nothing that leaving it out does not say better.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// Those that could be read.
    pub items: Vec<T>,
    /// Whether all of them could.
    pub complete: bool,
}

/// In the order of the text.
#[derive(Debug, Clone)]
pub struct Map<K: Scalar, T> {
    pub at: At,
    pub entries: Vec<(Leaf<K>, T)>,
}

impl<T: Form> Form for List<T> {
    fn read(node: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self> {
        let refuse = |problems: &mut Problems, at: At, found: String| {
            let message = format!("bad value for `{}`", key.name);
            problems.push(Problem::new(
                at,
                message,
                format!("expected a list of 1 to {MAX_ITEMS} items, found {found}"),
            ));
            None
        };
        let nodes = match &node.value {
            Value::List(nodes) if nodes.is_empty() => return refuse(problems, at(node), "an empty one".to_owned()),
            Value::List(nodes) if nodes.len() > MAX_ITEMS => return refuse(problems, key.at, nodes.len().to_string()),
            Value::List(nodes) => nodes,
            Value::Nothing => return refuse(problems, key.at, node.value.found()),
            other => return refuse(problems, at(node), other.found()),
        };
        let read = |item| {
            T::read(
                item,
                Key {
                    name: key.name,
                    at: at(item),
                },
                problems,
            )
        };
        let items: Vec<T> = nodes.iter().filter_map(read).collect();
        Some(Self {
            complete: items.len() == nodes.len(),
            items,
        })
    }
}

impl<K: Scalar, T: Form> Form for Map<K, T> {
    fn read(node: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self> {
        let Value::Map(nodes) = &node.value else {
            let found = node.value.found();
            let message = format!("`{}` is not a mapping", key.name);
            let at = if matches!(node.value, Value::Nothing) {
                key.at
            } else {
                at(node)
            };
            problems.push(Problem::new(
                at,
                message,
                format!("expected names and their values, found {found}"),
            ));
            return None;
        };
        let mut entries: Vec<(Leaf<K>, T)> = Vec::new();
        for (name, node) in nodes {
            let text = Value::Text(name.value.clone());
            let under = Key {
                name: &name.value,
                at: at(name),
            };
            let value = T::read(node, under, problems);
            match (K::read(&text), value) {
                (None, _) => {
                    let mut problem = bad_value::<K>(&text, under.at, key.name);
                    problem.message = format!("bad name in `{}`", key.name);
                    problems.push(problem);
                }
                (Some(_), None) => {}
                // Where a name is given twice, which was reported, the first one counts.
                (Some(name), Some(_)) if entries.iter().any(|(other, _)| other.value == name) => {}
                (Some(name), Some(value)) => entries.push((
                    Leaf {
                        value: name,
                        at: under.at,
                    },
                    value,
                )),
            }
        }
        Some(Self { at: key.at, entries })
    }

    fn lay(&mut self, over: Self) {
        for (name, value) in over.entries {
            match self.entries.iter_mut().find(|(other, _)| other.value == name.value) {
                Some((_, base)) => base.lay(value),
                None => self.entries.push((name, value)),
            }
        }
    }
}

impl<T: Form> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "minItems": 1, "maxItems": MAX_ITEMS })
    }
}

impl<K: Scalar, T: Form> JsonSchema for Map<K, T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "propertyNames": K::schema(), "additionalProperties": values })
    }
}
