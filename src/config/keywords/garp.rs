//! The keywords of gratuitous ARP, which `global_defs` and `vrrp_instance` have in common.

use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::global::number;

/// The gratuitous ARP settings of an instance or of all instances; None where nothing is said.
#[derive(Clone, Copy, Default)]
pub(crate) struct GarpDraft {
    pub(crate) delay: Option<Duration>,
    pub(crate) repeat: Option<u32>,
    pub(crate) refresh: Option<Duration>,
    pub(crate) refresh_repeat: Option<u32>,
    pub(crate) lower_prio_delay: Option<Duration>,
    pub(crate) lower_prio_repeat: Option<u32>,
}

/// `garp_extra_if [all] SECONDS`.
#[derive(Clone, Copy, Default)]
pub(crate) struct ExtraGarpDraft {
    pub(crate) interval: Option<Duration>,
    pub(crate) all: bool,
}

const EXTRA_MAX: i64 = 86_400;

pub(crate) fn garp_delay(
    into: &mut Option<Duration>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    if let Some(seconds) = number(statement, 0..=4294, report) {
        *into = Some(Duration::from_secs(seconds.into()));
    }
}

/// Frames in a burst: none at all is read as one.
pub(crate) fn garp_repeat(into: &mut Option<u32>, statement: &Statement, report: &mut Report<'_>) {
    if let Some(count) = number(statement, 0..=i64::from(u32::MAX), report) {
        if count == 0 {
            let message = "0 is read as 1";
            report.add(Problem::error(statement.span(), message));
        }
        *into = Some(count.max(1));
    }
}

pub(crate) fn garp_refresh(
    into: &mut Option<Duration>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let seconds = number(statement, 0..=i64::from(u32::MAX), report).unwrap_or(0);
    *into = Some(Duration::from_secs(seconds.into()));
}

impl ExtraGarpDraft {
    /// Its words stand in any order.
    pub(crate) fn read(&mut self, least: i64, statement: &Statement, report: &mut Report<'_>) {
        let mut read = Self::default();
        for word in statement.arguments() {
            if word.text == "all" {
                read.all = true;
            } else if let Some(seconds) = report.lenient(word, least..=EXTRA_MAX) {
                read.interval = Some(Duration::from_secs(seconds.unsigned_abs()));
            } else {
                return;
            }
        }
        if read.interval.is_none() {
            let message = format!("`{}` has no number of seconds", statement.keyword());
            report.add(Problem::error(statement.span(), message));
            return;
        }
        *self = read;
    }
}
