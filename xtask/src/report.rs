//! What a person or a program sees while a release runs: a live line on a terminal, plain lines in a pipe, one JSON object
//! a line with `--json`. Progress goes to stderr, data to stdout.

use crate::clock;
use crate::failure::{Failure, OrFail, Result};
use crate::interrupt::Interrupt;
use crate::plan::StageName;
use crate::redact;
use crate::screen::Screen;
use jiff::Timestamp;
use serde::Serialize;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

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
    screen: Screen,
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
        let report = Self::shown(mode, Screen::standard(), Interrupt::new());
        if matches!(mode, Mode::Terminal { .. }) {
            report.spin();
        }
        report
    }

    pub fn shown(mode: Mode, screen: Screen, interrupt: Interrupt) -> Self {
        Self {
            mode,
            screen,
            live: Arc::default(),
            interrupt,
        }
    }

    pub fn stage_started(&self, stage: StageName) {
        match self.mode {
            Mode::Json => self.line("stage-started", serde_json::json!({ "stage": stage })),
            Mode::Plain => self.screen.tell(&format!("{stage:<11} …\n")),
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
        let mut live = self.lock();
        if live.as_ref().is_some_and(|live| live.progress == text) {
            return;
        }
        if self.mode == Mode::Json {
            let stage = live.as_ref().map(|live| &live.stage);
            self.line("progress", serde_json::json!({ "stage": stage, "text": text }));
        }
        if let Some(live) = live.as_mut() {
            live.progress = text;
            #[cfg(test)]
            if let (Mode::Terminal { .. }, true) = (self.mode, self.screen.is_kept()) {
                live.draw(&self.screen);
            }
        }
    }

    /// Something that should stay readable afterwards.
    pub fn note(&self, text: &str) {
        match self.mode {
            Mode::Json => self.line("note", serde_json::json!({ "text": text })),
            _ => {
                let _held = self.lock();
                self.screen.tell(&format!("{}            {text}\n", self.over()));
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

    /// It is neither done nor failed: somebody has to say something first.
    pub fn stage_waits(&self, stage: StageName, failure: &Failure) {
        self.stage_ended("stage-waits", ('…', "33"), stage, failure);
    }

    pub fn stage_failed(&self, stage: StageName, failure: &Failure) {
        self.stage_ended("stage-failed", ('✗', "31"), stage, failure);
    }

    fn stage_ended(&self, event: &str, (mark, colour): (char, &str), stage: StageName, failure: &Failure) {
        *self.lock() = None;
        match self.mode {
            Mode::Json => self.line(event, serde_json::json!({ "stage": stage, "what": failure.what })),
            _ => self.stage_line(mark, colour, stage, &failure.what),
        }
    }

    /// The end of a command that failed.
    pub fn failure(&self, failure: &Failure) {
        *self.lock() = None;
        if self.mode == Mode::Json {
            let code = failure.code();
            let Failure {
                what, why, world, next, ..
            } = failure;
            let data = serde_json::json!({ "exit": code, "what": what, "why": why, "world": world, "next": next });
            return self.line("failure", data);
        }
        self.screen.tell(&format!("{}\n{failure}\n", self.over()));
    }

    /// Keeps the live line away while something else uses the terminal.
    async fn pause<T>(&self, work: impl Future<Output = T>) -> T {
        let held = self.lock().take();
        self.screen.tell(self.over());
        let result = work.await;
        *self.lock() = held;
        result
    }

    /// What takes the live line away.
    fn over(&self) -> &'static str {
        match self.mode {
            Mode::Terminal { .. } => "\r\x1b[K",
            Mode::Plain | Mode::Json => "",
        }
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
        let failed = || "the answer cannot be read".to_owned();
        let answered = async {
            self.screen.tell(&question);
            // On a thread of its own, which is left behind where no answer comes.
            let read = tokio::task::spawn_blocking(|| {
                let mut answer = String::new();
                std::io::stdin().read_line(&mut answer).map(|_| answer)
            });
            read.await.or_fail(failed)?.or_fail(failed)
        };
        let answer = self.pause(self.interrupt.cuts(answered)).await?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// What the command was asked for: goes to stdout, for people as `text` and for machines as `data`.
    pub fn data<T: Serialize>(&self, event: &str, text: &str, data: T) {
        match self.mode {
            Mode::Json => self.line(event, data),
            _ if text.is_empty() => {}
            _ => self.screen.give(&format!("{}\n", text.trim_end_matches('\n'))),
        }
    }

    /// Whether nobody reads `data` any more.
    pub fn reader_is_gone(&self) -> bool {
        self.screen.reader_is_gone()
    }

    fn stage_line(&self, mark: char, colour: &str, stage: StageName, text: &str) {
        let _held = self.lock();
        let over = self.over();
        let line = match self.mode {
            Mode::Terminal { colour: true } => format!("{over}\x1b[{colour}m{mark}\x1b[0m {stage:<11} {text}\n"),
            Mode::Terminal { colour: false } => format!("{over}{mark} {stage:<11} {text}\n"),
            Mode::Plain | Mode::Json => format!("{stage:<11} {mark} {text}\n"),
        };
        self.screen.tell(&line);
    }

    fn line<T: Serialize>(&self, event: &str, data: T) {
        let line = Line {
            v: STREAM_VERSION,
            at: clock::now(),
            event,
            data,
        };
        if let Ok(text) = serde_json::to_string(&line) {
            self.screen.give(&format!("{text}\n"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redraws the live line ten times a second until the process ends.
    fn spin(&self) {
        let (live, screen) = (Arc::downgrade(&self.live), self.screen.clone());
        std::thread::spawn(move || {
            while let Some(live) = live.upgrade() {
                if let Some(live) = live.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    live.draw(&screen);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
}

impl Live {
    fn draw(&mut self, screen: &Screen) {
        self.frame += 1;
        let spinner = SPINNER[self.frame % SPINNER.len()];
        let Self {
            stage, since, progress, ..
        } = self;
        let text = format!("{spinner} {stage:<11} {}  {progress}", seconds(since.elapsed()));
        // Masked before it is cut: the beginning of a secret is a secret.
        screen.tell(&format!("\r\x1b[K{}", cut(&redact::mask(&text), screen.width())));
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

/// `1 file`, `2 files`.
pub fn counted(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
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
        assert_eq!(
            [counted(0, "file"), counted(1, "file"), counted(2, "file")],
            ["0 files", "1 file", "2 files"]
        );
    }

    #[test]
    fn a_line_is_cut_to_the_terminal() {
        assert_eq!(cut("abcdefghij", 8), "abcdef…");
        assert_eq!(cut("abc", 8), "abc");
    }
}
