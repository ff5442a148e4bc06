//! `virtual_server`: a service of the director.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::{RealServer, SorryServer};
use crate::addr::Family;
use crate::config::Script;

/// One `virtual_server`, complete: what its real servers and checkers inherit is already in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    pub key: ServiceKey,
    /// `lb_algo`/`lvs_sched`.
    pub scheduler: Scheduler,
    /// `flag-1` to `flag-3`, or `sh-port` and the like.
    pub scheduler_flags: SchedulerFlags,
    /// `ops`: one-packet scheduling, UDP and marks only.
    pub one_packet: bool,
    /// `persistence_timeout` and `persistence_granularity`.
    pub persistence: Option<Persistence>,
    /// `persistence_engine`: the name of a kernel module's engine, at most 16 octets.
    pub persistence_engine: Option<String>,
    /// `quorum`: sum of weights needed.
    pub quorum: u32,
    /// `hysteresis`.
    pub hysteresis: u32,
    /// `quorum_up`: run when the quorum is gained.
    pub quorum_up: Option<Script>,
    /// `quorum_down`: run when the quorum is lost.
    pub quorum_down: Option<Script>,
    /// `omega`: the down scripts are run when the daemon stops.
    pub omega: bool,
    /// `ha_suspend`: checks are made only while the service's address is on this machine.
    pub ha_suspend: bool,
    /// `smtp_alert`: mail when the quorum changes; no unless here or in `global_defs` it says so.
    pub smtp_alert: bool,
    /// `virtualhost`; the URLs of checks have it already.
    pub virtualhost: Option<String>,
    /// `snmp_name`.
    pub snmp_name: Option<String>,
    /// `sorry_server`: takes the clients while the quorum is lost.
    pub sorry_server: Option<SorryServer>,
    pub real_servers: Vec<RealServer>,
}

/// What a virtual server is, to the kernel and across reloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    Address(ServiceAddress),
    /// `fwmark N`: whatever the firewall has marked.
    Fwmark {
        mark: u32,
        family: Family,
    },
    /// `group NAME`: every entry of a `virtual_server_group`.
    Group {
        name: String,
        /// Which of the services that use this group, counted from 0 in the order of the file.
        ordinal: usize,
        /// None for a group of nothing but marks.
        protocol: Option<Protocol>,
        /// Of entries that do not say their own.
        family: Family,
    },
}

/// A service of one address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAddress {
    pub protocol: Protocol,
    /// Port 0 means all ports; such a service is persistent.
    pub address: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// The schedulers of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    RoundRobin,
    WeightedRoundRobin,
    LeastConnections,
    WeightedLeastConnections,
    /// Locality-based least connections.
    Locality,
    /// The same, with replication.
    LocalityReplicated,
    SourceHashing,
    /// Maglev hashing.
    Maglev,
    DestinationHashing,
    /// The heaviest server that is there.
    Failover,
    /// The heaviest server that has room.
    Overflow,
    ShortestExpectedDelay,
    NeverQueue,
    /// The better of two picked at random.
    TwoRandomChoices,
}

/// Three switches whose meaning is the scheduler's: for source and Maglev hashing the first is
/// fallback to the next server and the second hashes the port as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedulerFlags(pub [bool; 3]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Whole seconds, 1 s to 31 days.
    pub timeout: Duration,
    /// Length of the client network that sticks together: 32 or 128 is each client by itself.
    pub prefix: u8,
}

impl VirtualServer {
    /// A service without servers, with the defaults of everything else.
    pub fn new(key: ServiceKey) -> Self {
        Self {
            key,
            scheduler: Scheduler::WeightedLeastConnections,
            scheduler_flags: SchedulerFlags::default(),
            one_packet: false,
            persistence: None,
            persistence_engine: None,
            quorum: 1,
            hysteresis: 0,
            quorum_up: None,
            quorum_down: None,
            omega: false,
            ha_suspend: false,
            smtp_alert: false,
            virtualhost: None,
            snmp_name: None,
            sorry_server: None,
            real_servers: Vec::new(),
        }
    }
}

impl Protocol {
    /// The word in keepalived's names of services.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl Scheduler {
    /// Every scheduler with its name in the kernel.
    pub const ALL: [(&'static str, Self); 14] = [
        ("rr", Self::RoundRobin),
        ("wrr", Self::WeightedRoundRobin),
        ("lc", Self::LeastConnections),
        ("wlc", Self::WeightedLeastConnections),
        ("lblc", Self::Locality),
        ("lblcr", Self::LocalityReplicated),
        ("sh", Self::SourceHashing),
        ("mh", Self::Maglev),
        ("dh", Self::DestinationHashing),
        ("fo", Self::Failover),
        ("ovf", Self::Overflow),
        ("sed", Self::ShortestExpectedDelay),
        ("nq", Self::NeverQueue),
        ("twos", Self::TwoRandomChoices),
    ];

    /// Its name in the kernel.
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, scheduler)| *scheduler == self);
        known.expect("every scheduler has a name").0
    }
}

impl ServiceKey {
    pub fn family(&self) -> Family {
        match self {
            Self::Address(service) => Family::of(service.address.ip()),
            Self::Fwmark { family, .. } | Self::Group { family, .. } => *family,
        }
    }

    /// None for what the firewall marks.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address(service) => Some(service.protocol),
            Self::Fwmark { .. } => None,
            Self::Group { protocol, .. } => *protocol,
        }
    }

    /// None when the service is not one address and port.
    pub fn address(&self) -> Option<ServiceAddress> {
        match self {
            Self::Address(service) => Some(*service),
            Self::Fwmark { .. } | Self::Group { .. } => None,
        }
    }

    /// A real server of this service as keepalived names it: `[192.168.16.2]:tcp:80`.
    pub fn name_of(&self, server: SocketAddr) -> String {
        let protocol = self.protocol().map_or("none", Protocol::word);
        format!("[{}]:{protocol}:{}", server.ip(), server.port())
    }
}

impl ServiceAddress {
    /// A real server of this service as keepalived names it: `[192.168.16.2]:tcp:80`.
    pub fn name_of(self, server: SocketAddr) -> String {
        ServiceKey::Address(self).name_of(server)
    }
}

impl fmt::Display for ServiceKey {
    /// As keepalived names it: `[192.168.16.20]:tcp:80`, `FWM 5`, `[G1]:0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(service) => f.write_str(&self.name_of(service.address)),
            Self::Fwmark { mark, .. } => write!(f, "FWM {mark}"),
            Self::Group { name, ordinal, .. } => write!(f, "[{name}]:{ordinal}"),
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name_of(self.address))
    }
}
