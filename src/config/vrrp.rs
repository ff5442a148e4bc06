//! `vrrp_instance`: one virtual router.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::addr::{Cidr, Family, MacAddr, Vrid};

use super::route::Route;
use super::rule::Rule;
use super::script::Script;
use super::track::Tracks;

/// One `vrrp_instance`, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    /// Of its addresses, peers and source; IPv4 when there is nothing to tell it from.
    pub family: Family,
    pub version: Version,
    /// `interface`; empty without one, which only unicast instances may be.
    pub interface: String,
    /// `use_vmac`, `use_ipvlan`: what it puts onto the interface for itself.
    pub layer: Layer,
    /// `use_vmac_addr`: addresses on other interfaces get one as well.
    pub vmac_addresses: bool,
    /// `vrf`, of unicast instances without an interface.
    pub vrf: Option<String>,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `state`: what it hopes to be. Only an owner starts as master.
    pub state: InitialState,
    /// `priority`, 1 to 255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`; version 2: whole seconds, 1 to 255; version 3: 10 ms to 40.95 s.
    pub advert_interval: Duration,
    pub authentication: Authentication,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
    /// `virtual_ipaddress`, in the order of the file; at most 255.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: addresses of either family that are not in adverts.
    pub excluded: Vec<VirtualAddress>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `mcast_src_ip` or `unicast_src_ip`; None: the interface's primary address.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: in FAULT while no interface has that address.
    pub track_source: bool,
    pub destination: Destination,
    /// `strict_mode`: as the RFC has it and nothing else.
    pub strict: bool,
    /// False with `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`, zero for none.
    pub preempt_delay: Duration,
    /// False with `dont_track_primary`.
    pub track_primary: bool,
    pub track: Tracks,
    /// `down_timer_adverts`, 1 to 100.
    pub down_timer_adverts: u32,
    /// `timer_expired_backup`, 1 to 254: back to BACKUP when it was late.
    pub timer_expired_backup: Option<u32>,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `skip_check_adv_addr`: the addresses of a known master's adverts are not compared.
    pub skip_check_addresses: bool,
    /// `accept`: packets to the virtual addresses are taken by a master that does not own them.
    pub accept: bool,
    /// `v3_checksum_as_v2`: without the pseudo header.
    pub v3_checksum_as_v2: bool,
    /// `promote_secondaries`: the sysctl of the interface is set.
    pub promote_secondaries: bool,
    /// `linkbeat_use_polling`.
    pub poll_link: bool,
    /// `kernel_rx_buf_size`, octets; None: as `vrrp_rx_bufs_policy` says.
    pub receive_buffer: Option<u32>,
    /// `lvs_sync_daemon_interface`.
    pub sync_daemon_interface: Option<String>,
    pub garp: GratuitousArp,
    pub notify: Notify,
    /// One of the addresses is that of a virtual server: a master without an IPVS table would
    /// swallow its clients, so this instance is in FAULT while the kernel has no IPVS.
    pub guards_service: bool,
}

/// `version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// What carries the addresses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Layer {
    /// The interface itself.
    #[default]
    Interface,
    /// `use_vmac`: a macvlan with the address of the virtual router.
    Vmac(Vmac),
    /// `use_ipvlan`.
    Ipvlan(Ipvlan),
}

/// `use_vmac`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Vmac {
    /// None: `vrrp.` and the VRID.
    pub name: Option<String>,
    /// None: that of the RFC.
    pub mac: Option<MacAddr>,
    /// `vmac_xmit_base`: adverts leave through the interface below.
    pub base: bool,
    /// `netlink_notify_msg`.
    pub tell: bool,
    /// `group`: the interface group it belongs to.
    pub group: Option<u32>,
}

/// `use_ipvlan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipvlan {
    pub name: Option<String>,
    pub address: Option<Cidr>,
    pub mode: IpvlanMode,
    pub group: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IpvlanMode {
    #[default]
    Bridge,
    Private,
    Vepa,
}

/// Where adverts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `mcast_dst_ip`, else the group of `global_defs`, else that of the RFC.
    Multicast(IpAddr),
    Unicast(Unicast),
}

/// `unicast_peer` and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unicast {
    /// Only with `unicast_fault_no_peer` empty, and then in FAULT.
    pub peers: Vec<Peer>,
    /// `unicast_ttl`, 0 to 255; None: 255.
    pub ttl: Option<u8>,
    /// `check_unicast_src`: adverts of others than the peers are dropped.
    pub check_source: bool,
    /// `unicast_fault_no_peer`.
    pub fault_without_peer: bool,
    pub old_checksum: OldChecksum,
    /// The group of `global_defs`: very old versions put it into the checksum.
    pub group: IpAddr,
}

/// One line of `unicast_peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    /// `min_ttl` and `max_ttl` of what comes from it.
    pub min_ttl: Option<u8>,
    pub max_ttl: Option<u8>,
}

/// `old_unicast_checksum`: what keepalived up to 1.3.6 computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OldChecksum {
    /// As the peer does.
    #[default]
    Detect,
    Always,
    Never,
}

/// The `notify*` keywords: what is told of a transition, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Notify {
    pub backup: Option<Script>,
    pub master: Option<Script>,
    pub fault: Option<Script>,
    pub stop: Option<Script>,
    /// `notify`: all of them.
    pub any: Option<Script>,
    /// `notify_deleted`: an instance that a reload removes is told of as that.
    pub deletion: bool,
    pub deleted: Option<Script>,
    /// `notify_master_rx_lower_pri`.
    pub master_hears_lower: Option<Script>,
    /// `smtp_alert`.
    pub mail: bool,
    /// `notify_priority_changes`: to the pipe.
    pub priority_changes: bool,
}

/// `auth_hmac`: adverts with a signature behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    pub keys: Vec<HmacKey>,
    /// `active_key`: one of the keys; it signs.
    pub active: u8,
    /// `time_window`, 1 to 300 s: how old an advert may be.
    pub window: Duration,
    /// `anti_replay`.
    pub replay: ReplayGuard,
    /// `mode`.
    pub mode: HmacMode,
}

/// `key ID VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacKey {
    /// 1 to 255.
    pub id: u8,
    pub secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// 32 to 64 octets.
    Octets(Vec<u8>),
    /// From a file, read with the configuration.
    File { path: String, octets: Vec<u8> },
}

impl HmacKey {
    pub fn octets(&self) -> &[u8] {
        match &self.secret {
            Secret::Octets(octets) | Secret::File { octets, .. } => octets,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReplayGuard {
    /// By the clocks of both.
    #[default]
    Time,
    /// By a counter.
    Monotonic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HmacMode {
    /// What is not signed well is dropped.
    #[default]
    Enforce,
    /// It is only logged.
    Permissive,
    /// Ours are not signed.
    ReceiveOnly,
}

/// `vrrp_sync_group`: instances that change state together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    pub name: String,
    pub members: Vec<String>,
    pub track: Tracks,
    pub notify: Notify,
    /// `sync_group_tracking_weight`: members may have weights of their own.
    pub tracking_weight: bool,
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
    /// `auth_type AH`: signed with the password.
    Ah([u8; 8]),
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
    /// `garp_extra_if`: on the interfaces of addresses that are on others than the instance's.
    pub extra: Option<ExtraGarp>,
}

/// `garp_extra_if [all] SECONDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraGarp {
    /// Up to 86400 s.
    pub interval: Duration,
    /// On all of them, not only on VMACs.
    pub all: bool,
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
            extra: None,
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
    /// The IFA_F_* bits of `home`, `-nodad`, `noprefixroute`, `mngtmpaddr`, `autojoin`.
    pub flags: u32,
    /// `preferred_lft`, seconds, u32::MAX for ever; None: 0 for IPv6 hosts, else for ever.
    pub preferred_lifetime: Option<u32>,
    /// `use_vmac`: on a macvlan of its own.
    pub vmac: bool,
    /// False with `no_track`: losing the address or its device does not matter to the instance.
    pub track: bool,
}

/// `-nodad`: IFA_F_NODAD.
pub const NO_DAD: u32 = 0x02;
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
    pub family: Family,
    pub vrid: Vrid,
    pub meeting: Meeting,
    /// With a device of its own (`use_vmac`, `use_ipvlan`).
    pub layered: bool,
}

/// Where a virtual router meets its others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meeting {
    Group(IpAddr),
    /// Unicast from this address; None: the primary one of the interface.
    Unicast(Option<IpAddr>),
}

impl Instance {
    pub fn key(&self) -> InstanceKey {
        InstanceKey {
            interface: self.interface.clone(),
            family: self.family,
            vrid: self.vrid,
            meeting: match self.destination {
                Destination::Multicast(group) => Meeting::Group(group),
                Destination::Unicast(_) => Meeting::Unicast(self.source),
            },
            layered: self.layer != Layer::Interface,
        }
    }

    /// The address owner never yields to a configured priority (RFC 9568 6.1).
    pub fn is_owner(&self) -> bool {
        self.priority == 255
    }

    /// An owner does not listen first, unless it was told to by `state BACKUP`.
    pub fn starts_as_master(&self) -> bool {
        self.is_owner() && self.state == InitialState::Master
    }
}

impl Destination {
    /// The group that RFC 3768 5.2.2 and RFC 9568 5.1.2.2 name.
    pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
}

impl fmt::Debug for Secret {
    /// Keys do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl fmt::Debug for Authentication {
    /// Passwords do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(********)",
            Self::Ah(_) => "Ah(********)",
        })
    }
}
