//! Stands before rustc (`RUSTC_WORKSPACE_WRAPPER`) and has it count, in the crates of this workspace, which code an input
//! reaches. What they depend on is compiled as ever, so that a fuzzer is built in the time that these few crates take; what
//! it says of them in generic code, such as all of serde's, is compiled here and so counted.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

const COUNTING: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Counters of one crate lie side by side only so.
    "-Ccodegen-units=1",
];

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(rustc) = words.next() else {
        eprintln!("error: expected the command line of a compiler; cargo gives it, see `cargo xtask fuzz`");
        return ExitCode::from(2);
    };
    let mut command = Command::new(&rustc);
    command.args(words);
    // Cargo asks a compiler what it can do before it gives it a crate.
    if std::env::var_os("CARGO_CRATE_NAME").is_some() {
        command.args(COUNTING);
    }
    let error = command.exec();
    eprintln!("error: `{}` cannot be started: {error}", rustc.display());
    ExitCode::FAILURE
}
