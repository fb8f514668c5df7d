//! Numbers in a range.

use crate::form::Scalar;
use crate::node::Value;
use contract::{Cpus, Replicas};
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

/// Written as a number, though it is kept exactly.
impl Scalar for Cpus {
    type Value = Self;

    fn expected() -> String {
        Self::EXPECTED.to_owned()
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Whole(number) => Self::parse(&number.to_string()).ok(),
            Value::Fraction(number) => Self::parse(&number.to_string()).ok(),
            _ => None,
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number", "minimum": 0.1, "maximum": 64, "multipleOf": 0.001 })
    }
}

impl Scalar for Replicas {
    type Value = Self;

    fn expected() -> String {
        Self::EXPECTED.to_owned()
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Whole(number) => u8::try_from(*number).ok().and_then(Self::new),
            _ => None,
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": Self::ONE.count(), "maximum": Self::MOST.count() })
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
