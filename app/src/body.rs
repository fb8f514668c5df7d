//! Bodies and query strings, read with bounds and refused by field.

use crate::problem::{Code, Problem};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// Up to here, every whole number has a float of its own.
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;
const BODY_MAX_BYTES: usize = 64 * 1024;
/// How much of an oversized body is read and thrown away, so that its sender gets to read the answer instead of a reset.
const DISCARD_MAX_BYTES: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Json<T>, Problem> {
        parse(&json_bytes(request).await?).map(Json)
    }
}

/// The body of a request that says it is JSON.
pub async fn json_bytes(request: Request) -> Result<Vec<u8>, Problem> {
    let is_json = is_json(request.headers());
    let bytes = read(request.into_body(), BODY_MAX_BYTES, Code::InvalidJson).await?;
    if !is_json {
        return Err(Problem::new(Code::NotJson));
    }
    Ok(bytes)
}

/// A number of a body. JSON knows no integers: `5.0` is as good as `5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let fits = |float: &f64| float.fract() == 0.0 && (0.0..=MOST_EXACT).contains(float);
        number
            .as_u64()
            .or_else(|| number.as_f64().filter(fits).map(|float| float as u64))
            .map(Whole)
            .ok_or_else(|| D::Error::custom("not a whole number"))
    }
}

/// The query string; every value arrives as text and is parsed by the feature that asked for it.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters<T>, Problem> {
        let Query(value) = Query::try_from_uri(&parts.uri).map_err(|error| {
            let reason = std::error::Error::source(&error).map_or(error.to_string(), |source| source.to_string());
            shape_problem("", &reason)
        })?;
        Ok(Parameters(value))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .eq_ignore_ascii_case("application/json")
}

/// At most `most_bytes`; `cut_short` tells that the body ended before its end.
pub async fn read(body: Body, most_bytes: usize, cut_short: Code) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem::new(cut_short).with_detail("the body ended too early"))?;
        seen += chunk.len();
        if seen <= most_bytes {
            bytes.extend_from_slice(&chunk);
        } else if seen > most_bytes + DISCARD_MAX_BYTES {
            break;
        }
    }
    if seen > most_bytes {
        return Err(Problem::new(Code::BodyTooLarge).with_detail(format!("at most {most_bytes} bytes")));
    }
    Ok(bytes)
}

pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would fill a struct from an array, by position.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(shape_problem("", ""));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.inner());
        if cause.is_data() {
            return shape_problem(&path, &cause.to_string());
        }
        let problem = Problem::new(Code::InvalidJson).with_detail(cause.to_string());
        if path == "." || path == "?" {
            problem
        } else {
            problem.with_field(path, "is not valid JSON")
        }
    })?;
    json.end()
        .map_err(|error| Problem::new(Code::InvalidJson).with_detail(error.to_string()))?;
    Ok(value)
}

/// serde names a missing, unknown or doubled field only in its message, between backticks.
fn shape_problem(path: &str, message: &str) -> Problem {
    let problem = Problem::new(Code::InvalidFields);
    let named = message.split('`').nth(1).filter(|_| message.contains(" field `"));
    let detail = match message {
        message if message.starts_with("missing field") => "is required",
        message if message.starts_with("unknown field") => "is not known here",
        message if message.starts_with("duplicate field") => "is given twice",
        _ => "is of the wrong type",
    };
    match named.or(Some(path).filter(|path| !path.is_empty() && *path != ".")) {
        Some(field) => problem.with_field(field.to_owned(), detail),
        None => problem.with_detail("a JSON object is expected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use serde_json::Value;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its shape matters")]
    struct Shape {
        name: String,
        nick: Option<String>,
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
        let whole = |json: &str| serde_json::from_str(json).ok().map(|Whole(number)| number);
        for (json, number) in [("5", 5), ("5.0", 5), ("5e2", 500), ("18446744073709551615", u64::MAX)] {
            assert_eq!(whole(json), Some(number), "{json}");
        }
        for json in [
            "5.5",
            "-1",
            "-1.0",
            "1e300",
            "18446744073709551616",
            "\"5\"",
            "null",
            "true",
        ] {
            assert_eq!(whole(json), None, "{json}");
        }
    }

    fn refused(body: &str) -> (String, Option<String>) {
        let problem = parse::<Shape>(body.as_bytes())
            .expect_err(body)
            .render("test", Language::English);
        let problem: Value = serde_json::from_str(&problem).expect("a problem is JSON");
        (
            problem["code"].as_str().expect("code").to_owned(),
            problem["errors"][0]["field"].as_str().map(str::to_owned),
        )
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named_by_field() {
        for (body, code, field) in [
            (r#"{"nick":"a"}"#, "INVALID_FIELDS", Some("name")),
            (r#"{"name":"a","admin":true}"#, "INVALID_FIELDS", Some("admin")),
            (r#"{"name":"a","name":"b"}"#, "INVALID_FIELDS", Some("name")),
            (r#"{"name":5}"#, "INVALID_FIELDS", Some("name")),
            (r#"{"name":"a","nick":["x"]}"#, "INVALID_FIELDS", Some("nick")),
            (r#"{"name":"\ud800"}"#, "INVALID_JSON", Some("name")),
            (r#"{"name":"a"} trailing"#, "INVALID_JSON", None),
            ("5", "INVALID_FIELDS", None),
            (r#"["a","b"]"#, "INVALID_FIELDS", None),
            ("{", "INVALID_JSON", None),
            ("", "INVALID_JSON", None),
        ] {
            assert_eq!(refused(body), (code.to_owned(), field.map(str::to_owned)), "{body}");
        }
    }
}
