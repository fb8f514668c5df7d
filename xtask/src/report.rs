//! What a person or a program sees while a release runs: a live line on a terminal, plain lines in a pipe, one JSON object
//! a line with `--json`. Progress goes to stderr, data to stdout.

use crate::failure::{Failure, OrFail, Result};
use crate::interrupt::Interrupt;
use crate::plan::StageName;
use jiff::Timestamp;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The version of the `--json` stream.
const STREAM_VERSION: u32 = 1;
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Terminal { colour: bool },
    Plain,
    Json,
}

#[derive(Debug, Clone)]
pub struct Report {
    mode: Mode,
    live: Arc<Mutex<Option<Live>>>,
    /// The other way: whether they want it to end.
    pub interrupt: Interrupt,
}

/// The stage that is running.
#[derive(Debug)]
struct Live {
    stage: String,
    since: Instant,
    progress: String,
    frame: usize,
}

#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    v: u32,
    at: Timestamp,
    event: &'a str,
    #[serde(flatten)]
    data: T,
}

impl Report {
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mode = match (json, terminal) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Terminal { colour },
            (false, false) => Mode::Plain,
        };
        let report = Self {
            mode,
            live: Arc::default(),
            interrupt: Interrupt::new(),
        };
        if matches!(mode, Mode::Terminal { .. }) {
            report.spin();
        }
        report
    }

    /// Whatever stderr is.
    #[cfg(test)]
    pub fn plain(interrupt: Interrupt) -> Self {
        Self {
            mode: Mode::Plain,
            live: Arc::default(),
            interrupt,
        }
    }

    pub fn stage_started(&self, stage: StageName) {
        match self.mode {
            Mode::Json => self.line("stage-started", serde_json::json!({ "stage": stage })),
            Mode::Plain => eprintln!("{stage:<11} …"),
            Mode::Terminal { .. } => {}
        }
        let since = Instant::now();
        *self.lock() = Some(Live {
            stage: stage.to_string(),
            since,
            progress: String::new(),
            frame: 0,
        });
    }

    /// Where the running stage stands; on a terminal the last one is shown.
    pub fn progress(&self, text: impl Into<String>) {
        let text = text.into();
        if self.mode == Mode::Json {
            let stage = self.lock().as_ref().map(|live| live.stage.clone());
            return self.line("progress", serde_json::json!({ "stage": stage, "text": text }));
        }
        if let Some(live) = self.lock().as_mut() {
            live.progress = text;
        }
    }

    /// Something that should stay readable afterwards.
    pub fn note(&self, text: &str) {
        match self.mode {
            Mode::Json => self.line("note", serde_json::json!({ "text": text })),
            Mode::Plain => eprintln!("            {text}"),
            Mode::Terminal { .. } => {
                let _held = self.lock();
                eprintln!("\r\x1b[K            {text}");
            }
        }
    }

    pub fn stage_finished(&self, stage: StageName, summary: &str, took: Duration) {
        *self.lock() = None;
        match self.mode {
            Mode::Json => {
                let took_ms = took.as_millis() as u64;
                self.line(
                    "stage-finished",
                    serde_json::json!({ "stage": stage, "summary": summary, "took_ms": took_ms }),
                );
            }
            _ => self.stage_line('✓', "32", stage, &format!("{summary}  {}", seconds(took))),
        }
    }

    pub fn stage_skipped(&self, stage: StageName, why: &str) {
        match self.mode {
            Mode::Json => self.line("stage-skipped", serde_json::json!({ "stage": stage, "why": why })),
            _ => self.stage_line('·', "2", stage, why),
        }
    }

    pub fn stage_failed(&self, stage: StageName, failure: &Failure) {
        *self.lock() = None;
        match self.mode {
            Mode::Json => self.line(
                "stage-failed",
                serde_json::json!({ "stage": stage, "what": failure.what }),
            ),
            _ => self.stage_line('✗', "31", stage, &failure.what),
        }
    }

    /// The end of a command that failed.
    pub fn failure(&self, failure: &Failure) {
        *self.lock() = None;
        if self.mode == Mode::Json {
            let code = failure.exit as i32;
            let Failure {
                what, why, world, next, ..
            } = failure;
            let data = serde_json::json!({ "exit": code, "what": what, "why": why, "world": world, "next": next });
            return self.line("failure", data);
        }
        if matches!(self.mode, Mode::Terminal { .. }) {
            eprint!("\r\x1b[K");
        }
        eprintln!("\n{failure}");
    }

    /// Keeps the live line away while something else uses the terminal.
    async fn pause<T>(&self, work: impl Future<Output = T>) -> T {
        let held = self.lock().take();
        eprint!("\r\x1b[K");
        let result = work.await;
        *self.lock() = held;
        result
    }

    /// Whether there is a person to answer.
    pub fn can_ask(&self) -> bool {
        matches!(self.mode, Mode::Terminal { .. }) && std::io::stdin().is_terminal()
    }

    /// A question to be answered with yes or no; where nobody can answer, no.
    pub async fn ask(&self, question: &str) -> Result<bool> {
        if !self.can_ask() {
            return Ok(false);
        }
        let question = format!("{question} [y/N] ");
        // On a thread of its own, which is left behind where no answer comes.
        let read = tokio::task::spawn_blocking(move || {
            eprint!("{question}");
            let _ = std::io::stderr().flush();
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let failed = || "the answer cannot be read".to_owned();
        let answered = async { read.await.or_fail(failed)?.or_fail(failed) };
        let answer = self.pause(self.interrupt.cuts(answered)).await?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// What the command was asked for: goes to stdout, for people as `text` and for machines as `data`.
    pub fn data<T: Serialize>(&self, event: &str, text: &str, data: T) {
        match self.mode {
            Mode::Json => self.line(event, data),
            _ => println!("{}", text.trim_end_matches('\n')),
        }
    }

    fn stage_line(&self, mark: char, colour: &str, stage: StageName, text: &str) {
        let _held = self.lock();
        match self.mode {
            Mode::Terminal { colour: true } => eprintln!("\r\x1b[K\x1b[{colour}m{mark}\x1b[0m {stage:<11} {text}"),
            Mode::Terminal { colour: false } => eprintln!("\r\x1b[K{mark} {stage:<11} {text}"),
            _ => eprintln!("{stage:<11} {mark} {text}"),
        }
    }

    fn line<T: Serialize>(&self, event: &str, data: T) {
        let line = Line {
            v: STREAM_VERSION,
            at: Timestamp::now(),
            event,
            data,
        };
        if let Ok(text) = serde_json::to_string(&line) {
            // A reader that went away is no reason to stop a release half-way.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redraws the live line ten times a second until the process ends.
    fn spin(&self) {
        let live = Arc::downgrade(&self.live);
        std::thread::spawn(move || {
            while let Some(live) = live.upgrade() {
                if let Some(live) = live.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    live.frame += 1;
                    let spinner = SPINNER[live.frame % SPINNER.len()];
                    let Live {
                        stage, since, progress, ..
                    } = live;
                    let text = format!("{spinner} {stage:<11} {}  {progress}", seconds(since.elapsed()));
                    eprint!("\r\x1b[K{}", cut(&text, width()));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
}

/// `4.2 s`, `3 min 20 s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

/// `5.3 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(80, |size| usize::from(size.ws_col))
        .max(20)
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() < width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(2)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_say_them() {
        assert_eq!(seconds(Duration::from_millis(4_240)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(bytes(5_312_000), "5.3 MB");
    }

    #[test]
    fn a_line_is_cut_to_the_terminal() {
        assert_eq!(cut("abcdefghij", 8), "abcdef…");
        assert_eq!(cut("abc", 8), "abc");
    }
}
