//! How a request asks for a WebSocket. The library reads it; this tells the document.

use crate::interface::schema::one_of;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

pub struct Handshake;

impl IntoParams for Handshake {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let headers = [
            ("connection", one_of(["Upgrade"])),
            ("upgrade", one_of(["websocket"])),
            ("sec-websocket-version", one_of(["13"])),
            ("sec-websocket-key", any_text()),
        ];
        let parameters = headers.map(|(name, schema)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::True)
                .schema(Some(schema))
                .build()
        });
        parameters.into()
    }
}

/// The library looks at no key.
fn any_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
