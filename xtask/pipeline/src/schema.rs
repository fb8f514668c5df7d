//! The JSON Schema of the file, for editors.

use crate::text::Pipeline;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// In draft 7, which every editor knows. It says what a file may contain; whether the parts fit together, only
/// [`crate::load`] can tell.
pub fn schema() -> Value {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Pipeline>()
        .to_value()
}
