//! Where an instance is heard and what its adverts come from: interface, socket, source address.

use std::net::IpAddr;

use log::debug;

use super::accept;
use super::devices::Over;
use super::dialect;
use super::fault::Fault;
use super::instance::{Context, Instance};
use super::network::Network;
use crate::addr::{Family, IfIndex};
use crate::config::{Destination, Layer};
use crate::wire::channel::{Channel, Ear};

impl Instance {
    /// Finds interface and source address anew.
    pub(super) fn locate(&mut self, cx: &Context<'_>) {
        let link = cx.network.named(&self.config.interface);
        self.link = link.map(|link| link.index);
        self.over = match self.config.layer {
            Layer::Interface => Over::Nothing,
            Layer::Vmac(_) | Layer::Ipvlan(_) => cx.devices.over(self.id, &self.config.interface),
        };
        if let Some(link) = link {
            self.measure(link.mtu);
        }
        let source = match self.config.source {
            // Others would not take our adverts from an address that is not ours for certain.
            Some(source) if cx.network.is_doubtful(source) => None,
            Some(source) if self.config.track_source && !cx.network.has_ip(source) => None,
            Some(source) => Some(source),
            None => self.speaker().and_then(|link| {
                cx.network.primary(link, self.config.family, |address| {
                    cx.virtual_addresses.contains(&address)
                })
            }),
        };
        self.tell_of_source(source);
        self.source = source;
    }

    /// The address of the interface that adverts come from from now on.
    fn tell_of_source(&self, source: Option<IpAddr>) {
        if self.config.source.is_some() || source == self.source {
            return;
        }
        let interface = self.interface();
        match (self.source, source) {
            (_, Some(new)) => debug!("Assigned address {new} for interface {interface}"),
            (Some(old), None) => debug!("Deassigned address {old} from interface {interface}"),
            (None, None) => {}
        }
    }

    /// The interface whose address adverts come from: that of a macvlan is the one below it.
    fn speaker(&self) -> Option<IfIndex> {
        match (&self.config.layer, &self.over) {
            (Layer::Ipvlan(_), Over::At(device)) => Some(*device),
            (Layer::Ipvlan(_), _) => None,
            (Layer::Interface | Layer::Vmac(_), _) => self.link,
        }
    }

    /// Where it wants to be heard, as far as that is known.
    pub(super) fn channel(&self, network: &Network) -> Option<Channel> {
        let link = match &self.config.vrf {
            // Unicast does without an interface; a routing domain may stand for it.
            None if self.config.interface.is_empty() => None,
            None => Some(self.wire()?),
            Some(domain) => Some(network.named(domain)?.index),
        };
        Some(Channel {
            carrier: dialect::carrier(&self.config),
            link,
            ear: match self.config.destination {
                Destination::Multicast(group) => Ear::Group(group),
                Destination::Unicast(_) => Ear::Own(self.source?),
            },
        })
    }

    /// What stands in the way of being heard.
    pub(super) fn binding_faults(&self, cx: &Context<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let link = self.link.and_then(|link| cx.network.link(link));
        let unicast = match &self.config.destination {
            Destination::Multicast(_) => None,
            Destination::Unicast(unicast) => Some(unicast),
        };
        if let Some(domain) = &self.config.vrf
            && cx.network.named(domain).is_none()
        {
            faults.push(Fault::InterfaceMissing(domain.clone()));
            return faults;
        }
        match link {
            None if self.config.interface.is_empty() => {}
            None => {
                faults.push(Fault::InterfaceMissing(self.config.interface.clone()));
                return faults;
            }
            Some(link) => {
                if !link.multicast && unicast.is_none() {
                    faults.push(Fault::NoMulticast(link.name.clone()));
                }
                if !link.running && self.config.track_primary {
                    faults.push(Fault::InterfaceDown(link.name.clone()));
                }
                faults.extend(self.own_device_fault(link, cx.network));
            }
        }
        match (self.source, self.config.source) {
            (None, Some(_)) => faults.push(Fault::SourceMissing),
            (None, None) => faults.push(Fault::NoSource(self.config.family)),
            (Some(_), _) if self.socket.is_none() => faults.push(Fault::NoSocket),
            (Some(_), _) => {}
        }
        if unicast.is_some_and(|unicast| unicast.fault_without_peer && unicast.peers.is_empty()) {
            faults.push(Fault::NoPeer);
        }
        faults
    }

    pub(super) fn has_peer(&self, source: IpAddr) -> bool {
        match &self.config.destination {
            Destination::Multicast(_) => false,
            Destination::Unicast(unicast) => accept::is_peer(unicast, source),
        }
    }
}

/// What keepalived says when an interface has no address to send from.
pub(super) fn without_source(family: Family) -> &'static str {
    match family {
        Family::V4 => "no IPv4 address for interface",
        Family::V6 => "no IPv6 address for interface",
    }
}
