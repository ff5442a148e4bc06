//! One line of `virtual_ipaddress` or `static_ipaddress`: an address and how it is put onto an
//! interface.

use std::net::{IpAddr, Ipv4Addr};

use crate::addr::Cidr;
use crate::config::VirtualAddress;
use crate::config::diag::Problem;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::vrrp::{AUTOJOIN, HOME_ADDRESS, MANAGE_TEMPORARY, NO_DAD, NO_PREFIX_ROUTE};

use super::line::Words;
use super::route::scope;

/// An address and where it was written.
pub(crate) struct AddressDraft {
    pub(crate) address: VirtualAddress,
    pub(crate) span: Span,
    /// Of static addresses.
    pub(crate) track_group: Option<(String, Span)>,
}

/// Which block a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressKind {
    Virtual,
    Static,
}

/// The options keepalived knows on such a line.
const OPTIONS: [&str; 15] = [
    "dev",
    "scope",
    "brd",
    "broadcast",
    "label",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "preferred_lft",
    "use_vmac",
    "track_group",
];

/// IFA_LABEL of the kernel is an interface name: 15 octets.
const LABEL_MAX: usize = 15;

/// What becomes of the line after an option.
enum Line {
    Stays,
    Dropped,
}

/// Reads a line; None when the address is unusable, which is reported then.
pub(crate) fn address(
    line: &Statement,
    kind: AddressKind,
    report: &mut Report<'_>,
) -> Option<AddressDraft> {
    let mut words = Words::new(line);
    let first = words.next()?;
    let mut draft = AddressDraft {
        address: VirtualAddress {
            cidr: report.cidr(first, "the line is ignored")?,
            device: None,
            scope: 0,
            broadcast: None,
            label: None,
            peer: None,
            flags: 0,
            preferred_lifetime: None,
            vmac: false,
            track: true,
        },
        span: first.span,
        track_group: None,
    };
    while let Some(option) = words.next() {
        match read_option(&mut draft, kind, option, &mut words, report) {
            Line::Stays => {}
            Line::Dropped => return None,
        }
    }
    if let Some(peer) = draft.address.peer {
        settle_peer(&mut draft.address, peer, first, report);
    }
    Some(draft)
}

fn read_option(
    draft: &mut AddressDraft,
    kind: AddressKind,
    option: &Word,
    words: &mut Words<'_>,
    report: &mut Report<'_>,
) -> Line {
    let address = &mut draft.address;
    match option.text.as_str() {
        "home" => address.flags |= HOME_ADDRESS,
        "-nodad" => address.flags |= NO_DAD,
        "mngtmpaddr" => address.flags |= MANAGE_TEMPORARY,
        "noprefixroute" => address.flags |= NO_PREFIX_ROUTE,
        "autojoin" => address.flags |= AUTOJOIN,
        "no_track" => address.track = false,
        "use_vmac" if kind == AddressKind::Virtual => address.vmac = true,
        "dev" | "scope" | "brd" | "broadcast" | "label" | "peer" | "preferred_lft"
        | "track_group" => {
            let Some(argument) = words.next() else {
                let message = format!("`{}` lacks its value, the address is ignored", option.text);
                report.add(Problem::error(option.span, message));
                return Line::Dropped;
            };
            if option.text != "track_group" {
                return read_valued(address, option, argument, report);
            } else if kind == AddressKind::Static {
                draft.track_group = Some((argument.text.to_string(), argument.span));
            } else {
                let message = "`track_group` is for static addresses, ignored";
                report.add(Problem::error(option.span, message));
            }
        }
        _ => report.unknown_word(option, &OPTIONS, "it is ignored"),
    }
    Line::Stays
}

fn read_valued(
    draft: &mut VirtualAddress,
    option: &Word,
    argument: &Word,
    report: &mut Report<'_>,
) -> Line {
    match option.text.as_str() {
        "dev" if draft.device.is_some() => {
            let message = "a second `dev`, the address is ignored";
            report.add(Problem::error(option.span, message));
            return Line::Dropped;
        }
        "dev" => match report.interface(argument) {
            Some(device) => draft.device = Some(device),
            None => return Line::Dropped,
        },
        "scope" if draft.cidr.address().is_ipv6() => {
            report.reject(argument, "a scope of an IPv6 address, it has none");
        }
        "scope" => draft.scope = scope(argument, report).unwrap_or(draft.scope),
        "brd" | "broadcast" => return broadcast(draft, argument, report),
        "label" if draft.cidr.address().is_ipv6() => {
            report.reject(argument, "used, an IPv6 address has no label");
        }
        "label" if lossless::encode(&argument.text).len() > LABEL_MAX => {
            report.reject(
                argument,
                "a label of at most 15 octets, the address is ignored",
            );
            return Line::Dropped;
        }
        "label" => draft.label = Some(argument.text.to_string()),
        "peer" if draft.peer.is_some() => report.reject(argument, "used, a peer is given already"),
        "peer" => return peer(draft, argument, report),
        "preferred_lft" if argument.text == "forever" => draft.preferred_lifetime = Some(u32::MAX),
        "preferred_lft" => {
            let seconds = report.within(argument, 0, u32::MAX.into());
            draft.preferred_lifetime = seconds.or(draft.preferred_lifetime);
        }
        _ => {}
    }
    Line::Stays
}

/// `+` sets all host bits, `-` clears them.
fn broadcast(draft: &mut VirtualAddress, argument: &Word, report: &mut Report<'_>) -> Line {
    let IpAddr::V4(address) = draft.cidr.address() else {
        report.reject(
            argument,
            "possible, IPv6 has no broadcast; the address is ignored",
        );
        return Line::Dropped;
    };
    let sign = argument.text.as_str();
    if matches!(sign, "+" | "-") {
        let Some(highest) = draft.cidr.broadcast() else {
            report.reject(argument, "possible without host bits, no broadcast is set");
            return Line::Stays;
        };
        let host_bits = u32::MAX >> draft.cidr.prefix();
        let lowest = Ipv4Addr::from(u32::from(address) & !host_bits);
        draft.broadcast = Some(if sign == "+" { highest } else { lowest });
        return Line::Stays;
    }
    match argument.text.parse() {
        Ok(broadcast) => {
            draft.broadcast = Some(broadcast);
            Line::Stays
        }
        Err(_) => {
            report.reject(argument, "a broadcast address, the line is ignored");
            Line::Dropped
        }
    }
}

fn peer(draft: &mut VirtualAddress, argument: &Word, report: &mut Report<'_>) -> Line {
    let peer: Option<IpAddr> = argument.text.parse().ok();
    match peer.filter(|peer| peer.is_ipv4() == draft.cidr.address().is_ipv4()) {
        Some(peer) => {
            draft.peer = Some(Cidr::host(peer));
            Line::Stays
        }
        None => {
            report.reject(
                argument,
                "a peer address of the same family, there is no peer",
            );
            Line::Stays
        }
    }
}

/// An address with a peer is a host of its own and has no broadcast.
fn settle_peer(draft: &mut VirtualAddress, peer: Cidr, first: &Word, report: &mut Report<'_>) {
    if !draft.cidr.is_host() {
        let host = Cidr::host(draft.cidr.address());
        report.reject(first, &format!("possible with a peer, {host} is used"));
        draft.cidr = host;
    }
    if draft.broadcast.take().is_some() {
        let message = format!("no broadcast with the peer {peer}, it is dropped");
        report.add(Problem::error(first.span, message));
    }
}
