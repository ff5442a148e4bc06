//! `virtual_server`: a service of the director, its real servers and their checks.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One `virtual_server`, complete: what its real servers and checkers inherit is already in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    pub key: ServiceKey,
    /// `lb_algo`/`lvs_sched`: the scheduler's name in the kernel, at most 15 octets.
    pub scheduler: String,
    /// `persistence_timeout` and `persistence_granularity`.
    pub persistence: Option<Persistence>,
    /// `ops`: one-packet scheduling, UDP only.
    pub one_packet: bool,
    /// `quorum`: sum of weights needed.
    pub quorum: u32,
    /// `hysteresis`.
    pub hysteresis: u32,
    pub real_servers: Vec<RealServer>,
}

/// What a virtual server is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Whole seconds, 1 s to 31 days.
    pub timeout: Duration,
    /// Length of the client network that sticks together: 32 or 128 is each client by itself.
    pub prefix: u8,
}

/// How packets reach a real server: `lb_kind`/`lvs_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    Nat,
    Tunnel,
    DirectRouting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// As it reaches the kernel: under DR and TUN the port is the service's.
    pub address: SocketAddr,
    pub forwarding: Forwarding,
    /// `weight`, 0 to 2147483647.
    pub weight: i32,
    /// `inhibit_on_failure`: weight 0 in place of removal.
    pub inhibit_on_failure: bool,
    pub checkers: Vec<Checker>,
}

/// One check of a real server. All of a server's checks must pass for it to be up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    pub probe: Probe,
    /// Additional attempts before a server that is up counts as down.
    pub retry: u32,
    pub delay_before_retry: Duration,
    /// From the end of one check to the start of the next.
    pub delay_loop: Duration,
    /// The first check comes after a second plus a random part of this.
    pub warmup: Duration,
    /// `alpha`: the server starts down.
    pub alpha: bool,
    pub log_all_failures: bool,
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `TCP_CHECK`: up when the handshake completes.
    Tcp {
        /// `connect_ip`, `connect_port`.
        to: SocketAddr,
        /// `bindto`, `bind_port`.
        from: Option<SocketAddr>,
        /// `bind_if`.
        device: Option<String>,
        /// `fwmark`; 0 for none.
        mark: u32,
        /// `connect_timeout`.
        timeout: Duration,
    },
}

impl VirtualServer {
    pub fn ip(&self) -> IpAddr {
        self.key.address.ip()
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

impl ServiceKey {
    /// A real server of this service as keepalived names it: `[192.168.16.2]:tcp:80`.
    pub fn name_of(self, server: SocketAddr) -> String {
        format!(
            "[{}]:{}:{}",
            server.ip(),
            self.protocol.word(),
            server.port()
        )
    }
}

impl fmt::Display for ServiceKey {
    /// As keepalived names it: `[192.168.16.20]:tcp:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name_of(self.address))
    }
}
