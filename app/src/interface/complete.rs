//! What many operations have in common, so that none has to say it: the problems that come with signing in, a body, a
//! key or the database, and the headers of every answer.
//!
//! An operation names its own problems by their codes: `(status = 404, description = "NOT_FOUND_POST")`.

use crate::problem::{self, Code};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The problems of one status; each set that occurs is described once, among the components.
type Problems = BTreeMap<u16, BTreeSet<Code>>;

pub fn complete(document: &mut Value) -> serde_json::Result<()> {
    let mut described = Map::new();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for operation in paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten().map(|(_, found)| found)) {
        add_problems(operation, &mut described);
        describe_answers(operation);
        push(
            &mut operation["parameters"],
            json!({ "$ref": "#/components/parameters/AcceptLanguage" }),
        );
    }
    let components = &mut document["components"];
    components["responses"] = Value::Object(described);
    components["schemas"]["Problem"] = serde_json::to_value(problem::schema())?;
    components["parameters"] = json!({ "AcceptLanguage": {
        "name": "accept-language",
        "in": "header",
        "description": "The language of problems: Korean or, without it, English",
        "schema": { "type": "string", "examples": ["ko"] },
    } });
    components["headers"] = headers();
    components["securitySchemes"] = json!({ "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of a session; it lives for a quarter of an hour",
    } });
    Ok(())
}

fn headers() -> Value {
    let header = |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
    json!({
        "RequestId": header("The request, by the name that the log knows it by", "string"),
        "ContentLanguage": header("The language of the title", "string"),
        "RetryAfter": header("How many seconds to wait before trying again", "integer"),
        "Authenticate": header("How to sign in", "string"),
        "Replayed": header("`true` on an answer that was given before, to the same key", "string"),
    })
}

fn named_header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn add_problems(operation: &mut Value, described: &mut Map<String, Value>) {
    let mut problems = Problems::new();
    for code in shared(operation) {
        problems.entry(code.status().as_u16()).or_default().insert(code);
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if let Some((status, codes)) = status.parse().ok().zip(own(response)) {
            problems.entry(status).or_default().extend(codes);
        }
    }
    for (status, codes) in problems {
        let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
        let name = format!("{status}.{}", names.join("."));
        let response = &mut operation["responses"][status.to_string()];
        // `/readyz` answers 503 in a shape of its own, too.
        if response["content"].is_object() {
            response["content"][problem::CONTENT_TYPE] = content(status, &names);
            continue;
        }
        *response = json!({ "$ref": format!("#/components/responses/{name}") });
        described.entry(name).or_insert_with(|| describe(status, &codes));
    }
}

/// The codes that a response names, if that is what it does.
fn own(response: &Value) -> Option<Vec<Code>> {
    response["description"].as_str()?.split(", ").map(Code::named).collect()
}

fn shared(operation: &Value) -> Vec<Code> {
    let mut codes = vec![Code::Internal, Code::TimedOut];
    if operation["tags"][0] != "Operations" && operation["tags"][0] != "Interface" {
        codes.extend([Code::Busy, Code::DatabaseUnavailable]);
    }
    if let Some(ways) = operation["security"].as_array() {
        codes.extend([Code::InvalidToken, Code::ExpiredToken]);
        let is_optional = ways.contains(&json!({}));
        codes.extend((!is_optional).then_some(Code::SignInNeeded));
    }
    let body = &operation["requestBody"]["content"];
    if body["application/json"].is_object() {
        codes.extend([
            Code::InvalidJson,
            Code::NotJson,
            Code::BodyTooLarge,
            Code::InvalidFields,
        ]);
    }
    if body["multipart/form-data"].is_object() {
        codes.extend([
            Code::InvalidForm,
            Code::NotForm,
            Code::BodyTooLarge,
            Code::InvalidFields,
        ]);
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        codes.extend((parameter["in"] == "query").then_some(Code::InvalidFields));
        if parameter["name"] == crate::idempotency::KEY {
            codes.extend([Code::InvalidFields, Code::ReusedIdempotencyKey]);
        }
    }
    codes
}

fn describe(status: u16, codes: &BTreeSet<Code>) -> Value {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.name(), code.english()))
        .collect();
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    let mut headers = json!({
        "x-request-id": named_header("RequestId"),
        "content-language": named_header("ContentLanguage"),
    });
    if matches!(status, 429 | 503) {
        headers["retry-after"] = named_header("RetryAfter");
    }
    if status == 401 {
        headers["www-authenticate"] = named_header("Authenticate");
    }
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": { problem::CONTENT_TYPE: content(status, &names) },
    })
}

fn content(status: u16, codes: &[&str]) -> Value {
    json!({ "schema": { "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
    ] } })
}

/// Those that are no problems.
fn describe_answers(operation: &mut Value) {
    let takes_key = operation["parameters"]
        .as_array()
        .is_some_and(|parameters| parameters.iter().any(|one| one["name"] == crate::idempotency::KEY));
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response["$ref"].is_string() {
            continue;
        }
        let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!(reason);
        }
        response["headers"]["x-request-id"] = named_header("RequestId");
        if takes_key && status == Some(StatusCode::CREATED) {
            response["headers"]["idempotent-replayed"] = named_header("Replayed");
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}
