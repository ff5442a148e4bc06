//! `real_server` and `sorry_server`: who answers for a service, and how packets get there.

use std::net::SocketAddr;

use super::Checker;
use crate::config::Script;

/// There may be thousands: what is never added to has no room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// As it reaches the kernel: under DR and TUN the port is the service's. In a group the port
    /// is as written, and 0 when it is not.
    pub address: SocketAddr,
    pub forwarding: Forwarding,
    /// `weight`, 0 to 2147483647.
    pub weight: i32,
    /// `uthreshold`: connections beyond which it gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// `lthreshold`: connections below which it gets new ones again; 0 for three quarters.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 in place of removal.
    pub inhibit_on_failure: bool,
    /// Few of many servers have scripts.
    pub notify_up: Option<Box<Script>>,
    pub notify_down: Option<Box<Script>>,
    /// `smtp_alert`: mail when it goes up or down; yes unless here or in `global_defs` it says
    /// otherwise.
    pub smtp_alert: bool,
    /// `virtualhost`; the URLs of checks have it already.
    pub virtualhost: Option<Box<str>>,
    /// `snmp_name`.
    pub snmp_name: Option<Box<str>>,
    pub checkers: Box<[Checker]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SorryServer {
    /// As that of a real server.
    pub address: SocketAddr,
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: weight 0 in place of removal.
    pub inhibit: bool,
}

/// How packets reach a real server: `lb_kind`/`lvs_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    Nat,
    Tunnel(Tunnel),
    DirectRouting,
}

/// The tunnel of `TUN`; IP in IP without checksum unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    pub encapsulation: Encapsulation,
    pub checksum: Checksum,
}

/// `type` of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encapsulation {
    #[default]
    Ipip,
    /// Generic UDP encapsulation, to this port.
    Gue {
        port: u16,
    },
    Gre,
}

/// `nocsum`, `csum`, `remcsum`: not with IP in IP, and the last not with GRE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    #[default]
    None,
    Full,
    /// Remote checksum offload.
    Remote,
}

impl RealServer {
    /// A server without checks, with the defaults of everything else.
    pub fn new(address: SocketAddr, forwarding: Forwarding) -> Self {
        Self {
            address,
            forwarding,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit_on_failure: false,
            notify_up: None,
            notify_down: None,
            smtp_alert: true,
            virtualhost: None,
            snmp_name: None,
            checkers: Box::default(),
        }
    }
}

impl Forwarding {
    /// Whether the server may be of another family than the service.
    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::Tunnel(_))
    }
}
