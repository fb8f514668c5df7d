//! Where a command says what it has to say. Whatever goes out here is free of known secrets.

use crate::redact;
use std::sync::atomic::{AtomicBool, Ordering};

const USUAL_WIDTH: usize = 80;
const NARROWEST: usize = 20;

static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone)]
pub enum Screen {
    Standard,
    /// For what is measured.
    Nowhere,
    /// Both streams in one text, as wide as a test wants it.
    #[cfg(test)]
    Kept {
        text: std::sync::Arc<std::sync::Mutex<String>>,
        width: usize,
    },
}

impl Screen {
    pub fn standard() -> Self {
        Self::Standard
    }

    #[cfg(test)]
    pub fn kept(width: usize) -> Self {
        let text = std::sync::Arc::default();
        Self::Kept { text, width }
    }

    /// All that was said so far.
    #[cfg(test)]
    pub fn text(&self) -> String {
        match self {
            Self::Standard | Self::Nowhere => String::new(),
            Self::Kept { text, .. } => text.lock().unwrap().clone(),
        }
    }

    /// Progress and trouble: to stderr.
    pub fn tell(&self, text: &str) {
        match self {
            Self::Standard => drop(send(std::io::stderr(), text)),
            Self::Nowhere => {}
            #[cfg(test)]
            Self::Kept { text: kept, .. } => kept.lock().unwrap().push_str(&redact::mask(text)),
        }
    }

    /// What was asked for: to stdout.
    pub fn give(&self, text: &str) {
        match self {
            Self::Standard => {
                if !send(std::io::stdout(), text) {
                    READER_IS_GONE.store(true, Ordering::Relaxed);
                }
            }
            Self::Nowhere => {}
            #[cfg(test)]
            Self::Kept { .. } => self.tell(text),
        }
    }

    /// Whether nobody reads what is given any more, as behind `| head`: what has no other end, ends then.
    pub fn reader_is_gone(&self) -> bool {
        READER_IS_GONE.load(Ordering::Relaxed)
    }

    pub fn width(&self) -> usize {
        match self {
            Self::Standard => rustix::termios::tcgetwinsize(std::io::stderr())
                .map_or(USUAL_WIDTH, |size| usize::from(size.ws_col))
                .max(NARROWEST),
            Self::Nowhere => USUAL_WIDTH,
            #[cfg(test)]
            Self::Kept { width, .. } => *width,
        }
    }

    #[cfg(test)]
    pub fn is_kept(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}

/// A reader that went away is no reason to stop a release half-way.
fn send(mut stream: impl std::io::Write, text: &str) -> bool {
    let sent = stream.write_all(redact::mask(text).as_bytes());
    sent.and_then(|()| stream.flush()).is_ok()
}
