//! How far it is, on stderr: one line that is written over on a terminal, a line a step elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    all: usize,
    done: AtomicUsize,
    made: AtomicUsize,
    is_terminal: bool,
}

impl Progress {
    pub fn new(what: &'static str, all: usize) -> Progress {
        let progress = Progress {
            what,
            all,
            done: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            is_terminal: std::io::stderr().is_terminal(),
        };
        progress.draw();
        progress
    }

    /// One more; `is_new` if it is known not to have been there before.
    pub fn step(&self, is_new: bool) {
        self.made.fetch_add(usize::from(is_new), Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
        self.draw();
    }

    pub fn finish(self) {
        let Progress { what, all, .. } = self;
        let start = if self.is_terminal { "\r\x1b[K" } else { "" };
        match self.made.into_inner() {
            0 => eprintln!("{start}{what:<9} {all:>5}"),
            made => eprintln!("{start}{what:<9} {all:>5}, {made} of them new"),
        }
    }

    fn draw(&self) {
        if self.is_terminal {
            eprint!(
                "\r\x1b[K{:<9} {:>5} of {}",
                self.what,
                self.done.load(Ordering::Relaxed),
                self.all
            );
            // A line that is not shown is no loss.
            std::io::stderr().flush().ok();
        }
    }
}
