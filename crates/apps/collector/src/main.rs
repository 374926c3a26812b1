//! The daemon `spanlaked`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanlake_collector::command::main()
}
