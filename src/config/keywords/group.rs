//! `virtual_server_group`: one address, range, network or mark on each line.

use std::net::IpAddr;

use crate::addr::Family;
use crate::config::check::GroupEntry;
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};

use super::root::inside;

/// What a group says.
pub(crate) struct GroupDraft {
    pub(crate) name: String,
    /// Keyword and name.
    pub(crate) span: Span,
    pub(crate) entries: Vec<GroupEntry>,
}

/// Each address is a service of the kernel; beyond this many it is most likely a mistake.
const ADDRESSES_MAX: u128 = 65_536;

/// Reads the lines of a group; what cannot be used is reported and left out.
pub(crate) fn group(statement: &Statement, report: &mut Report<'_>) -> Option<GroupDraft> {
    let name = statement.argument(1)?.text.to_string();
    let entries = inside(statement)
        .iter()
        .filter_map(|line| entry(line, report))
        .collect();
    Some(GroupDraft {
        name,
        span: statement.span(),
        entries,
    })
}

fn entry(line: &Statement, report: &mut Report<'_>) -> Option<GroupEntry> {
    let [first, rest @ ..] = line.words.as_slice() else {
        return None;
    };
    let (entry, used) = if first.text == "fwmark" {
        (mark(line, report)?, 3)
    } else {
        let port = report.optional_port(rest.first())?;
        (addresses(first, port, report)?, 2)
    };
    if let Some(extra) = line.words.get(used) {
        let message = "the rest of the line is ignored";
        let help = "each address of a group stands on a line of its own";
        report.add(Problem::warning(extra.span, message).help(help));
    }
    Some(entry)
}

/// `fwmark N [inet|inet6]`.
fn mark(line: &Statement, report: &mut Report<'_>) -> Option<GroupEntry> {
    let Some(word) = line.argument(1) else {
        let message = "`fwmark` has no number, the line is ignored";
        report.add(Problem::error(line.span(), message));
        return None;
    };
    let mark = report.strict(word, 0..=i64::from(u32::MAX))?;
    let family = match line.argument(2) {
        Some(word) => Some(family(word, report)?),
        None => None,
    };
    Some(GroupEntry::Fwmark {
        mark: u32::try_from(mark).ok()?,
        family,
    })
}

pub(crate) fn family(word: &Word, report: &mut Report<'_>) -> Option<Family> {
    match word.text.as_str() {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => {
            report.reject(word, "inet or inet6, ignored");
            None
        }
    }
}

/// `IP`, `IP-N`, `IP-IP` or `IP/LENGTH`.
fn addresses(word: &Word, port: u16, report: &mut Report<'_>) -> Option<GroupEntry> {
    let read = match word.text.split_once(['-', '/']) {
        None => report.address(word).map(|ip| Ok((ip, ip))),
        Some((first, last)) => match first.parse() {
            Ok(first) if word.text.contains('/') => Some(network(first, last)),
            Ok(first) => Some(range(first, last)),
            Err(_) => {
                report.reject(word, "an address, a range or a network");
                None
            }
        },
    };
    let (first, last) = match read? {
        Ok(both) => both,
        Err(why) => {
            let message = format!("`{}`: {why}, the line is ignored", word.text);
            report.add(Problem::error(word.span, message));
            return None;
        }
    };
    if number(last) - number(first) >= ADDRESSES_MAX {
        let message = "each of these addresses is a service of the kernel: that is very many";
        report.add(Problem::warning(word.span, message));
    }
    Some(GroupEntry::Addresses { first, last, port })
}

type Ends = Result<(IpAddr, IpAddr), &'static str>;

/// The end of a range is an address, or what is put in the place of the first one's last part:
/// an octet in decimal, or sixteen bits in hex.
fn range(first: IpAddr, end: &str) -> Ends {
    if end.contains(['.', ':']) {
        let last: IpAddr = end.parse().map_err(|_| "its end is not an address")?;
        if last.is_ipv4() != first.is_ipv4() {
            return Err("its end is of another family");
        }
        return if last < first {
            Err("its end is before its start")
        } else {
            Ok((first, last))
        };
    }
    let last = match first {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let end = end
                .parse()
                .map_err(|_| "its end is not a number up to 255")?;
            IpAddr::from([a, b, c, end])
        }
        IpAddr::V6(ip) => {
            let mut segments = ip.segments();
            let last = u16::from_str_radix(end, 16);
            segments[7] = last.map_err(|_| "its end is not a hexadecimal number up to ffff")?;
            IpAddr::from(segments)
        }
    };
    if last <= first {
        return Err("its end is not behind its start");
    }
    Ok((first, last))
}

fn network(first: IpAddr, length: &str) -> Ends {
    let bits = if first.is_ipv4() { 32 } else { 128 };
    let all_digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| all_digits);
    let length: u8 = length
        .filter(|length| (1..=bits).contains(length))
        .ok_or("the length of its network is out of range")?;
    let hosts = u128::MAX.checked_shr(u32::from(128 - bits + length));
    let hosts = hosts.unwrap_or(0);
    if number(first) & hosts != 0 {
        return Err("the address has bits behind the length of its network");
    }
    let last = match first {
        IpAddr::V4(ip) => {
            let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
            IpAddr::V4((u32::from(ip) | hosts).into())
        }
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) | hosts).into()),
    };
    Ok((first, last))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        let (first, end) = text.split_once(['-', '/']).unwrap();
        let first = first.parse().unwrap();
        let ends = if text.contains('/') {
            network(first, end)
        } else {
            range(first, end)
        };
        ends.ok()
            .map(|(first, last)| (first.to_string(), last.to_string()))
    }

    #[test]
    fn ranges_and_networks_include_both_ends() {
        for (text, last) in [
            ("10.0.0.9-20", "10.0.0.20"),
            ("10.0.0.9-10.1.0.3", "10.1.0.3"),
            ("10.0.0.9-10.0.0.9", "10.0.0.9"),
            ("fd00::9-1f", "fd00::1f"),
            ("fd00::9-fd01::", "fd01::"),
            ("192.168.201.8/30", "192.168.201.11"),
            ("192.168.201.8/32", "192.168.201.8"),
            ("128.0.0.0/1", "255.255.255.255"),
            ("fd00::10/124", "fd00::1f"),
            ("fd00::10/128", "fd00::10"),
            ("fd00::/8", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let first = text.split(['-', '/']).next().unwrap().to_owned();
            assert_eq!(read(text), Some((first, last.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_and_no_network_is_refused() {
        for text in [
            "10.0.0.9-9",
            "10.0.0.9-256",
            "10.0.0.9-10.0.0.8",
            "10.0.0.9-fd00::",
            "fd00::9-10000",
            "10.0.0.9/30",
            "10.0.0.8/33",
            "10.0.0.8/0",
            "10.0.0.8/+8",
            "fd00::/129",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
