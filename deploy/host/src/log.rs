//! A program's log: on stderr, for whoever started it to keep.

use std::io::IsTerminal as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// For people on a terminal, one JSON object a line for everything else. `RUST_LOG` chooses how much.
pub fn to_stderr() {
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let log = fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let log = if std::io::stderr().is_terminal() {
        log.boxed()
    } else {
        log.json().boxed()
    };
    tracing_subscriber::registry().with(log).with(filter).init();
}
