//! Arguments in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use keepalived::{cli, daemon};

fn main() -> ExitCode {
    let options = match cli::parse(std::env::args_os()) {
        Ok(options) => options,
        Err(answer) => return answer.print(),
    };
    match daemon::run(&options) {
        Ok(code) => code,
        Err(error) => {
            // Where nobody reads, the exit code has to say it.
            let _ = writeln!(std::io::stderr(), "keepalived: {error}");
            error.exit_code()
        }
    }
}
