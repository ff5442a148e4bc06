//! What the core believes right now, as plain data for dumps and tests.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::devices::Over;
use super::entries::Entry;
use super::instance::{Instance, State};
use super::pacing::Pacing;
use super::sync::Wish;
use super::{Alarm, Core, InstanceId, SocketId, Timer};
use crate::addr::{Cidr, Family, IfIndex, Vrid};
use crate::time::{Instant, Timers};
use crate::wire::channel::Channel;
use crate::wire::linkbeat::Way;
use crate::wire::rtnl::{Address, Link};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In the order of the file.
    pub instances: Vec<InstanceState>,
    /// In the order of the file.
    pub groups: Vec<GroupState>,
    /// What is static and in the kernel.
    pub statics: Vec<Holding>,
    /// How often something static was put back.
    pub statics_restored: u64,
    pub sockets: Vec<SocketState>,
    /// Those of the machine by number, then those that are named and do not exist.
    pub interfaces: Vec<InterfaceState>,
}

/// Something that is in the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    Address(IpAddr),
    Route {
        destination: Cidr,
        table: u32,
        metric: Option<u32>,
    },
    Rule {
        family: Family,
        preference: u32,
    },
}

/// A pair of raw sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketState {
    pub id: SocketId,
    pub channel: Channel,
    /// Empty without one.
    pub interface: String,
    /// Octets that may wait; 0: as many as the kernel finds right.
    pub buffer: u32,
    pub instances: Vec<InstanceId>,
}

/// An interface, as this core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceState {
    pub name: String,
    /// None: there is none of that name now.
    pub link: Option<Link>,
    pub addresses: Vec<Cidr>,
    /// The interface it is on top of, and the one it is a port of.
    pub below: Option<String>,
    pub master: Option<String>,
    /// How it is asked for its link.
    pub asked: Option<Way>,
    /// It was made for an instance.
    pub is_ours: bool,
    pub forwards: bool,
    /// The instances that have to do with it.
    pub instances: Vec<String>,
}

/// A sync group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    pub name: String,
    pub state: StateName,
    /// The names of its members, in the order of the file.
    pub members: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceState {
    pub id: InstanceId,
    pub name: String,
    pub interface: String,
    pub vrid: Vrid,
    pub state: StateName,
    /// What it would be without its group.
    pub wish: StateName,
    /// The effective priority.
    pub priority: u8,
    /// The priority before it is limited to what an advert can say.
    pub total_priority: i32,
    pub source: Option<IpAddr>,
    /// The master a backup listens to.
    pub master: Option<IpAddr>,
    pub master_priority: Option<u8>,
    pub last_transition: Option<Instant>,
    /// When its next advert is due, or its master must have been heard.
    pub wakes_at: Option<Instant>,
    /// Master_Down_Interval.
    pub master_down: Duration,
    pub advertised_at: Option<Instant>,
    /// The addresses it has put into the kernel.
    pub addresses: Vec<Address>,
    /// Everything of it that is in the kernel.
    pub set: Vec<Holding>,
    /// The name of the device that was made for it.
    pub device: Option<String>,
    /// Announcements that wait for their turn.
    pub announcements_waiting: u32,
    /// Why it is in FAULT.
    pub faults: Vec<String>,
    /// How many of them are of what it watches.
    pub tracker_faults: usize,
    pub statistics: Statistics,
    pub refused: Vec<RefusedPackets>,
}

/// Packets of one sender that were no adverts for an instance, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPackets {
    /// None: more senders than are kept apart.
    pub from: Option<IpAddr>,
    pub reason: &'static str,
    pub count: u64,
}

/// What an instance is, without a copy of anything: for who looks after every call.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub name: &'a str,
    pub vrid: Vrid,
    pub state: StateName,
    /// It has put addresses into the kernel.
    pub owns: bool,
    /// What its group is in; None: it is in no group.
    pub group: Option<StateName>,
}

/// The states of keepalived, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    Init = 0,
    Backup = 1,
    Master = 2,
    Fault = 3,
}

impl From<Wish> for StateName {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Fault => Self::Fault,
            Wish::Backup => Self::Backup,
            Wish::Master => Self::Master,
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Counters of one instance, by keepalived's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub invalid_authtype: u64,
    pub authtype_mismatch: u64,
    pub auth_failure: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
    pub chk_err: u64,
    pub vers_err: u64,
    pub auth_ext_missing: u64,
    pub auth_ext_malformed: u64,
    pub auth_ext_unknown_key: u64,
    pub auth_ext_invalid_hmac: u64,
    pub auth_ext_stale: u64,
    pub auth_ext_replay: u64,
    /// Addresses, routes and rules that somebody removed and that were put back.
    pub restored: u64,
}

impl Core {
    pub fn observe(&self) -> Snapshot {
        Snapshot {
            instances: self
                .order
                .iter()
                .filter_map(|id| self.instances.get(id))
                .map(|instance| InstanceState {
                    device: self.device_of(instance),
                    ..instance.observe(&self.timers, &self.pacing)
                })
                .collect(),
            groups: self.groups.observe(&self.instances),
            statics: self.statics.entries().map(Entry::holding).collect(),
            statics_restored: self.statics.restored(),
            sockets: self.sockets.observe().collect(),
            interfaces: self.interfaces(),
        }
    }

    /// In the order of the file.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        let instances = self.order.iter().filter_map(|id| self.instances.get(id));
        instances.map(|instance| Standing {
            name: instance.name(),
            vrid: instance.config.vrid,
            state: instance.state_name(),
            owns: instance.owned.addresses().next().is_some(),
            group: self.groups.state_of(instance.id),
        })
    }

    /// Something static is in the kernel.
    pub fn has_statics(&self) -> bool {
        self.statics.entries().next().is_some()
    }

    fn device_of(&self, instance: &Instance) -> Option<String> {
        let Over::At(device) = instance.over else {
            return None;
        };
        self.network.link(device).map(|link| link.name.clone())
    }

    fn interfaces(&self) -> Vec<InterfaceState> {
        let name = |index: Option<IfIndex>| {
            let link = self.network.link(index?)?;
            Some(link.name.clone())
        };
        let known = self
            .network
            .whole()
            .map(|(link, addresses)| InterfaceState {
                link: Some(link.clone()),
                addresses: addresses.iter().map(|address| address.cidr).collect(),
                below: name(link.below),
                master: name(link.master),
                forwards: self.network.forwards(link.index),
                ..self.interface_named(&link.name)
            });
        let named = self.instances.values().flat_map(Instance::interfaces);
        let missing: BTreeSet<_> = named
            .filter(|name| self.network.named(name).is_none())
            .collect();
        let missing = missing.into_iter().map(|name| self.interface_named(name));
        known.chain(missing).collect()
    }

    /// What is known of an interface without the kernel.
    fn interface_named(&self, name: &str) -> InterfaceState {
        let users = self.order.iter().filter_map(|id| self.instances.get(id));
        let users = users.filter(|instance| {
            let device = self.device_of(instance);
            instance.uses(name) || device.as_deref() == Some(name)
        });
        InterfaceState {
            name: name.to_owned(),
            link: None,
            addresses: Vec::new(),
            below: None,
            master: None,
            asked: self.linkbeats.way(name),
            is_ours: self.devices.has(name),
            forwards: false,
            instances: users.map(|instance| instance.name().to_owned()).collect(),
        }
    }

    /// Whether an instance of this name is master.
    pub fn is_master(&self, name: &str) -> bool {
        let mut instances = self.instances.values();
        instances.any(|known| known.config.name == name && matches!(known.state, State::Master))
    }
}

impl Instance {
    fn observe(&self, timers: &Timers<Timer>, pacing: &Pacing) -> InstanceState {
        let master = match self.state {
            State::Backup { master, .. } => master,
            State::Init | State::Master | State::Fault => None,
        };
        InstanceState {
            id: self.id,
            name: self.config.name.clone(),
            interface: self.config.interface.clone(),
            vrid: self.config.vrid,
            state: self.state_name(),
            wish: self.wish().into(),
            priority: self.priority(),
            total_priority: self.total_priority,
            source: self.source,
            master,
            master_priority: master.and(self.master_priority),
            last_transition: self.last_transition,
            wakes_at: [Alarm::MasterDown, Alarm::Advert]
                .into_iter()
                .find_map(|alarm| timers.deadline_of(Timer::Of(self.id, alarm))),
            master_down: self.master_down_interval(),
            advertised_at: self.advertised_at,
            addresses: self.owned.addresses().cloned().collect(),
            set: self.owned.entries().map(Entry::holding).collect(),
            device: None,
            announcements_waiting: pacing.waiting(self.id),
            faults: self.faults.iter().map(ToString::to_string).collect(),
            tracker_faults: self
                .faults
                .iter()
                .filter(|fault| fault.is_tracked())
                .count(),
            statistics: self.statistics.clone(),
            refused: self.refused.observe(),
        }
    }
}
