//! How the text forms are read, laid over each other, and described.
//!
//! A serde struct stops at its first error, and a person with seven mistakes wants to hear of seven. So the YAML
//! becomes a tree with positions first (`node`), and `form!` turns one declaration into all that must never drift apart:
//! the struct, its reader, its overlay and its JSON Schema. What a form does not declare is an unknown key; what it
//! declares is in the schema. A reader reports what is wrong with its own node and carries on; whether the parts fit
//! together is for `validate`.

mod collection;
mod fields;
mod leaf;

pub use collection::{List, Map};
pub use fields::{Fields, mapping_schema};
pub use leaf::{Leaf, Scalar};

use crate::node::Node;
use crate::problem::{At, Problems};
use schemars::JsonSchema;

/// One part of the text.
pub trait Form: JsonSchema + Sized {
    /// `None` once a problem was reported.
    fn read(node: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self>;

    /// What a profile says about this part takes its place, unless the part is a mapping: those are laid over each
    /// other key by key.
    fn lay(&mut self, over: Self) {
        *self = over;
    }
}

/// A part that is a mapping of known keys.
pub trait Mapping: Clone {
    fn absent(at: At) -> Self;
    fn bad(at: At) -> Self;
}

/// The key a node stands under: what to call it, and where to point when it lacks something.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub name: &'a str,
    pub at: At,
}

/// What the text says under one key.
#[derive(Debug, Clone, Default)]
pub enum Field<T> {
    #[default]
    Absent,
    /// Given, and already reported: asking for it again, or judging what depends on it, would only repeat that.
    Bad,
    Given(T),
}

impl<T> Field<T> {
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }
}

impl<T: Scalar> Field<Leaf<T>> {
    pub fn or(&self, default: T::Value) -> T::Value {
        self.value().unwrap_or(default)
    }

    pub fn value(&self) -> Option<T::Value> {
        self.given().map(|leaf| leaf.value.clone())
    }
}

impl<T: Mapping> Field<T> {
    /// A mapping in any case: one that lacks all its keys, or one whose keys are all bad, so that nobody asks for them.
    pub fn or_empty(&self, at: At) -> T {
        match self {
            Self::Given(mapping) => mapping.clone(),
            Self::Absent => T::absent(at),
            Self::Bad => T::bad(at),
        }
    }
}

impl<T: Form> Field<T> {
    pub fn lay(&mut self, over: Self) {
        match (self, over) {
            (_, Self::Absent) => {}
            (Self::Given(base), Self::Given(over)) => base.lay(over),
            (base, over) => *base = over,
        }
    }
}

impl<T: Form + Clone> Field<T> {
    pub fn overlaid(&self, over: &Self) -> Self {
        let mut both = self.clone();
        both.lay(over.clone());
        both
    }
}

/// Declares a mapping: its struct, reader, overlay and schema. A `choice` holds exactly one of its keys, and is
/// replaced as a whole: laid over each other, two choices would hold two keys.
macro_rules! form {
    ($(#[doc = $doc:literal])+ $name:ident { $($body:tt)+ }) => {
        $crate::form::form! { @struct [] $(#[doc = $doc])+ $name { $($body)+ } }
        $crate::form::form! { @form $name { $($body)+ } }
    };
    ($(#[doc = $doc:literal])+ choice $name:ident { $($body:tt)+ }) => {
        $crate::form::form! {
            @struct [#[allow(dead_code, reason = "a choice may have a key that is only ever refused")]]
            $(#[doc = $doc])+ $name { $($body)+ }
        }

        impl $crate::form::Form for $name {
            fn read(
                node: &$crate::node::Node,
                key: $crate::form::Key<'_>,
                problems: &mut $crate::problem::Problems,
            ) -> Option<Self> {
                let mut fields = $crate::form::Fields::open(node, key, Self::KEYS, problems)?;
                fields.exactly_one()?;
                Some(Self::take(&mut fields))
            }
        }
    };
    (@form $name:ident { $($(#[doc = $about:literal])+ $field:ident: $type:ty,)+ }) => {
        impl $crate::form::Form for $name {
            fn read(
                node: &$crate::node::Node,
                key: $crate::form::Key<'_>,
                problems: &mut $crate::problem::Problems,
            ) -> Option<Self> {
                let mut fields = $crate::form::Fields::open(node, key, Self::KEYS, problems)?;
                Some(Self::take(&mut fields))
            }

            fn lay(&mut self, over: Self) {
                $(self.$field.lay(over.$field);)+
            }
        }
    };
    (@struct [$($attribute:tt)*] $(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $about:literal])+ $field:ident: $type:ty,)+
    }) => {
        $(#[doc = $doc])+
        $($attribute)*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// The key it stands under: where to point when it lacks something.
            #[allow(dead_code, reason = "not every mapping has a key that may be lacking")]
            pub at: $crate::problem::At,
            $($(#[doc = $about])+ pub $field: $crate::form::Field<$type>,)+
        }

        impl $name {
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];

            pub fn take(fields: &mut $crate::form::Fields<'_>) -> Self {
                Self { at: fields.key().at, $($field: fields.take(stringify!($field)),)+ }
            }
        }

        impl $crate::form::Mapping for $name {
            fn absent(at: $crate::problem::At) -> Self {
                Self { at, $($field: $crate::form::Field::Absent,)+ }
            }

            fn bad(at: $crate::problem::At) -> Self {
                Self { at, $($field: $crate::form::Field::Bad,)+ }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let properties = [$((
                    stringify!($field),
                    concat!($($about),+),
                    generator.subschema_for::<$type>(),
                )),+];
                $crate::form::mapping_schema(concat!($($doc),+), properties)
            }
        }
    };
}
pub(crate) use form;
