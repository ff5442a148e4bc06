//! One machine's kernel: its interfaces, their addresses, and what it refuses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keepalived::addr::{Cidr, Family, IfIndex, MacAddr};
use keepalived::errno::Errno;
use keepalived::wire::linkbeat::{Question, Way};
use keepalived::wire::nft::{self, Element};
use keepalived::wire::rtnl::{
    Address, Create, Link, LinkRequest, NewLink, Notice, Request, Route, RouteKey, Rule,
};
use keepalived::wire::sysctl;

pub(crate) struct Kernel {
    links: Vec<Link>,
    addresses: Vec<Address>,
    next_link: u32,
    /// Under /proc/sys/net.
    settings: Settings,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
    /// Notices that the monitor has still to read.
    told: VecDeque<Notice>,
    /// net.ipv6.conf.eth0.forwarding.
    pub(crate) forwards: bool,
    /// Nothing new can be made.
    pub(crate) refuses: bool,
    /// What its packet filter knows; 3 is everything, 0 nothing at all.
    pub(crate) filter_ability: u8,
    /// The tables of the packet filter, with what is in their sets.
    filters: BTreeMap<Family, BTreeSet<Element>>,
    /// Flags of addresses beyond the eighth are an error.
    pub(crate) refuses_newer_flags: bool,
    /// Ways in which links can be asked for their cable, each with what it says of `eth0`.
    pub(crate) beats: BTreeMap<Way, bool>,
    /// As before 3.17: a link on which IPv6 is on gets a link-local address, like it or not.
    pub(crate) is_old: bool,
}

/// Settings that somebody has set; what was borrowed, with its value before.
#[derive(Default)]
struct Settings {
    values: BTreeMap<String, i32>,
    borrowed: BTreeMap<String, i32>,
}

/// On the first segment.
pub(crate) const ETH0: IfIndex = IfIndex(2);
/// On the second one.
pub(crate) const ETH1: IfIndex = IfIndex(3);

/// On none: something to track.
pub(crate) const ETH9: IfIndex = IfIndex(11);

impl Kernel {
    /// Machine N has 10.0.0.N on `eth0` and 10.1.0.N on `eth1`, and fe80::N on both.
    pub(crate) fn new(number: u8) -> Self {
        let link = |index, name: &str| Link {
            index,
            name: name.to_owned(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, number])),
            mtu: 1500,
            up: true,
            running: true,
            multicast: true,
            ..Link::default()
        };
        let own = |link, segment| {
            let ip = Ipv4Addr::new(10, segment, 0, number);
            Address::new(link, Cidr::new(ip.into(), 24).expect("24 is a length"))
        };
        let local = |link| {
            let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number.into());
            Address::new(link, Cidr::new(ip.into(), 64).expect("64 is a length"))
        };
        Self {
            links: vec![link(ETH0, "eth0"), link(ETH1, "eth1"), link(ETH9, "eth9")],
            addresses: vec![own(ETH0, 0), own(ETH1, 1), local(ETH0), local(ETH1)],
            next_link: ETH1.0 + 1,
            settings: Settings::default(),
            routes: Vec::new(),
            rules: Vec::new(),
            told: VecDeque::new(),
            forwards: false,
            refuses: false,
            is_old: false,
            beats: BTreeMap::new(),
            refuses_newer_flags: false,
            filter_ability: 3,
            filters: BTreeMap::new(),
        }
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        self.links.clone()
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.addresses.clone()
    }

    pub(crate) fn is_up(&self, link: IfIndex) -> bool {
        self.links
            .iter()
            .any(|known| known.index == link && known.running)
    }

    pub(crate) fn has(&self, cidr: Cidr) -> bool {
        self.addresses.iter().any(|address| address.cidr == cidr)
    }

    pub(crate) fn has_address(&self, ip: IpAddr) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|address| address.cidr.address() == ip)
    }

    /// Carrier comes or goes, for what is on top as well.
    pub(crate) fn carrier(&mut self, index: IfIndex, running: bool) {
        let is_on = |link: &Link| link.index == index || link.below == Some(index);
        for link in self.links.iter_mut().filter(|link| is_on(link)) {
            link.running = running && link.up;
            self.told.push_back(Notice::Link(link.clone()));
        }
    }

    /// The interface whose cable a link is on.
    pub(crate) fn cable(&self, index: IfIndex) -> IfIndex {
        let link = self.links.iter().find(|link| link.index == index);
        link.and_then(|link| link.below).unwrap_or(index)
    }

    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    pub(crate) fn ask_link(&self, question: &Question) -> Result<bool, Errno> {
        assert_eq!(question.interface, "eth0");
        let answer = self.beats.get(&question.way);
        answer.copied().ok_or(Errno::EOPNOTSUPP)
    }

    /// Where an address is.
    pub(crate) fn link_of(&self, cidr: Cidr) -> Option<&str> {
        let address = self.addresses.iter().find(|known| known.cidr == cidr)?;
        let link = self.links.iter().find(|link| link.index == address.link)?;
        Some(&link.name)
    }

    /// A setting by its path under /proc/sys/net.
    pub(crate) fn setting(&self, path: &str) -> i32 {
        self.settings.values.get(path).copied().unwrap_or(0)
    }

    /// The administrator sets it.
    pub(crate) fn preset(&mut self, path: &str, value: i32) {
        self.settings.values.insert(path.to_owned(), value);
    }

    pub(crate) fn set(&mut self, request: &sysctl::Request) -> Option<i32> {
        let path = request.setting().path();
        let now = self.setting(&path);
        match request {
            sysctl::Request::Read(_) => return Some(now),
            sysctl::Request::Write(_, value) => self.preset(&path, *value),
            sysctl::Request::Borrow(_, value) => {
                self.settings.borrowed.entry(path.clone()).or_insert(now);
                self.preset(&path, *value);
            }
            sysctl::Request::Return(_) => {
                if let Some(before) = self.settings.borrowed.remove(&path) {
                    self.preset(&path, before);
                }
            }
        }
        None
    }

    /// What is in the sets of a family's table; None without one.
    pub(crate) fn filtered(&self, family: Family) -> Option<&BTreeSet<Element>> {
        self.filters.get(&family)
    }

    pub(crate) fn filter(&mut self, request: &nft::Request) -> Result<(), Errno> {
        let family = request.table().family;
        match request {
            nft::Request::Install {
                rules, elements, ..
            } => {
                let needed = match rules.reports {
                    Some(nft::Reports::ByKind) => 3,
                    Some(nft::Reports::ByNumber) => 2,
                    None => 1,
                };
                if self.filter_ability < needed {
                    return Err(Errno::ENOENT);
                }
                self.filters
                    .insert(family, elements.iter().copied().collect());
            }
            nft::Request::Add(_, elements) => {
                let table = self.filters.get_mut(&family).ok_or(Errno::ENOENT)?;
                table.extend(elements);
            }
            nft::Request::Remove(_, elements) => {
                let table = self.filters.get_mut(&family).ok_or(Errno::ENOENT)?;
                for element in elements {
                    assert!(table.remove(element), "{element:?} is not there");
                }
            }
            nft::Request::Uninstall(_) => {
                self.filters.remove(&family);
            }
        }
        Ok(())
    }

    /// Another program makes or changes links.
    pub(crate) fn meddle(&mut self, request: &LinkRequest) {
        self.ask(request).expect("it can");
    }

    /// An interface is plugged in, with an address, and is up.
    pub(crate) fn plug_in(&mut self, name: &str, cidr: &str) {
        let index = IfIndex(self.next_link);
        self.next_link += 1;
        let like = self.links[0].clone();
        let link = Link {
            index,
            name: name.to_owned(),
            ..like
        };
        self.told.push_back(Notice::Link(link.clone()));
        self.links.push(link);
        let address = Address::new(index, cidr.parse().expect("an address"));
        self.told.push_back(Notice::Address(address.clone()));
        self.addresses.push(address);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let index = self.link(from).expect("there is such a link").index;
        self.change(index, |link| to.clone_into(&mut link.name))
            .expect("it was found");
    }

    pub(crate) fn resize(&mut self, index: IfIndex, mtu: u32) {
        self.change(index, |link| link.mtu = mtu)
            .expect("there is such a link");
    }

    pub(crate) fn switch_off(&mut self, index: IfIndex) {
        self.change(index, |link| (link.up, link.running) = (false, false))
            .expect("there is such a link");
    }

    fn ask(&mut self, request: &LinkRequest) -> Result<(), Errno> {
        match request {
            LinkRequest::Add(new) => self.make(new),
            LinkRequest::Remove(index) => self.take_away(*index),
            LinkRequest::SetMac(index, mac) => self.change(*index, |link| link.mac = Some(*mac)),
            LinkRequest::SetKind(index, kind) => self.change(*index, |link| link.kind = *kind),
            LinkRequest::SetMaster(index, master) => {
                self.change(*index, |link| link.master = *master)
            }
            LinkRequest::NoOwnAddress(_) if self.is_old => Err(Errno::EOPNOTSUPP),
            LinkRequest::NoOwnAddress(_) => Ok(()),
            LinkRequest::SwitchOn(index) => self.switch_on(*index),
        }
    }

    fn make(&mut self, new: &NewLink) -> Result<(), Errno> {
        if self.refuses {
            return Err(Errno::ENOBUFS);
        }
        if self.link(&new.name).is_some() {
            return Err(Errno::EEXIST);
        }
        let below = self.links.iter().find(|link| link.index == new.below);
        let below = below.ok_or(Errno::ENODEV)?;
        let link = Link {
            index: IfIndex(self.next_link),
            name: new.name.clone(),
            mac: new.mac.or(below.mac),
            mtu: below.mtu,
            multicast: true,
            kind: new.kind,
            below: Some(new.below),
            group: new.group,
            master: new.master,
            ..Link::default()
        };
        self.next_link += 1;
        self.told.push_back(Notice::Link(link.clone()));
        self.links.push(link);
        Ok(())
    }

    /// Down first, then gone, with what is on top before it.
    pub(crate) fn take_away(&mut self, index: IfIndex) -> Result<(), Errno> {
        let is_on = |link: &Link| link.below == Some(index);
        let on_top: Vec<IfIndex> = self
            .links
            .iter()
            .filter(|link| is_on(link))
            .map(|link| link.index)
            .collect();
        for above in on_top {
            self.take_away(above)?;
        }
        let found = self.links.iter().position(|link| link.index == index);
        let mut gone = self.links.remove(found.ok_or(Errno::ENODEV)?);
        let (lost, kept) = std::mem::take(&mut self.addresses)
            .into_iter()
            .partition(|address| address.link == index);
        self.addresses = kept;
        (gone.up, gone.running) = (false, false);
        self.told.push_back(Notice::Link(gone));
        self.told.extend(lost.into_iter().map(Notice::AddressGone));
        self.told.push_back(Notice::LinkGone(index));
        Ok(())
    }

    fn switch_on(&mut self, index: IfIndex) -> Result<(), Errno> {
        let cable = self.cable(index);
        let running = self.is_up(cable);
        self.change(index, |link| (link.up, link.running) = (true, running))?;
        let link = self.links.iter().find(|link| link.index == index);
        let link = link.expect("it was changed");
        let v6 = self.setting(&format!("ipv6/conf/{}/disable_ipv6", link.name)) == 0;
        if let Some(mac) = link.mac.filter(|_| self.is_old && v6) {
            let [a, b, c, d, e, f] = mac.0;
            let octets = [
                0xfe,
                0x80,
                0,
                0,
                0,
                0,
                0,
                0,
                a ^ 2,
                b,
                c,
                0xff,
                0xfe,
                d,
                e,
                f,
            ];
            let cidr = Cidr::new(Ipv6Addr::from(octets).into(), 64);
            let own = Address::new(index, cidr.expect("64 is a length"));
            self.addresses.push(own.clone());
            self.told.push_back(Notice::Address(own));
        }
        Ok(())
    }

    fn change(&mut self, index: IfIndex, what: impl FnOnce(&mut Link)) -> Result<(), Errno> {
        let mut links = self.links.iter_mut();
        let link = links
            .find(|link| link.index == index)
            .ok_or(Errno::ENODEV)?;
        what(link);
        self.told.push_back(Notice::Link(link.clone()));
        Ok(())
    }

    /// Another program adds an address to `eth0`.
    pub(crate) fn add(&mut self, cidr: Cidr) {
        let address = Address::new(ETH0, cidr);
        self.addresses.push(address.clone());
        self.told.push_back(Notice::Address(address));
    }

    /// Another program removes an address.
    pub(crate) fn remove(&mut self, cidr: Cidr) {
        let at = self
            .addresses
            .iter()
            .position(|address| address.cidr == cidr);
        if let Some(at) = at {
            let gone = self.addresses.remove(at);
            self.drop_routes_from(gone.cidr.address());
            self.told.push_back(Notice::AddressGone(gone));
        }
    }

    pub(crate) fn set_flags(&mut self, cidr: Cidr, flags: u32) {
        for address in self.addresses.iter_mut().filter(|known| known.cidr == cidr) {
            address.flags = flags;
            self.told.push_back(Notice::Address(address.clone()));
        }
    }

    /// The next notice, in the order of the events.
    pub(crate) fn notice(&mut self) -> Option<Notice> {
        self.told.pop_front()
    }

    /// The monitor's buffer was full.
    pub(crate) fn lose_notices(&mut self) {
        self.told.clear();
    }

    /// With an address go the IPv4 routes that have it as source, and nobody is told.
    fn drop_routes_from(&mut self, address: IpAddr) {
        self.routes.retain(|route| route.source != Some(address));
    }

    /// `ip link set down`, which takes the IPv4 routes away without a word.
    pub(crate) fn switch(&mut self, index: IfIndex, up: bool) -> Notice {
        if !up {
            self.routes.retain(|route| route.hop.link != Some(index));
        }
        let link = self.links.iter_mut().find(|link| link.index == index);
        let link = link.expect("an interface of ours");
        (link.up, link.running) = (up, up);
        Notice::Link(link.clone())
    }

    /// Another program removes a route.
    pub(crate) fn steal_route(&mut self, destination: Cidr) {
        let is_it = |route: &Route| route.destination == destination;
        let at = self
            .routes
            .iter()
            .position(is_it)
            .expect("there is such a route");
        let gone = self.routes.remove(at);
        self.told.push_back(Notice::RouteGone(RouteKey {
            destination,
            table: gone.table,
            kind: gone.kind,
            protocol: gone.protocol,
            tos: gone.tos,
            metric: gone.metric.unwrap_or(0),
            gateway: gone.hop.gateway,
            link: gone.hop.link.or(Some(ETH0)),
        }));
    }

    /// Another program removes a rule.
    pub(crate) fn steal_rule(&mut self, preference: u32) {
        let is_it = |rule: &Rule| rule.preference == preference;
        let at = self
            .rules
            .iter()
            .position(is_it)
            .expect("there is such a rule");
        let gone = self.rules.remove(at);
        self.told.push_back(Notice::RuleGone(Box::new(gone)));
    }

    fn add_route(&mut self, route: &Route, create: Create) -> Result<(), Errno> {
        let is_local = |source: IpAddr| {
            self.addresses
                .iter()
                .any(|known| known.cidr.address() == source)
        };
        if route.source.is_some_and(|source| !is_local(source)) {
            return Err(Errno::EINVAL);
        }
        let is_down = |link: &Link| Some(link.index) == route.hop.link && !link.up;
        if self.links.iter().any(is_down) {
            return Err(Errno::ENETUNREACH);
        }
        if self.routes.contains(route) {
            return Err(Errno::EEXIST);
        }
        if self.refuses {
            return Err(Errno::ENOBUFS);
        }
        let rival = self.routes.iter().position(|known| route.replaces(known));
        match (create, rival) {
            (Create::Exclusive, Some(_)) => return Err(Errno::EEXIST),
            (Create::Replace, Some(at)) => self.routes[at] = route.clone(),
            (Create::Prepend, _) => self.routes.insert(0, route.clone()),
            (Create::Append | Create::Exclusive | Create::Replace, _) => {
                self.routes.push(route.clone());
            }
        }
        Ok(())
    }

    fn remove_route(&mut self, route: &Route) -> Result<(), Errno> {
        let at = self.routes.iter().position(|known| known == route);
        self.routes.remove(at.ok_or(Errno::ESRCH)?);
        Ok(())
    }

    /// As the real one answers: the sender's own changes are not told to it again, but for those of
    /// IPv6 addresses, which do not say whose they are.
    pub(crate) fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        let (wanted, adding) = match request {
            Request::AddAddress(address) if self.refuses_newer_flags && address.flags > 0xff => {
                return Err(Errno::EINVAL);
            }
            Request::AddAddress(address) => (address, true),
            Request::RemoveAddress(address) => (address, false),
            Request::Link(request) => return self.ask(request),
            Request::AddRoute(route) => return self.add_route(route, route.create),
            Request::ReplaceRoute(route) => return self.add_route(route, Create::Replace),
            Request::RemoveRoute(route) => return self.remove_route(route),
            Request::AddRule(rule) if self.rules.contains(rule) => return Err(Errno::EEXIST),
            Request::AddRule(_) if self.refuses => return Err(Errno::ENOBUFS),
            Request::AddRule(rule) => {
                self.rules.push((**rule).clone());
                return Ok(());
            }
            Request::RemoveRule(rule) => {
                let at = self.rules.iter().position(|known| known == &**rule);
                self.rules.remove(at.ok_or(Errno::ENOENT)?);
                return Ok(());
            }
        };
        if !self.links.iter().any(|link| link.index == wanted.link) {
            return Err(Errno::ENODEV);
        }
        let known = self
            .addresses
            .iter()
            .position(|address| address.link == wanted.link && address.cidr == wanted.cidr);
        match (known, adding) {
            (None, true) if self.refuses => return Err(Errno::ENOBUFS),
            (None, true) => {
                self.addresses.push(wanted.clone());
                if wanted.cidr.address().is_ipv6() {
                    self.told.push_back(Notice::Address(wanted.clone()));
                }
            }
            (Some(at), false) => {
                let gone = self.addresses.remove(at);
                self.drop_routes_from(gone.cidr.address());
                if gone.cidr.address().is_ipv6() {
                    self.told.push_back(Notice::AddressGone(gone));
                }
            }
            (Some(_), true) => return Err(Errno::EEXIST),
            (None, false) => return Err(Errno::EADDRNOTAVAIL),
        }
        Ok(())
    }
}
