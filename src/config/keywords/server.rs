//! `real_server`: who answers for a service.

use std::net::IpAddr;

use crate::config::check::Forwarding;
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::script::Script;
use crate::config::source::Span;
use crate::config::tree::Statement;

use super::check::snmp_name;
use super::checker::{
    AnyCheck, BFD_CHECK, CheckDraft, DNS_CHECK, FILE_CHECK, MISC_CHECK, PING_CHECK, SMTP_CHECK,
    TCP_CHECK, UDP_CHECK,
};
use super::field::Field;
use super::forwarding::{ARGUMENTS as FORWARDING, forwarding};
use super::http::{HTTP_GET, HttpDraft, SSL_GET};
use super::root::inside;
use super::timing::{
    Timed, TimingDraft, alpha, connect_timeout, delay_before_retry, delay_loop, nb_get_retry,
    retry, warmup,
};
use super::{Keyword, Standing, Table};

/// What a real server says.
pub(crate) struct RealServerDraft {
    pub(crate) ip: IpAddr,
    /// 0: that of the service.
    pub(crate) port: u16,
    /// Keyword and address.
    pub(crate) span: Span,
    pub(crate) forwarding: Option<Forwarding>,
    pub(crate) weight: Option<i32>,
    pub(crate) upper_threshold: Option<u32>,
    pub(crate) lower_threshold: Option<u32>,
    pub(crate) inhibit_on_failure: Option<bool>,
    pub(crate) notify_up: Option<Script>,
    pub(crate) notify_down: Option<Script>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) virtualhost: Option<String>,
    pub(crate) snmp_name: Option<String>,
    pub(crate) timing: TimingDraft,
    pub(crate) checkers: Vec<AnyCheck>,
}

const FOR_SERVER: &str = "As in virtual_server, for this server.";
const NOT_MADE: &str = "this check is not made";

pub(crate) static REAL_SERVER: Table<RealServerDraft> = Table {
    name: "real_server",
    keywords: &[
        Keyword::line(
            "weight",
            "INT 0..2147483647",
            "Share of the connections; 0 for no new ones.",
            |draft: &mut RealServerDraft, statement, report| {
                weight(&mut draft.weight, 0, statement, report);
            },
        ),
        Keyword::line(
            "lvs_method",
            FORWARDING,
            FOR_SERVER,
            |draft: &mut RealServerDraft, statement, report| {
                forwarding(&mut draft.forwarding, statement, report);
            },
        )
        .judging_itself(),
        Keyword::line(
            "lb_kind",
            FORWARDING,
            "It never had an effect here; lvs_method has.",
            |_, statement, report| {
                let message = "`lb_kind` has no effect in `real_server`";
                let help = "write `lvs_method`, or leave it to the `virtual_server`";
                report.add(Problem::warning(statement.head(), message).help(help));
            },
        )
        .judging_itself()
        .standing(Standing::NoEffect),
        Keyword::field(
            "uthreshold",
            "INT 0..",
            "Connections beyond which it gets no new ones.",
            Field::Number(|draft: &mut RealServerDraft| &mut draft.upper_threshold),
        ),
        Keyword::field(
            "lthreshold",
            "INT 0..",
            "Connections below which it gets new ones again.",
            Field::Number(|draft: &mut RealServerDraft| &mut draft.lower_threshold),
        ),
        Keyword::field(
            "inhibit_on_failure",
            "[BOOL]",
            FOR_SERVER,
            Field::MaybeTruth(|draft: &mut RealServerDraft| &mut draft.inhibit_on_failure),
        ),
        Keyword::command(
            "notify_up",
            "Run when it comes up.",
            |draft: &mut RealServerDraft| &mut draft.notify_up,
        ),
        Keyword::command(
            "notify_down",
            "Run when it goes down.",
            |draft: &mut RealServerDraft| &mut draft.notify_down,
        ),
        Keyword::field(
            "smtp_alert",
            "[BOOL]",
            "Mail when it goes up or down.",
            Field::MaybeTruth(|draft: &mut RealServerDraft| &mut draft.smtp_alert),
        ),
        Keyword::field(
            "virtualhost",
            "STRING",
            FOR_SERVER,
            Field::Text(|draft: &mut RealServerDraft| &mut draft.virtualhost),
        )
        .once_only()
        .may_be_bare(),
        Keyword::line(
            "snmp_name",
            "STRING",
            "Its name in SNMP.",
            |draft: &mut RealServerDraft, statement, report| {
                snmp_name(&mut draft.snmp_name, statement, report);
            },
        )
        .once_only()
        .judging_itself()
        .may_be_bare()
        .stored("there is no SNMP"),
        alpha(FOR_SERVER),
        delay_loop(FOR_SERVER),
        retry(FOR_SERVER),
        nb_get_retry(),
        delay_before_retry(FOR_SERVER),
        warmup(FOR_SERVER),
        connect_timeout(FOR_SERVER),
        Keyword::block(
            "TCP_CHECK",
            "",
            "The server is up when a connection is made. All checks must succeed.",
            &TCP_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&TCP_CHECK, statement, report);
                draft.add(AnyCheck::Tcp(check));
            },
        ),
        Keyword::block(
            "PING_CHECK",
            "",
            "The server is up when it answers an ICMP echo.",
            &PING_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&PING_CHECK, statement, report);
                draft.add(AnyCheck::Ping(check));
            },
        ),
        Keyword::block(
            "HTTP_GET",
            "",
            "The server is up when it answers with the right pages.",
            &HTTP_GET,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&HTTP_GET, statement, report);
                draft.add(AnyCheck::Http(Box::new(check)));
            },
        ),
        Keyword::block(
            "SSL_GET",
            "",
            "The same over TLS. The certificate of the server is not verified.",
            &SSL_GET,
            |draft: &mut RealServerDraft, statement, report| {
                let mut check: CheckDraft<HttpDraft> = CheckDraft::new(statement);
                check.kind.tls = true;
                SSL_GET.read(&mut check, inside(statement), report);
                draft.add(AnyCheck::Http(Box::new(check)));
            },
        ),
        Keyword::block(
            "SMTP_CHECK",
            "",
            "The server is up when it greets a mail client.",
            &SMTP_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&SMTP_CHECK, statement, report);
                draft.add(AnyCheck::Smtp(Box::new(check)));
            },
        ),
        Keyword::block(
            "DNS_CHECK",
            "",
            "The server is up when it answers a query.",
            &DNS_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&DNS_CHECK, statement, report);
                draft.add(AnyCheck::Dns(Box::new(check)));
            },
        ),
        Keyword::block(
            "MISC_CHECK",
            "",
            "The server is up when a program says so.",
            &MISC_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&MISC_CHECK, statement, report);
                draft.add(AnyCheck::Misc(Box::new(check)));
            },
        ),
        Keyword::block(
            "UDP_CHECK",
            "",
            "The server is down when the network says that nobody is there.",
            &UDP_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&UDP_CHECK, statement, report);
                draft.add(AnyCheck::Udp(Box::new(check)));
            },
        ),
        Keyword::block(
            "FILE_CHECK",
            "",
            "The number in a track_file says up, down or the weight.",
            &FILE_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&FILE_CHECK, statement, report);
                draft.add(AnyCheck::File(Box::new(check)));
            },
        ),
        Keyword::block(
            "BFD_CHECK",
            "",
            "The server is up while a bfd_instance is.",
            &BFD_CHECK,
            |draft: &mut RealServerDraft, statement, report| {
                let check = check(&BFD_CHECK, statement, report);
                draft.add(AnyCheck::Bfd(Box::new(check)));
            },
        )
        .stored(NOT_MADE),
    ],
};

impl RealServerDraft {
    /// From the words before the block; None when they name no address, which is reported.
    pub(crate) fn new(statement: &Statement, report: &mut Report<'_>) -> Option<Self> {
        let ip = statement.argument(1).and_then(|word| report.address(word));
        let port = report.optional_port(statement.argument(2));
        Some(Self {
            ip: ip?,
            port: port?,
            span: statement.span(),
            forwarding: None,
            weight: None,
            upper_threshold: None,
            lower_threshold: None,
            inhibit_on_failure: None,
            notify_up: None,
            notify_down: None,
            smtp_alert: None,
            virtualhost: None,
            snmp_name: None,
            timing: TimingDraft::default(),
            checkers: Vec::new(),
        })
    }

    /// Most servers have one check, and files have ten thousands of servers.
    fn add(&mut self, check: AnyCheck) {
        self.checkers.reserve_exact(1);
        self.checkers.push(check);
    }
}

impl Timed for RealServerDraft {
    fn timing(&mut self) -> &mut TimingDraft {
        &mut self.timing
    }
}

fn check<K: Default>(
    table: &Table<CheckDraft<K>>,
    statement: &Statement,
    report: &mut Report<'_>,
) -> CheckDraft<K> {
    let mut check = CheckDraft::new(statement);
    table.read(&mut check, inside(statement), report);
    check
}

/// Of a service or a server.
pub(crate) fn weight(
    into: &mut Option<i32>,
    least: i64,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let range = least..=i64::from(i32::MAX);
    let number = statement
        .argument(1)
        .and_then(|word| report.lenient(word, range));
    *into = number
        .and_then(|number| i32::try_from(number).ok())
        .or(*into);
}

/// Known, and of no use.
pub(crate) fn no_effect<T>(_: &mut T, statement: &Statement, report: &mut Report<'_>) {
    let message = format!("`{}` is old and has no effect", statement.keyword());
    report.add(Problem::warning(statement.head(), message).help("the line can go"));
}
