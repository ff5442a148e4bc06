//! The packet filter: packets to and from addresses that a master has and does not accept, and
//! membership reports of devices, which are to leave through the interface below.
//!
//! Nobody else has to think of it. What others want done is looked through before it is done: an
//! address goes behind the filter before it comes, and out of it after it has gone; a device before
//! it may speak. A kernel without nf_tables is told of once, and things go on without.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use log::{debug, info, warn};

use super::Effect;
use super::devices::Devices;
use super::network::Network;
use crate::addr::{Family, IfIndex};
use crate::config::{self, Global};
use crate::errno::Errno;
use crate::wire::nft::{Element, Reports, Request, Rules, Table};
use crate::wire::rtnl::{self, LinkRequest};

#[derive(Debug, Default)]
pub(super) struct Firewall {
    v4: OfFamily,
    v6: OfFamily,
    /// Addresses that are not accepted, with the name of whose they are.
    guarded: BTreeMap<IpAddr, String>,
    /// It was said that nftables is used without having been asked for.
    told: bool,
}

/// The table of one family.
#[derive(Debug, Default)]
struct OfFamily {
    /// What the configuration needs; None: nothing.
    wanted: Option<Wanted>,
    /// What the kernel was asked to make.
    installed: Option<Wanted>,
    present: BTreeSet<Element>,
    ability: Ability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    table: Table,
    rules: Rules,
}

/// What the kernel can do; found out by asking for less and less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ability {
    #[default]
    Everything,
    /// It does not know of what kind an interface is (Linux before 5.6).
    WithoutKinds,
    /// It sends no copies of packets (before 4.3).
    WithoutCopies,
    Nothing,
}

impl Ability {
    fn less(self) -> Self {
        match self {
            Self::Everything => Self::WithoutKinds,
            Self::WithoutKinds => Self::WithoutCopies,
            Self::WithoutCopies | Self::Nothing => Self::Nothing,
        }
    }

    /// What of the rules can be made; None: none.
    fn of(self, rules: Rules) -> Option<Rules> {
        let reports = match self {
            Self::Everything => rules.reports,
            Self::WithoutKinds => rules.reports.map(|_| Reports::ByNumber),
            Self::WithoutCopies => None,
            Self::Nothing => return None,
        };
        let rules = Rules { reports, ..rules };
        (reports.is_some() || rules.addresses).then_some(rules)
    }
}

impl Firewall {
    /// Takes what a configuration needs.
    pub(super) fn plan<'a>(
        &mut self,
        global: &Global,
        instances: impl Iterator<Item = &'a config::Instance>,
        devices: &Devices,
    ) {
        self.guarded.clear();
        for instance in instances.filter(|instance| !instance.accept) {
            for vip in instance.addresses.iter().chain(&instance.excluded) {
                let name = instance.name.clone();
                self.guarded.insert(vip.cidr.address(), name);
            }
        }
        for family in [Family::V4, Family::V6] {
            let wanted = self.wanted(family, global, devices);
            let table = self.of(family);
            if table.wanted != wanted {
                // Another kernel module may have been loaded since.
                table.ability = Ability::Everything;
            }
            table.wanted = wanted;
        }
        let needed = self.v4.wanted.is_some() || self.v6.wanted.is_some();
        if needed && global.firewall.nftables.is_none() && !std::mem::replace(&mut self.told, true)
        {
            info!(
                "use_vmac or no_accept/strict specified, but no firewall configured - using \
                 nftables"
            );
        }
    }

    fn wanted(&self, family: Family, global: &Global, devices: &Devices) -> Option<Wanted> {
        // A kernel that tells nobody of link-local groups needs no help with it.
        let silent = family == Family::V4 && global.disable_local_igmp;
        let reports = devices.has_reports(family) && !silent;
        let addresses = self.guarded.keys().filter(|ip| Family::of(**ip) == family);
        let link_local = |ip: &&IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let rules = Rules {
            priority: global.firewall.nftables_priority.unwrap_or(PRIORITY),
            counters: global.firewall.nftables_counters,
            reports: reports.then_some(Reports::ByKind),
            addresses: addresses.clone().next().is_some(),
            link_local: addresses.clone().any(|ip| link_local(&ip)),
        };
        let name = global.firewall.nftables.as_deref().unwrap_or(TABLE);
        let table = Table {
            family,
            name: name.to_owned(),
        };
        (rules.reports.is_some() || rules.addresses).then_some(Wanted { table, rules })
    }

    /// Brings the tables in line with the configuration, and forgets links that are gone.
    pub(super) fn settle(&mut self, network: &Network, out: &mut Vec<Effect>) {
        for table in [&mut self.v4, &mut self.v6] {
            table.install(out);
            table.forget_dead(network, out);
        }
    }

    /// After a new configuration: what is held already goes behind the filter, or out of it.
    pub(super) fn reconsider<'a>(
        &mut self,
        held: impl Iterator<Item = &'a rtnl::Address>,
        out: &mut Vec<Effect>,
    ) {
        let held: BTreeSet<_> = held
            .map(|address| (address.cidr.address(), address.link))
            .filter(|(ip, _)| self.guarded.contains_key(ip))
            .map(|(ip, link)| (Family::of(ip), guarded(ip, link)))
            .collect();
        for family in [Family::V4, Family::V6] {
            let table = self.of(family);
            let wanted = elements_of(&held, family);
            let is_address = |element: &&Element| matches!(element, Element::Address { .. });
            let present = table.present.iter().filter(is_address).copied();
            let gone = present.filter(|element| !wanted.contains(element));
            let gone = gone.collect();
            table.remove(gone, out);
            table.add(wanted, out);
        }
    }

    /// Looks through what is to be done.
    pub(super) fn guard(&mut self, network: &Network, devices: &Devices, out: &mut Vec<Effect>) {
        if self.v4.installed.is_none() && self.v6.installed.is_none() {
            return;
        }
        let changes = changes(&self.guarded, network, devices, out);
        let (mut first, last) = (changes.first, changes.last);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (family, table) in [(Family::V4, &mut self.v4), (Family::V6, &mut self.v6)] {
            table.remove(changes.removed(family), &mut after);
            table.add(changes.added(family), &mut before);
        }
        changes.tell(!before.is_empty(), !after.is_empty());
        if let Some(last) = last {
            first = first.map(|at| if last < at { at + after.len() } else { at });
            out.splice(last + 1..last + 1, after);
        }
        if let Some(first) = first {
            out.splice(first..first, before);
        }
    }

    /// The kernel refused; what it may be able to do is tried instead.
    pub(super) fn refused(&mut self, request: &Request, refusal: Errno, out: &mut Vec<Effect>) {
        let family = request.table().family;
        let table = self.of(family);
        if let Request::Install { rules, .. } = request {
            table.installed = None;
            // Without reports there is nothing in between.
            table.ability = match rules.reports {
                Some(_) => table.ability.less(),
                None => Ability::Nothing,
            };
            table.tell_of_loss(family, refusal);
            table.install(out);
        } else {
            debug!("nftables: {family}: {refusal}");
        }
    }

    /// Takes the tables away: the end.
    pub(super) fn clear(&mut self, out: &mut Vec<Effect>) {
        for table in [&mut self.v4, &mut self.v6] {
            table.wanted = None;
            table.install(out);
        }
        self.guarded.clear();
    }

    fn of(&mut self, family: Family) -> &mut OfFamily {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl OfFamily {
    fn install(&mut self, out: &mut Vec<Effect>) {
        let wanted = self.wanted.as_ref().and_then(|wanted| {
            let rules = self.ability.of(wanted.rules)?;
            let table = wanted.table.clone();
            Some(Wanted { table, rules })
        });
        if self.installed == wanted {
            return;
        }
        if let Some(old) = self.installed.take()
            && wanted.as_ref().is_none_or(|new| new.table != old.table)
        {
            out.push(Effect::Filter(Request::Uninstall(old.table)));
        }
        let Some(Wanted { table, rules }) = wanted.clone() else {
            return;
        };
        let known = self
            .present
            .iter()
            .filter(|element| has_room(rules, element));
        out.push(Effect::Filter(Request::Install {
            table,
            rules,
            elements: known.copied().collect(),
        }));
        self.installed = wanted;
    }

    fn add(&mut self, elements: BTreeSet<Element>, out: &mut Vec<Effect>) {
        let new: Vec<_> = elements.difference(&self.present).copied().collect();
        self.present.extend(&new);
        self.ask(new, Request::Add, out);
    }

    fn remove(&mut self, elements: BTreeSet<Element>, out: &mut Vec<Effect>) {
        let gone: Vec<_> = elements.intersection(&self.present).copied().collect();
        self.present.retain(|element| !elements.contains(element));
        self.ask(gone, Request::Remove, out);
    }

    fn ask(
        &self,
        mut elements: Vec<Element>,
        request: impl FnOnce(Table, Vec<Element>) -> Request,
        out: &mut Vec<Effect>,
    ) {
        let Some(Wanted { table, rules }) = &self.installed else {
            return;
        };
        elements.retain(|element| has_room(*rules, element));
        if !elements.is_empty() {
            out.push(Effect::Filter(request(table.clone(), elements)));
        }
    }

    /// Numbers of interfaces that are gone may be given to others one day.
    fn forget_dead(&mut self, network: &Network, out: &mut Vec<Effect>) {
        let is_dead = |element: &Element| match element {
            Element::Device { device, .. } => network.link(*device).is_none(),
            Element::Address { link, .. } => {
                element.is_link_local() && network.link(*link).is_none()
            }
        };
        let dead: BTreeSet<_> = self.present.iter().copied().filter(is_dead).collect();
        if !dead.is_empty() {
            self.remove(dead, out);
        }
    }

    fn tell_of_loss(&self, family: Family, refusal: Errno) {
        let Some(wanted) = &self.wanted else { return };
        match self.ability {
            Ability::Everything | Ability::WithoutKinds => {}
            Ability::WithoutCopies => warn!(
                "nftables: the kernel sends no copies of packets ({refusal}): {family} groups of \
                 VMAC interfaces are told with the virtual hardware address"
            ),
            Ability::Nothing if wanted.rules.addresses => warn!(
                "nftables: not usable for {family} ({refusal}): packets to addresses of \
                 no_accept are accepted"
            ),
            Ability::Nothing => warn!("nftables: not usable for {family} ({refusal})"),
        }
    }
}

/// Looks through a list of effects.
fn changes<'a>(
    guarded_addresses: &'a BTreeMap<IpAddr, String>,
    network: &Network,
    devices: &Devices,
    out: &[Effect],
) -> Changes<'a> {
    let mut changes = Changes::default();
    for (at, effect) in out.iter().enumerate() {
        let Effect::Kernel(request) = effect else {
            continue;
        };
        match request {
            rtnl::Request::AddAddress(address) => {
                let ip = address.cidr.address();
                if let Some(owner) = guarded_addresses.get(&ip) {
                    changes.add(at, Family::of(ip), guarded(ip, address.link), owner);
                }
            }
            rtnl::Request::RemoveAddress(address) => {
                let ip = address.cidr.address();
                let owner = guarded_addresses.get(&ip).map_or("", String::as_str);
                changes.remove(at, Family::of(ip), guarded(ip, address.link), owner);
            }
            rtnl::Request::Link(LinkRequest::SwitchOn(index)) => {
                for (family, element) in device_elements(*index, network, devices) {
                    changes.add(at, family, element, "");
                }
            }
            _ => {}
        }
    }
    changes
}

/// What of a list of effects concerns the filter.
#[derive(Default)]
struct Changes<'a> {
    first: Option<usize>,
    last: Option<usize>,
    added: BTreeSet<(Family, Element)>,
    removed: BTreeSet<(Family, Element)>,
    /// Whose addresses go behind it, and whose come out.
    adders: BTreeSet<&'a str>,
    removers: BTreeSet<&'a str>,
}

impl<'a> Changes<'a> {
    fn add(&mut self, at: usize, family: Family, element: Element, owner: &'a str) {
        self.first.get_or_insert(at);
        self.removed.remove(&(family, element));
        self.added.insert((family, element));
        self.adders.insert(owner);
    }

    fn remove(&mut self, at: usize, family: Family, element: Element, owner: &'a str) {
        self.last = Some(at);
        self.added.remove(&(family, element));
        self.removed.insert((family, element));
        self.removers.insert(owner);
    }

    fn added(&self, family: Family) -> BTreeSet<Element> {
        elements_of(&self.added, family)
    }

    fn removed(&self, family: Family) -> BTreeSet<Element> {
        elements_of(&self.removed, family)
    }

    fn tell(&self, added: bool, removed: bool) {
        for owner in self
            .adders
            .iter()
            .filter(|owner| added && !owner.is_empty())
        {
            debug!("({owner}) setting firewall drop rule");
        }
        for owner in self
            .removers
            .iter()
            .filter(|owner| removed && !owner.is_empty())
        {
            debug!("({owner}) removing firewall drop rule");
        }
    }
}

fn elements_of(all: &BTreeSet<(Family, Element)>, family: Family) -> BTreeSet<Element> {
    let of_family = all.iter().filter(|(of, _)| *of == family);
    of_family.map(|(_, element)| *element).collect()
}

/// Only link-local addresses are told apart by their interface.
fn guarded(address: IpAddr, link: IfIndex) -> Element {
    let element = Element::Address { address, link };
    if element.is_link_local() {
        return element;
    }
    let link = IfIndex(0);
    Element::Address { address, link }
}

fn device_elements(
    device: IfIndex,
    network: &Network,
    devices: &Devices,
) -> Vec<(Family, Element)> {
    let Some(base) = network.link(device).and_then(|link| link.below) else {
        return Vec::new();
    };
    let families = [Family::V4, Family::V6].into_iter();
    families
        .filter(|family| devices.reports(device, *family))
        .map(|family| (family, Element::Device { device, base }))
        .collect()
}

/// Whether the rules have a set for it.
fn has_room(rules: Rules, element: &Element) -> bool {
    match element {
        Element::Device { .. } => rules.reports.is_some(),
        Element::Address { .. } if element.is_link_local() => rules.link_local,
        Element::Address { .. } => rules.addresses,
    }
}

/// The name of the table unless another is configured.
const TABLE: &str = "keepalived";
/// Just before those who filter at the usual place.
const PRIORITY: i32 = -1;
