//! What is wrong with the text: every problem at once, each shown where it is.

use serde::Serialize;
use std::fmt;

/// More than this help nobody; the first ones usually cause the others.
const SHOWN_PROBLEMS: usize = 100;
/// A longer line is shown around the place the problem is at.
const SHOWN_COLUMNS: usize = 120;

/// A place in the text: line and column count from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub line: usize,
    pub column: usize,
    /// How many characters the caret underlines.
    pub width: usize,
}

impl At {
    /// The very start: for what the file as a whole lacks.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        width: 1,
    };
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    #[serde(skip)]
    width: usize,
    pub message: String,
    /// What was expected and what was found; stands under the offending text.
    pub expected: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(at: At, message: impl Into<String>, expected: impl Into<String>) -> Self {
        let At { line, column, width } = at;
        Self {
            line,
            column,
            width,
            message: message.into(),
            expected: expected.into(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the valid name that was probably meant, if there is one.
    pub fn nearest(self, found: &str, valid: &[&str]) -> Self {
        match nearest(found, valid) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// All that is wrong with one file, in the order of its lines. Its `Display` is for people, [`Problems::problems`] for
/// programs.
#[derive(Debug, Clone)]
pub struct Problems {
    file: String,
    lines: Vec<String>,
    problems: Vec<Problem>,
}

impl Problems {
    pub fn new(file: &str, text: &str) -> Self {
        // YAML ends a line at a lone carriage return too.
        let lines = text
            .replace("\r\n", "\n")
            .split(['\n', '\r'])
            .map(str::to_owned)
            .collect();
        Self {
            file: file.to_owned(),
            lines,
            problems: Vec::new(),
        }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Kept in order and without repetition: what several parts of the pipeline share is checked for each of them.
    pub fn push(&mut self, problem: Problem) {
        let place = (problem.line, problem.column);
        let end = self
            .problems
            .partition_point(|other| (other.line, other.column) <= place);
        if !self.problems[..end].contains(&problem) {
            self.problems.insert(end, problem);
        }
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let Problem {
            line,
            column,
            message,
            expected,
            help,
            ..
        } = problem;
        let gutter = " ".repeat(line.to_string().len());
        let (text, indent, width) = self.window(problem);
        let (indent, carets) = (" ".repeat(indent), "^".repeat(width));
        writeln!(f, "error: {message}")?;
        writeln!(f, " {gutter}--> {}:{line}:{column}", self.file)?;
        writeln!(f, " {gutter}|")?;
        writeln!(f, "{line} | {text}")?;
        writeln!(f, " {gutter}| {indent}{carets} {expected}")?;
        if let Some(help) = help {
            writeln!(f, " {gutter}= help: {help}")?;
        }
        writeln!(f)
    }

    /// The part of the line to show, and where in it the carets begin and how many there are.
    fn window(&self, problem: &Problem) -> (String, usize, usize) {
        let line = problem.line.checked_sub(1).and_then(|index| self.lines.get(index));
        // A tab or an escape sequence would shift or colour what stands under it.
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let chars: Vec<char> = line.map_or_else(Vec::new, |line| line.chars().map(shown).collect());
        let column = (problem.column.saturating_sub(1)).min(chars.len());
        let start = if chars.len() > SHOWN_COLUMNS {
            column.saturating_sub(SHOWN_COLUMNS / 2)
        } else {
            0
        };
        let end = (start + SHOWN_COLUMNS).min(chars.len());
        let text: String = chars[start..end].iter().collect();
        let width = problem.width.min(end.saturating_sub(column)).max(1);
        (text.trim_end().to_owned(), column - start, width)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(SHOWN_PROBLEMS) {
            self.write_problem(f, problem)?;
        }
        let count = self.problems.len();
        if count > SHOWN_PROBLEMS {
            writeln!(f, "… and {} more", count - SHOWN_PROBLEMS)?;
        }
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{count} {noun} in {}; nothing was touched", self.file)
    }
}

impl std::error::Error for Problems {}

/// The valid name closest to the one found, unless none is close: a wrong guess is worse than none.
pub fn nearest<'a>(found: &str, valid: &[&'a str]) -> Option<&'a str> {
    const LONGEST_NAME: usize = 64;
    if found.len() > LONGEST_NAME {
        return None;
    }
    let found = found.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&found, &name.to_lowercase());
    let (distance, name) = valid.iter().map(|name| (distance(name), *name)).min()?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found_and_no_other() {
        let valid = ["branch", "require_clean", "s3", "DB_PASSWORD"];
        for (found, meant) in [
            ("brnach", Some("branch")),
            ("Branch", Some("branch")),
            ("require-clean", Some("require_clean")),
            ("s33", Some("s3")),
            ("DB_PASSWRD", Some("DB_PASSWORD")),
            ("colour", None),
        ] {
            assert_eq!(nearest(found, &valid), meant, "{found}");
        }
    }

    #[test]
    fn a_long_line_is_shown_around_its_problem() {
        let text = format!("{}wrong{}", "x".repeat(500), "y".repeat(500));
        let mut problems = Problems::new("a.yaml", &text);
        problems.push(Problem::new(
            At {
                line: 1,
                column: 501,
                width: 5,
            },
            "m",
            "e",
        ));
        let shown = problems.to_string();
        let carets = shown.lines().nth(4).unwrap().find("^^^^^").unwrap();
        let line = shown.lines().nth(3).unwrap();
        assert_eq!(&line[carets..carets + 5], "wrong");
        assert!(line.len() < 130, "{line}");
    }

    #[test]
    fn a_place_outside_the_text_is_shown_all_the_same() {
        let mut problems = Problems::new("a.yaml", "");
        problems.push(Problem::new(
            At {
                line: 9,
                column: 9,
                width: 9,
            },
            "m",
            "e",
        ));
        assert!(
            problems
                .to_string()
                .ends_with("1 problem in a.yaml; nothing was touched")
        );
    }
}
