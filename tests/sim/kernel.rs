//! One machine's kernel: its interfaces, their addresses, and what it refuses.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keepalived::addr::{Cidr, IfIndex, MacAddr};
use keepalived::errno::Errno;
use keepalived::wire::rtnl::{Address, Link, Notice, Request};

pub(crate) struct Kernel {
    links: Vec<Link>,
    addresses: Vec<Address>,
    /// Notices that the monitor has still to read.
    told: VecDeque<Notice>,
    /// net.ipv6.conf.eth0.forwarding.
    pub(crate) forwards: bool,
    /// Nothing new can be made.
    pub(crate) refuses: bool,
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
            told: VecDeque::new(),
            forwards: false,
            refuses: false,
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

    /// Carrier comes or goes.
    pub(crate) fn carrier(&mut self, link: IfIndex, running: bool) -> Notice {
        let mut links = self.links.iter_mut();
        let link = links
            .find(|known| known.index == link)
            .expect("there is such an interface");
        link.running = running;
        Notice::Link(link.clone())
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
            self.told.push_back(Notice::AddressGone(gone));
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

    /// As the real one answers: the sender's own changes are not told to it again, but for those of
    /// IPv6 addresses, which do not say whose they are.
    pub(crate) fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        let (wanted, adding) = match request {
            Request::AddAddress(address) => (address, true),
            Request::RemoveAddress(address) => (address, false),
            Request::Link(request) => panic!("there are no links to make here: {request:?}"),
        };
        assert!(
            self.links.iter().any(|link| link.index == wanted.link),
            "no such interface here"
        );
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
