//! How often and how patiently something is checked: the keywords that a service, a server and a
//! check have in common, each level overriding the one above it.

use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::Keyword;
use super::global::number;

/// What one level says; None where it says nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct TimingDraft {
    pub(crate) retry: Option<u32>,
    pub(crate) delay_before_retry: Option<Duration>,
    pub(crate) warmup: Option<Duration>,
    pub(crate) delay_loop: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) alpha: Option<bool>,
}

/// A draft with such keywords.
pub(crate) trait Timed {
    fn timing(&mut self) -> &mut TimingDraft;
}

/// The shortest time that is not none, and the longest that keepalived can count.
const SHORTEST: f64 = 0.000_001;
const LONGEST: f64 = 4_294.967_295;

impl TimingDraft {
    /// What this level says, else what the level above says.
    pub(crate) fn or(self, above: Self) -> Self {
        Self {
            retry: self.retry.or(above.retry),
            delay_before_retry: self.delay_before_retry.or(above.delay_before_retry),
            warmup: self.warmup.or(above.warmup),
            delay_loop: self.delay_loop.or(above.delay_loop),
            connect_timeout: self.connect_timeout.or(above.connect_timeout),
            alpha: self.alpha.or(above.alpha),
        }
    }
}

pub(crate) const fn delay_loop<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("delay_loop", "SEC", doc, |draft, statement, report| {
        seconds(&mut draft.timing().delay_loop, SHORTEST, statement, report);
    })
}

pub(crate) const fn delay_before_retry<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line(
        "delay_before_retry",
        "SEC",
        doc,
        |draft, statement, report| {
            seconds(
                &mut draft.timing().delay_before_retry,
                0.0,
                statement,
                report,
            );
        },
    )
}

pub(crate) const fn warmup<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("warmup", "SEC", doc, |draft, statement, report| {
        seconds(&mut draft.timing().warmup, 0.0, statement, report);
    })
}

pub(crate) const fn connect_timeout<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("connect_timeout", "SEC", doc, |draft, statement, report| {
        seconds(
            &mut draft.timing().connect_timeout,
            SHORTEST,
            statement,
            report,
        );
    })
}

pub(crate) const fn alpha<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("alpha", "[BOOL]", doc, |draft, statement, report| {
        let alpha = &mut draft.timing().alpha;
        *alpha = report.truth(statement.argument(1)).or(*alpha);
    })
}

/// The old name of `retry`, found in blocks of every kind.
pub(crate) const fn nb_get_retry<T: Timed>() -> Keyword<T> {
    Keyword::line(
        "nb_get_retry",
        "INT 0..",
        "The old name of retry.",
        |draft, statement, report| {
            report.once("nb_get_retry", || {
                let message = "`nb_get_retry` is the old name of `retry`";
                Problem::warning(statement.head(), message).help("so it is everywhere in the file")
            });
            tries(&mut draft.timing().retry, statement, report);
        },
    )
}

/// Of a service or a server: at least one.
pub(crate) const fn retry<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("retry", "INT 1..", doc, |draft, statement, report| {
        let word = statement.argument(1);
        let tries = word.and_then(|word| report.strict(word, 1..=i64::from(u32::MAX)));
        let retry = &mut draft.timing().retry;
        *retry = tries.and_then(|tries| u32::try_from(tries).ok()).or(*retry);
    })
}

/// Of a check: none is possible.
pub(crate) const fn check_retry<T: Timed>(doc: &'static str) -> Keyword<T> {
    Keyword::line("retry", "INT 0..", doc, |draft, statement, report| {
        tries(&mut draft.timing().retry, statement, report);
    })
}

fn tries(into: &mut Option<u32>, statement: &Statement, report: &mut Report<'_>) {
    *into = number(statement, 0..=i64::from(u32::MAX), report).or(*into);
}

pub(super) fn seconds(
    into: &mut Option<Duration>,
    least: f64,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let word = statement.argument(1);
    *into = word
        .and_then(|word| report.seconds(word, least..=LONGEST))
        .or(*into);
}
