//! `MISC_CHECK`: a program says whether the server is up, and by `misc_dynamic` how heavy it is.
//!
//! A program that takes too long is asked to end, then made to. What it says after that does not
//! count.

use std::time::Duration;

use crate::child::{Exit, Kill};
use crate::config::{Script, ServiceKey};

use super::{Input, Reason, Step, Told, Verdict, Weight};

/// How far a program was pushed towards its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::check) enum Patience {
    #[default]
    Running,
    Asked,
    Made,
}

impl Patience {
    pub(super) fn on(
        &mut self,
        (script, timeout, dynamic): (&Script, Duration, bool),
        input: Input<'_>,
    ) -> Step {
        match (*self, input) {
            (_, Input::Start) => Step::Run {
                script: script.clone(),
                limit: timeout,
            },
            (Self::Running, Input::Exited(exit)) => Step::Done(judge(exit, dynamic)),
            // Either it has ended, or the kernel keeps it and it is waited for no longer.
            (Self::Asked | Self::Made, Input::Exited(_)) | (Self::Made, Input::Limit) => {
                Step::down(Reason::ProgramTimeout)
            }
            (Self::Running, Input::Limit) => {
                *self = Self::Asked;
                push(Kill::Ask)
            }
            (Self::Asked, Input::Limit) => {
                *self = Self::Made;
                push(Kill::Force)
            }
            (_, Input::Failed { error, .. }) => Step::down(Reason::ProgramCannotStart(error)),
            _ => Step::go_on(),
        }
    }
}

fn push(kill: Kill) -> Step {
    Step::Kill { kill, limit: GRACE }
}

/// What the end of a program says.
fn judge(exit: Exit, dynamic: bool) -> Verdict {
    match exit {
        Exit::Code(0) if dynamic => Verdict::Weighed(Weight::Own),
        Exit::Code(0) => Verdict::Up,
        Exit::Code(code @ 2..=255) if dynamic => Verdict::Weighed(Weight::Exactly(code - 2)),
        Exit::Code(code) => Verdict::Down(Reason::ProgramFailed(code)),
        Exit::Signal(signal) => Verdict::Down(Reason::ProgramKilled(signal)),
    }
}

pub(super) fn words(
    script: &Script,
    told: Told<'_>,
    server: &str,
    service: &ServiceKey,
) -> Option<String> {
    let verdict = match told {
        Told::Up | Told::Page(_) => "succeeded".to_owned(),
        Told::Attempt { last: true, .. } | Told::NotRun => return None,
        Told::Attempt {
            reason, done, of, ..
        } => {
            let how = match done {
                0 => format!(", will do {}", counted(of)),
                _ => format!(" on retry {done}/{of}"),
            };
            failure(reason, &how)
        }
        Told::Down { reason, retries } => {
            let how = match retries {
                None => String::new(),
                Some(0) => " with retry disabled".to_owned(),
                Some(retries) => format!(" after {}", counted(retries)),
            };
            failure(reason, &how)
        }
    };
    let command = script.argv.join(" ");
    Some(format!(
        "Misc check for [{server} VS {service}] by [{command}] {verdict}."
    ))
}

fn counted(retries: u32) -> String {
    let word = if retries == 1 { "retry" } else { "retries" };
    format!("{retries} {word}")
}

fn failure(reason: &Reason, how: &str) -> String {
    match reason {
        Reason::ProgramTimeout => format!("timed out{how}"),
        Reason::ProgramFailed(code) => format!("failed{how} (exited with status {code})"),
        Reason::ProgramKilled(signal) => format!("failed{how} (due to signal {signal})"),
        reason => format!("failed{how} ({reason})"),
    }
}

/// Between asking a program to end, making it end, and no longer waiting for that.
const GRACE: Duration = Duration::from_secs(2);
