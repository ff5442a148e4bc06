//! `encap` of a route: how its packets are wrapped.

use std::net::IpAddr;

use crate::config::report::Report;
use crate::config::route::Encapsulation;
use crate::config::tree::Word;

use super::line::Words;

/// Labels have 20 bits (RFC 3032 2.1).
const LABEL_MAX: u32 = 0xf_ffff;

/// What `ip` and `ip6` have in common.
#[derive(Default)]
struct Tunnel {
    id: Option<u64>,
    destination: Option<IpAddr>,
    source: Option<IpAddr>,
    class: Option<u8>,
    hops: Option<u8>,
    flags: Option<u16>,
}

/// Reads what stands behind `encap`, as far as it goes.
pub(crate) fn encapsulation(
    option: &Word,
    words: &mut Words<'_>,
    report: &mut Report<'_>,
) -> Option<Encapsulation> {
    let kind = words.value(option, report)?;
    match kind.text.as_str() {
        "mpls" => labels(words.value(kind, report)?, report).map(Encapsulation::Mpls),
        "ila" => locator(words.value(kind, report)?, report).map(Encapsulation::Ila),
        "ip" => {
            let tunnel = tunnel(kind, ["tos", "ttl"], words, report)?;
            let v4 = |address| match address {
                Some(IpAddr::V4(address)) => Some(address),
                Some(IpAddr::V6(_)) | None => None,
            };
            Some(Encapsulation::Ip {
                id: tunnel.id,
                destination: v4(tunnel.destination),
                source: v4(tunnel.source),
                tos: tunnel.class,
                ttl: tunnel.hops,
                flags: tunnel.flags,
            })
        }
        "ip6" => {
            let tunnel = tunnel(kind, ["tc", "hoplimit"], words, report)?;
            let v6 = |address| match address {
                Some(IpAddr::V6(address)) => Some(address),
                Some(IpAddr::V4(_)) | None => None,
            };
            Some(Encapsulation::Ip6 {
                id: tunnel.id,
                destination: v6(tunnel.destination),
                source: v6(tunnel.source),
                traffic_class: tunnel.class,
                hop_limit: tunnel.hops,
                flags: tunnel.flags,
            })
        }
        _ => {
            report.reject(kind, "one of mpls, ip, ip6, ila; the route is ignored");
            None
        }
    }
}

fn tunnel(
    kind: &Word,
    [class, hops]: [&str; 2],
    words: &mut Words<'_>,
    report: &mut Report<'_>,
) -> Option<Tunnel> {
    let ipv6 = kind.text == "ip6";
    let mut tunnel = Tunnel::default();
    while let Some(option) = words.peek() {
        let name = option.text.as_str();
        if !["id", "dst", "src", "flags", class, hops].contains(&name) {
            break;
        }
        words.next();
        let value = words.value(option, report)?;
        match name {
            "id" => tunnel.id = Some(report.within(value, 0, i64::MAX)?),
            "flags" => tunnel.flags = Some(report.within(value, 0, u16::MAX.into())?),
            "dst" | "src" => {
                let address = report.plain_address(value)?;
                if address.is_ipv6() != ipv6 {
                    report.reject(value, "of the family of the tunnel");
                    return None;
                }
                let into = if name == "dst" {
                    &mut tunnel.destination
                } else {
                    &mut tunnel.source
                };
                *into = Some(address);
            }
            _ if name == class => tunnel.class = Some(report.within(value, 0, 255)?),
            _ => tunnel.hops = Some(report.within(value, 0, 255)?),
        }
    }
    if tunnel.destination.is_none() && tunnel.id.is_none() {
        report.reject(
            kind,
            "complete: it needs a dst or an id; the route is ignored",
        );
        return None;
    }
    Some(tunnel)
}

/// `LABEL[/LABEL...]`.
fn labels(word: &Word, report: &mut Report<'_>) -> Option<Vec<u32>> {
    let labels = word.text.split('/').map(str::parse);
    let labels: Option<Vec<u32>> = labels
        .map(|label| label.ok().filter(|label| *label <= LABEL_MAX))
        .collect();
    if labels.is_none() {
        report.reject(word, "labels of up to 1048575 with a / between them");
    }
    labels
}

/// Four groups of hexadecimal digits.
fn locator(word: &Word, report: &mut Report<'_>) -> Option<u64> {
    let groups: Vec<&str> = word.text.split(':').collect();
    let mut locator = (groups.len() == 4).then_some(0);
    for group in groups {
        let group = u16::from_str_radix(group, 16).ok();
        locator = locator
            .zip(group)
            .map(|(locator, group)| locator << 16 | u64::from(group));
    }
    if locator.is_none() {
        report.reject(word, "a locator: four groups of hexadecimal digits");
    }
    locator
}
