//! `vrrp_instance`: one virtual router.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::addr::{Cidr, Vrid};

/// One `vrrp_instance`, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    /// `interface`.
    pub interface: String,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `state`: what it hopes to be. Only an owner starts as master.
    pub state: InitialState,
    /// `priority`, 1 to 255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`; version 2: whole seconds, 1 to 255.
    pub advert_interval: Duration,
    pub authentication: Authentication,
    /// `virtual_ipaddress`, in the order of the file; at most 255.
    pub addresses: Vec<VirtualAddress>,
    /// `mcast_src_ip`; None: the interface's primary address.
    pub source: Option<Ipv4Addr>,
    /// False with `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`, zero for none.
    pub preempt_delay: Duration,
    /// False with `dont_track_primary`.
    pub track_primary: bool,
    /// `down_timer_adverts`, 1 to 100.
    pub down_timer_adverts: u32,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub garp: GratuitousArp,
    /// One of the addresses is that of a virtual server: a master without an IPVS table would
    /// swallow its clients, so this instance is in FAULT while the kernel has no IPVS.
    pub guards_service: bool,
}

/// `state MASTER` or `state BACKUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    Master,
    Backup,
}

/// `authentication { }` of VRRP version 2 (RFC 2338; removed by RFC 3768).
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    None,
    /// `auth_type PASS`: eight octets in clear, shorter passwords padded with zeros.
    Pass([u8; 8]),
}

/// The `garp_*` keywords: how the network is told who owns the addresses now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GratuitousArp {
    /// `garp_master_repeat`: frames per address and burst.
    pub repeat: u32,
    /// `garp_master_delay`: the second burst comes this long after the first; zero for none.
    pub delay: Duration,
    /// `garp_master_refresh`: a burst every so often while master; zero for none.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_repeat`: frames per address after an advert of lower priority.
    pub lower_prio_repeat: u32,
    /// `garp_lower_prio_delay`: and again after this; zero for none.
    pub lower_prio_delay: Duration,
}

impl Default for GratuitousArp {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
        }
    }
}

/// One line of `virtual_ipaddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address and its length; /32 when none is written.
    pub cidr: Cidr,
    /// `dev`; None: the instance's interface.
    pub device: Option<String>,
    /// `scope`: global is 0, site 200, link 253, host 254, nowhere 255.
    pub scope: u8,
    /// `brd`, with `+` and `-` already worked out.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`, at most 15 octets.
    pub label: Option<String>,
    /// `peer`; the prefix length belongs to the peer then.
    pub peer: Option<Cidr>,
    /// The IFA_F_* bits of `home`, `noprefixroute`, `mngtmpaddr`, `autojoin`.
    pub flags: u32,
    /// False with `no_track`: losing the address or its device does not matter to the instance.
    pub track: bool,
}

/// `home`: IFA_F_HOMEADDRESS of the kernel.
pub const HOME_ADDRESS: u32 = 0x10;
/// `mngtmpaddr`: IFA_F_MANAGETEMPADDR.
pub const MANAGE_TEMPORARY: u32 = 0x100;
/// `noprefixroute`: IFA_F_NOPREFIXROUTE.
pub const NO_PREFIX_ROUTE: u32 = 0x200;
/// `autojoin`: IFA_F_MCAUTOJOIN.
pub const AUTOJOIN: u32 = 0x400;

/// What an instance is to the other routers; its name is not part of it. A renamed instance
/// continues undisturbed across a reload, one whose VRID changed is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    pub interface: String,
    pub vrid: Vrid,
}

impl Instance {
    pub fn key(&self) -> InstanceKey {
        InstanceKey {
            interface: self.interface.clone(),
            vrid: self.vrid,
        }
    }

    /// The address owner never yields to a configured priority (RFC 9568 6.1).
    pub fn is_owner(&self) -> bool {
        self.priority == 255
    }
}

impl std::fmt::Debug for Authentication {
    /// Passwords do not reach logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(********)",
        })
    }
}
