//! One line of `virtual_ipaddress`: an address and how it is put onto an interface.

use std::net::{IpAddr, Ipv4Addr};

use crate::addr::{Cidr, CidrError};
use crate::config::VirtualAddress;
use crate::config::diag::Problem;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::suggest::nearest;
use crate::config::tree::{Statement, Word};
use crate::config::vrrp::{AUTOJOIN, HOME_ADDRESS, MANAGE_TEMPORARY, NO_PREFIX_ROUTE};

/// An address and where it was written.
pub(crate) struct AddressDraft {
    pub(crate) address: VirtualAddress,
    pub(crate) span: Span,
}

/// The options keepalived knows on such a line.
const OPTIONS: [&str; 14] = [
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
];

/// IFA_LABEL of the kernel is an interface name: 15 octets.
const LABEL_MAX: usize = 15;

/// What becomes of the line after an option.
enum Line {
    Stays,
    Dropped,
}

/// Reads a line; None when the address is unusable, which is reported then.
pub(crate) fn address(line: &Statement, report: &mut Report<'_>) -> Option<AddressDraft> {
    let mut words = line.words.iter();
    let first = words.next()?;
    let mut draft = VirtualAddress {
        cidr: cidr(first, report)?,
        device: None,
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        flags: 0,
        track: true,
    };
    while let Some(option) = words.next() {
        match read_option(&mut draft, option, &mut words, report) {
            Line::Stays => {}
            Line::Dropped => return None,
        }
    }
    if let Some(peer) = draft.peer {
        settle_peer(&mut draft, peer, first, report);
    }
    Some(AddressDraft {
        address: draft,
        span: first.span,
    })
}

/// A bad length is the full one; a bad address is none.
fn cidr(word: &Word, report: &mut Report<'_>) -> Option<Cidr> {
    match word.text.parse::<Cidr>() {
        Ok(cidr) => Some(cidr),
        Err(CidrError::Address) => {
            report.reject(word, "an address, the line is ignored");
            None
        }
        Err(CidrError::Prefix) => {
            let (address, _) = word.text.split_once('/')?;
            let host = Cidr::host(address.parse().ok()?);
            report.reject(word, &format!("an address with its length, {host} is used"));
            Some(host)
        }
    }
}

fn read_option<'a>(
    draft: &mut VirtualAddress,
    option: &Word,
    words: &mut impl Iterator<Item = &'a Word>,
    report: &mut Report<'_>,
) -> Line {
    match option.text.as_str() {
        "home" => draft.flags |= HOME_ADDRESS,
        "mngtmpaddr" => draft.flags |= MANAGE_TEMPORARY,
        "noprefixroute" => draft.flags |= NO_PREFIX_ROUTE,
        "autojoin" => draft.flags |= AUTOJOIN,
        "no_track" => draft.track = false,
        // Detection of duplicates is a matter of IPv6.
        "-nodad" => {}
        "use_vmac" => {
            let message = "`use_vmac` is not supported yet, ignored";
            report.add(Problem::warning(option.span, message));
        }
        "dev" | "scope" | "brd" | "broadcast" | "label" | "peer" | "preferred_lft" => {
            let Some(argument) = words.next() else {
                let message = format!("`{}` lacks its value, the address is ignored", option.text);
                report.add(Problem::error(option.span, message));
                return Line::Dropped;
            };
            return read_valued(draft, option, argument, report);
        }
        unknown => {
            let message = format!("unknown word `{unknown}` after an address, ignored");
            let meant = nearest(unknown, OPTIONS.into_iter());
            let help = meant.map(|meant| format!("did you mean `{meant}`?"));
            report.add(Problem::error(option.span, message).maybe_help(help));
        }
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
        "scope" => match scope(&argument.text) {
            Some(_) if draft.cidr.address().is_ipv6() => {
                report.reject(argument, "a scope of an IPv6 address, it has none");
            }
            Some(scope) => draft.scope = scope,
            None => report.reject(
                argument,
                "a scope: global, site, link, host, nowhere or 0 to 255",
            ),
        },
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
        // A lifetime is a matter of IPv6.
        _ => {}
    }
    Line::Stays
}

fn scope(text: &str) -> Option<u8> {
    match text {
        "global" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        number => number.parse().ok(),
    }
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
                "a peer address of the same family, the line is ignored",
            );
            Line::Dropped
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
