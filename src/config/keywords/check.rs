//! `virtual_server`, `real_server` and `TCP_CHECK`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::Statement;
use crate::config::value;
use crate::config::{Forwarding, Protocol};

use super::global::number;
use super::later::{REAL_SERVER_LATER, VIRTUAL_SERVER_LATER};
use super::root::inside;
use super::timing::{
    Timed, TimingDraft, alpha, check_retry, connect_timeout, delay_before_retry, delay_loop, retry,
    warmup,
};
use super::{Keyword, Standing, Table, suggestion};

/// What a virtual server says.
pub(crate) struct VirtualServerDraft {
    pub(crate) address: SocketAddr,
    /// Keyword and address.
    pub(crate) span: Span,
    pub(crate) scheduler: Option<String>,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) persistence_timeout: Option<Duration>,
    pub(crate) persistence_prefix: Option<u8>,
    pub(crate) one_packet: Option<Span>,
    pub(crate) quorum: Option<(u32, Span)>,
    pub(crate) hysteresis: Option<(u32, Span)>,
    pub(crate) weight: Option<i32>,
    pub(crate) inhibit_on_failure: bool,
    pub(crate) timing: TimingDraft,
    pub(crate) real_servers: Vec<RealServerDraft>,
}

/// What a real server says.
pub(crate) struct RealServerDraft {
    pub(crate) ip: IpAddr,
    /// 0: that of the service.
    pub(crate) port: u16,
    /// Keyword and address.
    pub(crate) span: Span,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) weight: Option<i32>,
    pub(crate) inhibit_on_failure: Option<bool>,
    pub(crate) timing: TimingDraft,
    pub(crate) checkers: Vec<TcpCheckDraft>,
}

/// What a `TCP_CHECK` says.
#[derive(Default)]
pub(crate) struct TcpCheckDraft {
    pub(crate) span: Span,
    pub(crate) connect_ip: Option<(IpAddr, Span)>,
    pub(crate) connect_port: Option<u16>,
    pub(crate) bind_ip: Option<(IpAddr, Span)>,
    pub(crate) bind_port: Option<u16>,
    pub(crate) device: Option<String>,
    pub(crate) mark: u32,
    pub(crate) log_all_failures: bool,
    pub(crate) timing: TimingDraft,
}

const FOR_SERVER: &str = "As in virtual_server, for this server.";
const FOR_CHECK: &str = "As in virtual_server, for this check.";

/// The schedulers of the kernel.
const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos",
];

/// Persistence of a service that must have one and does not say how long.
pub(crate) const PERSISTENCE_DEFAULT: Duration = Duration::from_secs(360);

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
            "NAT|DR|TUN [OPTION]",
            "How packets reach the real servers; NAT unless given.",
            |draft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        ),
        Keyword::line(
            "lvs_method",
            "NAT|DR|TUN [OPTION]",
            "The same.",
            |draft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        ),
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
            "ops",
            "",
            "Schedule each packet by itself. UDP only.",
            |draft, statement, _| {
                draft.one_packet = Some(statement.span());
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
            |draft, statement, report| {
                let sum = number(statement, 0..=i64::from(u32::MAX), report);
                draft.hysteresis = sum.map(|sum| (sum, statement.span()));
            },
        ),
        Keyword::line(
            "weight",
            "INT 1..2147483647",
            "Weight of real servers that do not say; 1 unless given.",
            |draft, statement, report| {
                weight(&mut draft.weight, 1, statement, report);
            },
        ),
        Keyword::line(
            "inhibit_on_failure",
            "",
            "A failed server gets weight 0 and is not removed.",
            |draft, _, _| {
                draft.inhibit_on_failure = true;
            },
        ),
        Keyword::line(
            "alpha",
            "",
            "Servers are down until a check succeeds.",
            |draft, _, _| {
                draft.timing.alpha = Some(true);
            },
        ),
        delay_loop("Seconds between checks; 60 unless given."),
        retry("Failed checks that are repeated before the server is down; 1 unless given."),
        delay_before_retry("Seconds before each of them; 1 unless given."),
        warmup("First checks are spread over so many seconds; delay_loop unless given."),
        connect_timeout("Seconds to wait for a connection; 5 unless given."),
        Keyword::line(
            "ip_family",
            "inet|inet6",
            "Must be that of the address.",
            ip_family,
        ),
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
    later: VIRTUAL_SERVER_LATER,
};

pub(crate) static REAL_SERVER: Table<RealServerDraft> = Table {
    name: "real_server",
    keywords: &[
        Keyword::line(
            "weight",
            "INT 0..2147483647",
            "Share of the connections; 0 for no new ones.",
            |draft, statement, report| {
                weight(&mut draft.weight, 0, statement, report);
            },
        ),
        Keyword::line(
            "lvs_method",
            "NAT|DR|TUN [OPTION]",
            FOR_SERVER,
            |draft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        ),
        Keyword::line(
            "inhibit_on_failure",
            "[BOOL]",
            FOR_SERVER,
            |draft, statement, report| {
                let truth = report.truth(statement.argument(1));
                draft.inhibit_on_failure = truth.or(draft.inhibit_on_failure);
            },
        ),
        alpha(FOR_SERVER),
        delay_loop(FOR_SERVER),
        retry(FOR_SERVER),
        delay_before_retry(FOR_SERVER),
        warmup(FOR_SERVER),
        connect_timeout(FOR_SERVER),
        Keyword::block(
            "TCP_CHECK",
            "",
            "The server is up when a connection is made. All checks must succeed.",
            &TCP_CHECK,
            |draft, statement, report| {
                let mut check = TcpCheckDraft {
                    span: statement.head(),
                    ..TcpCheckDraft::default()
                };
                TCP_CHECK.read(&mut check, inside(statement), report);
                draft.checkers.push(check);
            },
        ),
    ],
    later: REAL_SERVER_LATER,
};

pub(crate) static TCP_CHECK: Table<TcpCheckDraft> = Table {
    name: "TCP_CHECK",
    keywords: &[
        Keyword::line(
            "connect_ip",
            "IP",
            "Where to connect; the real server unless given.",
            |draft, statement, report| {
                endpoint(&mut draft.connect_ip, statement, report);
            },
        ),
        Keyword::line(
            "connect_port",
            "INT 1..65535",
            "Its port; that of the real server unless given.",
            |draft, statement, report| {
                port(&mut draft.connect_port, statement, report);
            },
        ),
        Keyword::line(
            "bindto",
            "IP",
            "Source address.",
            |draft, statement, report| {
                endpoint(&mut draft.bind_ip, statement, report);
            },
        ),
        Keyword::line(
            "bind_port",
            "INT 1..65535",
            "Source port.",
            |draft, statement, report| {
                port(&mut draft.bind_port, statement, report);
            },
        ),
        Keyword::line(
            "bind_if",
            "IFNAME",
            "Interface to use.",
            |draft, statement, report| {
                let word = statement.argument(1);
                draft.device = word.and_then(|word| report.interface_name(word));
            },
        ),
        Keyword::line(
            "fwmark",
            "INT 0..4294967295",
            "Mark of the packets sent.",
            |draft, statement, report| {
                let mark = number(statement, 0..=i64::from(u32::MAX), report);
                draft.mark = mark.unwrap_or(draft.mark);
            },
        ),
        connect_timeout(FOR_CHECK),
        check_retry("retry", FOR_CHECK),
        check_retry("nb_get_retry", "The same, as many guides write it."),
        delay_before_retry(FOR_CHECK),
        warmup(FOR_CHECK),
        delay_loop(FOR_CHECK),
        alpha(FOR_CHECK),
        Keyword::line(
            "log_all_failures",
            "[BOOL]",
            "Log every failed try and not only the last.",
            |draft, statement, report| {
                let truth = report.truth(statement.argument(1));
                draft.log_all_failures = truth.unwrap_or(draft.log_all_failures);
            },
        ),
    ],
    later: &[],
};

impl VirtualServerDraft {
    /// From the words before the block; None when they name no address, which is reported.
    pub(crate) fn new(statement: &Statement, report: &mut Report<'_>) -> Option<Self> {
        let ip = report.address(statement.argument(1)?)?;
        let port = report.optional_port(statement.argument(2))?;
        Some(Self {
            address: SocketAddr::new(ip, port),
            span: statement.span(),
            scheduler: None,
            forwarding: None,
            protocol: None,
            persistence_timeout: None,
            persistence_prefix: None,
            one_packet: None,
            quorum: None,
            hysteresis: None,
            weight: None,
            inhibit_on_failure: false,
            timing: TimingDraft::default(),
            real_servers: Vec::new(),
        })
    }
}

impl Timed for VirtualServerDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

impl Timed for RealServerDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

impl Timed for TcpCheckDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

fn scheduler(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    if SCHEDULERS.contains(&word.text.as_str()) {
        draft.scheduler = Some(word.text.to_string());
        return;
    }
    let message = format!("`{}` is not a scheduler, ignored", word.text);
    let help = suggestion(&word.text, &SCHEDULERS)
        .unwrap_or_else(|| format!("the kernel has {}", SCHEDULERS.join(", ")));
    report.add(Problem::error(word.span, message).help(help));
}

fn forwarding(into: &mut Option<Forwarding>, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let forwarding = match word.text.as_str() {
        "NAT" => Forwarding::Nat,
        "DR" => Forwarding::DirectRouting,
        "TUN" => Forwarding::Tunnel,
        "FNAT" | "FULLNAT" => {
            let message = format!("`{}` is not part of Linux", word.text);
            let help = "it is a patch of its own; the kernel has NAT, DR and TUN";
            report.add(Problem::error(word.span, message).help(help));
            return;
        }
        _ => return report.reject(word, "NAT, DR or TUN, ignored"),
    };
    *into = Some(forwarding);
    if let Some(option) = statement.argument(2) {
        let message = format!("`{}` is not supported yet, ignored", option.text);
        report.add(Problem::warning(option.span, message));
    }
}

fn protocol(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    draft.protocol = match word.text.to_ascii_uppercase().as_str() {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => return report.reject(word, "TCP, UDP or SCTP, ignored"),
    };
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
    if let Some(seconds) = report.strict(word, 1..=2_678_400) {
        draft.persistence_timeout = Some(Duration::from_secs(seconds.unsigned_abs()));
    }
}

fn persistence_granularity(
    draft: &mut VirtualServerDraft,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let prefix = if draft.address.is_ipv4() {
        let prefix = value::netmask(&word.text);
        if prefix.is_none() {
            report.reject(word, "a netmask such as 255.255.255.0, ignored");
        }
        prefix
    } else {
        let length = report.strict(word, 1..=128);
        length.and_then(|length| u8::try_from(length).ok())
    };
    draft.persistence_prefix = prefix.or(draft.persistence_prefix);
}

fn quorum(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let sum = number(statement, 1..=i64::from(u32::MAX), report).unwrap_or(1);
    draft.quorum = Some((sum, statement.span()));
}

fn ip_family(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    match word.text.as_str() {
        "inet" if draft.address.is_ipv4() => {}
        "inet6" if draft.address.is_ipv6() => {}
        _ => report.reject(word, "the family of the address, ignored"),
    }
}

fn real_server(draft: &mut VirtualServerDraft, statement: &Statement, report: &mut Report<'_>) {
    let ip = statement.argument(1).and_then(|word| report.address(word));
    let (Some(ip), Some(port)) = (ip, report.optional_port(statement.argument(2))) else {
        return report.skipped(statement);
    };
    let mut server = RealServerDraft {
        ip,
        port,
        span: statement.span(),
        forwarding: None,
        weight: None,
        inhibit_on_failure: None,
        timing: TimingDraft::default(),
        checkers: Vec::new(),
    };
    REAL_SERVER.read(&mut server, inside(statement), report);
    draft.real_servers.push(server);
}

fn no_effect<T>(_: &mut T, statement: &Statement, report: &mut Report<'_>) {
    let message = format!("`{}` is old and has no effect", statement.keyword());
    report.add(Problem::warning(statement.head(), message).help("the line can go"));
}

fn weight(into: &mut Option<i32>, least: i64, statement: &Statement, report: &mut Report<'_>) {
    let range = least..=i64::from(i32::MAX);
    let number = statement
        .argument(1)
        .and_then(|word| report.lenient(word, range));
    *into = number
        .and_then(|number| i32::try_from(number).ok())
        .or(*into);
}

fn endpoint(into: &mut Option<(IpAddr, Span)>, statement: &Statement, report: &mut Report<'_>) {
    let word = statement.argument(1);
    if let Some(ip) = word.and_then(|word| report.address(word)) {
        *into = Some((ip, statement.span()));
    }
}

fn port(into: &mut Option<u16>, statement: &Statement, report: &mut Report<'_>) {
    let port = statement.argument(1).and_then(|word| report.port(word));
    *into = port.or(*into);
}
