//! `lb_kind`, `lvs_method` and their like: how packets reach a server.

use crate::config::check::{Checksum, Encapsulation, Forwarding, Tunnel};
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::{Statement, Word};

use super::suggestion;

/// What follows such a keyword.
pub(crate) const ARGUMENTS: &str =
    "NAT|DR|TUN [type ipip|gue|gre] [port INT] [nocsum|csum|remcsum]";

const TUNNEL_WORDS: [&str; 8] = [
    "type", "ipip", "gue", "gre", "port", "nocsum", "csum", "remcsum",
];

/// A method with its options. When the options are wrong, the method counts without them.
pub(crate) fn forwarding(
    into: &mut Option<Forwarding>,
    statement: &Statement,
    report: &mut Report<'_>,
) {
    let [word, options @ ..] = statement.arguments() else {
        return;
    };
    let forwarding = match word.text.as_str() {
        "NAT" => Forwarding::Nat,
        "DR" => Forwarding::DirectRouting,
        "TUN" => {
            *into = Some(Forwarding::Tunnel(tunnel(options, report)));
            return;
        }
        "FNAT" | "FULLNAT" => {
            let message = format!("`{}` is not part of Linux", word.text);
            let help = "it is a patch of its own; the kernel has NAT, DR and TUN";
            report.add(Problem::error(word.span, message).help(help));
            return;
        }
        _ => return report.reject(word, "NAT, DR or TUN, ignored"),
    };
    if let Some(option) = options.first() {
        let message = format!("`{}` has no options, the rest is ignored", word.text);
        report.add(Problem::warning(option.span, message));
    }
    *into = Some(forwarding);
}

/// The options of a tunnel, all or none of them.
fn tunnel(options: &[Word], report: &mut Report<'_>) -> Tunnel {
    read_tunnel(options, report).unwrap_or_default()
}

fn read_tunnel(options: &[Word], report: &mut Report<'_>) -> Option<Tunnel> {
    let mut kind: Option<&Word> = None;
    let mut port = None;
    let mut checksum = None;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "type" => kind = Some(following(word, &mut words, report)?),
            "port" => {
                let number = following(word, &mut words, report)?;
                port = Some(report.port(number)?);
            }
            "nocsum" => checksum = Some((Checksum::None, word)),
            "csum" => checksum = Some((Checksum::Full, word)),
            "remcsum" => checksum = Some((Checksum::Remote, word)),
            _ => return unknown(word, report),
        }
    }
    let encapsulation = match (kind.map_or("ipip", |kind| &kind.text), port) {
        ("gue", Some(port)) => Encapsulation::Gue { port },
        ("ipip", None) => Encapsulation::Ipip,
        ("gre", None) => Encapsulation::Gre,
        ("gue" | "ipip" | "gre", _) => {
            let span = options.first()?.span.to(options.last()?.span);
            let message = "`type gue` needs a port, the other tunnels have none, ignored";
            report.add(Problem::error(span, message));
            return None;
        }
        _ => return unknown(kind?, report),
    };
    let (checksum, word) = match checksum {
        Some((checksum, word)) => (checksum, Some(word)),
        None => (Checksum::None, None),
    };
    let possible = match encapsulation {
        Encapsulation::Ipip => checksum == Checksum::None,
        Encapsulation::Gre => checksum != Checksum::Remote,
        Encapsulation::Gue { .. } => true,
    };
    if !possible {
        let word = word?;
        let message = format!("this tunnel cannot have `{}`, ignored", word.text);
        report.add(Problem::error(word.span, message));
        return None;
    }
    Some(Tunnel {
        encapsulation,
        checksum,
    })
}

fn following<'a>(
    option: &Word,
    words: &mut std::slice::Iter<'a, Word>,
    report: &mut Report<'_>,
) -> Option<&'a Word> {
    let value = words.next();
    if value.is_none() {
        let message = format!("`{}` has no value, the options are ignored", option.text);
        report.add(Problem::error(option.span, message));
    }
    value
}

fn unknown(word: &Word, report: &mut Report<'_>) -> Option<Tunnel> {
    let message = format!("`{}` is no option of a tunnel, ignored", word.text);
    let help = suggestion(&word.text, &TUNNEL_WORDS);
    report.add(Problem::error(word.span, message).maybe_help(help));
    None
}
