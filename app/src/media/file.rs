//! The one file of a form: `multipart/form-data` with a single part, named `file`.

use crate::body;
use crate::problem::{Code, Problem};
use axum::extract::Request;
use axum::http::{HeaderMap, header};

/// What a form has around its file.
const AROUND_MAX_BYTES: usize = 16 * 1024;
const BOUNDARY_MAX_CHARS: usize = 70;

pub async fn read(request: Request, most_bytes: usize) -> Result<Vec<u8>, Problem> {
    let boundary = boundary(request.headers());
    let form = body::read(request.into_body(), most_bytes + AROUND_MAX_BYTES, Code::InvalidForm).await?;
    let boundary = boundary.ok_or_else(|| Problem::new(Code::NotForm))?;
    file_in(&form, &boundary).map(<[u8]>::to_vec)
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=BOUNDARY_MAX_CHARS)
        .contains(&boundary.len())
        .then(|| boundary.to_owned())
}

/// The value of `name` among `a=b; c="d"`.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let named = parameters.split(';').find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })?;
    Some(
        named
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(named),
    )
}

fn file_in<'a>(form: &'a [u8], boundary: &str) -> Result<&'a [u8], Problem> {
    let broken = || Problem::new(Code::InvalidForm);
    let wrong = |field: &str, detail: &str| Problem::new(Code::InvalidFields).with_field(field.to_owned(), detail);
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let mut rest = form.strip_prefix(&delimiter.as_bytes()[2..]).ok_or_else(broken)?;
    let mut file = None;
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n").ok_or_else(broken)?;
        // A part without any header would begin with the empty line itself.
        let (head, part) = split(part, b"\r\n\r\n").ok_or_else(broken)?;
        let (content, after) = split(part, delimiter.as_bytes()).ok_or_else(broken)?;
        let head = str::from_utf8(head).map_err(|_| broken())?;
        match name(head).ok_or_else(broken)? {
            "file" if file.replace(content).is_some() => return Err(wrong("file", "is given twice")),
            "file" => {}
            other => return Err(wrong(other, "is not known here")),
        }
        rest = after;
    }
    file.ok_or_else(|| wrong("file", "is required"))
}

fn name(head: &str) -> Option<&str> {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, parameters) = disposition.split_once(';')?;
    kind.trim()
        .eq_ignore_ascii_case("form-data")
        .then(|| parameter(parameters, "name"))?
}

/// What is before and after the first `separator`, which begins with a carriage return.
fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == b'\r')?;
        if let Some(after) = bytes[at..].strip_prefix(separator) {
            return Some((&bytes[..at], after));
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::Value;

    fn outcome(form: &str) -> Result<&[u8], String> {
        file_in(form.as_bytes(), "x").map_err(|problem| {
            let problem: Value =
                serde_json::from_str(&problem.render("test", crate::language::Language::English)).expect("JSON");
            let field = problem["errors"][0]["field"].as_str().map(|field| format!(" {field}"));
            format!(
                "{}{}",
                problem["code"].as_str().expect("a code"),
                field.unwrap_or_default()
            )
        })
    }

    fn part(name: &str, content: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\n\r\n{content}\r\n")
    }

    #[test]
    fn the_file_is_found_whatever_it_holds() {
        for content in ["", "\r\n", "--x", "\r\n--", "a\r\r\nb\r\n-x"] {
            assert_eq!(
                outcome(&format!("{}--x--\r\n", part("file", content))),
                Ok(content.as_bytes())
            );
        }
    }

    #[test]
    fn a_form_without_its_one_file_is_refused_by_field() {
        let file = part("file", "a");
        for (form, expected) in [
            ("--x--".to_owned(), "INVALID_FIELDS file"),
            (format!("{file}{file}--x--"), "INVALID_FIELDS file"),
            (format!("{file}{}--x--", part("admin", "1")), "INVALID_FIELDS admin"),
            (file.clone(), "INVALID_FORM"),
            (format!("preamble\r\n{file}--x--"), "INVALID_FORM"),
            ("--x\r\n\r\n\r\na\r\n--x--".to_owned(), "INVALID_FORM"),
            (
                "--x\r\nContent-Type: text/plain\r\n\r\na\r\n--x--".to_owned(),
                "INVALID_FORM",
            ),
            ("--xyz".to_owned(), "INVALID_FORM"),
            (String::new(), "INVALID_FORM"),
        ] {
            assert_eq!(outcome(&form), Err(expected.to_owned()), "{form:?}");
        }
    }

    #[test]
    fn a_boundary_stands_in_quotes_or_without() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"x y\"", Some("x y")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=x", None),
            ("application/json", None),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(boundary(&headers).as_deref(), expected, "{content_type}");
        }
    }
}
