//! What a path names: each `{…}` is taken from it by a type of its own.

use axum::extract::{FromRequestParts as _, RawPathParams};
use axum::http::request::Parts;

/// The text of one parameter; `None` for what is no text.
pub async fn parameter(parts: &mut Parts, name: &str) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let mut named = parameters.iter().filter(|(found, _)| *found == name);
    named.next().map(|(_, value)| value.to_owned())
}

/// Lets a path name `$of` by the parameter `$name`. What cannot be parsed names nothing, which is `$missing`.
macro_rules! named_in_path {
    ($of:ty, $name:literal, $description:literal, $parse:expr, $missing:ident) => {
        impl<S: Send + Sync> axum::extract::FromRequestParts<S> for $of {
            type Rejection = crate::problem::Problem;

            async fn from_request_parts(
                parts: &mut axum::http::request::Parts,
                _: &S,
            ) -> Result<$of, crate::problem::Problem> {
                let value = crate::path::parameter(parts, $name).await;
                value
                    .and_then($parse)
                    .ok_or_else(|| crate::problem::Problem::new(crate::problem::Code::$missing))
            }
        }

        impl utoipa::IntoParams for $of {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let parameter = utoipa::openapi::path::ParameterBuilder::new()
                    .name($name)
                    .parameter_in(utoipa::openapi::path::ParameterIn::Path)
                    .required(utoipa::openapi::Required::True)
                    .description(Some($description))
                    .schema(Some(<$of as utoipa::PartialSchema>::schema()));
                vec![parameter.build()]
            }
        }
    };
}
pub(crate) use named_in_path;
