//! Why an instance cannot take part: a set keyed by cause, found anew at every look. A count kept
//! by hand goes wrong when one of two causes goes (as that of keepalived 2.4 does).

use std::collections::BTreeSet;
use std::fmt;

use super::binding;
use super::devices::Over;
use super::entries;
use super::instance::{Context, Instance};
use super::network::Network;
use super::track::Contribution;
use crate::addr::Family;
use crate::track::{Condition, Object};
use crate::wire::rtnl::Link;

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    InterfaceMissing(String),
    InterfaceDown(String),
    /// Tracked with `reverse`.
    InterfaceUp(String),
    NoMulticast(String),
    NoSource(Family),
    /// The configured one is not ours, or not for certain.
    SourceMissing,
    NoPeer,
    NoSocket,
    NoDirector,
    /// Another instance has its number.
    Twin(String),
    /// An entry of a `track_group` it is a member of.
    StaticMissing(String),
    /// Something watched without a weight is not as it should be.
    Tracked(Object),
}

impl Instance {
    pub(super) fn faults(&self, cx: &Context<'_>) -> Vec<Fault> {
        let mut faults = self.binding_faults(cx);
        for fault in self
            .device_faults(cx.network)
            .chain(self.tracked_faults(cx))
        {
            // A device may be tracked as well: one cause.
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        faults.extend(self.twin.clone().map(Fault::Twin));
        let lacking = cx.statics.lacking(&self.config.name, cx.network);
        faults.extend(lacking.into_iter().map(Fault::StaticMissing));
        if self.config.guards_service && !cx.directing {
            faults.push(Fault::NoDirector);
        }
        faults
    }

    /// The device made for it; one that is down only because what is below it is, needs no word.
    pub(super) fn own_device_fault(&self, base: &Link, network: &Network) -> Option<Fault> {
        match &self.over {
            Over::Nothing | Over::Pending => None,
            Over::Missing(name) => Some(Fault::InterfaceMissing(name.clone())),
            Over::At(device) => {
                let device = network.link(*device)?;
                let down = !device.running && base.running && self.config.track_primary;
                down.then(|| Fault::InterfaceDown(device.name.clone()))
            }
        }
    }

    /// Interfaces of addresses, routes and rules that are on another one than the instance's.
    fn device_faults(&self, network: &Network) -> impl Iterator<Item = Fault> {
        let tracked = entries::devices(&self.config).filter(|(_, is_tracked)| *is_tracked);
        let devices: BTreeSet<_> = tracked
            .map(|(device, _)| device)
            .filter(|device| *device != self.config.interface)
            .collect();
        devices
            .into_iter()
            .filter(|device| !is_up(device, network))
            .map(|device| without(device, network))
    }

    fn tracked_faults(&self, cx: &Context<'_>) -> impl Iterator<Item = Fault> {
        self.contributions(cx)
            .filter(|(_, contribution)| *contribution == Contribution::Fault)
            .map(|(object, _)| match object {
                Object::Interface(name) if is_up(name, cx.network) => {
                    Fault::InterfaceUp(name.clone())
                }
                Object::Interface(name) => without(name, cx.network),
                object => Fault::Tracked(object.clone()),
            })
    }

    /// A script that is watched has not ended yet.
    pub(super) fn lacks_results(&self, cx: &Context<'_>) -> bool {
        self.watches.iter().any(|watch| {
            let is_script = matches!(watch.object, Object::Script(_));
            is_script && !cx.conditions.contains_key(&watch.object)
        })
    }

    /// What everything watched says, as far as it is known how it does.
    pub(super) fn contributions(
        &self,
        cx: &Context<'_>,
    ) -> impl Iterator<Item = (&Object, Contribution)> {
        self.watches.iter().filter_map(|watch| {
            let condition = match &watch.object {
                Object::Interface(name) if is_up(name, cx.network) => Condition::Up,
                Object::Interface(_) => Condition::Down,
                object => *cx.conditions.get(object)?,
            };
            Some((&watch.object, watch.contribution(condition)))
        })
    }
}

impl Fault {
    /// Whether it comes from something watched that is no interface.
    pub(super) fn is_tracked(&self) -> bool {
        matches!(self, Self::Tracked(_))
    }
}

fn is_up(interface: &str, network: &Network) -> bool {
    network.named(interface).is_some_and(|link| link.running)
}

/// An interface is needed and is not up.
fn without(interface: &str, network: &Network) -> Fault {
    match network.named(interface) {
        None => Fault::InterfaceMissing(interface.to_owned()),
        Some(_) => Fault::InterfaceDown(interface.to_owned()),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} down"),
            Self::StaticMissing(title) => write!(f, "static {title} is missing"),
            Self::InterfaceUp(name) => write!(f, "interface {name} up"),
            Self::NoMulticast(name) => write!(f, "interface {name} has no multicast"),
            Self::NoSource(family) => f.write_str(binding::without_source(*family)),
            Self::SourceMissing => f.write_str("src address not configured"),
            Self::NoPeer => f.write_str("unicast without any peers"),
            Self::NoSocket => f.write_str("no VRRP socket"),
            Self::NoDirector => f.write_str("no IPVS to direct the service of this address"),
            Self::Twin(name) => write!(f, "VRID conflict with {name}"),
            Self::Tracked(object) => match object {
                Object::Interface(name) => write!(f, "interface {name}"),
                Object::Script(name) => write!(f, "script {name}"),
                Object::File(name) => write!(f, "tracked file {name}"),
                Object::Process(name) => write!(f, "tracked process {name} quorum not achieved"),
                Object::Bfd(name) => write!(f, "BFD instance {name}"),
            },
        }
    }
}
