//! `virtual_server`: a service of the director.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::addr::Family;
use crate::config::check::{Forwarding, Protocol, Scheduler, SchedulerFlags};
use crate::config::diag::{Class, Problem};
use crate::config::report::Report;
use crate::config::script::Script;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::value;

use super::field::Field;
use super::forwarding::{ARGUMENTS as FORWARDING, forwarding};
use super::global::{number, text};
use super::group::family;
use super::root::inside;
use super::server::{REAL_SERVER, RealServerDraft, no_effect, weight};
use super::timing::{
    Timed, TimingDraft, alpha, connect_timeout, delay_before_retry, delay_loop, nb_get_retry,
    retry, warmup,
};
use super::{Keyword, Standing, Table, suggestion};

/// What a virtual server says.
pub(crate) struct VirtualServerDraft {
    pub(crate) service: Service,
    /// Keyword and address.
    pub(crate) span: Span,
    /// By `ip_family` or `persistence_granularity`; None where only the address says it.
    pub(crate) family: Option<Family>,
    pub(crate) scheduler: Option<Scheduler>,
    pub(crate) scheduler_flags: SchedulerFlags,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) protocol: Option<(Protocol, Span)>,
    pub(crate) persistence_timeout: Option<Duration>,
    pub(crate) persistence_prefix: Option<u8>,
    pub(crate) persistence_engine: Option<String>,
    pub(crate) one_packet: Option<Span>,
    pub(crate) quorum: Option<(u32, Span)>,
    pub(crate) hysteresis: Option<(u32, Span)>,
    pub(crate) quorum_up: Option<Script>,
    pub(crate) quorum_down: Option<Script>,
    pub(crate) omega: bool,
    pub(crate) ha_suspend: Option<Span>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) virtualhost: Option<String>,
    pub(crate) snmp_name: Option<String>,
    pub(crate) weight: Option<i32>,
    pub(crate) inhibit_on_failure: bool,
    pub(crate) timing: TimingDraft,
    pub(crate) sorry_server: Option<SorryServerDraft>,
    pub(crate) real_servers: Vec<RealServerDraft>,
}

/// What the words before the block name.
pub(crate) enum Service {
    Address(SocketAddr),
    Fwmark(u32),
    Group(String),
}

/// What is said of the sorry server.
pub(crate) struct SorryServerDraft {
    /// Port 0: that of the service.
    pub(crate) address: SocketAddr,
    pub(crate) span: Span,
    pub(crate) inhibit: bool,
    pub(crate) forwarding: Option<Forwarding>,
}

/// Persistence of a service that must have one and does not say how long.
pub(crate) const PERSISTENCE_DEFAULT: Duration = Duration::from_secs(360);

/// The longest name of a persistence engine, in octets.
const ENGINE_MAX: usize = 16;

pub(crate) static VIRTUAL_SERVER: Table<VirtualServerDraft> = Table {
    name: "virtual_server",
    keywords: &[
        Keyword::line(
            "lb_algo",
            "SCHEDULER",
            "rr, wrr, lc, wlc, lblc, lblcr, sh, mh, dh, fo, ovf, sed, nq, twos; wlc unless given.",
            scheduler,
        ),
        Keyword::line("lvs_sched", "SCHEDULER", "The same.", scheduler),
        Keyword::line(
            "lb_kind",
            FORWARDING,
            "How packets reach the real servers; NAT unless given.",
            |draft: &mut VirtualServerDraft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        )
        .judging_itself(),
        Keyword::line(
            "lvs_method",
            FORWARDING,
            "The same.",
            |draft: &mut VirtualServerDraft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        )
        .judging_itself(),
        Keyword::line(
            "protocol",
            "TCP|UDP|SCTP",
            "UDP unless given, and then that is an error.",
            protocol,
        ),
        Keyword::line(
            "persistence_timeout",
            "[INT 1..2678400]",
            "Seconds a client stays with its server; 360 without a number.",
            persistence_timeout,
        ),
        Keyword::line(
            "persistence_granularity",
            "NETMASK|LENGTH",
            "Clients of one such network stay together.",
            persistence_granularity,
        ),
        Keyword::line(
            "persistence_engine",
            "NAME",
            "What else tells clients apart; the kernel has sip.",
            persistence_engine,
        ),
        Keyword::line(
            "ops",
            "",
            "Schedule each packet by itself. UDP and marks only.",
            |draft: &mut VirtualServerDraft, statement, _| {
                draft.one_packet = Some(statement.span());
            },
        ),
        Keyword::field(
            "flag-1",
            "",
            "Switch 1 of the scheduler.",
            Field::Flag(|draft: &mut VirtualServerDraft| &mut draft.scheduler_flags.0[0]),
        ),
        Keyword::field(
            "flag-2",
            "",
            "Switch 2 of the scheduler.",
            Field::Flag(|draft: &mut VirtualServerDraft| &mut draft.scheduler_flags.0[1]),
        ),
        Keyword::field(
            "flag-3",
            "",
            "Switch 3 of the scheduler.",
            Field::Flag(|draft: &mut VirtualServerDraft| &mut draft.scheduler_flags.0[2]),
        ),
        Keyword::line(
            "sh-port",
            "",
            "Hash the port as well. After lb_algo sh.",
            |draft: &mut VirtualServerDraft, statement, report| {
                scheduler_flag(draft, Scheduler::SourceHashing, 1, statement, report);
            },
        ),
        Keyword::line(
            "sh-fallback",
            "",
            "A server that is down is passed over. After lb_algo sh.",
            |draft: &mut VirtualServerDraft, statement, report| {
                scheduler_flag(draft, Scheduler::SourceHashing, 0, statement, report);
            },
        ),
        Keyword::line(
            "mh-port",
            "",
            "Hash the port as well. After lb_algo mh.",
            |draft: &mut VirtualServerDraft, statement, report| {
                scheduler_flag(draft, Scheduler::Maglev, 1, statement, report);
            },
        ),
        Keyword::line(
            "mh-fallback",
            "",
            "A server that is down is passed over. After lb_algo mh.",
            |draft: &mut VirtualServerDraft, statement, report| {
                scheduler_flag(draft, Scheduler::Maglev, 0, statement, report);
            },
        ),
        Keyword::line(
            "quorum",
            "INT 1..",
            "Sum of weights that must be up; 1 unless given.",
            quorum,
        ),
        Keyword::line(
            "hysteresis",
            "INT 0..",
            "Added to the quorum when it is regained, taken off when it is lost.",
            |draft: &mut VirtualServerDraft, statement, report| {
                let sum = number(statement, 0..=i64::from(u32::MAX), report);
                draft.hysteresis = sum.map(|sum| (sum, statement.span()));
            },
        ),
        Keyword::command(
            "quorum_up",
            "Run when the quorum is gained.",
            |draft: &mut VirtualServerDraft| &mut draft.quorum_up,
        ),
        Keyword::command(
            "quorum_down",
            "Run when the quorum is lost.",
            |draft: &mut VirtualServerDraft| &mut draft.quorum_down,
        ),
        Keyword::field(
            "omega",
            "",
            "Down scripts are run when the daemon stops as well.",
            Field::Flag(|draft: &mut VirtualServerDraft| &mut draft.omega),
        ),
        Keyword::line(
            "ha_suspend",
            "",
            "Check only while the address is on this machine.",
            |draft: &mut VirtualServerDraft, statement, _| {
                draft.ha_suspend = Some(statement.span());
            },
        ),
        Keyword::field(
            "smtp_alert",
            "[BOOL]",
            "Mail when the quorum changes.",
            Field::MaybeTruth(|draft: &mut VirtualServerDraft| &mut draft.smtp_alert),
        ),
        Keyword::field(
            "virtualhost",
            "STRING",
            "Host that HTTP_GET and SSL_GET ask for unless they say.",
            Field::Text(|draft: &mut VirtualServerDraft| &mut draft.virtualhost),
        )
        .once_only()
        .may_be_bare(),
        Keyword::line(
            "snmp_name",
            "STRING",
            "Its name in SNMP.",
            |draft: &mut VirtualServerDraft, statement, report| {
                snmp_name(&mut draft.snmp_name, statement, report);
            },
        )
        .once_only()
        .judging_itself()
        .may_be_bare()
        .stored("there is no SNMP"),
        Keyword::line(
            "weight",
            "INT 1..2147483647",
            "Weight of real servers that do not say; 1 unless given.",
            |draft: &mut VirtualServerDraft, statement, report| {
                weight(&mut draft.weight, 1, statement, report);
            },
        ),
        Keyword::field(
            "inhibit_on_failure",
            "[BOOL]",
            "A failed server gets weight 0 and is not removed.",
            Field::Truth(|draft: &mut VirtualServerDraft| &mut draft.inhibit_on_failure),
        ),
        alpha("Servers are down until a check succeeds."),
        delay_loop("Seconds between checks; 60 unless given."),
        retry("Failed checks that are repeated before the server is down; 1 unless given."),
        nb_get_retry(),
        delay_before_retry("Seconds before each of them; 1 unless given."),
        warmup("First checks are spread over so many seconds; delay_loop unless given."),
        connect_timeout("Seconds to wait for a connection; 5 unless given."),
        Keyword::line(
            "ip_family",
            "inet|inet6",
            "Must be that of the address; for marks, what the firewall marks.",
            ip_family,
        ),
        Keyword::line(
            "sorry_server",
            "IP [PORT]",
            "Takes the clients while the quorum is lost.",
            sorry_server,
        ),
        Keyword::line(
            "sorry_server_inhibit",
            "",
            "It gets weight 0 and is not removed. After sorry_server.",
            sorry_server_inhibit,
        ),
        Keyword::line(
            "sorry_server_lvs_method",
            FORWARDING,
            "As lvs_method, for it. After sorry_server.",
            sorry_server_lvs_method,
        )
        .judging_itself(),
        Keyword::block(
            "real_server",
            "IP [PORT]",
            "One server behind the service; its port unless given is that of the service.",
            &REAL_SERVER,
            real_server,
        ),
        Keyword::line("nat_mask", "[NETMASK]", "LVS takes no netmask.", no_effect)
            .standing(Standing::NoEffect),
        Keyword::line("hashed", "", "It never had an effect.", no_effect)
            .standing(Standing::NoEffect),
    ],
};

impl VirtualServerDraft {
    /// From the words before the block; None when they name nothing, which is reported.
    pub(crate) fn new(statement: &Statement, report: &mut Report<'_>) -> Option<Self> {
        Some(Self {
            service: service(statement, report)?,
            span: statement.span(),
            family: None,
            scheduler: None,
            scheduler_flags: SchedulerFlags::default(),
            forwarding: None,
            protocol: None,
            persistence_timeout: None,
            persistence_prefix: None,
            persistence_engine: None,
            one_packet: None,
            quorum: None,
            hysteresis: None,
            quorum_up: None,
            quorum_down: None,
            omega: false,
            ha_suspend: None,
            smtp_alert: None,
            virtualhost: None,
            snmp_name: None,
            weight: None,
            inhibit_on_failure: false,
            timing: TimingDraft::default(),
            sorry_server: None,
            real_servers: Vec::new(),
        })
    }

    /// As far as it is known from what stands above.
    fn family(&self) -> Option<Family> {
        match self.service {
            Service::Address(address) => Some(Family::of(address.ip())),
            Service::Fwmark(_) | Service::Group(_) => self.family,
        }
    }
}

impl Timed for VirtualServerDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

fn service(statement: &Statement, report: &mut Report<'_>) -> Option<Service> {
    let first = statement.argument(1)?;
    let form = first.text.as_str();
    let second = statement.argument(2);
    match (form, second) {
        ("fwmark", Some(word)) => {
            let mark = report.strict(word, 0..=i64::from(u32::MAX))?;
            u32::try_from(mark).ok().map(Service::Fwmark)
        }
        ("group", Some(word)) => Some(Service::Group(word.text.to_string())),
        ("fwmark" | "group", None) => {
            let message = format!("`virtual_server {form}` does not say which");
            let problem = Problem::error(statement.span(), message);
            report.add(problem.class(Class::Argument));
            None
        }
        _ => {
            let ip = report.address(first)?;
            let port = report.optional_port(second)?;
            Some(Service::Address(SocketAddr::new(ip, port)))
        }
    }
}

fn scheduler(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let mut known = Scheduler::ALL.iter();
    if let Some((_, scheduler)) = known.find(|(name, _)| word.text == *name) {
        draft.scheduler = Some(*scheduler);
        return;
    }
    let names = Scheduler::ALL.map(|(name, _)| name);
    let message = format!("`{}` is not a scheduler, ignored", word.text);
    let help = suggestion(&word.text, &names)
        .unwrap_or_else(|| format!("the kernel has {}", names.join(", ")));
    report.add(Problem::error(word.span, message).help(help));
}

/// A switch of one scheduler, which must be known by then.
fn scheduler_flag(
    draft: &mut VirtualServerDraft,
    scheduler: Scheduler,
    flag: usize,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    if draft.scheduler == Some(scheduler) {
        draft.scheduler_flags.0[flag] = true;
        return;
    }
    let keyword = statement.keyword();
    let message = format!(
        "`{keyword}` is for `lb_algo {}`, which does not stand above, ignored",
        scheduler.word()
    );
    // keepalived says nothing when it is for the one and the service has the other.
    let related = draft.scheduler == Some(Scheduler::Maglev);
    report.add(if related {
        Problem::warning(statement.head(), message)
    } else {
        Problem::error(statement.head(), message)
    });
}

fn protocol(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let protocol = match word.text.to_ascii_uppercase().as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => return report.reject(word, "TCP, UDP or SCTP, ignored"),
    };
    draft.protocol = Some((protocol, statement.span()));
}

fn persistence_timeout(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        draft.persistence_timeout = Some(PERSISTENCE_DEFAULT);
        return;
    };
    if word.text == "0" {
        let message = "a service is not persistent unless it says so, the line can go";
        report.add(Problem::warning(statement.span(), message));
        draft.persistence_timeout = None;
    } else if let Some(seconds) = report.strict(word, 1..=2_678_400) {
        draft.persistence_timeout = Some(Duration::from_secs(seconds.unsigned_abs()));
    }
}

/// Its form tells the family where nothing else does.
fn persistence_granularity(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let of_form = || {
        let dotted = word.text.contains('.');
        if dotted { Family::V4 } else { Family::V6 }
    };
    let family = draft.family().unwrap_or_else(of_form);
    let prefix = match family {
        Family::V4 => {
            let prefix = netmask(word, report);
            if prefix.is_none() {
                report.reject(word, "a netmask such as 255.255.255.0, ignored");
            }
            prefix
        }
        Family::V6 => {
            let length = report.strict(word, 1..=128);
            length.and_then(|length| u8::try_from(length).ok())
        }
    };
    if prefix.is_some() {
        draft.family = Some(family);
        draft.persistence_prefix = prefix;
    }
}

/// A netmask, or what is meant by a bare length. keepalived takes `24` for 0.0.0.24.
fn netmask(word: &Word, report: &mut Report<'_>) -> Option<u8> {
    let mask = value::netmask(&word.text);
    let length = value::integer(&word.text, &(1..=32)).ok();
    let (None, Some(length)) = (mask, length.and_then(|length| u8::try_from(length).ok())) else {
        return mask;
    };
    let message = "a length instead of a netmask";
    let help = format!(
        "write `{}`",
        Ipv4Addr::from(!(u32::MAX >> 1 >> (length - 1)))
    );
    report.add(Problem::warning(word.span, message).help(help));
    Some(length)
}

fn persistence_engine(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(mut name) = text(statement, report) else {
        return;
    };
    if name.len() > ENGINE_MAX {
        let message = format!("longer than {ENGINE_MAX} octets, the rest is cut off");
        report.add(Problem::error(statement.span(), message));
        let end = (0..=ENGINE_MAX)
            .rev()
            .find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or(0));
    }
    draft.persistence_engine = Some(name);
}

fn quorum(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let sum = number(statement, 1..=i64::from(u32::MAX), report).unwrap_or(1);
    draft.quorum = Some((sum, statement.span()));
}

fn ip_family(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(family) = family(word, report) else {
        return;
    };
    if draft.family().is_some_and(|known| known != family) {
        report.reject(word, "the family of this service, ignored");
        return;
    }
    draft.family = Some(family);
}

fn sorry_server(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let ip = statement.argument(1).and_then(|word| report.address(word));
    let port = report.optional_port(statement.argument(2));
    draft.sorry_server = ip.zip(port).map(|(ip, port)| SorryServerDraft {
        address: SocketAddr::new(ip, port),
        span: statement.span(),
        inhibit: false,
        forwarding: None,
    });
}

fn sorry_server_inhibit(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    match &mut draft.sorry_server {
        Some(server) => server.inhibit = true,
        None => without_sorry_server(statement, report),
    }
}

fn sorry_server_lvs_method(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    match &mut draft.sorry_server {
        Some(server) => forwarding(&mut server.forwarding, statement, report),
        None => without_sorry_server(statement, report),
    }
}

fn without_sorry_server(statement: &Statement, report: &mut Report<'_>) {
    let message = format!(
        "`{}` without a `sorry_server` above, ignored",
        statement.keyword()
    );
    report.add(Problem::error(statement.head(), message));
}

/// Of a service or a server: one word and no more.
pub(crate) fn snmp_name(into: &mut Option<String>, statement: &Statement, report: &mut Report<'_>) {
    if statement.arguments().len() == 1 {
        *into = text(statement, report);
        return;
    }
    let message = "`snmp_name` takes one word, ignored";
    report.add(Problem::error(statement.span(), message));
}

fn real_server(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(mut server) = RealServerDraft::new(statement, report) else {
        return report.skipped(statement);
    };
    REAL_SERVER.read(&mut server, inside(statement), report);
    draft.real_servers.push(server);
}
