//! References in documents: attributes, inline styles, inline scripts.

use crate::reference::{Kind, Reference, css, without_query};
use crate::script;
use std::ops::Range;

pub fn references(text: &str) -> Vec<Reference> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find('<') {
        at += offset;
        if text[at..].starts_with("<!--") {
            at = end_of(text, at, "-->");
            continue;
        }
        at += 1;
        if !text[at..].starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let name_end = text[at..]
            .find(|c: char| !c.is_ascii_alphanumeric())
            .map_or(text.len(), |end| at + end);
        let name = &lower[at..name_end];
        at = attributes(text, name_end, |attribute, value| {
            found.extend(in_attribute(text, attribute, value))
        });
        let inner: fn(&str) -> Vec<Reference> = match name {
            "script" => script::references,
            "style" => css,
            _ => continue,
        };
        let end = lower[at..]
            .find(&format!("</{name}"))
            .map_or(text.len(), |end| at + end);
        found.extend(
            inner(&text[at..end])
                .into_iter()
                .map(|reference| reference.moved_by(at)),
        );
        at = end;
    }
    found
}

/// Calls `each` with every attribute's name and the span of its value; returns where the tag ends.
fn attributes(text: &str, mut at: usize, mut each: impl FnMut(&str, Range<usize>)) -> usize {
    let skip = |at: usize, over: fn(char) -> bool| text[at..].find(|c| !over(c)).map_or(text.len(), |n| at + n);
    loop {
        at = skip(at, |c| c.is_whitespace() || c == '/');
        if at == text.len() {
            return at;
        }
        if text[at..].starts_with('>') {
            return at + 1;
        }
        let name_at = at;
        // A stray `=` counts as a name, so that every turn moves on.
        at = skip(at + text[at..].chars().next().map_or(1, char::len_utf8), |c| {
            !c.is_whitespace() && !matches!(c, '=' | '>' | '/')
        });
        let name = &text[name_at..at];
        let equals_at = skip(at, char::is_whitespace);
        if !text[equals_at..].starts_with('=') {
            continue;
        }
        let value_at = skip(equals_at + 1, char::is_whitespace);
        let quote = text[value_at..]
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''));
        let value = match quote {
            Some(quote) => {
                let start = value_at + 1;
                start..text[start..].find(quote).map_or(text.len(), |length| start + length)
            }
            None => value_at..skip(value_at, |c| !c.is_whitespace() && c != '>'),
        };
        at = (value.end + quote.map_or(0, char::len_utf8)).min(text.len());
        each(name, value);
    }
}

fn in_attribute(text: &str, name: &str, value: Range<usize>) -> Vec<Reference> {
    let part = &text[value.clone()];
    match name.to_ascii_lowercase().as_str() {
        "src" | "href" | "poster" => Reference::link(value, text).into_iter().collect(),
        "srcset" | "imagesrcset" => candidates(part)
            .filter_map(|span| Reference::link(span.start + value.start..span.end + value.start, text))
            .collect(),
        "style" => css(part)
            .into_iter()
            .map(|reference| reference.moved_by(value.start))
            .collect(),
        // `content`, `data-…` and the like hold a path now and then; only if it is one will it be touched.
        _ if ["./", "../"].iter().any(|start| part.starts_with(start)) => {
            vec![Reference {
                span: value.start..value.start + without_query(part).len(),
                kind: Kind::Literal,
            }]
        }
        _ => Vec::new(),
    }
}

/// `a.png 1x, b.png 2x`: the URLs.
fn candidates(srcset: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    srcset.split(',').map(move |candidate| {
        let start = at + (candidate.len() - candidate.trim_start().len());
        let url = candidate.split_whitespace().next().unwrap_or_default();
        at += candidate.len() + 1;
        start..start + url.len()
    })
}

fn end_of(text: &str, at: usize, end: &str) -> usize {
    text[at..]
        .find(end)
        .map_or(text.len(), |offset| at + offset + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        references(text).into_iter().map(|found| &text[found.span]).collect()
    }

    #[test]
    fn attributes_name_files_quoted_or_not() {
        let text = r##"<LINK rel=stylesheet HREF = "style.css"><script type="module" src='./main.js?v=1'></script>
            <img src=logo.png alt="a > b" srcset="s.png 1x, ./l.png 2x"><a href="#top"></a><meta content="./og.png">
            <a href="https://example.org/x.html">"src='./no.js'"</a>"##;
        let expected = ["style.css", "./main.js", "logo.png", "s.png", "./l.png", "./og.png"];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn inline_styles_and_scripts_are_searched_in_their_own_language() {
        let text = r#"<p style="background: url('a.png')">url(b.png)</p><style>p { mask: url(c.svg) }</style>
            <script>const href = "d.html"; import("./e.js"); if (1<2) f('<img src="g.png">')</script>"#;
        assert_eq!(found(text), ["a.png", "c.svg", "./e.js"]);
    }

    #[test]
    fn what_is_commented_out_is_no_reference() {
        assert_eq!(
            found("<!-- <script src='./old.js'></script> --><img src=new.png>"),
            ["new.png"]
        );
    }

    #[test]
    fn an_unfinished_document_is_no_panic() {
        for text in [
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href='",
            "<a ===",
            "<!--",
            "<script>é",
            "<a é='",
            "<a /",
        ] {
            assert!(found(text).is_empty(), "`{text}`");
        }
    }
}
