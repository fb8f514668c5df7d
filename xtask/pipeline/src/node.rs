//! YAML text → a tree in which every node knows where it stands.

use crate::problem::{At, Problem, Problems};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{DuplicateKeyPolicy, Location, MessageFormatter as _, Spanned, UserMessageFormatter};
use std::collections::HashMap;
use std::fmt;

const MAX_TEXT_BYTES: usize = 256 * 1024;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 20_000;
const MAX_ALIASED_NODES: usize = 10_000;

pub type Node = Spanned<Value>;

#[derive(Debug, Clone)]
pub enum Value {
    Nothing,
    Flag(bool),
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Node>),
    /// As written: what stands there twice is here twice.
    Map(Vec<(Spanned<String>, Node)>),
}

/// Reads the text, or reports the one place where it stops being YAML. Keys given twice are reported as well, but do
/// not stop the reading.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the file has {} bytes", text.len());
        problems.push(Problem::new(
            At::START,
            message,
            format!("expected at most {MAX_TEXT_BYTES}"),
        ));
        return None;
    }
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // `yes` and `off` are text, as YAML 1.2 has it.
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_yaml::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MAX_ALIASED_NODES },
    };
    match serde_yaml::from_str_with_options::<Node>(text, options) {
        Ok(node) => {
            report_duplicates(&node, problems);
            Some(node)
        }
        Err(error) => {
            problems.push(malformed(&error));
            None
        }
    }
}

/// Where it is written: for an alias, where the anchor is.
pub fn at<T>(spanned: &Spanned<T>) -> At {
    place(spanned.defined)
}

impl Value {
    /// For the sentence "expected …, found …".
    pub fn found(&self) -> String {
        const SHOWN_CHARS: usize = 60;
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Flag(flag) => format!("`{flag}`"),
            Self::Whole(number) => format!("the number {number}"),
            Self::Fraction(number) => format!("the number {number}"),
            Self::Text(text) if text.chars().count() > SHOWN_CHARS => {
                format!(
                    "`{}…`",
                    text.chars().take(SHOWN_CHARS).collect::<String>().escape_debug()
                )
            }
            Self::Text(text) => format!("`{}`", text.escape_debug()),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

fn place(location: Location) -> At {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    At {
        line: number(location.line()),
        column: number(location.column()),
        width: number(location.span().len()),
    }
}

fn malformed(error: &serde_yaml::Error) -> Problem {
    let reason = UserMessageFormatter
        .format_message(error.without_snippet())
        .into_owned();
    let at = error.location().map_or(At::START, place);
    Problem::new(at, "this cannot be read as YAML", reason)
}

fn report_duplicates(node: &Node, problems: &mut Problems) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| report_duplicates(item, problems)),
        Value::Map(entries) => {
            let mut seen = HashMap::new();
            for (key, value) in entries {
                if let Some(first) = seen.get(&key.value) {
                    let message = format!("`{}` is given twice", key.value);
                    problems.push(Problem::new(
                        at(key),
                        message,
                        format!("the first one is in line {first}"),
                    ));
                } else {
                    seen.insert(&key.value, at(key).line);
                }
                report_duplicates(value, problems);
            }
        }
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        // No number that large is in range anywhere, so how far out of range it is does not matter.
        Ok(Value::Whole(i128::try_from(number).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
