//! `agent run HOST_JSON`: the agent of one host, and what can be asked of it there; the library beside it says what it
//! does.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::commands::main()
}
