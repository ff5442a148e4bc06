//! `vrrp_instance` and its `authentication`.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::addr::Vrid;
use crate::config::InitialState;
use crate::config::confusable::lint_strange;
use crate::config::diag::Problem;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};

use super::address::{AddressDraft, address};
use super::field::Field;
use super::garp::{GarpDraft, garp_delay, garp_refresh, garp_repeat};
use super::global::number;
use super::later::INSTANCE_LATER;
use super::root::inside;
use super::{Keyword, Standing, Table};

/// What an instance says.
pub(crate) struct InstanceDraft {
    pub(crate) name: String,
    /// The name, where it was given.
    pub(crate) span: Span,
    pub(crate) state: Option<(InitialState, Span)>,
    pub(crate) interface: Option<String>,
    pub(crate) vrid: Option<(Vrid, Span)>,
    pub(crate) priority: Option<u8>,
    pub(crate) advert_interval: Option<(Duration, Span)>,
    pub(crate) authentication: AuthenticationDraft,
    pub(crate) addresses: Vec<AddressDraft>,
    pub(crate) source: Option<Ipv4Addr>,
    pub(crate) nopreempt: Option<Span>,
    pub(crate) preempt_delay: Option<(Duration, Span)>,
    pub(crate) track_primary: bool,
    pub(crate) down_timer_adverts: Option<u32>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) garp: GarpDraft,
    pub(crate) version: Option<u32>,
    pub(crate) no_addresses_wanted: bool,
    /// A statement that changes what is on the wire and does not work yet: an instance that
    /// ignored it would not hear the others, and there would be two masters.
    pub(crate) foreign_protocol: Option<Span>,
}

#[derive(Default)]
pub(crate) struct AuthenticationDraft {
    pub(crate) kind: Option<(AuthenticationKind, Span)>,
    pub(crate) password: Option<[u8; 8]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationKind {
    Pass,
    Ah,
}

const NOT_HEARD: &str = "Not supported yet; the instance does not run.";

pub(crate) static INSTANCE: Table<InstanceDraft> = Table {
    name: "vrrp_instance",
    keywords: &[
        Keyword::line(
            "state",
            "MASTER|BACKUP",
            "What it hopes to be. Only priority 255 starts as master.",
            state,
        )
        .judging_itself(),
        Keyword::line(
            "interface",
            "IFNAME",
            "Where it speaks VRRP. Must exist.",
            interface,
        ),
        Keyword::line(
            "virtual_router_id",
            "INT 1..255",
            "The number all routers of this address share.",
            virtual_router_id,
        ),
        Keyword::line(
            "priority",
            "INT 1..255",
            "Highest wins; 255 owns the address. 100 unless given (255 with state MASTER).",
            priority,
        ),
        Keyword::line(
            "advert_int",
            "SEC 0.01..255",
            "Seconds between adverts, 1 unless given. Version 2: whole seconds.",
            advert_int,
        ),
        Keyword::block(
            "authentication",
            "",
            "VRRP version 2 authentication.",
            &AUTHENTICATION,
            |draft, statement, report| {
                AUTHENTICATION.read(&mut draft.authentication, inside(statement), report);
            },
        ),
        Keyword::values(
            "virtual_ipaddress",
            "",
            "Block of addresses, one on each line: IP[/LEN] [dev IFNAME] [scope SCOPE] \
             [brd ADDRESS|+|-] [label STRING] [peer IP] [home] [noprefixroute] [mngtmpaddr] \
             [autojoin] [no_track].",
            virtual_ipaddress,
        ),
        Keyword::line(
            "mcast_src_ip",
            "IP",
            "Source of adverts; the interface's first address unless given.",
            mcast_src_ip,
        ),
        Keyword::line(
            "nopreempt",
            "",
            "Do not take over from a living master of lower priority. Needs state BACKUP.",
            |draft, statement, _| {
                draft.nopreempt = Some(statement.span());
            },
        ),
        Keyword::line("preempt", "", "The reverse of nopreempt.", |draft, _, _| {
            draft.nopreempt = None
        }),
        Keyword::line(
            "preempt_delay",
            "SEC 0..1000",
            "Seconds before taking over from a master of lower priority.",
            preempt_delay,
        ),
        Keyword::line(
            "dont_track_primary",
            "",
            "Ignore the state of the interface.",
            |draft, _, _| {
                draft.track_primary = false;
            },
        ),
        Keyword::line(
            "garp_master_delay",
            "INT 0..4294",
            "Seconds to the second burst of gratuitous ARP; 0 for none.",
            |draft, statement, report| {
                garp_delay(&mut draft.garp.delay, statement, report);
            },
        ),
        Keyword::line(
            "garp_master_repeat",
            "INT 1..",
            "Frames in each burst.",
            |draft, statement, report| {
                garp_repeat(&mut draft.garp.repeat, statement, report);
            },
        ),
        Keyword::line(
            "garp_master_refresh",
            "INT 0..",
            "Seconds between bursts while master; 0 for none.",
            |draft, statement, report| {
                garp_refresh(&mut draft.garp.refresh, statement, report);
            },
        ),
        Keyword::line(
            "garp_master_refresh_repeat",
            "INT 1..",
            "Frames in each of those bursts.",
            |draft, statement, report| {
                garp_repeat(&mut draft.garp.refresh_repeat, statement, report);
            },
        ),
        Keyword::line(
            "garp_lower_prio_delay",
            "INT 0..4294",
            "As garp_master_delay, after an advert of lower priority.",
            |draft, statement, report| {
                garp_delay(&mut draft.garp.lower_prio_delay, statement, report);
            },
        ),
        Keyword::field(
            "garp_lower_prio_repeat",
            "INT 0..2147483647",
            "As garp_master_repeat, after an advert of lower priority.",
            Field::Number(|draft| &mut draft.garp.lower_prio_repeat),
        ),
        Keyword::field(
            "down_timer_adverts",
            "INT 1..100",
            "Adverts missed until the master counts as dead.",
            Field::Number(|draft| &mut draft.down_timer_adverts),
        ),
        Keyword::field(
            "lower_prio_no_advert",
            "[BOOL]",
            "Do not answer an advert of lower priority.",
            Field::MaybeTruth(|draft| &mut draft.lower_prio_no_advert),
        ),
        Keyword::field(
            "higher_prio_send_advert",
            "[BOOL]",
            "Send one more advert when yielding to a higher priority.",
            Field::MaybeTruth(|draft| &mut draft.higher_prio_send_advert),
        ),
        Keyword::line(
            "version",
            "INT 2..3",
            "VRRP version. Version 3 is not supported yet.",
            version,
        ),
        Keyword::line(
            "no_virtual_ipaddress",
            "",
            "An instance without addresses is meant.",
            |draft, _, _| {
                draft.no_addresses_wanted = true;
            },
        ),
        Keyword::line(
            "skip_check_adv_addr",
            "[BOOL]",
            "The addresses in adverts are always compared.",
            |_, statement, report| {
                report.truth(statement.argument(1));
            },
        )
        .standing(Standing::NoEffect),
        Keyword::line("debug", "INT 0..4", "It never had an effect.", debug)
            .standing(Standing::NoEffect),
        Keyword::values("unicast_peer", "", NOT_HEARD, foreign_protocol).standing(Standing::Later),
        Keyword::values("auth_hmac", "", NOT_HEARD, foreign_protocol).standing(Standing::Later),
        Keyword::line("mcast_dst_ip", "", NOT_HEARD, foreign_protocol)
            .standing(Standing::Later)
            .judging_itself(),
        Keyword::line("unicast_src_ip", "", NOT_HEARD, foreign_protocol)
            .standing(Standing::Later)
            .judging_itself(),
        Keyword::line("native_ipv6", "", NOT_HEARD, foreign_protocol)
            .standing(Standing::Later)
            .judging_itself(),
        Keyword::line("vrf", "", NOT_HEARD, foreign_protocol)
            .standing(Standing::Later)
            .judging_itself(),
        Keyword::line("use_ipvlan", "", NOT_HEARD, foreign_protocol)
            .standing(Standing::Later)
            .judging_itself(),
    ],
    later: INSTANCE_LATER,
};

pub(crate) static AUTHENTICATION: Table<AuthenticationDraft> = Table {
    name: "authentication",
    keywords: &[
        Keyword::line(
            "auth_type",
            "PASS|AH",
            "PASS: a password in clear in every advert. AH is not supported yet.",
            auth_type,
        ),
        Keyword::line(
            "auth_pass",
            "STRING",
            "The password; 8 octets count.",
            auth_pass,
        ),
    ],
    later: &[],
};

impl InstanceDraft {
    pub(crate) fn new(name: &Word) -> Self {
        Self {
            name: name.text.to_string(),
            span: name.span,
            state: None,
            interface: None,
            vrid: None,
            priority: None,
            advert_interval: None,
            authentication: AuthenticationDraft::default(),
            addresses: Vec::new(),
            source: None,
            nopreempt: None,
            preempt_delay: None,
            track_primary: true,
            down_timer_adverts: None,
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            garp: GarpDraft::default(),
            version: None,
            no_addresses_wanted: false,
            foreign_protocol: None,
        }
    }
}

fn state(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let state = match word.text.as_str() {
        "MASTER" => InitialState::Master,
        "BACKUP" => InitialState::Backup,
        _ => {
            report.reject(word, "MASTER or BACKUP, it is read as BACKUP");
            InitialState::Backup
        }
    };
    match draft.state {
        Some((InitialState::Master, first)) if state == InitialState::Backup => {
            let message = "`state BACKUP` after `state MASTER` is ignored";
            report.add(Problem::error(statement.span(), message).note(first, "first given here"));
        }
        _ => draft.state = Some((state, statement.span())),
    }
}

fn interface(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    if word.text == "lo" {
        report.reject(word, "an interface that can speak VRRP");
        return;
    }
    draft.interface = report.interface(word).or_else(|| draft.interface.take());
}

fn virtual_router_id(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let number = report.strict(word, 1..=255);
    let vrid = number.and_then(|number| Vrid::new(u8::try_from(number).ok()?));
    draft.vrid = vrid.map(|vrid| (vrid, statement.span()));
}

fn priority(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    const WHEN_WRONG: u8 = 100;
    let Some(word) = statement.argument(1) else {
        return;
    };
    let number = report.strict(word, 1..=255);
    let priority = number.and_then(|number| u8::try_from(number).ok());
    draft.priority = Some(priority.unwrap_or(WHEN_WRONG));
}

fn advert_int(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    if let Some(interval) = word.and_then(|word| report.seconds(word, 0.01..=255.0)) {
        draft.advert_interval = Some((interval, statement.span()));
    }
}

fn preempt_delay(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    let delay = word.and_then(|word| report.seconds(word, 0.0..=1000.0));
    draft.preempt_delay = delay.map(|delay| (delay, statement.span()));
}

fn virtual_ipaddress(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    for line in inside(statement) {
        if let Some(address) = address(line, report) {
            draft.addresses.push(address);
        }
    }
}

fn mcast_src_ip(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    if let Some(source) = word.and_then(|word| report.ipv4(word)) {
        draft.source = Some(source);
    }
}

fn version(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    draft.version = number(statement, 2..=3, report).or(draft.version);
}

fn debug(_: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    number(statement, 0..=4, report);
}

fn foreign_protocol(draft: &mut InstanceDraft, statement: &Statement, report: &mut Report<'_>) {
    report.not_yet(statement, "the instance does not run");
    draft.foreign_protocol = Some(statement.head());
}

fn auth_type(draft: &mut AuthenticationDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let kind = match word.text.as_str() {
        "PASS" => AuthenticationKind::Pass,
        "AH" => AuthenticationKind::Ah,
        _ => return report.reject(word, "PASS or AH"),
    };
    draft.kind = Some((kind, statement.span()));
}

fn auth_pass(draft: &mut AuthenticationDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    lint_strange(word, report);
    let octets = lossless::encode(&word.text);
    let mut password = [0; 8];
    if octets.len() > password.len() {
        let message = format!(
            "a password of {} octets, the first 8 are used",
            octets.len()
        );
        report.add(Problem::error(word.span, message));
    }
    for (into, octet) in password.iter_mut().zip(octets) {
        *into = octet;
    }
    draft.password = Some(password);
}
