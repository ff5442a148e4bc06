//! `global_defs`.

use std::time::Duration;

use crate::config::Global;
use crate::config::confusable::lint_strange;
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::script::{script, user};
use crate::config::tree::{Statement, Word};

use super::later::GLOBAL_LATER;
use super::root::inside;
use super::{Keyword, Standing, Table};

/// What `global_defs` says: the settings themselves, and the defaults of instances.
#[derive(Default)]
pub(crate) struct GlobalDraft {
    pub(crate) global: Global,
    pub(crate) garp: GarpDraft,
    pub(crate) down_timer_adverts: Option<u32>,
    pub(crate) lower_prio_no_advert: bool,
    pub(crate) higher_prio_send_advert: bool,
    pub(crate) version: Option<u8>,
    /// A setting that changes what is on the wire and does not work yet.
    pub(crate) foreign_protocol: bool,
}

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

pub(crate) static GLOBAL: Table<GlobalDraft> = Table {
    name: "global_defs",
    keywords: &[
        Keyword::line(
            "router_id",
            "STRING",
            "Names this machine in mails; the host's name unless given.",
            router_id,
        )
        .may_be_bare(),
        Keyword::line(
            "lvs_id",
            "STRING",
            "The same, in configurations of old.",
            router_id,
        )
        .may_be_bare(),
        Keyword::values(
            "notification_email",
            "",
            "Block of addresses, one on each line: who is mailed.",
            notification_email,
        ),
        Keyword::line(
            "notification_email_from",
            "ADDRESS",
            "Sender of mails.",
            notification_email_from,
        )
        .may_be_bare()
        .judging_itself(),
        Keyword::line(
            "smtp_server",
            "HOST [PORT]",
            "Mail relay; port 25 unless given.",
            smtp_server,
        ),
        Keyword::line(
            "smtp_helo_name",
            "STRING",
            "Name given to the mail relay.",
            smtp_helo_name,
        )
        .may_be_bare(),
        Keyword::line(
            "smtp_connect_timeout",
            "INT 1..4294",
            "Seconds to wait for the mail relay, 30 unless given.",
            smtp_connect_timeout,
        ),
        Keyword::line(
            "startup_script",
            "COMMAND [USER] [[:]GROUP]",
            "Run once at start.",
            |draft: &mut GlobalDraft, statement, report| {
                draft.global.startup_script = script(statement, report);
            },
        )
        .stored("scripts are not run")
        .may_be_bare()
        .judging_itself(),
        Keyword::line(
            "script_user",
            "USER [[:]GROUP]",
            "Whom scripts run as that name nobody themselves.",
            |draft: &mut GlobalDraft, statement, _| {
                draft.global.script_user = user(statement.arguments());
            },
        )
        .stored("scripts are not run")
        .may_be_bare(),
        Keyword::line(
            "lvs_flush",
            "",
            "Empty the IPVS table before the first entry is made.",
            |draft, _, _| {
                draft.global.lvs_flush = true;
            },
        ),
        Keyword::line(
            "log_unknown_vrids",
            "",
            "Log adverts of routers that are not configured here.",
            |draft, _, _| {
                draft.global.log_unknown_vrids = true;
            },
        ),
        Keyword::line(
            "vrrp_garp_master_delay",
            "INT 0..4294",
            "Default of garp_master_delay, 5 unless given.",
            |draft, statement, report| {
                garp_delay(&mut draft.garp.delay, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_garp_master_repeat",
            "INT 1..",
            "Default of garp_master_repeat, 5 unless given.",
            |draft, statement, report| {
                garp_repeat(&mut draft.garp.repeat, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_garp_master_refresh",
            "INT 0..",
            "Default of garp_master_refresh, off unless given.",
            |draft, statement, report| {
                garp_refresh(&mut draft.garp.refresh, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_garp_master_refresh_repeat",
            "INT 1..",
            "Default of garp_master_refresh_repeat, 1 unless given.",
            |draft, statement, report| {
                garp_repeat(&mut draft.garp.refresh_repeat, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_garp_lower_prio_delay",
            "INT 0..4294",
            "Default of garp_lower_prio_delay, that of vrrp_garp_master_delay unless given.",
            |draft, statement, report| {
                garp_delay(&mut draft.garp.lower_prio_delay, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_garp_lower_prio_repeat",
            "INT 0..",
            "Default of garp_lower_prio_repeat, that of vrrp_garp_master_repeat unless given.",
            |draft, statement, report| {
                garp_count(&mut draft.garp.lower_prio_repeat, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_min_garp",
            "[BOOL]",
            "One burst of one frame: sets what is not set by then to repeat 1, delay 0, refresh 0.",
            min_garp,
        ),
        Keyword::line(
            "vrrp_down_timer_adverts",
            "INT 1..100",
            "Default of down_timer_adverts, 3 unless given.",
            |draft, statement, report| {
                down_timer_adverts(&mut draft.down_timer_adverts, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_lower_prio_no_advert",
            "[BOOL]",
            "Default of lower_prio_no_advert.",
            |draft, statement, report| {
                truth(&mut draft.lower_prio_no_advert, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_higher_prio_send_advert",
            "[BOOL]",
            "Default of higher_prio_send_advert.",
            |draft, statement, report| {
                truth(&mut draft.higher_prio_send_advert, statement, report);
            },
        ),
        Keyword::line(
            "vrrp_version",
            "INT 2..3",
            "Version of instances that do not say, 2 unless given. 3 is not supported yet.",
            version,
        ),
        Keyword::line(
            "vrrp_skip_check_adv_addr",
            "[BOOL]",
            "The addresses in adverts are always compared.",
            truth_unused,
        )
        .standing(Standing::NoEffect),
        Keyword::line("vrrp_mcast_group4", "ADDRESS", "", mcast_group4).standing(Standing::Later),
    ],
    later: GLOBAL_LATER,
};

fn router_id(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.global.router_id = text(statement, report);
}

fn notification_email(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    let lines = inside(statement);
    if lines.is_empty() {
        let message = "`notification_email` names nobody";
        report.add(Problem::error(statement.head(), message));
    }
    for word in lines.iter().flat_map(|line| &line.words) {
        lint_strange(word, report);
        draft.global.notification_email.push(word.text.clone());
    }
}

fn notification_email_from(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    draft.global.notification_email_from = text(statement, report);
    if let Some(extra) = statement.argument(2) {
        let message = "`notification_email_from` takes one word, the first is used";
        let help = "put a name and its address into quotes: \"My Name <me@here>\"";
        report.add(Problem::error(extra.span, message).help(help));
    }
}

fn smtp_server(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    const MAIL: u16 = 25;
    let Some(host) = text(statement, report) else {
        return;
    };
    let port = match statement.argument(2) {
        Some(word) => report.port(word).unwrap_or(MAIL),
        None => MAIL,
    };
    draft.global.smtp_server = Some((host, port));
}

fn smtp_helo_name(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.global.smtp_helo_name = text(statement, report);
}

fn smtp_connect_timeout(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(seconds) = report.lenient(word, 0..=4294) else {
        return;
    };
    if seconds == 0 {
        report.add(Problem::error(
            word.span,
            "a timeout of 0 is read as 1 second",
        ));
    }
    draft.global.smtp_connect_timeout = Some(Duration::from_secs(seconds.max(1).unsigned_abs()));
}

fn min_garp(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    if report.truth(statement.argument(1)) != Some(true) {
        return;
    }
    let garp = &mut draft.garp;
    garp.repeat.get_or_insert(1);
    garp.delay.get_or_insert(Duration::ZERO);
    garp.refresh.get_or_insert(Duration::ZERO);
    garp.refresh_repeat.get_or_insert(1);
}

fn version(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    if let Some(version) = number(statement, 2..=3, report) {
        draft.version = u8::try_from(version).ok();
    }
}

/// An instance that sent to another group would not hear its peers.
fn mcast_group4(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    report.not_yet(statement, "no instance runs");
    draft.foreign_protocol = true;
}

/// The first argument as it stands.
pub(crate) fn text(statement: &Statement, report: &mut Report<'_>) -> Option<String> {
    let word: &Word = statement.argument(1)?;
    lint_strange(word, report);
    Some(word.text.clone())
}

/// The first argument as a number.
pub(crate) fn number(
    statement: &Statement,
    range: std::ops::RangeInclusive<i64>,
    report: &mut Report<'_>,
) -> Option<u32> {
    let number = report.lenient(statement.argument(1)?, range)?;
    u32::try_from(number).ok()
}

pub(crate) fn truth(into: &mut bool, statement: &Statement, report: &mut Report<'_>) {
    if let Some(truth) = report.truth(statement.argument(1)) {
        *into = truth;
    }
}

/// Checked and forgotten.
pub(crate) fn truth_unused<T>(_: &mut T, statement: &Statement, report: &mut Report<'_>) {
    report.truth(statement.argument(1));
}

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

pub(crate) fn garp_count(into: &mut Option<u32>, statement: &Statement, report: &mut Report<'_>) {
    if let Some(count) = number(statement, 0..=i64::from(i32::MAX), report) {
        *into = Some(count);
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

pub(crate) fn down_timer_adverts(
    into: &mut Option<u32>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    if let Some(adverts) = number(statement, 1..=100, report) {
        *into = Some(adverts);
    }
}
