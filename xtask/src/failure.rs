//! How a command ends when it does not end well: what failed, why, what state the world is in, and what to type next.

use std::fmt;

/// The exit codes are part of the interface; scripts and CI branch on them. Success is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed and the world is as it was before.
    Failed = 1,
    /// The input was not acceptable; nothing was touched.
    BadInput = 2,
    /// Waiting for an approval.
    Parked = 3,
    /// Another release holds the environment.
    Locked = 4,
    /// Something failed and the world is not as it was before.
    Astray = 5,
    /// Rejected, expired or void.
    Refused = 6,
    Cancelled = 130,
}

#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    /// One sentence.
    pub what: String,
    /// The evidence: what was expected and found, the last probe, exit code, last log lines.
    pub why: Vec<String>,
    /// What is serving now, where the failure came after something could have changed.
    pub world: Option<String>,
    /// The command to type next.
    pub next: Option<String>,
    /// What a command of the user's ended with: passed on instead of a code of ours.
    pub passed_on: Option<u8>,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            why: Vec::new(),
            world: None,
            next: None,
            passed_on: None,
        }
    }

    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    pub fn bad_input(what: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, what)
    }

    pub fn why(mut self, line: impl Into<String>) -> Self {
        self.why.extend(line.into().lines().map(str::to_owned));
        self
    }

    pub fn world(mut self, world: impl Into<String>) -> Self {
        self.world = Some(world.into());
        self
    }

    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }

    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub fn passing_on(mut self, code: u8) -> Self {
        self.passed_on = Some(code);
        self
    }

    /// What this process ends with.
    pub fn code(&self) -> u8 {
        self.passed_on.unwrap_or(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.exit {
            Exit::Parked => "parked",
            Exit::Cancelled => "cancelled",
            _ if self.passed_on.is_some() => "ended",
            _ => "error",
        };
        write!(f, "{label}: {}", self.what)?;
        for line in &self.why {
            write!(f, "\n  {line}")?;
        }
        if let Some(world) = &self.world {
            write!(f, "\nnow: {world}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\nnext: {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Turns an error of a lower layer into a failure that says what was being done.
pub trait OrFail<T> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::failed(what()).why(format!("{:#}", error.into())))
    }
}
