//! Names that people choose. Where the wire has a type for one, that type decides.

use crate::form::Scalar;
use crate::node::Value;
use contract::{AppName, HostName, ParseError, SecretName, SecretRef, Weight};
use schemars::{Schema, json_schema};

/// Name of a profile: `local`, `aws`.
#[derive(Debug, Clone)]
pub enum ProfileName {}

/// Name of a service, and its host name on the network.
#[derive(Debug, Clone)]
pub enum ServiceName {}

/// Name of a benchmark.
#[derive(Debug, Clone)]
pub enum BenchName {}

/// Name of an environment variable that carries no secret.
#[derive(Debug, Clone)]
pub enum VariableName {}

/// The wire types' own parsers also know what they expect; the patterns are for editors only.
macro_rules! wire {
    ($type:ty, $pattern:literal) => {
        impl Scalar for $type {
            type Value = Self;

            fn expected() -> String {
                Self::parse("").err().map_or_else(String::new, |ParseError { expected, .. }| expected.to_owned())
            }

            fn read(value: &Value) -> Option<Self> {
                Self::parse(value.text()?).ok()
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

wire!(AppName, "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$");
wire!(HostName, "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$");
wire!(SecretName, "^[A-Z][A-Z0-9_]{0,79}$");
wire!(SecretRef, "^[A-Z][A-Z0-9_]{0,79}(@[1-9][0-9]{0,9})?$");
wire!(Weight, "^([0-9]{1,2}(\\.[0-9])?|100(\\.0)?)%$");

macro_rules! plain_name {
    ($type:ident, $what:literal) => {
        impl Scalar for $type {
            type Value = String;

            fn expected() -> String {
                concat!(
                    $what,
                    " (lower-case letters, digits and hyphens, starting with a letter, at most 40)"
                )
                .to_owned()
            }

            fn read(value: &Value) -> Option<String> {
                HostName::parse(value.text()?).ok().map(|name| name.to_string())
            }

            fn schema() -> Schema {
                HostName::schema()
            }
        }
    };
}

plain_name!(ProfileName, "a profile's name");
plain_name!(ServiceName, "a service's name");
plain_name!(BenchName, "a benchmark's name");

impl Scalar for VariableName {
    type Value = String;

    fn expected() -> String {
        "an environment variable (letters, digits and underscores, not starting with a digit, at most 80)".to_owned()
    }

    fn read(value: &Value) -> Option<String> {
        let text = value.text()?;
        let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let starts = text.starts_with(|c: char| !c.is_ascii_digit());
        (fits && starts && text.len() <= 80).then(|| text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,79}$" })
    }
}
