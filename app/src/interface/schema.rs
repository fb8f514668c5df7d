//! What values look like in the document. The limits stand where values are parsed, and are taken from there.

use std::ops::RangeInclusive;
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

/// Text of so many characters.
pub fn text(chars: RangeInclusive<usize>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(*chars.start()))
        .max_length(Some(*chars.end()))
}

pub fn number(range: RangeInclusive<usize>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*range.start()))
        .maximum(Some(*range.end()))
}

pub fn one_of(values: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values))
}

/// Given out by the database, from 1 on.
pub fn id() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .build()
}

/// A moment, in the time of Korea.
pub fn moment() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-03-01T09:30:00.000000+09:00"])
        .build()
}

/// Implements the schema of a type that is written in JSON as something else, perhaps as an `$extended` with more to it.
macro_rules! written_as {
    ($of:ty, $schema:expr $(, $extended:ty)?) => {
        impl utoipa::PartialSchema for $of {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $of {
            $(fn schemas(named: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                <$extended as utoipa::ToSchema>::schemas(named);
            })?
        }
    };
}
pub(crate) use written_as;
