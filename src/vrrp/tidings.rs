//! What the log says of interfaces and addresses when the kernel tells of them, before it is taken
//! in. Decides nothing.

use log::info;

use super::Core;
use crate::wire::rtnl::{Address, Notice};

impl Core {
    /// The lines of keepalived about interfaces that matter to an instance.
    pub(super) fn tell_of_links(&self, notice: &Notice) {
        if let Notice::Link(new) = notice
            && let Some(old) = self.network.link(new.index)
            && old.name != new.name
            && (self.is_used(&old.name) || self.is_used(&new.name))
        {
            let (old, new) = (&old.name, &new.name);
            info!("Interface name has changed from {old} to {new}");
        }
        match notice {
            Notice::Link(new) if self.is_used(&new.name) => match self.network.link(new.index) {
                None => info!("Interface {} added", new.name),
                Some(old) if old.running != new.running => {
                    info!(
                        "Netlink reports {} {}",
                        new.name,
                        if new.running { "up" } else { "down" }
                    );
                }
                Some(_) => {}
            },
            Notice::LinkGone(index) => {
                if let Some(old) = self
                    .network
                    .link(*index)
                    .filter(|old| self.is_used(&old.name))
                {
                    info!("Interface {} deleted", old.name);
                }
            }
            _ => {}
        }
    }

    /// `-a`. Our own changes are no news.
    pub(super) fn tell_of_addresses(&self, notice: &Notice) {
        if !self.tells_of_addresses {
            return;
        }
        let (address, change) = match notice {
            Notice::Address(new) if !self.network.has(new) => (new, "added to"),
            Notice::AddressGone(gone) => (gone, "removed from"),
            _ => return,
        };
        let Address { cidr, link, .. } = address;
        if let Some(link) = self.network.link(*link) {
            let (ip, link) = (cidr.address(), &link.name);
            info!("Netlink reflector reports IP {ip} {change} {link}");
        }
    }

    fn is_used(&self, interface: &str) -> bool {
        let mut instances = self.instances.values();
        self.devices.has(interface) || instances.any(|instance| instance.uses(interface))
    }
}
