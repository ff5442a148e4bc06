//! Interfaces that are made for virtual routers, on top of configured ones: macvlans with the
//! hardware address of the router (RFC 9568 7.3), and ipvlans.
//!
//! A device is asked for, told of by the kernel, prepared and switched on; one that somebody
//! deletes is made again. Nothing here waits: every step follows from what the kernel told last.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use log::{debug, error, info, warn};

use super::layers::{Plan, Prefixes, plans};
use super::network::Network;
use super::{Effect, InstanceId};
use crate::addr::{Family, IfIndex, MacAddr};
use crate::config;
use crate::errno::Errno;
use crate::wire::rtnl::{Address, Link, LinkRequest, NewLink, Request};
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
    /// The address it has for itself.
    address: Option<Address>,
    /// The kernel did not take that address, and is not asked again.
    address_refused: bool,
    /// A refusal was logged.
    told: bool,
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

    /// Forgets them: they stay where they are.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// The kernel refused something; true when a device has to be tried again later.
    pub(super) fn refused(&mut self, request: &LinkRequest, refusal: Errno) -> bool {
        let of_request = |device: &&mut Device| match request {
            LinkRequest::Add(new) => device.name == new.name,
            LinkRequest::Remove(index)
            | LinkRequest::SetMac(index, _)
            | LinkRequest::SetKind(index, _)
            | LinkRequest::SetMaster(index, _)
            | LinkRequest::NoOwnAddress(index)
            | LinkRequest::SwitchOn(index) => device.progress.index() == Some(*index),
        };
        let Some(device) = self.devices.values_mut().find(of_request) else {
            return false;
        };
        device.refused(request, refusal)
    }

    /// The kernel did not take an address that may be one of a device itself.
    pub(super) fn refused_address(&mut self, address: &Address) {
        let mut devices = self.devices.values_mut();
        let own = devices.find(|device| device.address.as_ref() == Some(address));
        if let Some(device) = own {
            device.address_refused = true;
        }
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
            address: None,
            address_refused: false,
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
        let link = NewLink {
            name: self.name.clone(),
            below: base.index,
            kind: self.plan.kind,
            mac: self.plan.mac,
            master: network.domain_of(base),
            group: self.plan.group.unwrap_or(base.group),
        };
        out.push(Effect::Kernel(Request::Link(LinkRequest::Add(link))));
        self.progress = Progress::Asked;
        self.forget_address();
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
        let (name, noun) = (&self.name, self.plan.noun());
        if link.below != Some(base.index) {
            info!("({owner}) Removing old {noun} interface {name} due to conflicting interface");
            let request = LinkRequest::Remove(link.index);
            out.push(Effect::Kernel(Request::Link(request)));
            self.progress = Progress::Leaving(link.index);
            return;
        }
        if self.progress == Progress::Asked {
            debug!("({owner}): Success creating {noun} interface {name}");
        }
        self.prepare(link, out);
        self.told = false;
        self.progress = Progress::Rising(link.index);
        self.forget_address();
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
        if link.kind != self.plan.kind {
            ask(LinkRequest::SetKind(link.index, self.plan.kind));
        }
        for (family, name, value) in self.plan.settings() {
            let setting = Setting::of_link(family, &self.name, name);
            let request = sysctl::Request::Write(setting, value);
            out.push(Effect::Setting(request));
        }
        let mut ask = |request| out.push(Effect::Kernel(Request::Link(request)));
        if self.plan.is_macvlan() {
            ask(LinkRequest::NoOwnAddress(link.index));
        }
        ask(LinkRequest::SwitchOn(link.index));
    }

    /// It is in the routing domain of the interface below, and has the address it speaks from: of
    /// IPv6 that is the link-local one of the interface below.
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
        let domain = network.domain_of(base);
        if network
            .link(index)
            .is_some_and(|link| link.master != domain)
        {
            let request = LinkRequest::SetMaster(index, domain);
            out.push(Effect::Kernel(Request::Link(request)));
        }
        if self.plan.family == Family::V6 || self.plan.carries_v6 {
            self.remove_made_up(index, network, is_virtual, out);
        }
        let of_base = network.primary(base.index, Family::V6, is_virtual);
        let wanted = self.plan.own_address(index, of_base);
        if wanted != self.address {
            if let Some(old) = self.address.take() {
                out.push(Effect::Kernel(Request::RemoveAddress(old)));
            }
            self.address_refused = false;
            self.address = wanted;
        } else if self.address_refused {
            return;
        }
        // The first time, or after somebody removed it.
        if let Some(new) = self.address.as_ref().filter(|new| !network.has(new)) {
            out.push(Effect::Kernel(Request::AddAddress(new.clone())));
        }
    }

    /// One that is only now there has none yet.
    fn forget_address(&mut self) {
        self.address = None;
        self.address_refused = false;
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
        let (owner, name, noun) = (&self.plan.owner, &self.name, self.plan.noun());
        match request {
            // Linux before 3.17 does not know it; its own address is removed when it is told of.
            LinkRequest::NoOwnAddress(_) => return false,
            LinkRequest::Remove(_) if refusal == Errno::ENODEV => return false,
            LinkRequest::SetMac(..) | LinkRequest::SetKind(..) | LinkRequest::SetMaster(..) => {
                if !std::mem::replace(&mut self.told, true) {
                    warn!("({owner}) cannot put {noun} interface {name} right: {refusal}");
                }
                return false;
            }
            LinkRequest::Add(_) | LinkRequest::Remove(_) | LinkRequest::SwitchOn(_) => {}
        }
        if !std::mem::replace(&mut self.told, true) {
            error!("({owner}): cannot create {noun} interface {name}: {refusal}");
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
        let (owner, noun) = (&self.plan.owner, self.plan.noun());
        debug!("({owner}) Success removing {noun} interface {name}");
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
