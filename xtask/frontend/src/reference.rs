//! Where one file of a site names another.

use crate::content::Language;
use crate::{html, script};
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The path in the text: no quotes, no query, no fragment.
    pub span: Range<usize>,
    pub kind: Kind,
}

/// What a reference is relative to, and how sure it is that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `src`, `href`, `url()`: relative to the file.
    Link,
    /// `import`, `export … from`, `import()`: relative to the file, and surely a file.
    Import,
    /// Any other literal of a script that starts like a path: relative to the file or, as `fetch` sees it, to the page.
    Literal,
}

/// References in the order in which they stand in the text.
pub fn references(language: Language, text: &str) -> Vec<Reference> {
    let mut found = match language {
        Language::Html => html::references(text),
        Language::Css => css(text),
        Language::Script => script::references(text),
    };
    found.sort_by_key(|reference| reference.span.start);
    found
}

impl Reference {
    pub fn link(span: Range<usize>, text: &str) -> Option<Self> {
        let value = &text[span.clone()];
        let start = span.start + (value.len() - value.trim_start().len());
        let path = without_query(value.trim());
        let foreign = path.is_empty() || path.starts_with("//") || has_scheme(path);
        (!foreign).then(|| Self {
            span: start..start + path.len(),
            kind: Kind::Link,
        })
    }

    /// The same reference in a text of which this one is a part.
    pub fn moved_by(self, offset: usize) -> Self {
        Self {
            span: self.span.start + offset..self.span.end + offset,
            ..self
        }
    }
}

pub fn without_query(value: &str) -> &str {
    &value[..value.find(['?', '#']).unwrap_or(value.len())]
}

/// `url(…)`, quoted or not, and `@import "…"`, outside comments.
pub fn css(text: &str) -> Vec<Reference> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &lower.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            at = lower[at..].find("*/").map_or(text.len(), |end| at + end + 2);
        } else if rest.starts_with(b"url(") && !continues_a_word(&lower, at) {
            at += 4;
            found.extend(css_value(text, at, Some(')')).and_then(|span| Reference::link(span, text)));
        } else if rest.starts_with(b"@import") {
            at += 7;
            found.extend(css_value(text, at, None).and_then(|span| Reference::link(span, text)));
        } else {
            // Byte by byte is safe: what is sought is ASCII, which never stands inside a longer character.
            at += 1;
        }
    }
    found
}

/// The quoted value at `at`, or the bare one up to `end`.
fn css_value(text: &str, at: usize, end: Option<char>) -> Option<Range<usize>> {
    let start = at + (text[at..].len() - text[at..].trim_start().len());
    let rest = &text[start..];
    if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        return rest[1..].find(quote).map(|length| start + 1..start + 1 + length);
    }
    rest.find(end?).map(|length| start..start + length)
}

fn continues_a_word(text: &str, at: usize) -> bool {
    text[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '-' | '_'))
}

/// `https:`, `data:`, `mailto:`: names something by other means than a path.
fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(language: Language, text: &str) -> Vec<(&str, Kind)> {
        references(language, text)
            .into_iter()
            .map(|found| (&text[found.span], found.kind))
            .collect()
    }

    #[test]
    fn a_stylesheet_names_files_in_urls_and_imports() {
        let text = r#"@import "theme.css"; @import url( 'print.css' ) print;
            a { background: url(./a.png) } @font-face { src: URL("../f.woff2?v=1#iefix") }
            /* url(old.png) */ b { mask: url(#m) url(data:image/png;base64,AA) url(https://cdn/x.png) url(//cdn/y) }"#;
        let expected = ["theme.css", "print.css", "./a.png", "../f.woff2"].map(|path| (path, Kind::Link));
        assert_eq!(found(Language::Css, text), expected);
    }

    #[test]
    fn an_unfinished_stylesheet_is_no_panic() {
        for text in ["url(", "url('", "@import", "/*", "@import \"é", "é url( é"] {
            assert_eq!(found(Language::Css, text), [], "`{text}`");
        }
    }
}
