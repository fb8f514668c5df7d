//! References in scripts.
//!
//! Not a parser: it looks at every quote that is followed by `./`, `../` or `/`. A parser that lost its way in some
//! regular expression would miss a reference, and a missed reference is a broken site; this misses none, and what it
//! finds too much (in a comment, say) is left alone unless it is the path of a file.

use crate::reference::{Kind, Reference, without_query};

pub fn references(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find(['"', '\'', '`']) {
        let quote_at = at + offset;
        at = quote_at + 1;
        let quote = char::from(text.as_bytes()[quote_at]);
        let rest = &text[at..];
        if !["./", "../", "/"].iter().any(|start| rest.starts_with(start)) {
            continue;
        }
        let Some(length) = rest.find([quote, '\n']).filter(|end| rest[*end..].starts_with(quote)) else {
            continue;
        };
        let value = &rest[..length];
        if is_imported(&text[..quote_at]) && !is_commented_out(&text[..quote_at]) {
            // A template such as `./views/${name}.js` is kept whole: it names no file, and the error should show it.
            let path = if value.contains("${") {
                value
            } else {
                without_query(value)
            };
            found.push(Reference {
                span: at..at + path.len(),
                kind: Kind::Import,
            });
        } else if value.chars().all(is_of_a_url) {
            found.push(Reference {
                span: at..at + without_query(value).len(),
                kind: Kind::Literal,
            });
        } else {
            // Perhaps a closing quote; what follows may still hold a reference.
            continue;
        }
        at += length + 1;
    }
    found
}

/// Whether what follows is a module's name: `… from "x"`, `import "x"`, `import("x")`.
fn is_imported(before: &str) -> bool {
    let before = before.trim_end();
    let (words, before) = match before.strip_suffix('(') {
        Some(before) => (&["import"][..], before.trim_end()),
        None => (&["import", "from"][..], before),
    };
    words.iter().any(|word| {
        before
            .strip_suffix(word)
            .is_some_and(|rest| !rest.ends_with(is_of_a_word))
    })
}

/// Good enough to decide whether a missing file is worth an error.
fn is_commented_out(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or(before).trim_start();
    ["//", "/*", "*"].iter().any(|start| line.starts_with(start))
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.')
}

fn is_of_a_url(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._~@-/?#=&%+".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, Kind)> {
        references(text)
            .into_iter()
            .map(|found| (&text[found.span], found.kind))
            .collect()
    }

    #[test]
    fn every_way_to_import_is_found() {
        let text = "import a from './a.js'; import \"./b.js\"\nexport * from\"../c.js\";await import( `./d.js?x` )";
        assert_eq!(
            found(text),
            ["./a.js", "./b.js", "../c.js", "./d.js"].map(|path| (path, Kind::Import))
        );
    }

    #[test]
    fn other_literals_are_found_but_may_be_no_paths_at_all() {
        let text = r#"fetch("./data.json#x"); go('/feed'); Array.from("./e.js"); reimport('./f.js'); "a" + './g h'"#;
        let expected = ["./data.json", "/feed", "./e.js", "./f.js"].map(|path| (path, Kind::Literal));
        assert_eq!(found(text), expected);
    }

    #[test]
    fn apostrophes_and_regular_expressions_hide_nothing() {
        let text = "// don't\nconst r = /['\"`]/; const x = \"it's\";\nimport './a.js';";
        assert_eq!(found(text), [("./a.js", Kind::Import)]);
    }

    #[test]
    fn a_commented_import_is_no_import() {
        assert_eq!(found("  // import './old.js';"), [("./old.js", Kind::Literal)]);
    }

    #[test]
    fn an_import_put_together_at_run_time_is_kept_whole() {
        assert_eq!(
            found("import(`./views/${name}.js`)"),
            [("./views/${name}.js", Kind::Import)]
        );
    }
}
