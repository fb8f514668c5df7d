//! One target under libFuzzer: `FUZZ_TARGET=NAME fuzz CORPUS… -max_total_time=30`. Started by `cargo xtask fuzz`.

#![no_main]

use fuzz::{TARGETS, Target};
use std::sync::OnceLock;

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        match TARGETS.iter().find(|(known, _)| *known == name) {
            Some((_, check)) => drop(CHOSEN.set(*check)),
            None => {
                let known: Vec<&str> = TARGETS.iter().map(|(known, _)| *known).collect();
                eprintln!("error: FUZZ_TARGET is `{name}`; expected one of {}", known.join(", "));
                std::process::exit(2);
            }
        }
    },
    |bytes: &[u8]| {
        if let Some(check) = CHOSEN.get() {
            check(bytes);
        }
    }
);
