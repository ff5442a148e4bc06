//! The interfaces and addresses of this machine, as the kernel last told them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::addr::{Family, IfIndex};
use crate::errno::Errno;
use crate::wire::rtnl::{Address, Link, LinkKind, Notice, Request};

/// A mirror of the kernel's tables, fed by the monitor and by whole snapshots.
#[derive(Debug, Default)]
pub(super) struct Network {
    links: BTreeMap<IfIndex, Link>,
    by_name: BTreeMap<String, IfIndex>,
    /// In the order in which the kernel told them: the first is the primary one.
    addresses: BTreeMap<IfIndex, Vec<Address>>,
    /// IPv6 addresses we asked the kernel to remove: it tells us of that, without saying that it
    /// was our own doing.
    removed: Vec<Address>,
    /// Interfaces that forward IPv6.
    forwarding: BTreeSet<IfIndex>,
}

impl Network {
    pub(super) fn new(links: &[Link], addresses: &[Address]) -> Self {
        let mut network = Self::default();
        for link in links {
            network.apply(&Notice::Link(link.clone()));
        }
        for address in addresses {
            network.apply(&Notice::Address(address.clone()));
        }
        network
    }

    /// Takes everything anew; what is no part of the kernel's tables stays.
    pub(super) fn renew(&mut self, links: &[Link], addresses: &[Address]) {
        let forwarding = std::mem::take(&mut self.forwarding);
        *self = Self::new(links, addresses);
        self.forwarding = forwarding;
    }

    /// Whether IPv4 routes may have gone with this, of which the kernel tells nobody. Before the
    /// notice is applied.
    pub(super) fn takes_routes_along(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Link(link) => self
                .link(link.index)
                .is_none_or(|old| (old.up, old.running) != (link.up, link.running)),
            Notice::LinkGone(_) | Notice::AddressGone(_) => true,
            _ => false,
        }
    }

    pub(super) fn apply(&mut self, notice: &Notice) {
        match notice {
            Notice::Link(link) => self.set_link(link),
            Notice::LinkGone(index) => {
                if let Some(gone) = self.links.remove(index) {
                    self.forget_name(&gone);
                }
                self.addresses.remove(index);
                self.forwarding.remove(index);
                self.removed.retain(|address| address.link != *index);
            }
            Notice::Address(address) => {
                let known = self.addresses.entry(address.link).or_default();
                match known.iter_mut().find(|other| is_same(other, address)) {
                    Some(known) => *known = address.clone(),
                    None => known.push(address.clone()),
                }
            }
            // What others route is not ours to remember.
            Notice::RouteGone(_) | Notice::Rule(_) | Notice::RuleGone(_) => {}
            Notice::AddressGone(address) => {
                if let Some(known) = self.addresses.get_mut(&address.link) {
                    known.retain(|other| !is_same(other, address));
                }
            }
        }
    }

    /// True, once, for the notice of our own removal of an IPv6 address.
    pub(super) fn is_echo(&mut self, notice: &Notice) -> bool {
        let Notice::AddressGone(gone) = notice else {
            return false;
        };
        let at = self.removed.iter().position(|ours| is_same(ours, gone));
        at.map(|at| self.removed.swap_remove(at)).is_some()
    }

    /// A request of ours counts as carried out until the kernel refuses it.
    pub(super) fn requested(&mut self, request: &Request) {
        if let Request::RemoveAddress(address) = request
            && address.cidr.address().is_ipv6()
        {
            self.removed.push(address.clone());
        }
        self.apply(&match request {
            Request::AddAddress(address) => Notice::Address(address.clone()),
            Request::RemoveAddress(address) => Notice::AddressGone(address.clone()),
            // Of links the kernel tells, whoever asked: only it knows the number of a new one.
            _ => return,
        });
    }

    /// EEXIST means that the address is there, whoever added it.
    pub(super) fn refused(&mut self, request: &Request, refusal: Errno) {
        match request {
            Request::AddAddress(address) if refusal != Errno::EEXIST => {
                self.apply(&Notice::AddressGone(address.clone()));
            }
            // Then there will be no notice of it either.
            Request::RemoveAddress(address) => {
                self.is_echo(&Notice::AddressGone(address.clone()));
            }
            _ => {}
        }
    }

    pub(super) fn link(&self, index: IfIndex) -> Option<&Link> {
        self.links.get(&index)
    }

    /// The interface that frames of a device really leave through.
    pub(super) fn base_of(&self, device: IfIndex) -> IfIndex {
        let link = self.link(device);
        let is_on_top =
            |link: &&Link| matches!(link.kind, LinkKind::Macvlan(_) | LinkKind::Ipvlan(_));
        link.filter(is_on_top)
            .and_then(|link| link.below)
            .unwrap_or(device)
    }

    /// The routing domain that an interface is in.
    pub(super) fn domain_of(&self, link: &Link) -> Option<IfIndex> {
        let master = self.link(link.master?)?;
        matches!(master.kind, LinkKind::Vrf(_)).then_some(master.index)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Link> {
        self.by_name
            .get(name)
            .and_then(|index| self.links.get(index))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Every interface, by number, with its addresses.
    pub(super) fn whole(&self) -> impl Iterator<Item = (&Link, &[Address])> {
        self.links.values().map(|link| {
            let addresses = self.addresses.get(&link.index);
            (link, addresses.map_or(&[][..], Vec::as_slice))
        })
    }

    /// An address of an interface, whatever its length.
    pub(super) fn address(&self, link: IfIndex, address: IpAddr) -> Option<&Address> {
        let known = self.addresses.get(&link)?;
        known.iter().find(|known| known.cidr.address() == address)
    }

    /// True when the kernel has this very address: same interface, address, length.
    pub(super) fn has(&self, address: &Address) -> bool {
        let known = self.addresses.get(&address.link);
        known.is_some_and(|known| known.iter().any(|other| is_same(other, address)))
    }

    pub(super) fn set_forwarding(&mut self, link: IfIndex, forwards: bool) {
        if forwards {
            self.forwarding.insert(link);
        } else {
            self.forwarding.remove(&link);
        }
    }

    pub(super) fn forwards(&self, link: IfIndex) -> bool {
        self.forwarding.contains(&link)
    }

    /// True when an interface has the address.
    pub(super) fn has_ip(&self, ip: IpAddr) -> bool {
        self.all().any(|address| address.cidr.address() == ip)
    }

    /// True when the address is there and may yet turn out to be another machine's.
    pub(super) fn is_doubtful(&self, ip: IpAddr) -> bool {
        self.all()
            .any(|address| address.cidr.address() == ip && is_doubtful(address))
    }

    fn all(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values().flatten()
    }

    /// What an instance sends from that is not told what to: the first address of its family on
    /// the interface that `is_virtual` does not claim; of IPv6 a link-local one (RFC 9568
    /// 5.1.2.1), and none that duplicate address detection has not cleared.
    pub(super) fn primary(
        &self,
        link: IfIndex,
        family: Family,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let certain = self.addresses.get(&link)?.iter();
        let mut certain = certain
            .filter(|address| !is_doubtful(address))
            .map(|address| address.cidr.address());
        certain.find(|address| {
            let fits = match address {
                IpAddr::V4(_) => family == Family::V4,
                IpAddr::V6(v6) => family == Family::V6 && v6.is_unicast_link_local(),
            };
            fits && !is_virtual(*address)
        })
    }

    fn set_link(&mut self, link: &Link) {
        if let Some(old) = self.links.insert(link.index, link.clone())
            && old.name != link.name
        {
            self.forget_name(&old);
        }
        self.by_name.insert(link.name.clone(), link.index);
    }

    /// The name may already belong to another interface: two notices of a rename cross.
    fn forget_name(&mut self, link: &Link) {
        if self.by_name.get(&link.name) == Some(&link.index) {
            self.by_name.remove(&link.name);
        }
    }
}

/// What makes two addresses one to the kernel (inet_ifa_match and the local address).
pub(super) fn is_same(one: &Address, other: &Address) -> bool {
    one.link == other.link && one.cidr == other.cidr
}

/// Duplicate address detection runs, or has found another machine with the address.
fn is_doubtful(address: &Address) -> bool {
    address.cidr.address().is_ipv6() && address.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0
}

/// linux/if_addr.h
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index: IfIndex(index),
            name: name.to_owned(),
            mtu: 1500,
            up: true,
            running: true,
            multicast: true,
            ..Link::default()
        }
    }

    fn address(index: u32, cidr: &str) -> Address {
        Address::new(IfIndex(index), cidr.parse().unwrap())
    }

    #[test]
    fn the_primary_address_is_the_first_that_is_not_virtual() {
        let network = Network::new(
            &[link(2, "eth0")],
            &[
                address(2, "10.0.0.100/32"),
                address(2, "fe80::1/64"),
                address(2, "10.0.0.1/24"),
            ],
        );
        let vip: IpAddr = "10.0.0.100".parse().unwrap();
        assert_eq!(
            network.primary(IfIndex(2), Family::V4, |ip| ip == vip),
            Some(IpAddr::from([10, 0, 0, 1]))
        );
        assert_eq!(network.primary(IfIndex(3), Family::V4, |_| false), None);
    }

    #[test]
    fn names_follow_a_swap_of_two_interfaces() {
        let mut network = Network::new(&[link(2, "eth0"), link(3, "eth1")], &[]);
        for notice in [link(2, "tmp"), link(3, "eth0"), link(2, "eth1")] {
            network.apply(&Notice::Link(notice));
        }
        assert_eq!(
            network.named("eth0").map(|link| link.index),
            Some(IfIndex(3))
        );
        assert_eq!(
            network.named("eth1").map(|link| link.index),
            Some(IfIndex(2))
        );
        assert!(network.named("tmp").is_none());
        network.apply(&Notice::LinkGone(IfIndex(3)));
        assert!(network.named("eth0").is_none());
    }

    #[test]
    fn an_address_goes_with_its_interface() {
        let mut network = Network::new(&[link(2, "eth0")], &[address(2, "10.0.0.1/24")]);
        assert!(network.has(&address(2, "10.0.0.1/24")));
        assert!(!network.has(&address(2, "10.0.0.1/32")));
        network.apply(&Notice::LinkGone(IfIndex(2)));
        assert!(!network.has(&address(2, "10.0.0.1/24")));
    }

    #[test]
    fn the_echo_of_our_own_removal_of_an_ipv6_address_is_known_once() {
        let vip = address(2, "fd00::1/64");
        let gone = Notice::AddressGone(vip.clone());
        let mut network = Network::new(&[link(2, "eth0")], std::slice::from_ref(&vip));
        let remove = Request::RemoveAddress(vip);
        network.requested(&remove);
        assert!(network.is_echo(&gone));
        assert!(!network.is_echo(&gone), "the second one is somebody else's");

        network.requested(&remove);
        network.refused(&remove, Errno::EADDRNOTAVAIL);
        assert!(!network.is_echo(&gone), "what was refused is not told");
    }
}
