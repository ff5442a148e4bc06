//! Interfaces that are made for virtual routers, on top of configured ones: macvlans with the
//! hardware address of the router (RFC 9568 7.3), and ipvlans.
//!
//! A device is asked for, told of by the kernel, prepared and switched on; one that somebody
//! deletes is made again. Nothing here waits: every step follows from what the kernel told last.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use log::{debug, error, info, warn};

use super::network::Network;
use super::{Effect, InstanceId};
use crate::addr::{Cidr, Family, IfIndex, MacAddr};
use crate::config::{self, Layer, VirtualAddress};
use crate::errno::Errno;
use crate::wire::rtnl::{
    ADDRESS_NODAD, Address, IpvlanMode, Link, LinkKind, LinkRequest, MacvlanMode, NewLink, Request,
};
use crate::wire::sysctl::{self, Setting};

/// All devices there are to be.
#[derive(Debug, Default)]
pub(super) struct Devices {
    devices: BTreeMap<Key, Device>,
    /// Wanted no more; to be removed when nothing uses them.
    retired: Vec<Device>,
}

/// Whose, and on top of which interface: an instance may have addresses on several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    owner: InstanceId,
    base: String,
}

#[derive(Debug)]
struct Device {
    plan: Plan,
    name: String,
    progress: Progress,
    /// The link-local address of the interface below, when this one has it, too.
    link_local: Option<Address>,
    /// A refusal was logged.
    told: bool,
}

/// What the configuration says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// The instance's name, for the log.
    owner: String,
    base: String,
    /// None: one is made up.
    name: Option<String>,
    prefix: String,
    vrid: u8,
    kind: LinkKind,
    mac: Option<MacAddr>,
    /// None: that of the interface below.
    group: Option<u32>,
    family: Family,
    /// Some of its addresses are of IPv6.
    carries_v6: bool,
    /// Adverts of IPv6 leave through it, from the link-local address of the interface below.
    shares_link_local: bool,
    /// An address of its own (ipvlan).
    address: Option<Cidr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Absent,
    /// The kernel was asked to make it.
    Asked,
    /// One of that name that is not right was asked to go.
    Leaving(IfIndex),
    /// It is there, set up, and was asked to go up.
    Rising(IfIndex),
    Ready(IfIndex),
    /// It went down by itself: the kernel tells that of a device that is about to be deleted, too.
    Sinking(IfIndex),
    /// It was switched off and is still there.
    Down(IfIndex),
    Refused,
}

/// What lies over an interface for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing: the interface itself is used.
    Nothing,
    /// The kernel has been asked and will tell.
    Pending,
    /// It should be there and is not.
    Missing(String),
    At(IfIndex),
}

/// `vmac_prefix` and `vmac_addr_prefix`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefixes<'a> {
    pub(super) own: &'a str,
    pub(super) addresses: &'a str,
}

impl<'a> Prefixes<'a> {
    pub(super) fn of(global: &'a config::Global) -> Self {
        let global = &global.vrrp;
        let own = global.vmac_prefix.as_deref().unwrap_or("vrrp");
        let addresses = global.vmac_addr_prefix.as_deref().unwrap_or(own);
        Self { own, addresses }
    }
}

impl Devices {
    /// Takes the devices that a configuration asks for; those of before that it still asks for
    /// keep their names and are not touched.
    pub(super) fn plan<'a>(
        &mut self,
        instances: impl Iterator<Item = (InstanceId, &'a config::Instance)>,
        prefixes: Prefixes<'_>,
        network: &Network,
    ) {
        let mut old = std::mem::take(&mut self.devices);
        let mut new = Vec::new();
        for (id, instance) in instances {
            for plan in plans(instance, prefixes) {
                let key = Key {
                    owner: id,
                    base: plan.base.clone(),
                };
                match old.remove(&key) {
                    Some(known) if known.plan.is_like(&plan) => {
                        self.devices.insert(key, Device { plan, ..known });
                    }
                    other => {
                        new.push((key.clone(), plan));
                        old.extend(other.map(|other| (key, other)));
                    }
                }
            }
        }
        for (key, plan) in new {
            let name = self.name_for(&plan, network);
            self.devices.insert(key, Device::new(plan, name));
        }
        // A device of the same name takes the old one over.
        let wanted: BTreeSet<_> = self.devices.values().map(|device| &device.name).collect();
        let retired = old.into_values().filter(|old| !wanted.contains(&old.name));
        self.retired.extend(retired);
    }

    /// `vrrp.VRID`; when that is taken `vrrp6.VRID` for IPv6, then `vrrpN.VRID`. A device of the
    /// right kind that is there already may be ours from before a crash.
    fn name_for(&self, plan: &Plan, network: &Network) -> String {
        if let Some(name) = &plan.name {
            return name.clone();
        }
        let taken = |name: &str| {
            let ours = self.devices.values().any(|device| device.name == name);
            ours || network
                .named(name)
                .is_some_and(|link| !plan.is_kind_of(link))
        };
        let (prefix, vrid) = (&plan.prefix, plan.vrid);
        let six = (plan.family == Family::V6).then(|| format!("{prefix}6.{vrid}"));
        let mut names = std::iter::once(format!("{prefix}.{vrid}"))
            .chain(six)
            .chain((1..=NAMES_MAX).map(|number| format!("{prefix}{number}.{vrid}")));
        let free = names.find(|name| !taken(name));
        free.unwrap_or_else(|| format!("{prefix}.{vrid}"))
    }

    /// Takes the next step of every device, by what is known of the machine.
    pub(super) fn settle(
        &mut self,
        network: &Network,
        is_virtual: impl Fn(IpAddr) -> bool,
        out: &mut Vec<Effect>,
    ) {
        for device in self.devices.values_mut() {
            device.settle(network, &is_virtual, out);
        }
    }

    /// Removes what is wanted no more.
    pub(super) fn retire(&mut self, network: &Network, out: &mut Vec<Effect>) {
        self.retired.retain(|device| !device.remove(network, out));
    }

    /// Removes everything: the end.
    pub(super) fn clear(&mut self, network: &Network, out: &mut Vec<Effect>) {
        self.retire(network, out);
        for device in std::mem::take(&mut self.devices).into_values() {
            device.remove(network, out);
        }
    }

    /// The kernel refused something; true when a device has to be tried again later.
    pub(super) fn refused(&mut self, request: &LinkRequest, refusal: Errno) -> bool {
        let of_request = |device: &&mut Device| match request {
            LinkRequest::Add(new) => device.name == new.name,
            LinkRequest::Remove(index)
            | LinkRequest::SetMac(index, _)
            | LinkRequest::SetMode(index, _)
            | LinkRequest::NoOwnAddress(index)
            | LinkRequest::SwitchOn(index) => device.progress.index() == Some(*index),
        };
        let Some(device) = self.devices.values_mut().find(of_request) else {
            return false;
        };
        device.refused(request, refusal)
    }

    /// What was refused is tried again.
    pub(super) fn retry(&mut self) {
        for device in self.devices.values_mut() {
            if device.progress == Progress::Refused {
                device.progress = Progress::Absent;
            }
        }
    }

    /// True while a device went down and it is not known yet whether it goes altogether.
    pub(super) fn is_any_sinking(&self) -> bool {
        let mut devices = self.devices.values();
        devices.any(|device| matches!(device.progress, Progress::Sinking(_)))
    }

    /// What went down a while ago and is still there was switched off.
    pub(super) fn believe(&mut self) {
        for device in self.devices.values_mut() {
            if let Progress::Sinking(index) = device.progress {
                device.progress = Progress::Down(index);
            }
        }
    }

    /// What an instance has over an interface.
    pub(super) fn over(&self, owner: InstanceId, base: &str) -> Over {
        let key = Key {
            owner,
            base: base.to_owned(),
        };
        let Some(device) = self.devices.get(&key) else {
            return Over::Nothing;
        };
        match device.progress {
            Progress::Ready(index) | Progress::Down(index) => Over::At(index),
            Progress::Asked | Progress::Leaving(_) | Progress::Rising(_) | Progress::Sinking(_) => {
                Over::Pending
            }
            Progress::Absent | Progress::Refused => Over::Missing(device.name.clone()),
        }
    }

    /// True for a device of ours, whatever its state.
    pub(super) fn has(&self, name: &str) -> bool {
        self.devices.values().any(|device| device.name == name)
    }

    /// The interfaces below macvlans of IPv4: their ARP must not answer for others.
    pub(super) fn bases(&self) -> impl Iterator<Item = &str> {
        let below = |device: &Device| device.plan.is_macvlan() && device.plan.family == Family::V4;
        self.devices
            .values()
            .filter(move |device| below(device))
            .map(|device| device.plan.base.as_str())
    }

    /// Whether some device may tell of groups of that family with its own hardware address.
    pub(super) fn has_reports(&self, family: Family) -> bool {
        self.devices
            .values()
            .any(|device| device.plan.reports(family))
    }

    /// The same of the device of that number.
    pub(super) fn reports(&self, device: IfIndex, family: Family) -> bool {
        self.devices
            .values()
            .filter(|known| known.progress.index() == Some(device))
            .any(|known| known.plan.reports(family))
    }

    /// True when there is a macvlan to be: then reverse paths must not be filtered everywhere.
    pub(super) fn has_macvlans(&self) -> bool {
        self.devices.values().any(|device| device.plan.is_macvlan())
    }
}

impl Device {
    fn new(plan: Plan, name: String) -> Self {
        Self {
            plan,
            name,
            progress: Progress::Absent,
            link_local: None,
            told: false,
        }
    }

    fn settle(
        &mut self,
        network: &Network,
        is_virtual: &impl Fn(IpAddr) -> bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(base) = network.named(&self.plan.base) else {
            // The kernel takes the device away along with what it is on, but not when that only
            // has another name now.
            let left = self
                .progress
                .index()
                .filter(|index| network.link(*index).is_some());
            if let Some(index) = left {
                let request = LinkRequest::Remove(index);
                out.push(Effect::Kernel(Request::Link(request)));
            }
            self.progress = Progress::Absent;
            return;
        };
        match (network.named(&self.name), self.progress) {
            // Gone, once we are told of it, whoever removed it.
            (None, Progress::Asked | Progress::Refused) => {}
            (None, _) => self.ask(base, network, out),
            (Some(link), Progress::Leaving(index)) if link.index == index => {}
            (Some(link), Progress::Rising(index)) if link.index == index => {
                if link.up {
                    self.progress = Progress::Ready(index);
                    self.follow_base(base, network, is_virtual, out);
                }
            }
            (Some(link), Progress::Ready(index)) if link.index == index => {
                if !link.up {
                    self.progress = Progress::Sinking(index);
                }
                self.follow_base(base, network, is_virtual, out);
            }
            (Some(link), Progress::Sinking(index) | Progress::Down(index))
                if link.index == index =>
            {
                if link.up {
                    self.progress = Progress::Ready(index);
                }
            }
            (Some(link), _) => self.take_over(link, base, out),
        }
    }

    fn ask(&mut self, base: &Link, network: &Network, out: &mut Vec<Effect>) {
        let domain = base.master.and_then(|master| network.link(master));
        let domain = domain.filter(|master| matches!(master.kind, LinkKind::Vrf(_)));
        let link = NewLink {
            name: self.name.clone(),
            below: base.index,
            kind: self.plan.kind,
            mac: self.plan.mac,
            master: domain.map(|domain| domain.index),
            group: self.plan.group.unwrap_or(base.group),
        };
        out.push(Effect::Kernel(Request::Link(LinkRequest::Add(link))));
        self.progress = Progress::Asked;
        self.link_local = None;
    }

    /// There is one of that name: just made, left by a crash, or somebody else's.
    fn take_over(&mut self, link: &Link, base: &Link, out: &mut Vec<Effect>) {
        let owner = &self.plan.owner;
        if !self.plan.is_kind_of(link) {
            if !std::mem::replace(&mut self.told, true) {
                error!(
                    "({owner}) interface {} is there and of another kind",
                    self.name
                );
            }
            self.progress = Progress::Absent;
            return;
        }
        if link.below != Some(base.index) {
            let name = &self.name;
            info!("({owner}) Removing old VMAC interface {name} due to conflicting interface");
            let request = LinkRequest::Remove(link.index);
            out.push(Effect::Kernel(Request::Link(request)));
            self.progress = Progress::Leaving(link.index);
            return;
        }
        if self.progress == Progress::Asked {
            debug!("({owner}): Success creating VMAC interface {}", self.name);
        }
        self.prepare(link, out);
        self.told = false;
        self.progress = Progress::Rising(link.index);
        self.link_local = None;
        if link.up {
            // It was up before us; nothing may be told of a switch that is on already.
            self.progress = Progress::Ready(link.index);
        }
    }

    /// Sets it up before it may speak: addresses, ARP, IPv6, then up.
    fn prepare(&self, link: &Link, out: &mut Vec<Effect>) {
        let mut ask = |request| out.push(Effect::Kernel(Request::Link(request)));
        if let Some(mac) = self.plan.mac.filter(|mac| link.mac != Some(*mac)) {
            ask(LinkRequest::SetMac(link.index, mac));
        }
        if self.plan.is_macvlan() && link.kind != self.plan.kind {
            ask(LinkRequest::SetMode(link.index, MacvlanMode::Private));
        }
        for (family, name, value) in self.plan.settings() {
            let setting = Setting::of_link(family, &self.name, name);
            let request = sysctl::Request::Write(setting, value);
            out.push(Effect::Setting(request));
        }
        let mut ask = |request| out.push(Effect::Kernel(Request::Link(request)));
        ask(LinkRequest::NoOwnAddress(link.index));
        ask(LinkRequest::SwitchOn(link.index));
        if let Some(address) = self.plan.address {
            let address = Address::new(link.index, address);
            out.push(Effect::Kernel(Request::AddAddress(address)));
        }
    }

    /// Adverts of IPv6 have the link-local address of the interface below as source, so the device
    /// has it, too: deprecated, so that nothing else uses it.
    fn follow_base(
        &mut self,
        base: &Link,
        network: &Network,
        is_virtual: &impl Fn(IpAddr) -> bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(index) = self.progress.index() else {
            return;
        };
        if self.plan.family == Family::V6 || self.plan.carries_v6 {
            self.remove_made_up(index, network, is_virtual, out);
        }
        let shared = self
            .plan
            .shares_link_local
            .then(|| network.primary(base.index, Family::V6, is_virtual))
            .flatten();
        let wanted = shared.and_then(|source| shared_address(index, source));
        if wanted == self.link_local {
            return;
        }
        if let Some(old) = self.link_local.take() {
            out.push(Effect::Kernel(Request::RemoveAddress(old)));
        }
        if let Some(new) = wanted {
            out.push(Effect::Kernel(Request::AddAddress(new.clone())));
            self.link_local = Some(new);
        }
    }

    /// Kernels that cannot be told to give it no address of its own give it one.
    fn remove_made_up(
        &self,
        index: IfIndex,
        network: &Network,
        is_virtual: &impl Fn(IpAddr) -> bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(made_up) = self.plan.mac.map(link_local_of) else {
            return;
        };
        if is_virtual(made_up.into()) {
            return;
        }
        if let Some(address) = network.address(index, made_up.into()) {
            out.push(Effect::Kernel(Request::RemoveAddress(address.clone())));
        }
    }

    fn refused(&mut self, request: &LinkRequest, refusal: Errno) -> bool {
        let (owner, name) = (&self.plan.owner, &self.name);
        match request {
            // Linux before 3.17 does not know it; its own address is removed when it is told of.
            LinkRequest::NoOwnAddress(_) => return false,
            LinkRequest::Remove(_) if refusal == Errno::ENODEV => return false,
            LinkRequest::SetMac(..) | LinkRequest::SetMode(..) => {
                warn!("({owner}) cannot put VMAC interface {name} right: {refusal}");
                return false;
            }
            LinkRequest::Add(_) | LinkRequest::Remove(_) | LinkRequest::SwitchOn(_) => {}
        }
        if !std::mem::replace(&mut self.told, true) {
            error!("({owner}): cannot create VMAC interface {name}: {refusal}");
        }
        self.progress = Progress::Refused;
        true
    }

    /// False while it is asked for and not told of: then it has no number yet.
    fn remove(&self, network: &Network, out: &mut Vec<Effect>) -> bool {
        let name = &self.name;
        let index = match self.progress {
            Progress::Absent | Progress::Refused | Progress::Leaving(_) => return true,
            Progress::Rising(index)
            | Progress::Ready(index)
            | Progress::Sinking(index)
            | Progress::Down(index) => Some(index),
            Progress::Asked => network.named(name).map(|link| link.index),
        };
        let Some(index) = index else {
            return false;
        };
        debug!(
            "({}) Success removing VMAC interface {name}",
            self.plan.owner
        );
        let request = LinkRequest::Remove(index);
        out.push(Effect::Kernel(Request::Link(request)));
        true
    }
}

impl Progress {
    fn index(self) -> Option<IfIndex> {
        match self {
            Self::Leaving(index)
            | Self::Rising(index)
            | Self::Ready(index)
            | Self::Sinking(index)
            | Self::Down(index) => Some(index),
            Self::Absent | Self::Asked | Self::Refused => None,
        }
    }
}

impl Plan {
    fn is_macvlan(&self) -> bool {
        matches!(self.kind, LinkKind::Macvlan(_))
    }

    /// Groups of the family are joined on it.
    fn reports(&self, family: Family) -> bool {
        let speaks = match family {
            Family::V4 => self.family == Family::V4,
            Family::V6 => self.carries_v6,
        };
        self.is_macvlan() && speaks
    }

    fn is_kind_of(&self, link: &Link) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&link.kind)
    }

    /// Nothing that would need another device.
    fn is_like(&self, other: &Self) -> bool {
        let shape = |plan: &Self| (plan.kind, plan.mac, plan.group, plan.name.clone());
        shape(self) == shape(other)
            && (&self.prefix, self.carries_v6) == (&other.prefix, other.carries_v6)
            && (self.shares_link_local, self.address) == (other.shares_link_local, other.address)
    }

    /// What keepalived sets on such a device, in its order.
    fn settings(&self) -> Vec<(Family, &'static str, i32)> {
        let mut settings = Vec::new();
        if self.is_macvlan() {
            settings.push((Family::V4, "arp_ignore", 1));
            if self.family == Family::V4 {
                // Packets from the address below come in through the device, too, and addresses
                // of one network are on both.
                settings.extend([
                    (Family::V4, "accept_local", 1),
                    (Family::V4, "rp_filter", 0),
                    (Family::V4, "promote_secondaries", 1),
                ]);
            }
        }
        let without_v6 = self.family == Family::V4 && !self.carries_v6;
        settings.push((Family::V6, "disable_ipv6", without_v6.into()));
        settings
    }
}

/// The devices of one instance: its own, and those of addresses on other interfaces.
fn plans(instance: &config::Instance, prefixes: Prefixes<'_>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = own_plan(instance, prefixes.own).into_iter().collect();
    for vip in instance.addresses.iter().chain(&instance.excluded) {
        if !rides(vip, instance) {
            continue;
        }
        let base = vip.device.as_deref().unwrap_or(&instance.interface);
        let is_v6 = vip.cidr.family() == Family::V6;
        if let Some(known) = plans.iter_mut().find(|plan| plan.base == base) {
            known.carries_v6 |= is_v6;
            continue;
        }
        let plan = vmac_plan(instance, prefixes.addresses);
        plans.push(Plan {
            base: base.to_owned(),
            carries_v6: is_v6 || plan.carries_v6,
            ..plan
        });
    }
    plans
}

/// Whether an address is on a device over the interface it names, and not on that itself.
pub(super) fn rides(vip: &VirtualAddress, instance: &config::Instance) -> bool {
    let device = vip.device.as_deref();
    let elsewhere = device.is_some_and(|device| device != instance.interface);
    if elsewhere {
        vip.vmac || instance.vmac_addresses
    } else {
        vip.vmac || instance.layer != Layer::Interface
    }
}

fn own_plan(instance: &config::Instance, prefix: &str) -> Option<Plan> {
    let plan = vmac_plan(instance, prefix);
    match &instance.layer {
        Layer::Interface => None,
        Layer::Vmac(vmac) => Some(Plan {
            name: vmac.name.clone(),
            mac: vmac.mac.or(plan.mac),
            group: vmac.group,
            shares_link_local: instance.family == Family::V6 && !vmac.base,
            ..plan
        }),
        Layer::Ipvlan(ipvlan) => Some(Plan {
            name: ipvlan.name.clone(),
            kind: LinkKind::Ipvlan(match ipvlan.mode {
                config::IpvlanMode::Bridge => IpvlanMode::Bridge,
                config::IpvlanMode::Private => IpvlanMode::Private,
                config::IpvlanMode::Vepa => IpvlanMode::Vepa,
            }),
            mac: None,
            group: ipvlan.group,
            address: ipvlan.address,
            ..plan
        }),
    }
}

fn vmac_plan(instance: &config::Instance, prefix: &str) -> Plan {
    let vrid = instance.vrid.number();
    let family = match instance.family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    Plan {
        owner: instance.name.clone(),
        base: instance.interface.clone(),
        name: None,
        prefix: prefix.to_owned(),
        vrid,
        kind: LinkKind::Macvlan(MacvlanMode::Private),
        // RFC 9568 7.3.
        mac: Some(MacAddr([0, 0, 0x5e, 0, family, vrid])),
        group: None,
        family: instance.family,
        carries_v6: instance.family == Family::V6,
        shares_link_local: false,
        address: None,
    }
}

fn shared_address(link: IfIndex, source: IpAddr) -> Option<Address> {
    Some(Address {
        flags: ADDRESS_NODAD,
        preferred: Some(0),
        ..Address::new(link, Cidr::new(source, 64)?)
    })
}

/// The modified EUI-64 of RFC 4291 appendix A behind fe80::/64.
fn link_local_of(mac: MacAddr) -> Ipv6Addr {
    let MacAddr([a, b, c, d, e, f]) = mac;
    Ipv6Addr::from([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 0x02,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ])
}

/// More virtual routers of one number than this on one machine are not going to get names.
const NAMES_MAX: u32 = 1_000;
