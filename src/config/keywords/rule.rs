//! One line of `static_rules` or `virtual_rules`.

use std::ops::RangeInclusive;

use crate::addr::{Cidr, Family};
use crate::config::diag::Problem;
use crate::config::names::{NameKind, ip_protocol};
use crate::config::report::Report;
use crate::config::route::{KEEPALIVED, Realms};
use crate::config::rule::{Mark, Rule, RuleAction, TableLookup};
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::value;

use super::line::{LineFamily, Words};
use super::route::{realms, table, tos};

/// A rule and where it was written.
pub(crate) struct RuleDraft {
    pub(crate) rule: Rule,
    pub(crate) span: Span,
    /// False when it takes the next one that is free, from above.
    pub(crate) has_preference: bool,
}

const OPTIONS: [&str; 34] = [
    "from",
    "to",
    "inet",
    "inet6",
    "not",
    "table",
    "lookup",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tunnel-id",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "ip_proto",
    "sport",
    "dport",
    "type",
    "goto",
    "nop",
    "no_track",
    "track_group",
];

/// What a line says so far.
struct Line {
    rule: Rule,
    family: LineFamily,
    preference: Option<u32>,
    protocol: Option<(u8, Span)>,
    actions: Vec<RuleAction>,
    suppress_prefix: Option<u32>,
    suppress_group: Option<u32>,
    realms: Option<Realms>,
    /// An option that only goes with a table.
    of_table: Option<Span>,
}

/// Reads a line; None when the rule is unusable, which is reported then.
pub(crate) fn rule(line: &Statement, report: &mut Report<'_>) -> Option<RuleDraft> {
    let mut words = Words::new(line);
    let mut draft = Line {
        rule: Rule {
            family: Family::V4,
            from: None,
            to: None,
            invert: false,
            action: RuleAction::Nop,
            preference: 0,
            tos: None,
            mark: None,
            from_interface: None,
            to_interface: None,
            tunnel: None,
            users: None,
            protocol: KEEPALIVED,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            track: true,
            track_group: None,
        },
        family: LineFamily::default(),
        preference: None,
        protocol: None,
        actions: Vec::new(),
        suppress_prefix: None,
        suppress_group: None,
        realms: None,
        of_table: None,
    };
    while let Some(word) = words.next() {
        let read =
            draft.selector(word, &mut words, report)? || draft.action(word, &mut words, report)?;
        if !read {
            report.unknown_word(word, &OPTIONS, "the rule is ignored");
            return None;
        }
    }
    let has_preference = draft.preference.is_some();
    let rule = draft.finish(line, report)?;
    Some(RuleDraft {
        rule,
        span: line.span(),
        has_preference,
    })
}

impl Line {
    /// Options that say which packets are meant.
    fn selector(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<bool> {
        let rule = &mut self.rule;
        match word.text.as_str() {
            "inet" => self.family.agree(Family::V4, word, report)?,
            "inet6" => self.family.agree(Family::V6, word, report)?,
            "not" => rule.invert = true,
            "no_track" => rule.track = false,
            "from" => rule.from = network(word, words, &mut self.family, report)?,
            "to" => rule.to = network(word, words, &mut self.family, report)?,
            "tos" | "dsfield" => rule.tos = Some(tos(words.value(word, report)?, report)?),
            "fwmark" => rule.mark = Some(mark(words.value(word, report)?, report)?),
            "dev" | "iif" => {
                rule.from_interface = Some(words.interface(word, report)?);
            }
            "oif" => rule.to_interface = Some(words.interface(word, report)?),
            "tunnel-id" => {
                rule.tunnel = Some(words.within(word, (0, i64::MAX), report)?);
            }
            "uidrange" => {
                let value = words.value(word, report)?;
                rule.users = Some(range(value, 0..=u32::MAX.into(), report)?);
            }
            "ipproto" | "ip_proto" => {
                let value = words.value(word, report)?;
                rule.ip_protocol = ip_protocol(&value.text);
                if rule.ip_protocol.is_none() {
                    report.reject(value, "an IP protocol or a number up to 255");
                    return None;
                }
            }
            "sport" => rule.source_ports = ports(words.value(word, report)?, report),
            "dport" => rule.destination_ports = ports(words.value(word, report)?, report),
            "protocol" => {
                let value = words.value(word, report)?;
                self.protocol = Some((report.within(value, 0, 255)?, value.span));
            }
            "track_group" => {
                rule.track_group = Some(words.value(word, report)?.text.to_string());
            }
            "preference" | "order" | "priority" => {
                let value = words.value(word, report)?;
                self.preference = Some(base_zero(value, report)?);
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// Options that say what happens to them.
    fn action(
        &mut self,
        word: &Word,
        words: &mut Words<'_>,
        report: &mut Report<'_>,
    ) -> Option<bool> {
        let mut act = |action| self.actions.push(action);
        match word.text.as_str() {
            "table" | "lookup" => {
                let value = words.value(word, report)?;
                let table = table(value, report)?;
                if table == 0 {
                    report.reject(value, "a routing table, the rule is ignored");
                    return None;
                }
                act(RuleAction::Table(TableLookup {
                    table,
                    suppress_prefix: None,
                    suppress_group: None,
                    realms: None,
                }));
            }
            "suppress_prefixlength" | "sup_pl" => {
                let value = words.value(word, report)?;
                self.suppress_prefix = Some(report.within(value, 0, i32::MAX.into())?);
                self.of_table = Some(word.span);
            }
            "suppress_ifgroup" | "sup_group" => {
                let value = words.value(word, report)?;
                let wanted = "an interface group or its number";
                let group = report.named_number(NameKind::Group, value, wanted)?;
                self.suppress_group = Some(group);
                self.of_table = Some(word.span);
            }
            "realms" => {
                self.family.agree(Family::V4, word, report)?;
                self.realms = Some(realms(words.value(word, report)?, report)?);
                self.of_table = Some(word.span);
            }
            "l3mdev" => act(RuleAction::L3mdev),
            "type" => {}
            "goto" => {
                let target = base_zero(words.value(word, report)?, report)?;
                act(RuleAction::Goto(target));
            }
            "nop" => act(RuleAction::Nop),
            "blackhole" => act(RuleAction::Blackhole),
            "unreachable" => act(RuleAction::Unreachable),
            "prohibit" => act(RuleAction::Prohibit),
            _ => return Some(false),
        }
        Some(true)
    }

    fn finish(self, line: &Statement, report: &mut Report<'_>) -> Option<Rule> {
        let mut rule = self.rule;
        let mut wrong = |message: &str| {
            let message = format!("{message}, the rule is ignored");
            report.add(Problem::error(line.span(), message));
        };
        let [action] = self.actions.as_slice() else {
            wrong(
                "a rule has one action: a table, l3mdev, goto, nop, blackhole, unreachable or \
                   prohibit",
            );
            return None;
        };
        rule.action = match *action {
            RuleAction::Table(lookup) => RuleAction::Table(TableLookup {
                suppress_prefix: self.suppress_prefix,
                suppress_group: self.suppress_group,
                realms: self.realms,
                ..lookup
            }),
            _ if self.of_table.is_some() => {
                wrong("suppress_* and realms go with a table");
                return None;
            }
            RuleAction::Goto(target) if self.preference.is_none_or(|here| target <= here) => {
                wrong("goto leads to a later preference");
                return None;
            }
            other => other,
        };
        rule.family = self.family.0.unwrap_or(Family::V4);
        rule.preference = self.preference.unwrap_or(0);
        if let Some((protocol, span)) = self.protocol {
            if rule.track && protocol != KEEPALIVED {
                let message = "a rule that is tracked has the protocol of keepalived, 18";
                report.add(Problem::error(span, message).help("add `no_track`"));
            } else {
                rule.protocol = protocol;
            }
        }
        Some(rule)
    }
}

fn network(
    word: &Word,
    words: &mut Words<'_>,
    family: &mut LineFamily,
    report: &mut Report<'_>,
) -> Option<Option<Cidr>> {
    let value = words.value(word, report)?;
    if matches!(value.text.as_str(), "default" | "any" | "all") {
        return Some(None);
    }
    let network = report.cidr(value, "the rule is ignored")?;
    family.agree(network.family(), value, report)?;
    Some(Some(network))
}

/// `MARK[/MASK]`.
fn mark(word: &Word, report: &mut Report<'_>) -> Option<Mark> {
    let number = |text: &str| u32::try_from(value::base_zero(text)?).ok();
    let read = match word.text.split_once('/') {
        Some((mark, mask)) => number(mark).zip(number(mask)).map(|(mark, mask)| Mark {
            mark,
            mask: Some(mask),
        }),
        None => number(&word.text).map(|mark| Mark { mark, mask: None }),
    };
    if read.is_none() {
        report.reject(word, "a firewall mark, the rule is ignored");
    }
    read
}

fn base_zero(word: &Word, report: &mut Report<'_>) -> Option<u32> {
    let number = value::base_zero(&word.text).and_then(|number| u32::try_from(number).ok());
    if number.is_none() {
        report.reject(word, "a number, the rule is ignored");
    }
    number
}

/// `A-B`, or one port for both; a bad one is left out.
fn ports(word: &Word, report: &mut Report<'_>) -> Option<(u16, u16)> {
    let both = range(word, 1..=u16::MAX.into(), report)?;
    Some((u16::try_from(both.0).ok()?, u16::try_from(both.1).ok()?))
}

fn range(word: &Word, allowed: RangeInclusive<i64>, report: &mut Report<'_>) -> Option<(u32, u32)> {
    let (from, to) = word
        .text
        .split_once('-')
        .unwrap_or((&word.text, &word.text));
    let number = |text: &str| {
        let number = value::integer(text, &allowed).ok()?;
        u32::try_from(number).ok()
    };
    let read = number(from).zip(number(to)).filter(|(from, to)| from <= to);
    if read.is_none() {
        let (least, most) = (allowed.start(), allowed.end());
        report.reject(word, &format!("a range A-B within {least}-{most}"));
    }
    read
}
