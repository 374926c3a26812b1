//! The command `spanlake`.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanlake_cli::main()
}
