//! `use_vmac` and `use_ipvlan`: interfaces that are made for an instance.

use crate::addr::Cidr;
use crate::config::diag::Problem;
use crate::config::names::NameKind;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::vrrp::IpvlanMode;

/// What an instance says of it.
#[derive(Default)]
pub(crate) struct LayerDraft {
    pub(crate) vmac: Option<VmacDraft>,
    pub(crate) ipvlan: Option<IpvlanDraft>,
    /// `use_vmac_addr`.
    pub(crate) addresses: bool,
    /// `vmac_xmit_base`.
    pub(crate) base: Option<Span>,
}

pub(crate) struct VmacDraft {
    pub(crate) span: Span,
    pub(crate) name: Option<String>,
    /// Five octets take the VRID as the sixth.
    pub(crate) mac: Option<(Vec<u8>, Span)>,
    pub(crate) tell: bool,
    pub(crate) group: Option<u32>,
}

pub(crate) struct IpvlanDraft {
    pub(crate) span: Span,
    pub(crate) name: Option<String>,
    pub(crate) address: Option<Cidr>,
    pub(crate) mode: IpvlanMode,
    pub(crate) group: Option<u32>,
}

impl LayerDraft {
    /// `use_vmac [[name] IFNAME] [MAC] [netlink_notify_msg] [group G]`, in any order.
    pub(super) fn vmac(&mut self, statement: &Statement, report: &mut Report<'_>) {
        let mut vmac = VmacDraft {
            span: statement.span(),
            name: None,
            mac: None,
            tell: false,
            group: None,
        };
        let mut words = statement.arguments().iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "netlink_notify_msg" => vmac.tell = true,
                "group" => vmac.group = group(word, words.next(), report),
                text if text.contains(':') => match mac(text) {
                    Some(octets) if vmac.mac.is_none() => vmac.mac = Some((octets, word.span)),
                    _ => report.reject(word, "a hardware address of its own, ignored"),
                },
                _ => name(&mut vmac.name, word, &mut words, report),
            }
        }
        self.vmac = Some(vmac);
    }

    /// `use_ipvlan [[name] IFNAME] [IP[/LEN]] [bridge|private|vepa] [group G]`; gives the address.
    pub(super) fn ipvlan(
        &mut self,
        statement: &Statement,
        report: &mut Report<'_>,
    ) -> Option<(Cidr, Span)> {
        if let Some(first) = &self.ipvlan {
            let message = "`use_ipvlan` is given twice, the first counts";
            let problem = Problem::error(statement.span(), message);
            report.add(problem.note(first.span, "first given here"));
            return None;
        }
        let mut ipvlan = IpvlanDraft {
            span: statement.span(),
            name: None,
            address: None,
            mode: IpvlanMode::default(),
            group: None,
        };
        let mut at = None;
        let mut words = statement.arguments().iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "bridge" => ipvlan.mode = IpvlanMode::Bridge,
                "private" => ipvlan.mode = IpvlanMode::Private,
                "vepa" => ipvlan.mode = IpvlanMode::Vepa,
                "group" => ipvlan.group = group(word, words.next(), report),
                text if text.contains([':', '/']) || text.parse::<Cidr>().is_ok() => {
                    ipvlan.address = report.cidr(word, "it is ignored");
                    at = Some(word.span);
                }
                _ => name(&mut ipvlan.name, word, &mut words, report),
            }
        }
        let address = ipvlan.address.zip(at);
        self.ipvlan = Some(ipvlan);
        address
    }
}

/// The name of the new interface, with or without `name` before it. The first counts.
fn name<'s>(
    into: &mut Option<String>,
    word: &'s Word,
    words: &mut impl Iterator<Item = &'s Word>,
    report: &mut Report<'_>,
) {
    let word = if word.text == "name" {
        match words.next() {
            Some(word) => word,
            None => return report.reject(word, "followed by the name of an interface"),
        }
    } else {
        word
    };
    if into.is_some() {
        return report.reject(word, "used, the interface has a name already");
    }
    *into = report.interface_name(word);
}

fn group(option: &Word, value: Option<&Word>, report: &mut Report<'_>) -> Option<u32> {
    let Some(value) = value else {
        report.reject(option, "followed by an interface group");
        return None;
    };
    report.named_number(NameKind::Group, value, "an interface group or its number")
}

/// Five or six octets that are neither a group nor a virtual router's.
fn mac(text: &str) -> Option<Vec<u8>> {
    const MULTICAST: u8 = 0x01;
    /// 00:00:5e:00:01 and :02 of RFC 9568 7.3.
    const VIRTUAL_ROUTERS: [[u8; 5]; 2] = [[0, 0, 0x5e, 0, 1], [0, 0, 0x5e, 0, 2]];
    let octets = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).ok());
    let octets: Vec<u8> = octets.collect::<Option<_>>()?;
    let first = *octets.first()?;
    let reserved = octets
        .get(..5)
        .is_some_and(|five| VIRTUAL_ROUTERS.iter().any(|one| one == five));
    let usable = matches!(octets.len(), 5 | 6) && first & MULTICAST == 0 && !reserved;
    usable.then_some(octets)
}
