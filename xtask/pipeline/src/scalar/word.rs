//! Text whose meaning is others' business.

use crate::form::Scalar;
use crate::node::Value;
use schemars::{Schema, json_schema};

/// A name somebody else chose: an image, a bucket, a branch. Without spaces.
#[derive(Debug, Clone)]
pub enum Word {}

/// Anything, also nothing: the value of a variable, an argument.
#[derive(Debug, Clone)]
pub enum Prose {}

impl Scalar for Word {
    type Value = String;

    fn expected() -> String {
        "a name without spaces, at most 255 characters".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let text = value.text()?;
        let fits = !text.is_empty() && text.chars().count() <= 255;
        (fits && !text.chars().any(|c| c.is_whitespace() || c.is_control())).then(|| text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\S{1,255}$" })
    }
}

impl Scalar for Prose {
    type Value = String;

    fn expected() -> String {
        "text (at most 32768 characters)".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let text = value.text()?;
        // A zero byte would end an argument or a variable early.
        (text.chars().count() <= 32_768 && !text.contains('\0')).then(|| text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "maxLength": 32_768 })
    }
}
