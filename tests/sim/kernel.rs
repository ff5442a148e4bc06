//! One machine's kernel: an interface, its addresses, and what it refuses.

use std::net::Ipv4Addr;

use keepalived::addr::{Cidr, IfIndex, MacAddr};
use keepalived::errno::Errno;
use keepalived::wire::rtnl::{Address, Link, Notice, Request};

pub(crate) struct Kernel {
    link: Link,
    addresses: Vec<Address>,
    /// Nothing new can be made.
    pub(crate) refuses: bool,
}

pub(crate) const ETH0: IfIndex = IfIndex(2);

impl Kernel {
    pub(crate) fn new(own: Ipv4Addr) -> Self {
        let link = Link {
            index: ETH0,
            name: "eth0".to_owned(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, own.octets()[3]])),
            mtu: 1500,
            up: true,
            running: true,
            multicast: true,
            ..Link::default()
        };
        let own = Cidr::new(own.into(), 24).expect("24 is a length");
        Self {
            link,
            addresses: vec![address(own)],
            refuses: false,
        }
    }

    pub(crate) fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.addresses.clone()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.running
    }

    pub(crate) fn has(&self, cidr: Cidr) -> bool {
        self.addresses.iter().any(|address| address.cidr == cidr)
    }

    /// Carrier comes or goes.
    pub(crate) fn carrier(&mut self, running: bool) -> Notice {
        self.link.running = running;
        Notice::Link(self.link.clone())
    }

    /// Another program removes an address.
    pub(crate) fn remove(&mut self, cidr: Cidr) -> Option<Notice> {
        let at = self
            .addresses
            .iter()
            .position(|address| address.cidr == cidr)?;
        Some(Notice::AddressGone(self.addresses.remove(at)))
    }

    /// As the real one answers: the sender's own changes are not told to it again.
    pub(crate) fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        let (wanted, adding) = match request {
            Request::AddAddress(address) => (address, true),
            Request::RemoveAddress(address) => (address, false),
            Request::Link(request) => panic!("there are no links to make here: {request:?}"),
        };
        assert_eq!(wanted.link, ETH0, "no such interface here");
        let known = self
            .addresses
            .iter()
            .position(|address| address.cidr == wanted.cidr);
        match (known, adding) {
            (None, true) if self.refuses => return Err(Errno::ENOBUFS),
            (None, true) => self.addresses.push(wanted.clone()),
            (Some(at), false) => drop(self.addresses.remove(at)),
            (Some(_), true) => return Err(Errno::EEXIST),
            (None, false) => return Err(Errno::EADDRNOTAVAIL),
        }
        Ok(())
    }
}

fn address(cidr: Cidr) -> Address {
    Address {
        link: ETH0,
        cidr,
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags: 0,
    }
}
