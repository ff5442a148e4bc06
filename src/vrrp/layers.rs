//! What the configuration says of interfaces that are made for virtual routers: which ones, on top
//! of what, and which addresses ride on them. Nothing here knows the machine.

use std::net::IpAddr;

use crate::addr::{Cidr, Family, IfIndex, MacAddr};
use crate::config::{self, Layer, VirtualAddress};
use crate::wire::rtnl::{ADDRESS_NODAD, Address, IpvlanMode, Link, LinkKind, MacvlanMode};

/// What the configuration says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The instance's name, for the log.
    pub(super) owner: String,
    pub(super) base: String,
    /// None: one is made up.
    pub(super) name: Option<String>,
    pub(super) prefix: String,
    pub(super) vrid: u8,
    pub(super) kind: LinkKind,
    pub(super) mac: Option<MacAddr>,
    /// None: that of the interface below.
    pub(super) group: Option<u32>,
    pub(super) family: Family,
    /// Some of its addresses are of IPv6.
    pub(super) carries_v6: bool,
    /// Adverts of IPv6 leave through it, from the link-local address of the interface below.
    pub(super) shares_link_local: bool,
    /// An address of its own (ipvlan).
    pub(super) address: Option<Cidr>,
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

impl Plan {
    pub(super) fn is_macvlan(&self) -> bool {
        matches!(self.kind, LinkKind::Macvlan(_))
    }

    /// Groups of the family are joined on it.
    pub(super) fn reports(&self, family: Family) -> bool {
        let speaks = match family {
            Family::V4 => self.family == Family::V4,
            Family::V6 => self.carries_v6,
        };
        self.is_macvlan() && speaks
    }

    /// What the log calls it.
    pub(super) fn noun(&self) -> &'static str {
        if self.is_macvlan() { "VMAC" } else { "ipvlan" }
    }

    /// The address it has for itself, as the kernel is to have it: that of an ipvlan, or the one
    /// that adverts of IPv6 come from.
    pub(super) fn own_address(&self, link: IfIndex, of_base: Option<IpAddr>) -> Option<Address> {
        match self.address {
            Some(own) if own.family() == Family::V6 => Some(unused(link, own)),
            Some(own) => Some(Address::new(link, own)),
            None if self.shares_link_local => Some(unused(link, Cidr::new(of_base?, 64)?)),
            None => None,
        }
    }

    pub(super) fn is_kind_of(&self, link: &Link) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&link.kind)
    }

    /// Nothing that would need another device.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let shape = |plan: &Self| (plan.kind, plan.mac, plan.group, plan.name.clone());
        shape(self) == shape(other)
            && (&self.prefix, self.carries_v6) == (&other.prefix, other.carries_v6)
            && (self.shares_link_local, self.address) == (other.shares_link_local, other.address)
    }

    /// What keepalived sets on such a device, in its order.
    pub(super) fn settings(&self) -> Vec<(Family, &'static str, i32)> {
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
pub(super) fn plans(instance: &config::Instance, prefixes: Prefixes<'_>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = own_plan(instance, prefixes.own).into_iter().collect();
    for vip in instance.addresses.iter().chain(&instance.excluded) {
        if !rides(vip, instance) {
            continue;
        }
        let base = vip.device.as_deref().unwrap_or(&instance.interface);
        let is_v6 = is_v6(vip);
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
        // An ipvlan only carries adverts, as in keepalived.
        vip.vmac || matches!(instance.layer, Layer::Vmac(_))
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
            // None is on it, but keepalived leaves IPv6 on for them.
            carries_v6: plan.carries_v6 || instance.excluded.iter().any(is_v6),
            address: ipvlan.address,
            ..plan
        }),
    }
}

fn is_v6(vip: &VirtualAddress) -> bool {
    vip.cidr.family() == Family::V6
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

/// Without duplicate address detection, since it must speak at once; and deprecated, so that nobody
/// else speaks from it.
fn unused(link: IfIndex, cidr: Cidr) -> Address {
    Address {
        flags: ADDRESS_NODAD,
        preferred: Some(0),
        ..Address::new(link, cidr)
    }
}
