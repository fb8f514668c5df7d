//! Who did something, and who says so. Pure.

use crate::problem::nearest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `mina` is an account of the machine; `github:mina-kim` whom GitHub says started its job; `aws:…` whom AWS says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Identity {
    pub kind: Kind,
    pub name: String,
}

/// Who vouches for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The machine.
    Local,
    GitHub,
    Aws,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Local, Self::GitHub, Self::Aws];

    /// What stands before the colon.
    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Local => None,
            Self::GitHub => Some("github"),
            Self::Aws => Some("aws"),
        }
    }

    fn longest(self) -> usize {
        match self {
            Self::Local => 64,
            // `[bot]` included.
            Self::GitHub => 50,
            Self::Aws => 256,
        }
    }

    fn allows(self, c: char) -> bool {
        let others = match self {
            // `DOMAIN\mina` is an account, too.
            Self::Local => "._-+@$\\",
            Self::GitHub => "-_[]",
            // Of a user, of a session of a role, or of a whole ARN.
            Self::Aws => "+=,.@_-/:",
        };
        c.is_ascii_alphanumeric() || others.contains(c)
    }
}

impl Identity {
    /// A name nobody can have: somebody is there whom nobody names.
    const NOBODY: &str = "?";

    /// `None` where the name is not one that this kind has.
    pub fn new(kind: Kind, name: &str) -> Option<Self> {
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let fits = begins && name.len() <= kind.longest() && name.chars().all(|c| kind.allows(c));
        fits.then(|| Self {
            kind,
            name: name.to_owned(),
        })
    }

    /// Known by no name; no approver is called like it.
    pub fn nobody(kind: Kind) -> Self {
        Self {
            kind,
            name: Self::NOBODY.to_owned(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = split(text);
        Self::new(kind, name)
    }

    /// Who was probably meant by a text that names nobody: a prefix misspelt or too many, a mention as GitHub has it.
    pub(crate) fn meant(text: &str) -> Option<Self> {
        let (prefix, name) = text
            .split_once(':')
            .unwrap_or((if text.starts_with('@') { "github" } else { "local" }, text));
        let kind = match nearest(prefix, &["local", "github", "aws"])? {
            "github" => Kind::GitHub,
            "aws" => Kind::Aws,
            _ => Kind::Local,
        };
        Self::new(kind, name.trim().trim_start_matches('@'))
    }

    /// Whether both are the same person. GitHub does not tell names apart by their case.
    pub fn is(&self, other: &Self) -> bool {
        let is_called = match self.kind {
            Kind::GitHub => self.name.eq_ignore_ascii_case(&other.name),
            Kind::Local | Kind::Aws => self.name == other.name,
        };
        self.kind == other.kind && is_called
    }
}

fn split(text: &str) -> (Kind, &str) {
    let named = |kind: Kind| Some((kind, text.strip_prefix(kind.prefix()?)?.strip_prefix(':')?));
    Kind::ALL.into_iter().find_map(named).unwrap_or((Kind::Local, text))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.prefix() {
            Some(prefix) => write!(f, "{prefix}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

/// What was once written down is read back, whatever it is.
impl From<String> for Identity {
    fn from(text: String) -> Self {
        let (kind, name) = split(&text);
        Self {
            kind,
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_prefix_is_that_of_an_account_and_of_nobody_else() {
        let [local, github, aws] = ["mina", "github:mina", "aws:mina"].map(|text| Identity::parse(text).unwrap());
        for (one, kind) in [(&local, Kind::Local), (&github, Kind::GitHub), (&aws, Kind::Aws)] {
            assert_eq!((one.kind, one.name.as_str()), (kind, "mina"));
            let same: Vec<&Identity> = [&local, &github, &aws]
                .into_iter()
                .filter(|other| one.is(other))
                .collect();
            assert_eq!(same, [one]);
        }
        assert!(
            github.is(&Identity::parse("github:Mina").unwrap()),
            "there, case is nothing"
        );
        assert!(!local.is(&Identity::parse("Mina").unwrap()));
    }

    #[test]
    fn only_names_that_can_exist_are_read() {
        let longest = "x".repeat(64);
        for good in [
            "mina",
            "uid-1000",
            "SHOP\\mina",
            longest.as_str(),
            "github:mina-kim",
            "github:dependabot[bot]",
            "aws:codepipeline/shop",
            "aws:arn:aws:sts::123456789012:assumed-role/release/mina@shop.example",
        ] {
            assert_eq!(
                Identity::parse(good).map(|name| name.to_string()).as_deref(),
                Some(good)
            );
        }
        let too_long = "x".repeat(65);
        for bad in [
            "",
            "github:",
            "aws:",
            "?",
            "@mina",
            "-mina",
            "github:?",
            "mina kim",
            "gitlab:mina",
            "github:mina/kim",
            "mina\n",
            too_long.as_str(),
        ] {
            assert_eq!(Identity::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn who_was_meant_is_guessed() {
        for (text, meant) in [
            ("gihub:mina", Some("github:mina")),
            ("GitHub:mina", Some("github:mina")),
            ("local:mina", Some("mina")),
            ("@mina-kim", Some("github:mina-kim")),
            ("github:@mina", Some("github:mina")),
            ("aws: mina", Some("aws:mina")),
            ("mina kim", None),
            ("gitlab-group:mina", None),
        ] {
            assert_eq!(
                Identity::meant(text).map(|meant| meant.to_string()).as_deref(),
                meant,
                "{text}"
            );
        }
    }

    #[test]
    fn what_was_written_down_is_read_back_whatever_it_is() {
        for text in ["mina", "github:mina-kim", "aws:?", "somebody else", ""] {
            let json = serde_json::json!(text);
            let identity: Identity = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(identity).unwrap(), json);
        }
    }
}
