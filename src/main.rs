//! Arguments in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use keepalived::{cli, daemon};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(asked) = cli::genhash::parse(&words) {
        return match asked {
            Ok(request) => finish(daemon::genhash::run(&request)),
            Err(answer) => answer.print(),
        };
    }
    let options = match cli::parse(words) {
        Ok(options) => options,
        Err(answer) => return answer.print(),
    };
    finish(daemon::run(&options))
}

fn finish(outcome: Result<ExitCode, daemon::Error>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Where nobody reads, the exit code has to say it.
            let _ = writeln!(std::io::stderr(), "keepalived: {error}");
            error.exit_code()
        }
    }
}

/// In place of musl's; see Cargo.toml.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
