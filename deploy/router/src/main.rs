//! `router HOST_JSON`: the router of one host; the library beside it says what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    host::main(router::run)
}
