//! `virtual_server_group`: many addresses and marks that are served as one.

use std::net::IpAddr;

use crate::addr::Family;

/// One `virtual_server_group`; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServerGroup {
    pub name: String,
    /// In the order of the file.
    pub entries: Vec<GroupEntry>,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupEntry {
    /// From the first address to the last, which are of one family; both are part of it. A
    /// network is one from its first address to its last.
    Addresses {
        first: IpAddr,
        last: IpAddr,
        /// Port 0 means all ports.
        port: u16,
    },
    Fwmark {
        mark: u32,
        /// None: that of the service.
        family: Option<Family>,
    },
}

impl VirtualServerGroup {
    /// Whether one of its addresses is this.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.entries.iter().any(|entry| match entry {
            // Addresses of another family are all less or all greater.
            GroupEntry::Addresses { first, last, .. } => (*first..=*last).contains(&ip),
            GroupEntry::Fwmark { .. } => false,
        })
    }

    /// The ports of its addresses.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.entries.iter().filter_map(GroupEntry::port)
    }
}

impl GroupEntry {
    /// None for a mark.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Addresses { port, .. } => Some(*port),
            Self::Fwmark { .. } => None,
        }
    }

    /// None for a mark that leaves it to the service.
    pub fn family(&self) -> Option<Family> {
        match self {
            Self::Addresses { first, .. } => Some(Family::of(*first)),
            Self::Fwmark { family, .. } => *family,
        }
    }
}
