//! `nftables_ipvs`: a virtual server of a group with addresses only is one service of IPVS for each
//! family, by a firewall mark, and nftables marks the packets to its addresses.
//!
//! A mark is given to a virtual server when it comes and stays its own. The packets of an address
//! are marked when the service of the mark is there with its servers, and no longer before it goes.
//! Where two virtual servers have the same address and port, the first one has the packets. A
//! kernel that cannot do it is told of once; its groups are then programmed address by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use log::{debug, error, warn};

use crate::addr::Family;
use crate::config::{Config, GroupEntry, MARKS_PRIORITY, MARKS_START, Protocol, ServiceKey};
use crate::errno::Errno;
use crate::hash::Map;
use crate::time::Instant;
use crate::wire::ipvs::ServiceId;
use crate::wire::nft::Table as Name;
use crate::wire::nft::marks::{self, Element, Request, Rules};

use super::service::VirtualId;
use super::table::Table;
use super::{Core, Effect, kernel};

#[derive(Debug, Default)]
pub(super) struct Marks {
    /// None: not configured.
    settings: Option<Settings>,
    /// This kernel cannot do it.
    lost: bool,
    /// With which the kernel was asked whether it can. No longer than that: the last owner of a
    /// large one has much to give back.
    trial: Option<Arc<Config>>,
    given: Map<VirtualId, u32>,
    taken: BTreeSet<u32>,
    /// Those that the configuration names itself.
    reserved: BTreeSet<u32>,
    /// No mark before this one is free.
    next: u32,
    /// Services of these marks are about to go.
    leaving: BTreeSet<u32>,
    v4: Side,
    v6: Side,
    /// Some packets may be marked that are not to be.
    fewer: bool,
    /// There may be something to be done.
    changed: bool,
    /// How many services had been made at the last look.
    seen: u64,
    /// What was told of.
    refusal: Option<Errno>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    table: String,
    priority: i32,
    counters: bool,
}

/// The table of one family.
#[derive(Debug, Default)]
struct Side {
    /// The kernel was asked whether it can.
    tried: bool,
    /// What the kernel was asked to make.
    installed: Option<Installed>,
    /// Tables that may be there: of a daemon before us, or because a request was refused.
    left: BTreeSet<String>,
    wanted: BTreeSet<Element>,
    present: BTreeSet<Element>,
    /// When the table was found to be another than it was made.
    missed: Option<Instant>,
}

#[derive(Debug)]
struct Installed {
    settings: Settings,
    protocols: BTreeSet<marks::Protocol>,
}

impl Marks {
    fn side(&mut self, family: Family) -> &mut Side {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// Takes what a configuration says of it.
    pub(super) fn configure(&mut self, config: &Arc<Config>, out: &mut Vec<Request>) {
        let firewall = &config.global.firewall;
        let settings = firewall.nftables_ipvs.clone().map(|table| Settings {
            table,
            priority: firewall.nftables_ipvs_priority.unwrap_or(MARKS_PRIORITY),
            counters: firewall.nftables_counters,
        });
        if self.settings != settings {
            // Another kernel module may have been loaded since.
            self.lost = false;
            self.refusal = None;
            for side in [&mut self.v4, &mut self.v6] {
                side.tried = false;
                side.left
                    .extend(settings.iter().map(|new| new.table.clone()));
            }
        }
        self.settings = settings;
        self.changed = true;
        let Some(settings) = self.settings.clone() else {
            return;
        };
        self.next = firewall.nftables_ipvs_start_fwmark.unwrap_or(MARKS_START);
        self.reserved = named(config);
        for family in [Family::V4, Family::V6] {
            let needed = has_addresses(config, family);
            if needed && !self.lost && !std::mem::replace(&mut self.side(family).tried, true) {
                let table = settings.name(family);
                let rules = settings.rules(&PROTOCOLS.into());
                out.push(Request::Try(table, rules));
                self.trial = Some(Arc::clone(config));
            }
        }
    }

    /// The kernel has not said that it cannot.
    pub(super) fn end_trial(&mut self) {
        self.trial = None;
    }

    /// The mark of a virtual server with these entries, which may be a new one; None: its entries
    /// are services of their own.
    fn mark_of(
        &mut self,
        id: VirtualId,
        key: &ServiceKey,
        entries: &[GroupEntry],
        table: &Table,
    ) -> Option<u32> {
        let is_marked = self.settings.is_some() && !self.lost && are_markable(key, entries);
        if let Some(&mark) = self.given.get(&id) {
            if is_marked && !self.reserved.contains(&mark) {
                return Some(mark);
            }
            self.release(id);
        }
        if !is_marked {
            return None;
        }
        // A service that is on its way out has its mark until it has gone.
        let is_free = |mark: &u32| {
            let taken = self.taken.contains(mark) || self.reserved.contains(mark);
            let families = [Family::V4, Family::V6];
            let known = |family| {
                table.knows(ServiceId::Fwmark {
                    mark: *mark,
                    family,
                })
            };
            !taken && !families.into_iter().any(known)
        };
        let mark = (self.next..=u32::MAX).find(is_free)?;
        self.next = mark.saturating_add(1);
        self.taken.insert(mark);
        self.given.insert(id, mark);
        Some(mark)
    }

    /// A virtual server has no mark any more: packets are not marked with it from now on.
    pub(super) fn release(&mut self, id: VirtualId) {
        if let Some(mark) = self.given.remove(&id) {
            self.taken.remove(&mark);
            self.next = self.next.min(mark);
            self.leaving.insert(mark);
            self.fewer = true;
            self.changed = true;
        }
    }

    /// Takes the marks of what is not wanted any more from its packets.
    pub(super) fn retreat(&mut self, out: &mut Vec<Request>) {
        if !std::mem::take(&mut self.fewer) {
            return;
        }
        let leaving = std::mem::take(&mut self.leaving);
        for side in [&mut self.v4, &mut self.v6] {
            side.wanted
                .retain(|element| !leaving.contains(&element.mark));
            side.retreat(out);
        }
    }

    /// Whether something may be left to be done.
    pub(super) fn is_busy(&self, table: &Table) -> bool {
        self.changed || (self.settings.is_some() && self.seen != table.made())
    }

    /// Marks packets for services that are there, so many at a time.
    pub(super) fn advance(&mut self, table: &Table, out: &mut Vec<Request>) {
        self.seen = table.made();
        let settings = self.settings.as_ref().filter(|_| !self.lost);
        let sides = [(Family::V4, &mut self.v4), (Family::V6, &mut self.v6)];
        let more = sides.map(|(family, side)| match settings {
            Some(settings) => side.advance(settings, family, table, out),
            None => {
                side.uninstall(family, out);
                false
            }
        });
        self.changed = more.contains(&true);
    }

    /// Looks whether the tables are still there.
    pub(super) fn look(&mut self, out: &mut Vec<Request>) {
        for (family, side) in [(Family::V4, &self.v4), (Family::V6, &self.v6)] {
            if let Some(Installed {
                settings,
                protocols,
            }) = &side.installed
            {
                let protocols = protocols.iter().copied().collect();
                let look = Request::Look(settings.name(family), protocols);
                out.push(look);
            }
        }
    }

    /// What was refused is tried again.
    pub(super) fn retry(&mut self) {
        let lacks = |side: &Side| {
            side.installed.is_none() && !(side.wanted.is_empty() && side.left.is_empty())
        };
        self.changed |= lacks(&self.v4) || lacks(&self.v6);
    }

    /// The end.
    pub(super) fn clear(&mut self, out: &mut Vec<Request>) {
        for family in [Family::V4, Family::V6] {
            self.side(family).uninstall(family, out);
        }
        *self = Self::default();
    }

    /// The kernel refused a request. True when it turned out that it cannot do it at all.
    fn refused(&mut self, now: Instant, request: &Request, refusal: Errno) -> bool {
        let Name { family, name } = request.table();
        match request {
            Request::Try(..) if passes(refusal) => self.side(*family).tried = false,
            Request::Try(..) => {
                if !std::mem::replace(&mut self.lost, true) {
                    error!(
                        "nftables: not usable for nftables_ipvs, {family} ({refusal}): groups of \
                         virtual servers are programmed address by address"
                    );
                    return true;
                }
            }
            Request::Uninstall(_) => {
                debug!("nftables: {family}: {refusal}");
                if passes(refusal) {
                    self.side(*family).left.insert(name.clone());
                }
            }
            Request::Install { .. } => {
                self.side(*family).forget();
                if self.refusal.replace(refusal) != Some(refusal) {
                    error!("nftables: cannot make table {name}, {family}: {refusal}");
                }
            }
            // Answers of the same moment are most likely to requests made before the table was
            // made anew. If not, the next look shows it.
            _ if self.side(*family).missed == Some(now) => {}
            Request::Extend(..) | Request::Add(..) | Request::Remove(..) | Request::Look(..) => {
                self.changed = true;
                let side = self.side(*family);
                side.missed = Some(now);
                side.forget();
                warn!(
                    "nftables: table {name}, {family}, is not as it was made ({refusal}), making \
                     it again"
                );
            }
        }
        false
    }
}

impl Settings {
    fn name(&self, family: Family) -> Name {
        let name = self.table.clone();
        Name { family, name }
    }

    fn rules(&self, protocols: &BTreeSet<marks::Protocol>) -> Rules {
        Rules {
            priority: self.priority,
            counters: self.counters,
            protocols: protocols.iter().copied().collect(),
        }
    }
}

impl Side {
    fn retreat(&mut self, out: &mut Vec<Request>) {
        let gone: Vec<Element> = self.present.difference(&self.wanted).copied().collect();
        for element in &gone {
            self.present.remove(element);
        }
        let Some(first) = gone.first() else { return };
        let Some(Installed { settings, .. }) = &self.installed else {
            return;
        };
        let table = settings.name(first.family());
        for some in gone.chunks(ELEMENTS_PER_REQUEST) {
            out.push(Request::Remove(table.clone(), some.to_vec()));
        }
    }

    /// True when more is left than fits into one turn.
    fn advance(
        &mut self,
        settings: &Settings,
        family: Family,
        table: &Table,
        out: &mut Vec<Request>,
    ) -> bool {
        if self.wanted.is_empty() {
            self.uninstall(family, out);
            return false;
        }
        let old = self
            .installed
            .take_if(|installed| installed.settings != *settings);
        if let Some(old) = old {
            self.present.clear();
            self.left.insert(old.settings.table);
        }
        let served = |element: &&Element| {
            let mark = element.mark;
            table.is_there(ServiceId::Fwmark { mark, family })
        };
        let missing = self.wanted.difference(&self.present).filter(served);
        let new: Vec<Element> = missing.take(ELEMENTS_PER_REQUEST).copied().collect();
        let more = new.len() == ELEMENTS_PER_REQUEST;
        self.present.extend(&new);
        self.ask(settings, family, new, out);
        // What was left under the name that is to be used is replaced, when there is something to
        // put in its place.
        let replaced = self.left.take(&settings.table);
        self.remove_left(family, out);
        self.left
            .extend(replaced.filter(|_| self.installed.is_none()));
        more
    }

    fn ask(
        &mut self,
        settings: &Settings,
        family: Family,
        elements: Vec<Element>,
        out: &mut Vec<Request>,
    ) {
        if elements.is_empty() {
            return;
        }
        let table = settings.name(family);
        let needed = || self.wanted.iter().map(|element| element.protocol);
        let Some(installed) = &mut self.installed else {
            let protocols = needed().collect();
            let rules = settings.rules(&protocols);
            out.push(Request::Install {
                table,
                rules,
                elements,
            });
            self.installed = Some(Installed {
                settings: settings.clone(),
                protocols,
            });
            return;
        };
        let lacks = |protocol: &marks::Protocol| !installed.protocols.contains(protocol);
        let further: BTreeSet<_> = needed().filter(lacks).collect();
        if !further.is_empty() {
            let rules = settings.rules(&further);
            out.push(Request::Extend(table.clone(), rules));
            installed.protocols.extend(further);
        }
        out.push(Request::Add(table, elements));
    }

    fn uninstall(&mut self, family: Family, out: &mut Vec<Request>) {
        self.forget();
        self.remove_left(family, out);
    }

    fn remove_left(&mut self, family: Family, out: &mut Vec<Request>) {
        let left = std::mem::take(&mut self.left).into_iter();
        out.extend(left.map(|name| Request::Uninstall(Name { family, name })));
    }

    /// What is there is not known any more.
    fn forget(&mut self) {
        let known = self.installed.take();
        self.left.extend(known.map(|known| known.settings.table));
        self.present.clear();
    }
}

impl Core {
    /// Does something about marks, and asks the kernel for what that comes to.
    pub(super) fn ask_for_marks(
        &mut self,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Marks, &Table, &mut Vec<Request>),
    ) {
        let mut requests = Vec::new();
        act(&mut self.marks, &self.table, &mut requests);
        let namespace = &self.director.namespace;
        out.extend(requests.into_iter().map(|request| Effect::Mark {
            request,
            namespace: namespace.clone(),
        }));
    }

    /// The services of the kernel for a virtual server.
    pub(super) fn services_of(
        &mut self,
        id: VirtualId,
        key: &ServiceKey,
        entries: &[GroupEntry],
    ) -> Vec<ServiceId> {
        match self.marks.mark_of(id, key, entries, &self.table) {
            Some(mark) => kernel::marked(mark, entries),
            None => kernel::services(key, entries),
        }
    }

    /// Whose packets are to be marked, after a configuration has been applied.
    pub(super) fn plan_marks(&mut self) {
        let mut ranges = Ranges::default();
        for id in &self.order {
            let service = &self.services[id];
            let (Some(&mark), Some(protocol)) = (self.marks.given.get(id), service.key.protocol())
            else {
                continue;
            };
            for entry in &service.entries {
                if let GroupEntry::Addresses { first, last, port } = *entry
                    && ranges.claim((number(protocol), port), (first, last), mark)
                {
                    let key = &service.key;
                    let of = format!("{first}-{last} port {port} of VS {key}");
                    warn!("nftables: {of} belongs in part to another virtual server before it");
                }
            }
        }
        for family in [Family::V4, Family::V6] {
            let elements = ranges.elements();
            let of_family = elements.filter(|element| element.family() == family);
            self.marks.side(family).wanted = of_family.collect();
        }
        // What has gone is not among them.
        self.marks.leaving.clear();
        self.marks.fewer = true;
        self.marks.changed = true;
    }

    /// The kernel refused to mark packets.
    pub(super) fn mark_failed(
        &mut self,
        now: Instant,
        request: &Request,
        error: Errno,
        out: &mut Vec<Effect>,
    ) {
        if self.marks.refused(now, request, error) {
            if let Some(config) = self.marks.trial.take() {
                self.reload(now, &config, out);
            }
        } else if matches!(request, Request::Install { .. } | Request::Uninstall(_)) {
            self.look_again(now);
        }
    }
}

/// Which addresses have which mark; no address has two for one port.
#[derive(Default)]
struct Ranges(BTreeMap<(marks::Protocol, u16), BTreeMap<IpAddr, (IpAddr, u32)>>);

impl Ranges {
    /// Takes what is still free of a range. True when some of it has another mark.
    fn claim(
        &mut self,
        to: (marks::Protocol, u16),
        (first, last): (IpAddr, IpAddr),
        mark: u32,
    ) -> bool {
        let taken = self.0.entry(to).or_default();
        let (mut from, mut free, mut contested) = (Some(first), Vec::new(), false);
        if let Some((_, &(end, other))) = taken.range(..first).next_back()
            && end >= first
        {
            contested |= other != mark;
            from = successor(end);
        }
        while let Some(begin) = from.filter(|begin| *begin <= last) {
            let Some((&start, &(end, other))) = taken.range(begin..=last).next() else {
                free.push((begin, last));
                break;
            };
            contested |= other != mark;
            if let Some(before) = predecessor(start).filter(|before| *before >= begin) {
                free.push((begin, before));
            }
            from = successor(end);
        }
        for (first, last) in free {
            taken.insert(first, (last, mark));
        }
        contested
    }

    fn elements(&self) -> impl Iterator<Item = Element> {
        self.0.iter().flat_map(|(&(protocol, port), ranges)| {
            ranges.iter().map(move |(&first, &(last, mark))| Element {
                protocol,
                first,
                last,
                port,
                mark,
            })
        })
    }
}

/// That says nothing about what the kernel can do.
fn passes(refusal: Errno) -> bool {
    matches!(refusal, Errno::ENOMEM | Errno::ENOBUFS)
}

/// None for the last one of its family.
fn successor(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip).checked_add(1)?).into(),
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip).checked_add(1)?).into(),
    })
}

fn predecessor(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip).checked_sub(1)?).into(),
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip).checked_sub(1)?).into(),
    })
}

/// Addresses only, each with a port: no packet goes to port 0, which means all ports.
fn are_markable(key: &ServiceKey, entries: &[GroupEntry]) -> bool {
    let is_markable =
        |entry: &GroupEntry| matches!(entry, GroupEntry::Addresses { port, .. } if *port != 0);
    key.protocol().is_some()
        && matches!(key, ServiceKey::Group { .. })
        && !entries.is_empty()
        && entries.iter().all(is_markable)
}

/// Marks that virtual servers and groups are configured with.
fn named(config: &Config) -> BTreeSet<u32> {
    let services = config.virtual_servers.iter();
    let of_services = services.filter_map(|service| match service.key {
        ServiceKey::Fwmark { mark, .. } => Some(mark),
        ServiceKey::Address(_) | ServiceKey::Group { .. } => None,
    });
    let groups = config.virtual_server_groups.iter();
    let entries = groups.flat_map(|group| &group.entries);
    let of_groups = entries.filter_map(|entry| match *entry {
        GroupEntry::Fwmark { mark, .. } => Some(mark),
        GroupEntry::Addresses { .. } => None,
    });
    of_services.chain(of_groups).collect()
}

fn has_addresses(config: &Config, family: Family) -> bool {
    let groups = config.virtual_server_groups.iter();
    let mut entries = groups.flat_map(|group| &group.entries);
    entries.any(|entry| match entry {
        GroupEntry::Addresses { first, .. } => Family::of(*first) == family,
        GroupEntry::Fwmark { .. } => false,
    })
}

fn number(protocol: Protocol) -> marks::Protocol {
    match protocol {
        Protocol::Tcp => marks::Protocol::Tcp,
        Protocol::Udp => marks::Protocol::Udp,
        Protocol::Sctp => marks::Protocol::Sctp,
    }
}

const PROTOCOLS: [marks::Protocol; 3] = [
    marks::Protocol::Tcp,
    marks::Protocol::Udp,
    marks::Protocol::Sctp,
];

/// A request is one datagram, of some seventy octets for each element, and is carried out at once.
const ELEMENTS_PER_REQUEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_claim_has_the_addresses_that_two_name() {
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let to = (marks::Protocol::Tcp, 80);
        let mut ranges = Ranges::default();
        let mut claim = |first, last, mark| ranges.claim(to, (ip(first), ip(last)), mark);
        assert!(!claim(10, 20, 1));
        assert!(!claim(15, 25, 1), "its own");
        assert!(claim(5, 12, 2));
        assert!(claim(0, 255, 3));
        assert!(claim(11, 11, 4));
        let all = ranges.elements();
        let shown: Vec<_> = all.map(|one| (one.first, one.last, one.mark)).collect();
        let expected = [(0, 4, 3), (5, 9, 2), (10, 20, 1), (21, 25, 1), (26, 255, 3)];
        assert_eq!(
            shown,
            expected.map(|(first, last, mark)| (ip(first), ip(last), mark))
        );
        let everything = (IpAddr::from([0; 16]), IpAddr::from([0xff; 16]));
        assert!(!ranges.claim(to, everything, 5), "another family");
        assert!(ranges.claim(to, everything, 6));
        assert_eq!(ranges.elements().count(), 6);
    }
}
