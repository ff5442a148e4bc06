//! What is done with a configuration without running it: test, print, compare.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::Error;
use super::options::{Format, Options, Report};
use super::reload::{Machine, lines, to_reload, to_run};
use super::start::reading;
use crate::config::{self, Diagnostics, Loaded, lossless};
use crate::sys::dump;

/// `-t`: everything that is wrong, then the exit code.
pub(super) fn test(options: &Options, path: &Path, report: &Report) -> Result<ExitCode, Error> {
    match options.format {
        Format::Text => options.print_remarks(),
        // What is on stdout is one document and nothing else.
        Format::Json => options.print_remarks_on_stderr(),
    }
    let Loaded { diagnostics, .. } = config::load(path, &Machine::IDLE, &reading(options));
    match (report, options.format) {
        (Report::Stderr, Format::Text) => tell(&diagnostics),
        (Report::Stderr, Format::Json) => say(diagnostics.json().as_bytes()),
        (Report::File(file), format) => {
            let text = match format {
                Format::Text => lines(&diagnostics),
                Format::Json => diagnostics.json(),
            };
            dump::append(file, &text).map_err(|error| Error::Report(file.clone(), error))?;
        }
    }
    Ok(verdict(options, &diagnostics))
}

/// `--print-config`: the canonical text on stdout, what is wrong on stderr, the exit code of `-t`.
pub(super) fn print(options: &Options, path: &Path) -> ExitCode {
    options.print_remarks_on_stderr();
    let Loaded {
        config,
        diagnostics,
        ..
    } = config::load(path, &Machine::IDLE, &reading(options));
    match options.format {
        Format::Text => tell(&diagnostics),
        Format::Json => {
            let _ = std::io::stderr().write_all(diagnostics.json().as_bytes());
        }
    }
    if let Some(config) = config {
        say(&lossless::encode(&config::print(&config)));
    }
    verdict(options, &diagnostics)
}

/// `--diff`: 0 when a reload would change nothing, 1 when it would, else why there is none.
pub(super) fn diff(options: &Options, old: &Path, new: &Path) -> ExitCode {
    options.print_remarks_on_stderr();
    // Random numbers are no difference.
    let reading = reading(options);
    let read = |path: &Path| {
        let loaded = config::load(path, &Machine::IDLE, &reading);
        tell(&loaded.diagnostics);
        let refusal = ExitCode::from(loaded.diagnostics.refusal_code());
        (loaded, refusal)
    };
    let (loaded, refusal) = read(old);
    let Some(old) = to_run(loaded) else {
        complain("The first file cannot run, there is nothing to compare with.");
        return refusal;
    };
    let (loaded, refusal) = read(new);
    let is_empty = loaded.is_empty;
    let Some(new) = to_reload(loaded, &old) else {
        let because = if is_empty { ": it is empty" } else { "" };
        complain(&format!("A reload would refuse the second file{because}."));
        return refusal;
    };
    let changes = config::diff(&old, &new);
    say(changes.to_string().as_bytes());
    ExitCode::from(u8::from(!changes.is_empty()))
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The problems for people.
fn tell(diagnostics: &Diagnostics) {
    let colour = std::io::stderr().is_terminal();
    // A closed stderr does not change the verdict; the same below.
    let _ = std::io::stderr().write_all(diagnostics.render(colour).as_bytes());
}

fn say(bytes: &[u8]) {
    let _ = std::io::stdout().write_all(bytes);
}

fn verdict(options: &Options, diagnostics: &Diagnostics) -> ExitCode {
    let code = diagnostics.exit_code();
    // As keepalived counts it: a value on the command line that makes no sense is an error, too.
    let only_complaints = code == 0 && !options.complaints.is_empty();
    ExitCode::from(if only_complaints { EXIT_CONFIG } else { code })
}

/// The configuration has errors, as a test of it tells.
const EXIT_CONFIG: u8 = 5;
