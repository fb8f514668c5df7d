//! A single value: read into a type that cannot be wrong.

use super::{Form, Key};
use crate::node::{Node, Value, at};
use crate::problem::{At, Problem, Problems};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::fmt::Debug;

/// A kind of value: what is expected, how it is read, and what it is once read.
pub trait Scalar {
    type Value: Clone + Debug + PartialEq;

    /// The names to choose from, where it is such a choice.
    const NAMES: &'static [&'static str] = &[];

    /// What was probably meant by a text that is none of these values, where that is no choice of names.
    fn meant(_: &str) -> Option<String> {
        None
    }

    /// For the sentence "expected …, found …".
    fn expected() -> String;

    fn read(value: &Value) -> Option<Self::Value>;

    fn schema() -> Schema;
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Leaf<T: Scalar> {
    pub value: T::Value,
    pub at: At,
}

// Derived, it would ask the kind to be `Clone` instead of the value.
impl<T: Scalar> Clone for Leaf<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            at: self.at,
        }
    }
}

impl<T: Scalar> Form for Leaf<T> {
    fn read(node: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self> {
        // A missing value has no place of its own worth pointing at.
        let at = if matches!(node.value, Value::Nothing) {
            key.at
        } else {
            at(node)
        };
        match T::read(&node.value) {
            Some(value) => Some(Self { value, at }),
            None => {
                problems.push(bad_value::<T>(&node.value, at, key.name));
                None
            }
        }
    }
}

impl<T: Scalar> JsonSchema for Leaf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        // Never seen: the schema stands wherever the leaf does.
        "Leaf".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// The problem with a value under this key, with the usual reasons as help: quotes missing or too many, a name
/// misspelt.
pub fn bad_value<T: Scalar>(value: &Value, at: At, name: &str) -> Problem {
    let message = format!("bad value for `{name}`");
    let problem = Problem::new(
        at,
        message,
        format!("expected {}, found {}", T::expected(), value.found()),
    );
    match value {
        Value::Flag(_) | Value::Whole(_) | Value::Fraction(_) if T::read(&as_text(value)).is_some() => {
            problem.help("put it in quotes, so that it is text")
        }
        Value::Text(text) if T::read(&without_quotes(text)).is_some() => problem.help("remove the quotes"),
        Value::Text(text) => match T::meant(text) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.nearest(text, T::NAMES),
        },
        _ => problem,
    }
}

fn as_text(value: &Value) -> Value {
    Value::Text(match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Fraction(number) => number.to_string(),
        _ => String::new(),
    })
}

fn without_quotes(text: &str) -> Value {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Value::Whole(number),
        (_, Ok(flag)) => Value::Flag(flag),
        _ => Value::Nothing,
    }
}
