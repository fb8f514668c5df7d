//! What a `migrate` command tells the pipeline, in lines that people read as well. This is the whole contract:
//!
//! ```text
//! applied 0007 add likes                a line for each migration it applied: `applied`, a number, and what it is
//! 1 applied: the schema is at 7         last, also when nothing was to apply: the newest migration that the database has
//! ```
//!
//! Whatever else it prints is for people only. A command that exits with 0 and prints neither has changed nothing that is
//! known here. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;

const APPLIED: &str = "applied ";
const STANDS: &str = "the schema is at ";
/// Of what a migration is called.
const NAME_CHARS: usize = 100;

/// The number of the newest migration that a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaVersion(pub u64);

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a migration that ended well printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Migrated {
    pub took_ms: u64,
    /// The last lines of it.
    pub output: Vec<String>,
}

impl Migrated {
    /// `0007 add likes`, in the order they were applied.
    pub fn applied(&self) -> Vec<String> {
        let named = self.output.iter().filter_map(|line| line.strip_prefix(APPLIED));
        let numbered = named.filter(|name| number(name).is_some());
        let shown = |name: &str| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        numbered.map(shown).collect()
    }

    pub fn schema(&self) -> Option<SchemaVersion> {
        let stands = self.output.iter().rev().find_map(|line| {
            let (_, after) = line.rsplit_once(STANDS)?;
            after.trim_end().parse().ok()
        });
        let newest = || self.applied().iter().filter_map(|name| number(name)).max();
        stands.or_else(newest).map(SchemaVersion)
    }
}

/// That a migration's name begins with.
fn number(name: &str) -> Option<u64> {
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(output: &str) -> Migrated {
        Migrated {
            took_ms: 1,
            output: output.lines().map(str::to_owned).collect(),
        }
    }

    #[track_caller]
    fn check(output: &str, applied: &[&str], schema: Option<u64>) {
        let migrated = migrated(output);
        assert_eq!(migrated.applied(), applied, "{output}");
        assert_eq!(migrated.schema(), schema.map(SchemaVersion), "{output}");
    }

    #[test]
    fn what_was_applied_and_where_the_schema_stands_is_read_from_its_lines() {
        check(
            "applied 0007 add likes\napplied 0008 add comments\n2 applied: the schema is at 8",
            &["0007 add likes", "0008 add comments"],
            Some(8),
        );
        check("nothing to apply: the schema is at 8\n", &[], Some(8));
        check(
            "applied 20260401120000_add_likes",
            &["20260401120000_add_likes"],
            Some(20_260_401_120_000),
        );
    }

    #[test]
    fn what_is_for_people_says_nothing_of_the_schema() {
        check("", &[], None);
        check("nothing to migrate", &[], None);
        check("applied some changes\napplied \nthe schema is at rest", &[], None);
    }

    #[test]
    fn a_name_cannot_write_to_a_terminal() {
        check("applied 1 \u{1b}[2Jgone", &["1 [2Jgone"], Some(1));
    }
}
