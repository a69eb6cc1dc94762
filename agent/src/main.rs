//! The `eyot` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    eyot::cli::main()
}
