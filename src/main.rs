use std::process::ExitCode;

use keepalived::cli;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(options) => {
            options.print_remarks();
            ExitCode::SUCCESS
        }
        Err(answer) => answer.print(),
    }
}
