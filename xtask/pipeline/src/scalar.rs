//! The values a pipeline is made of. Each type says what it expects, reads only that, and describes itself to editors.

mod name;
mod number;
mod path;
mod time;
mod word;

pub use name::{BenchName, ProfileName, ServiceName, VariableName};
pub use number::{Version, Whole};
pub use path::{AnyPath, Endpoint, JsonPointer, ProjectPath, Repository, UrlPath};
pub use time::{HOUR, MINUTE, SECOND, Time};
pub use word::{Prose, Word};

use crate::form::Scalar;
use crate::freeze::Freeze;
use crate::identity::Identity;
use crate::model::{Builder, Method, Occasion, RegistryAuth, Stage};
use crate::node::Value;
use schemars::{Schema, json_schema};

impl Value {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Scalar for bool {
    type Value = bool;

    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(value: &Value) -> Option<bool> {
        match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// A choice of names, as the model has it.
macro_rules! keyword {
    ($type:ty { $($name:literal => $value:expr,)+ }) => {
        impl Scalar for $type {
            type Value = Self;
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn expected() -> String {
                let names: Vec<String> = Self::NAMES.iter().map(|name| format!("`{name}`")).collect();
                format!("one of {}", names.join(", "))
            }

            fn read(value: &Value) -> Option<Self> {
                match value.text()? {
                    $($name => Some($value),)+
                    _ => None,
                }
            }

            fn schema() -> Schema {
                json_schema!({ "enum": Self::NAMES })
            }
        }
    };
}

keyword!(Stage {
    "source" => Self::Source,
    "build" => Self::Build,
    "test" => Self::Test,
    "staging" => Self::Staging,
    "approval" => Self::Approval,
    "production" => Self::Production,
    "frontend" => Self::Frontend,
    "bake" => Self::Bake,
});
keyword!(Occasion {
    "approval" => Self::Approval,
    "failed" => Self::Failed,
    "rolled-back" => Self::RolledBack,
    "done" => Self::Done,
});
keyword!(Builder { "auto" => Self::Auto, "native" => Self::Native, "docker" => Self::Docker, });
keyword!(RegistryAuth {
    "anonymous" => Self::Anonymous,
    "docker-config" => Self::DockerConfig,
    "env" => Self::Env,
    "ecr" => Self::Ecr,
});
keyword!(Method {
    "GET" => Self::Get,
    "HEAD" => Self::Head,
    "OPTIONS" => Self::Options,
    "POST" => Self::Post,
    "PUT" => Self::Put,
    "PATCH" => Self::Patch,
    "DELETE" => Self::Delete,
});

impl Scalar for Freeze {
    type Value = Self;

    fn expected() -> String {
        "a span of every week or of days, and its time zone (such as `Fri 18:00 – Mon 09:00 Asia/Seoul` or \
         `2026-12-24 18:00 – 2026-12-27 09:00 Asia/Seoul`)"
            .to_owned()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.text()?)
    }

    fn schema() -> Schema {
        let day = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun|[0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9]{1,2}:[0-9]{2}";
        json_schema!({ "type": "string", "pattern": format!("^{day} [–-] {day} [A-Za-z0-9_+/-]+$") })
    }
}

impl Scalar for Identity {
    type Value = Self;

    fn meant(text: &str) -> Option<String> {
        Self::meant(text).map(|meant| meant.to_string())
    }

    fn expected() -> String {
        "an account's name, or `github:` or `aws:` and the name there, without spaces".to_owned()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.text()?)
    }

    fn schema() -> Schema {
        let local = r"[A-Za-z0-9_][A-Za-z0-9._+@$\\-]{0,63}";
        let github = r"github:[A-Za-z0-9_][A-Za-z0-9_\[\]-]{0,49}";
        let aws = "aws:[A-Za-z0-9_][A-Za-z0-9+=,.@_/:-]{0,255}";
        json_schema!({ "type": "string", "pattern": format!("^({local}|{github}|{aws})$") })
    }
}
