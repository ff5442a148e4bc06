//! Readers of `global_defs` for what is more than one field.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::confusable::lint_strange;
use crate::config::diag::Problem;
use crate::config::global::{
    BufferPolicy, DynamicInterfaces, Fifo, FlushOnStop, IncludeCheck, Iptables, SyncDaemon,
};
use crate::config::keywords::root::inside;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::script::user;
use crate::config::tree::{Statement, Word};
use crate::config::value;

use super::GlobalDraft;

/// The first argument as it stands.
pub(crate) fn text(statement: &Statement, report: &mut Report<'_>) -> Option<String> {
    let word: &Word = statement.argument(1)?;
    lint_strange(word, report);
    Some(word.text.to_string())
}

/// The first argument as a number.
pub(crate) fn number(
    statement: &Statement,
    range: RangeInclusive<i64>,
    report: &mut Report<'_>,
) -> Option<u32> {
    let number = report.lenient(statement.argument(1)?, range)?;
    u32::try_from(number).ok()
}

pub(super) fn router_id(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.global.router_id = text(statement, report);
}

pub(super) fn script_user(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    let user = user(statement.arguments());
    if let Some(unknown) = user.as_ref().and_then(|user| user.unknown(report)) {
        let message = format!("there is no {unknown}");
        let help = "scripts that name no user of their own are left out";
        report.add(Problem::error(statement.span(), message).help(help));
    }
    draft.global.scripts.user = user;
}

pub(super) fn notification_email(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let lines = inside(statement);
    if lines.is_empty() {
        let message = "`notification_email` names nobody";
        report.add(Problem::error(statement.head(), message));
    }
    for word in lines.iter().flat_map(|line| &line.words) {
        lint_strange(word, report);
        draft.global.notification_email.push(word.text.to_string());
    }
}

pub(super) fn notification_email_from(
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

pub(super) fn smtp_server(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
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

pub(super) fn smtp_connect_timeout(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
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

pub(super) fn fifo(into: &mut Fifo, statement: &Statement, report: &mut Report<'_>) {
    into.path = text(statement, report);
    into.owner = user(statement.arguments().get(1..).unwrap_or_default());
}

pub(super) fn dynamic_interfaces(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    draft.global.dynamic_interfaces = Some(match statement.argument(1) {
        None => DynamicInterfaces::ComeAndGo,
        Some(word) if word.text == "allow_if_changes" => DynamicInterfaces::Change,
        Some(word) => {
            report.reject(word, "allow_if_changes");
            DynamicInterfaces::ComeAndGo
        }
    });
}

pub(super) fn default_interface(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let word = statement.argument(1);
    draft.global.default_interface = word.and_then(|word| report.interface_name(word));
}

pub(super) fn lvs_flush_on_stop(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    draft.global.lvs.flush_on_stop = Some(match statement.argument(1) {
        None => FlushOnStop::Everything,
        Some(word) if word.text == "VS" => FlushOnStop::VirtualServers,
        Some(word) => return report.reject(word, "VS"),
    });
}

pub(super) fn lvs_timeouts(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    const TIMEOUT_MAX: i64 = 31 * 86_400;
    let mut words = statement.arguments().iter();
    if words.len() < 2 {
        let message = "`lvs_timeouts` has no pair of a protocol and a number of seconds";
        return report.add(Problem::error(statement.span(), message));
    }
    while let Some(option) = words.next() {
        let lvs = &mut draft.global.lvs;
        let into = match option.text.as_str() {
            "tcp" => &mut lvs.timeout_tcp,
            "tcpfin" => &mut lvs.timeout_tcp_fin,
            "udp" => &mut lvs.timeout_udp,
            _ => {
                report.reject(option, "tcp, tcpfin or udp");
                continue;
            }
        };
        if let Some(seconds) = valued(option, words.next(), 0..=TIMEOUT_MAX, report) {
            *into = Some(Duration::from_secs(seconds.into()));
        }
    }
}

pub(super) fn lvs_sync_daemon(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let mut words = statement.arguments().iter().peekable();
    let Some(interface) = words.next().and_then(|word| report.interface(word)) else {
        return;
    };
    let mut daemon = SyncDaemon {
        interface,
        ..SyncDaemon::default()
    };
    let options = ["inst", "id", "maxlen", "port", "ttl", "group"];
    let old = words.next_if(|word| !options.contains(&word.text.as_str()));
    if let Some(instance) = old {
        let message = "the instance without `inst` before it is old style";
        report.add(Problem::warning(instance.span, message).help("write `inst` before it"));
        daemon.instance = Some(instance.text.to_string());
        let id = words.next_if(|word| word.text.starts_with(|first: char| first.is_ascii_digit()));
        daemon.id = id.and_then(|word| strict(word, 0..=255, report));
    }
    while let Some(option) = words.next() {
        let value = words.next();
        match option.text.as_str() {
            "inst" => daemon.instance = value.map(|word| word.text.to_string()),
            "id" => daemon.id = valued(option, value, 0..=255, report),
            "maxlen" => daemon.max_length = valued(option, value, 1..=65507, report),
            "port" => daemon.port = valued(option, value, 1..=65535, report),
            "ttl" => daemon.ttl = valued(option, value, 1..=255, report),
            "group" => {
                let group = value.and_then(|word| report.address(word));
                daemon.group = group.filter(IpAddr::is_multicast);
                if let (Some(word), None) = (value, daemon.group) {
                    report.reject(word, "a multicast address");
                }
            }
            _ => report.reject(option, "one of inst, id, maxlen, port, ttl, group"),
        }
    }
    draft.sync_daemon = Some(statement.span());
    draft.global.lvs.sync_daemon = Some(daemon);
}

/// The number behind an option; its absence is reported.
fn valued(
    option: &Word,
    value: Option<&Word>,
    range: RangeInclusive<i64>,
    report: &mut Report<'_>,
) -> Option<u32> {
    match value {
        Some(word) => strict(word, range, report),
        None => {
            let message = format!("`{}` lacks its number", option.text);
            report.add(Problem::error(option.span, message));
            None
        }
    }
}

fn strict(word: &Word, range: RangeInclusive<i64>, report: &mut Report<'_>) -> Option<u32> {
    u32::try_from(report.strict(word, range)?).ok()
}

/// Where adverts go. Any group of IPv6 is used, with a complaint when it leaves the link.
pub(crate) fn group(
    into: &mut Option<IpAddr>,
    ipv6: bool,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let address = value::address(&word.text);
    let Some(group) = address.filter(|group| group.is_multicast() && group.is_ipv6() == ipv6)
    else {
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        return report.reject(word, &format!("a multicast address of {family}"));
    };
    const SCOPE: u16 = 0x000f;
    const LINK: u16 = 0x2;
    if let IpAddr::V6(address) = group
        && address.segments()[0] & SCOPE != LINK
    {
        report.reject(word, "a link-local group, it is used all the same");
    }
    *into = Some(group);
}

pub(super) fn min_garp(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    if report.truth(statement.argument(1)) != Some(true) {
        return;
    }
    let garp = &mut draft.garp;
    garp.repeat.get_or_insert(1);
    garp.delay.get_or_insert(Duration::ZERO);
    garp.refresh.get_or_insert(Duration::ZERO);
    garp.refresh_repeat.get_or_insert(1);
}

pub(super) fn iptables(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    const CHAIN_MAX: usize = 27;
    let names = statement.arguments();
    let bad = |word: &&Word| word.text.is_empty() || octets(word) > CHAIN_MAX;
    if let Some(word) = names.iter().find(bad) {
        return report.reject(word, "the name of a chain, at most 27 octets");
    }
    let name = |index: usize| names.get(index).map(|word| word.text.to_string());
    if name(0).is_some() && name(0) == name(1) {
        let message = "one chain for both directions, ignored";
        return report.add(Problem::error(statement.span(), message));
    }
    draft.iptables = Some(statement.span());
    draft.global.firewall.iptables = Some(match name(0) {
        Some(input) => Iptables {
            input,
            output: name(1),
        },
        None => Iptables {
            input: "INPUT".to_owned(),
            output: Some("OUTPUT".to_owned()),
        },
    });
}

pub(super) fn ipsets(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    const SET_MAX: usize = 30;
    let words = statement.arguments();
    let mut names: Vec<String> = Vec::new();
    for word in words.iter().take(6) {
        if word.text.is_empty()
            || octets(word) > SET_MAX
            || names.iter().any(|name| *name == word.text)
        {
            return report.reject(word, "the name of a set of its own, at most 30 octets");
        }
        names.push(word.text.to_string());
    }
    draft.ipsets = Some(statement.span());
    draft.global.firewall.ipsets = Some(names);
}

pub(super) fn table(
    into: &mut Option<String>,
    default: &str,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    const TABLE_MAX: usize = 254;
    match statement.argument(1) {
        Some(word) if word.text.is_empty() || octets(word) > TABLE_MAX => {
            report.reject(word, "the name of a table, at most 254 octets");
        }
        Some(word) => *into = Some(word.text.to_string()),
        None => *into = Some(default.to_owned()),
    }
}

/// The kernel keeps 15 octets of a process name.
pub(super) fn process_name(
    into: &mut Option<String>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    const NAME_MAX: usize = 15;
    let Some(word) = statement.argument(1) else {
        return;
    };
    let encoded = lossless::encode(&word.text);
    let kept = encoded
        .get(..encoded.len().min(NAME_MAX))
        .unwrap_or_default();
    if kept.len() < encoded.len() {
        report.reject(word, "a name of at most 15 octets, it is cut there");
    }
    *into = Some(lossless::decode(kept));
}

pub(super) fn real_time(into: &mut Option<u32>, statement: &Statement, report: &mut Report<'_>) {
    const PRIORITIES: RangeInclusive<u32> = 1..=99;
    let Some(priority) = number(statement, 0..=i64::from(u32::MAX), report) else {
        return;
    };
    let clamped = priority.clamp(*PRIORITIES.start(), *PRIORITIES.end());
    if clamped != priority {
        let message = format!("real-time priorities are 1 to 99, {clamped} is used");
        report.add(Problem::error(statement.span(), message));
    }
    *into = Some(clamped);
}

pub(super) fn processors(into: &mut Vec<u32>, statement: &Statement, report: &mut Report<'_>) {
    /// CPU_SETSIZE of the C library.
    const PROCESSORS: i64 = 1024;
    let numbers: Vec<_> = statement
        .arguments()
        .iter()
        .map(|word| report.strict(word, 0..=PROCESSORS - 1))
        .collect();
    let numbers: Option<Vec<i64>> = numbers.into_iter().collect();
    let numbers = numbers.unwrap_or_default().into_iter();
    *into = numbers
        .filter_map(|number| u32::try_from(number).ok())
        .collect();
}

pub(super) fn max_auto_priority(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    const HIGHEST: i32 = 99;
    let priority = match statement.argument(1) {
        Some(word) => report.lenient(word, -1..=i64::from(HIGHEST)),
        None => Some(i64::from(HIGHEST)),
    };
    let priority = priority.and_then(|priority| i32::try_from(priority).ok());
    draft.global.processes.max_auto_priority =
        priority.or(draft.global.processes.max_auto_priority);
}

/// A number as C writes it, or names of permissions joined by bars.
pub(super) fn umask(draft: &mut GlobalDraft, statement: &Statement, report: &mut Report<'_>) {
    const ALL: u32 = 0o777;
    let joined: Vec<&str> = statement
        .arguments()
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    let joined = joined.concat();
    let mask = match value::base_zero(&joined) {
        Some(number) => u32::try_from(number).ok().filter(|mask| *mask <= ALL),
        None => joined
            .split('|')
            .map(permission)
            .try_fold(0, |mask, bits| Some(mask | bits?)),
    };
    match (mask, statement.argument(1)) {
        (Some(_), _) => draft.global.processes.umask = mask,
        (None, Some(word)) => report.reject(
            word,
            "a mask: a number up to 0777, or IRUSR, IWGRP and the like joined by |",
        ),
        (None, None) => {}
    }
}

/// The bits of `IRUSR` to `IRWXO`.
fn permission(name: &str) -> Option<u32> {
    let kinds = [("IRWX", 0o7), ("IR", 0o4), ("IW", 0o2), ("IX", 0o1)];
    let (rest, bits) = kinds
        .iter()
        .find_map(|(kind, bits)| Some((name.strip_prefix(kind)?, *bits)))?;
    let shift = match (rest, bits) {
        ("USR", 1..7) | ("U", 7) => 6,
        ("GRP", 1..7) | ("G", 7) => 3,
        ("OTH", 1..7) | ("O", 7) => 0,
        _ => return None,
    };
    Some(bits << shift)
}

/// A number counts more than words, `MTU` more than `ADVERT`.
pub(super) fn buffer_policy(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let mut best = None;
    for word in statement.arguments() {
        let policy = if word.text.eq_ignore_ascii_case("MTU") {
            Some(BufferPolicy::Mtu)
        } else if word.text.eq_ignore_ascii_case("ADVERT") {
            Some(BufferPolicy::Advert)
        } else {
            strict(word, 0..=i64::from(i32::MAX), report).map(BufferPolicy::Octets)
        };
        let rank = |policy: &BufferPolicy| match policy {
            BufferPolicy::Advert => 0,
            BufferPolicy::Mtu => 1,
            BufferPolicy::Octets(_) => 2,
        };
        if best.is_some() && policy.is_some() {
            let message = "two policies, a number counts more than MTU, MTU more than ADVERT";
            report.add(Problem::error(statement.span(), message));
        }
        best = best.into_iter().chain(policy).max_by_key(rank);
    }
    draft.global.buffers.vrrp_policy = best.or(draft.global.buffers.vrrp_policy);
}

/// A word, or nothing for the usual one.
pub(super) fn text_or_empty(
    into: &mut Option<String>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    *into = Some(text(statement, report).unwrap_or_default());
}

/// Words without a sign replace the set, those with one change it; to match is to read first.
pub(super) fn include_check(
    draft: &mut GlobalDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let mut checks = draft.global.reload.include_check.unwrap_or_default();
    let words = statement.arguments();
    if words.is_empty() {
        checks = IncludeCheck {
            read: true,
            names: true,
            wildcards: true,
            braces: true,
        };
    }
    for (index, word) in words.iter().enumerate() {
        let (sign, name) = match word.text.strip_prefix(['+', '-']) {
            Some(name) => (word.text.starts_with('+'), name),
            None if index == 0 => {
                checks = IncludeCheck::default();
                (true, word.text.as_str())
            }
            None => {
                report.reject(word, "signed: after the first word each has a + or a -");
                continue;
            }
        };
        match name {
            "read" => checks.read = sign,
            "match" => checks.names = sign,
            "wildcard_match" => checks.wildcards = sign,
            "brace_match" => checks.braces = sign,
            _ => {
                report.reject(word, "read, match, wildcard_match or brace_match");
                continue;
            }
        }
        checks.read |= sign;
    }
    draft.global.reload.include_check = Some(checks);
}

fn octets(word: &Word) -> usize {
    lossless::encode(&word.text).len()
}
