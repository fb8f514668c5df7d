//! `router HOST_JSON…`: the router of one host, for each app a configuration; the library beside it says what it does.
//! `--check HOST_JSON…` and `--version` as `host` says.

use std::process::ExitCode;

fn main() -> ExitCode {
    host::main_for_several("router", router::run)
}
