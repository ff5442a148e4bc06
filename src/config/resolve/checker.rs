//! The checks of a real server: inheritance down to them, and which of them can be made.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::config::check::{Check, Checker, Endpoint, FileWeight, Probe};
use crate::config::check::{HttpProbe, Pattern, Regex, Url};
use crate::config::diag::Problem;
use crate::config::keywords::checker::{
    AnyCheck, BfdDraft, CheckDraft, DnsDraft, EndpointDraft, FileDraft, MiscDraft, SmtpDraft,
    UdpDraft,
};
use crate::config::keywords::http::{HttpDraft, RegexDraft, ServerName, UrlDraft};
use crate::config::keywords::timing::TimingDraft;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::hash::Set;

use super::check::Around;

/// What a check inherits.
pub(super) struct Above<'a> {
    /// Where to connect; port 0 when nothing says it.
    pub(super) server: SocketAddr,
    /// Of the server, and where it says nothing of the service.
    pub(super) timing: TimingDraft,
    pub(super) service_delay_loop: Duration,
    /// Of the server, else of the service.
    pub(super) virtualhost: Option<&'a str>,
    pub(super) service_virtualhost: Option<&'a str>,
    pub(super) around: &'a Around<'a>,
}

/// The checks of a file. Most of its servers have the same.
#[derive(Default)]
pub(super) struct Checks {
    known: Set<Arc<Check>>,
    /// Those that can be compiled: to find that out takes as long as to read a hundred lines.
    patterns: Set<Regex>,
}

impl Checks {
    fn checker(&mut self, (to, check): Aimed) -> Checker {
        let check = self.share(check);
        Checker { to, check }
    }

    /// The one that agrees in everything, if some server had it before.
    fn share(&mut self, check: Check) -> Arc<Check> {
        if let Some(known) = self.known.get(&check) {
            return Arc::clone(known);
        }
        let check = Arc::new(check);
        self.known.insert(Arc::clone(&check));
        check
    }

    /// Whether it is a pattern, and if not, why.
    fn try_out(&mut self, regex: &Regex) -> Result<(), String> {
        if !self.patterns.contains(regex) {
            Pattern::new(regex)?;
            self.patterns.insert(regex.clone());
        }
        Ok(())
    }
}

/// A check, and where it connects to.
type Aimed = (SocketAddr, Check);

/// What a kind of check does unless something says otherwise.
struct Habit {
    retry: u32,
    /// None: delay_loop.
    delay_before_retry: Option<Duration>,
}

const fn habit(retry: u32, delay_before_retry: u64) -> Habit {
    Habit {
        retry,
        delay_before_retry: Some(Duration::from_secs(delay_before_retry)),
    }
}

const USUAL: Habit = habit(1, 1);
const HTTP: Habit = habit(1, 3);
const MISC: Habit = habit(0, 1);
const DNS: Habit = Habit {
    retry: 3,
    delay_before_retry: None,
};

pub(super) const DELAY_LOOP: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const HELO_NAME: &str = "smtpchecker.keepalived.org";

/// The longest reply that is right to `UDP_CHECK`, unless it says.
const MAX_REPLY_LENGTH: u16 = 255;

const STATUS: RangeInclusive<u16> = 200..=299;

/// Those that can be made.
pub(super) fn checkers(
    drafts: Vec<AnyCheck>,
    above: &Above<'_>,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Vec<Checker> {
    let mut checkers: Vec<Checker> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let aimed = match draft {
            AnyCheck::Tcp(check) => connecting(check, &USUAL, above, report, |endpoint, (), _| {
                Some(Probe::Tcp(endpoint))
            }),
            AnyCheck::Ping(check) => ping(check, above, report),
            AnyCheck::Http(check) => http(*check, above, checks, report),
            AnyCheck::Smtp(check) => {
                let aimed = smtp(*check, above, report).into_iter();
                checkers.extend(aimed.map(|aimed| checks.checker(aimed)));
                continue;
            }
            AnyCheck::Dns(check) => connecting(*check, &DNS, above, report, dns),
            AnyCheck::Misc(check) => misc(*check, above, report),
            AnyCheck::Udp(check) => connecting(*check, &USUAL, above, report, udp),
            AnyCheck::File(check) => file(*check, above, report),
            AnyCheck::Bfd(check) => bfd(*check, &checkers, above, report),
        };
        checkers.extend(aimed.map(|aimed| checks.checker(aimed)));
    }
    checkers
}

/// A check that connects; its probe is made of the endpoint and what only its kind has.
fn connecting<K>(
    check: CheckDraft<K>,
    habit: &Habit,
    above: &Above<'_>,
    report: &mut Report<'_>,
    probe: impl FnOnce(Endpoint, K, &mut Report<'_>) -> Option<Probe>,
) -> Option<Aimed> {
    let timing = check.timing.or(above.timing);
    let (to, endpoint) = endpoint(check.endpoint, check.span, above.server, timing, report)?;
    has_port(to, check.span, report)?;
    let probe = probe(endpoint, check.kind, report)?;
    let all = check.log_all_failures;
    Some((to, paced(probe, timing, all, habit, above)))
}

/// A check that is made again and again.
fn paced(
    probe: Probe,
    timing: TimingDraft,
    log_all_failures: bool,
    habit: &Habit,
    above: &Above<'_>,
) -> Check {
    let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
    let delay_before_retry = timing.delay_before_retry.or(habit.delay_before_retry);
    Check {
        probe,
        retry: timing.retry.unwrap_or(habit.retry),
        delay_before_retry: delay_before_retry.unwrap_or(delay_loop),
        delay_loop,
        warmup: timing.warmup.unwrap_or(delay_loop),
        alpha: timing.alpha.unwrap_or(false),
        log_all_failures: log_all_failures || above.around.log_all_failures,
    }
}

/// A check that waits for what it is told.
fn told(probe: Probe, alpha: bool) -> Check {
    Check {
        probe,
        retry: 0,
        delay_before_retry: Duration::ZERO,
        delay_loop: Duration::ZERO,
        warmup: Duration::ZERO,
        alpha,
        log_all_failures: false,
    }
}

/// An echo has no port.
fn ping(check: CheckDraft<()>, above: &Above<'_>, report: &mut Report<'_>) -> Option<Aimed> {
    let timing = check.timing.or(above.timing);
    let (mut to, endpoint) = endpoint(check.endpoint, check.span, above.server, timing, report)?;
    to.set_port(0);
    let probe = Probe::Ping(endpoint);
    let all = check.log_all_failures;
    Some((to, paced(probe, timing, all, &USUAL, above)))
}

/// The check itself unless it names nothing but hosts, and one for each of those.
fn smtp(check: CheckDraft<SmtpDraft>, above: &Above<'_>, report: &mut Report<'_>) -> Vec<Aimed> {
    let timing = check.timing.or(above.timing);
    let helo_name = check.kind.helo_name.unwrap_or_else(|| HELO_NAME.to_owned());
    let mut places = Vec::new();
    if check.kind.hosts.is_empty() || !check.endpoint.says_nothing() {
        places.push((check.endpoint, check.span, timing));
    }
    for host in check.kind.hosts {
        let connect_timeout = host.timing.connect_timeout.or(timing.connect_timeout);
        let timing = TimingDraft {
            connect_timeout,
            ..timing
        };
        places.push((host.endpoint, host.span, timing));
    }
    let log_all_failures = check.log_all_failures;
    let probes = places.into_iter().filter_map(|(place, span, timing)| {
        let (to, endpoint) = endpoint(place, span, above.server, timing, report)?;
        has_port(to, span, report)?;
        let probe = Probe::Smtp {
            endpoint,
            helo_name: helo_name.clone(),
        };
        Some((to, paced(probe, timing, log_all_failures, &USUAL, above)))
    });
    probes.collect()
}

fn dns(endpoint: Endpoint, kind: DnsDraft, _: &mut Report<'_>) -> Option<Probe> {
    Some(Probe::Dns {
        endpoint,
        record: kind.record,
        name: kind.name.unwrap_or_else(|| ".".to_owned()),
    })
}

fn misc(check: CheckDraft<MiscDraft>, above: &Above<'_>, report: &mut Report<'_>) -> Option<Aimed> {
    let Some(mut script) = check.kind.script else {
        return missing("misc_path", check.span, report);
    };
    script.user = check.kind.user;
    if let Some(unknown) = script.user.as_ref().and_then(|user| user.unknown(report)) {
        let message = format!("there is no {unknown}, the check is skipped");
        report.add(Problem::error(check.span, message));
        return None;
    }
    let timeout = check.kind.timeout.filter(|timeout| !timeout.is_zero());
    let probe = Probe::Misc {
        script,
        timeout: timeout.unwrap_or(above.service_delay_loop),
        dynamic: check.kind.dynamic,
    };
    let timing = check.timing.or(above.timing);
    let all = check.log_all_failures;
    let check = paced(probe, timing, all, &MISC, above);
    Some((Checker::NOWHERE, check))
}

fn udp(endpoint: Endpoint, kind: UdpDraft, report: &mut Report<'_>) -> Option<Probe> {
    let least = kind.least.map_or(0, |(least, _)| least);
    let most = kind.most.map_or(MAX_REPLY_LENGTH, |(most, _)| most);
    if let Some((_, span)) = kind.most.or(kind.least).filter(|_| least > most) {
        let message = "the shortest reply is longer than the longest: none is right";
        report.add(Problem::error(span, message));
    }
    Some(Probe::Udp {
        endpoint,
        payload: kind.payload,
        reply: kind.reply,
        reply_length: least..=most,
    })
}

fn file(check: CheckDraft<FileDraft>, above: &Above<'_>, report: &mut Report<'_>) -> Option<Aimed> {
    let Some(track_file) = check.kind.track_file else {
        return missing("track_file", check.span, report);
    };
    let weight = above.around.known.files.weight(&track_file, report)?;
    let weight = check.kind.weight.unwrap_or(FileWeight {
        factor: weight.value,
        reverse: weight.reverse,
    });
    let probe = Probe::File {
        track_file: track_file.name,
        weight,
    };
    Some((Checker::NOWHERE, told(probe, false)))
}

fn bfd(
    check: CheckDraft<BfdDraft>,
    before: &[Checker],
    above: &Above<'_>,
    report: &mut Report<'_>,
) -> Option<Aimed> {
    let Some(instance) = check.kind.instance else {
        return missing("name", check.span, report);
    };
    above.around.known.bfds.weight(&instance, report)?;
    let span = instance.span;
    let probe = Probe::Bfd {
        instance: instance.name,
    };
    if before.iter().any(|checker| checker.check.probe == probe) {
        let message = "a second check of one session, it is skipped";
        report.add(Problem::error(span, message));
        return None;
    }
    let alpha = check.timing.or(above.timing).alpha;
    let check = told(probe, alpha.unwrap_or(false));
    Some((Checker::NOWHERE, check))
}

fn http(
    check: CheckDraft<HttpDraft>,
    above: &Above<'_>,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Option<Aimed> {
    let span = check.span;
    connecting(check, &HTTP, above, report, |endpoint, mut kind, report| {
        let drafts = std::mem::take(&mut kind.urls);
        let urls: Vec<Url> = drafts
            .into_iter()
            .filter_map(|draft| url(draft, &kind, above, checks, report))
            .collect();
        if urls.is_empty() {
            report.add(Problem::error(span, "no `url`, the check is skipped"));
            return None;
        }
        Some(Probe::Http(HttpProbe {
            endpoint,
            tls: kind.tls,
            version: kind.version,
            trust: kind.trust,
            fast_recovery: kind.fast_recovery,
            urls,
        }))
    })
}

fn url(
    draft: UrlDraft,
    check: &HttpDraft,
    above: &Above<'_>,
    checks: &mut Checks,
    report: &mut Report<'_>,
) -> Option<Url> {
    let Some(path) = draft.path else {
        report.add(Problem::error(draft.span, "no `path`, the url is skipped"));
        return None;
    };
    let own = draft.virtualhost.as_deref();
    let own = own.or(check.virtualhost.as_deref());
    // The name for TLS leaves the real server's host out, unlike the request.
    let server_name = match &check.server_name {
        ServerName::None => None,
        ServerName::Host => own.or(above.service_virtualhost),
        ServerName::Given(name) => Some(name.as_str()),
    };
    Some(Url {
        host: own.or(above.virtualhost).map(str::to_owned),
        server_name: server_name.filter(|_| check.tls).map(str::to_owned),
        path,
        digest: draft.digest,
        status: without_overlaps(draft.status),
        regex: regex(draft.regex, checks, report),
        close_notify: draft.close_notify.unwrap_or(check.close_notify),
    })
}

/// Ranges in order; those that touch are one. The usual codes when there are none.
fn without_overlaps(mut ranges: Vec<RangeInclusive<u16>>) -> Vec<RangeInclusive<u16>> {
    if ranges.is_empty() {
        ranges.push(STATUS);
    }
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end() + 1 => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

fn regex(draft: RegexDraft, checks: &mut Checks, report: &mut Report<'_>) -> Option<Regex> {
    let Some(pattern) = draft.pattern else {
        if let Some(first) = draft.first {
            let message = "there is no `regex` that this belongs to, ignored";
            report.add(Problem::warning(first, message));
        }
        return None;
    };
    let (mut least, mut most) = (draft.least_offset, None);
    if let Some((offset, span)) = draft.most_offset {
        if offset < least {
            let message = "less than `regex_min_offset`, both are ignored";
            report.add(Problem::warning(span, message));
            least = 0;
        } else {
            most = Some(offset);
        }
    }
    let mut options = draft.options;
    options.sort_unstable();
    options.dedup();
    let regex = Regex {
        pattern: pattern.text,
        absent: draft.absent,
        options,
        least_offset: least,
        most_offset: most,
        stack: draft.stack,
    };
    if let Err(error) = checks.try_out(&regex) {
        let message = format!("this is no `regex`, ignored: {error}");
        report.add(Problem::error(pattern.span, message));
        return None;
    }
    Some(regex)
}

fn missing(keyword: &str, span: Span, report: &mut Report<'_>) -> Option<Aimed> {
    let message = format!("no usable `{keyword}`, the check is skipped");
    report.add(Problem::error(span, message));
    None
}

/// None when nothing could be connected to.
fn endpoint(
    draft: EndpointDraft,
    span: Span,
    server: SocketAddr,
    timing: TimingDraft,
    report: &mut Report<'_>,
) -> Option<(SocketAddr, Endpoint)> {
    let ip = draft.connect_ip.map_or_else(|| server.ip(), |(ip, _)| ip);
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    if link_local && draft.device.is_none() {
        let message = "a link-local address needs a `bind_if`, the check is skipped";
        report.add(Problem::error(span, message));
        return None;
    }
    let port = draft.connect_port.unwrap_or_else(|| server.port());
    let endpoint = Endpoint {
        from: source(&draft, ip, report),
        device: draft.device,
        mark: draft.mark.unwrap_or(0),
        timeout: timing.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    };
    Some((SocketAddr::new(ip, port), endpoint))
}

fn has_port(to: SocketAddr, span: Span, report: &mut Report<'_>) -> Option<()> {
    if to.port() == 0 {
        let problem = Problem::error(span, "no port to connect to, the check is skipped");
        report.add(problem.help("give it a `connect_port`; without a check the server is up"));
        return None;
    }
    Some(())
}

/// `bindto` and `bind_port`; a port alone leaves the address to the kernel.
fn source(draft: &EndpointDraft, to: IpAddr, report: &mut Report<'_>) -> Option<SocketAddr> {
    let port = draft.bind_port.unwrap_or(0);
    match draft.bind_ip {
        Some((ip, _)) if ip.is_ipv4() == to.is_ipv4() => Some(SocketAddr::new(ip, port)),
        Some((ip, span)) => {
            let message = format!("{ip} is not of the family of {to}, ignored");
            report.add(Problem::error(span, message));
            None
        }
        None => draft.bind_port.map(|port| {
            let any = if to.is_ipv4() {
                IpAddr::from([0; 4])
            } else {
                IpAddr::from([0; 16])
            };
            SocketAddr::new(any, port)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AnyHost, load_text};

    #[test]
    fn checks_that_differ_in_the_address_only_are_one() {
        let server = |ip, retry| {
            format!("real_server 10.1.1.{ip} 80 {{\nTCP_CHECK {{\nretry {retry}\n}}\n}}\n")
        };
        let servers = [server(1, 2), server(2, 2), server(3, 5), server(4, 2)].concat();
        let service = |ip| format!("virtual_server 10.0.0.{ip} 80 {{\n{servers}}}\n");
        let text = [service(1), service(2)].concat();
        let config = load_text("", &text, &AnyHost).config.unwrap();
        let servers = config.virtual_servers.iter();
        let servers = servers.flat_map(|service| &service.real_servers);
        let checkers: Vec<&Checker> = servers.flat_map(|server| &server.checkers).collect();
        let first = checkers[0];
        let shares = |checker: &&Checker| Arc::ptr_eq(&checker.check, &first.check);
        let shared: Vec<bool> = checkers.iter().map(shares).collect();
        assert_eq!(shared, [true, true, false, true].repeat(2));
        assert_ne!(checkers[0], checkers[1]);
    }

    #[test]
    fn status_codes_that_touch_are_one_range() {
        let merged = without_overlaps(vec![404..=404, 200..=299, 250..=300, 301..=302, 100..=100]);
        assert_eq!(merged, [100..=100, 200..=302, 404..=404]);
        assert_eq!(without_overlaps(Vec::new()), [200..=299]);
    }
}
