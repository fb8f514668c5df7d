//! Numbers in a range.

use crate::form::Scalar;
use crate::node::Value;
use schemars::{Schema, json_schema};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone)]
pub enum Whole<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Scalar for Whole<MIN, MAX> {
    type Value = u32;

    fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn read(value: &Value) -> Option<u32> {
        match value {
            Value::Whole(number) => u32::try_from(*number).ok().filter(|n| (MIN..=MAX).contains(n)),
            _ => None,
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// Of this file's format. A later tool that changes the format raises it, and goes on reading this one.
#[derive(Debug, Clone)]
pub enum Version {}

impl Scalar for Version {
    type Value = u32;

    fn expected() -> String {
        "1, the only version this tool reads".to_owned()
    }

    fn read(value: &Value) -> Option<u32> {
        matches!(value, Value::Whole(1)).then_some(1)
    }

    fn schema() -> Schema {
        json_schema!({ "const": 1 })
    }
}
