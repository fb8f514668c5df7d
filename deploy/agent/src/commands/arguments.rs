//! What was typed. Pure. By hand: a library for it would be a fifth of what is read here, and eight verbs need none.

use contract::Hold;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where the host's configuration lies unless something else is said.
pub const HOST_JSON: &str = "/etc/release/host.json";
const LINES: usize = 100;
const MOST_LINES: usize = 100_000;
const PAUSE_S: u32 = 10;
/// The router lets nobody wait longer.
const LONGEST_PAUSE_S: u32 = 60;
const RETRY_AFTER_S: u32 = 60;
const LONGEST_RETRY_AFTER_S: u32 = 86_400;

pub const USAGE: &str = "\
usage: agent run [HOST_JSON]               be this host's agent, until told to end
       agent status [--json] [HOST_JSON]   what this host is told, what runs, what stands in the way
       agent rollback [HOST_JSON]          emergency: all weight back to the fallback, on this host alone
       agent hold pause [--seconds N] [HOST_JSON]
                                           this host's users wait, N seconds at most (10)
       agent hold maintenance [--seconds N] [HOST_JSON]
                                           they get 503 and are told to come back after N seconds (60)
       agent hold off [HOST_JSON]          they go on
       agent logs [--follow] [--lines N] [--host HOST_JSON] [VERSION]
                                           what the app prints; VERSION: a release id, `stable` or `candidate`
       agent doctor [--json] [HOST_JSON]   what is in the way on this host
       agent version
HOST_JSON is /etc/release/host.json unless given.";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    pub verb: Verb,
    pub host_json: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Run,
    Status {
        json: bool,
    },
    Rollback,
    /// `None` ends what holds users.
    Hold(Option<Hold>),
    Logs(Wanted),
    Doctor {
        json: bool,
    },
    Version,
    Help,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub follow: bool,
    pub lines: usize,
    /// A release id, `stable` or `candidate`.
    pub version: Option<String>,
}

pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let mut args = args.peekable();
    let Some(verb) = args.next() else {
        return Err("expected a command".to_owned());
    };
    let mut words = Words::default();
    let takes = |verb: &str| match verb {
        "status" | "doctor" => &["--json"][..],
        "logs" => &["--follow", "--lines", "--host"],
        "hold" => &["--seconds"],
        _ => &[],
    };
    let name = verb.to_string_lossy().into_owned();
    let verb = match &*name {
        "run" | "rollback" | "hold" | "status" | "doctor" | "logs" | "version" => {
            words.read(&name, takes(&name), args)?;
            words.verb(&name)?
        }
        "--version" | "-V" => Verb::Version,
        "help" | "--help" | "-h" => Verb::Help,
        // How a supervisor starts it.
        path if path.contains('/') || path.ends_with(".json") => {
            words.read("run", &[], args)?;
            words.free.insert(0, verb);
            Verb::Run
        }
        other => return Err(format!("there is no command `{other}`")),
    };
    let host_json = words.host.or_else(|| words.free.pop());
    match words.free.first() {
        Some(surplus) => Err(format!("did not expect `{}`", surplus.display())),
        None => Ok(Arguments {
            verb,
            host_json: host_json.map_or_else(|| HOST_JSON.into(), PathBuf::from),
        }),
    }
}

/// What follows the verb.
#[derive(Debug, Default)]
struct Words {
    json: bool,
    follow: bool,
    lines: Option<String>,
    seconds: Option<String>,
    host: Option<OsString>,
    free: Vec<OsString>,
}

impl Words {
    fn read(&mut self, verb: &str, takes: &[&str], args: impl Iterator<Item = OsString>) -> Result<(), String> {
        let mut args = args;
        while let Some(arg) = args.next() {
            let text = arg.to_string_lossy().into_owned();
            if !text.starts_with('-') {
                self.free.push(arg);
                continue;
            }
            let (name, inline) = match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
                None => (text, None),
            };
            if !takes.contains(&&*name) {
                return Err(format!("`agent {verb}` takes no `{name}`"));
            }
            let is_switch = name == "--json" || name == "--follow";
            let value = match (is_switch, inline) {
                (true, Some(_)) => return Err(format!("`{name}` takes no value")),
                (true, None) => None,
                (false, inline) => Some(
                    inline
                        .or_else(|| args.next())
                        .ok_or(format!("`{name}` needs a value"))?,
                ),
            };
            match (&*name, value) {
                ("--json", _) => self.json = true,
                ("--follow", _) => self.follow = true,
                ("--lines", value) => self.lines = value.map(|value| value.to_string_lossy().into_owned()),
                ("--seconds", value) => self.seconds = value.map(|value| value.to_string_lossy().into_owned()),
                (_, value) => self.host = value,
            }
        }
        Ok(())
    }

    fn verb(&mut self, name: &str) -> Result<Verb, String> {
        Ok(match name {
            "status" => Verb::Status { json: self.json },
            "doctor" => Verb::Doctor { json: self.json },
            "rollback" => Verb::Rollback,
            "hold" => Verb::Hold(self.hold()?),
            "version" => Verb::Version,
            "logs" => Verb::Logs(Wanted {
                follow: self.follow,
                lines: self.lines()?,
                version: self.free.pop().map(|version| version.to_string_lossy().into_owned()),
            }),
            _ => Verb::Run,
        })
    }

    fn hold(&mut self) -> Result<Option<Hold>, String> {
        let how = match self.free.is_empty() {
            true => String::new(),
            false => self.free.remove(0).to_string_lossy().into_owned(),
        };
        let seconds = |usual: u32, most: u32| match &self.seconds {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| (1..=most).contains(seconds))
                .ok_or_else(|| format!("expected `--seconds` to be a number from 1 to {most}, found `{text}`")),
        };
        match &*how {
            "pause" => Ok(Some(Hold::Pause {
                max_ms: u64::from(seconds(PAUSE_S, LONGEST_PAUSE_S)?) * 1_000,
            })),
            "maintenance" => Ok(Some(Hold::Maintenance {
                retry_after_s: seconds(RETRY_AFTER_S, LONGEST_RETRY_AFTER_S)?,
            })),
            "off" if self.seconds.is_some() => Err("`agent hold off` takes no `--seconds`".to_owned()),
            "off" => Ok(None),
            found => Err(format!("expected `pause`, `maintenance` or `off`, found `{found}`")),
        }
    }

    fn lines(&self) -> Result<usize, String> {
        let Some(text) = &self.lines else { return Ok(LINES) };
        let lines = text.parse().ok().filter(|lines| *lines <= MOST_LINES);
        lines.ok_or_else(|| format!("expected `--lines` to be a number up to {MOST_LINES}, found `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        super::parse(line.split_whitespace().map(OsString::from))
    }

    fn check(line: &str, verb: Verb, host_json: &str) {
        let host_json = host_json.into();
        assert_eq!(parse(line), Ok(Arguments { verb, host_json }), "{line}");
    }

    #[test]
    fn a_bare_path_runs_the_agent_as_supervisors_do() {
        check("run", Verb::Run, HOST_JSON);
        check("run x.json", Verb::Run, "x.json");
        check("/srv/one/host.json", Verb::Run, "/srv/one/host.json");
        check("host.json", Verb::Run, "host.json");
    }

    #[test]
    fn questions_take_their_switches_in_any_order() {
        check("status", Verb::Status { json: false }, HOST_JSON);
        check("status --json a.json", Verb::Status { json: true }, "a.json");
        check("doctor a.json --json", Verb::Doctor { json: true }, "a.json");
        check("rollback a.json", Verb::Rollback, "a.json");
        let wanted = |follow, lines, version: Option<&str>| {
            let version = version.map(str::to_owned);
            Verb::Logs(Wanted { follow, lines, version })
        };
        check("logs", wanted(false, 100, None), HOST_JSON);
        check("logs stable --follow", wanted(true, 100, Some("stable")), HOST_JSON);
        check("logs --lines 5 --host=a.json", wanted(false, 5, None), "a.json");
        check("--version", Verb::Version, HOST_JSON);
    }

    #[test]
    fn users_are_held_for_as_long_as_is_said_or_usual() {
        let pause = |max_ms| Verb::Hold(Some(Hold::Pause { max_ms }));
        check("hold pause", pause(10_000), HOST_JSON);
        check("hold pause --seconds 60 a.json", pause(60_000), "a.json");
        let retry_after_s = 3_600;
        let maintenance = Verb::Hold(Some(Hold::Maintenance { retry_after_s }));
        check("hold --seconds=3600 maintenance", maintenance, HOST_JSON);
        check("hold off a.json", Verb::Hold(None), "a.json");
        for (line, said) in [
            ("hold", "expected `pause`, `maintenance` or `off`, found ``"),
            (
                "hold a.json",
                "expected `pause`, `maintenance` or `off`, found `a.json`",
            ),
            (
                "hold pause --seconds 61",
                "expected `--seconds` to be a number from 1 to 60, found `61`",
            ),
            (
                "hold maintenance --seconds 0",
                "expected `--seconds` to be a number from 1 to 86400, found `0`",
            ),
            ("hold off --seconds 1", "`agent hold off` takes no `--seconds`"),
        ] {
            assert_eq!(parse(line).unwrap_err(), said, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let error = |line: &str| parse(line).unwrap_err();
        assert_eq!(error(""), "expected a command");
        assert_eq!(error("stats"), "there is no command `stats`");
        assert_eq!(error("rollback --json"), "`agent rollback` takes no `--json`");
        assert_eq!(error("status a b"), "did not expect `a`");
        assert_eq!(error("logs --lines"), "`--lines` needs a value");
        assert_eq!(
            error("logs --lines many"),
            "expected `--lines` to be a number up to 100000, found `many`"
        );
        assert_eq!(error("status --json=1"), "`--json` takes no value");
    }
}
