//! Virtual routers as text.

use std::fmt::{self, Display};

use super::{Printer, quoted};
use crate::config::lossless;
use crate::config::vrrp::{
    AUTOJOIN, Authentication, HOME_ADDRESS, InitialState, Instance, MANAGE_TEMPORARY,
    NO_PREFIX_ROUTE, VirtualAddress,
};

impl Printer {
    pub(super) fn instance(&mut self, instance: &Instance) {
        self.open(format_args!("vrrp_instance {}", quoted(&instance.name)));
        let state = match instance.state {
            InitialState::Master => "MASTER",
            InitialState::Backup => "BACKUP",
        };
        self.word("state", state);
        self.word("interface", quoted(&instance.interface));
        self.word("virtual_router_id", instance.vrid);
        self.word("priority", instance.priority);
        self.seconds("advert_int", instance.advert_interval);
        if let Authentication::Pass(password) = instance.authentication {
            let used = password.iter().rposition(|octet| *octet != 0);
            let octets = password.get(..used.map_or(0, |last| last + 1));
            let text = lossless::decode(octets.unwrap_or_default());
            self.open("authentication");
            self.word("auth_type", "PASS");
            self.word("auth_pass", quoted(&text));
            self.close();
        }
        self.maybe("mcast_src_ip", instance.source);
        self.flag("nopreempt", !instance.preempt);
        self.seconds("preempt_delay", instance.preempt_delay);
        self.flag("dont_track_primary", !instance.track_primary);
        self.word("down_timer_adverts", instance.down_timer_adverts);
        self.word("lower_prio_no_advert", instance.lower_prio_no_advert);
        self.word("higher_prio_send_advert", instance.higher_prio_send_advert);
        let garp = &instance.garp;
        self.word("garp_master_repeat", garp.repeat);
        self.seconds("garp_master_delay", garp.delay);
        self.seconds("garp_master_refresh", garp.refresh);
        self.word("garp_master_refresh_repeat", garp.refresh_repeat);
        self.word("garp_lower_prio_repeat", garp.lower_prio_repeat);
        self.seconds("garp_lower_prio_delay", garp.lower_prio_delay);
        if instance.addresses.is_empty() {
            self.line("no_virtual_ipaddress");
        } else {
            self.open("virtual_ipaddress");
            for address in &instance.addresses {
                self.line(address_line(address));
            }
            self.close();
        }
        self.close();
    }
}

/// An address with its options, as `virtual_ipaddress` takes them.
fn address_line(address: &VirtualAddress) -> String {
    AddressLine(address).to_string()
}

struct AddressLine<'a>(&'a VirtualAddress);

impl Display for AddressLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address) = self;
        write!(f, "{}", address.cidr)?;
        if let Some(peer) = address.peer {
            write!(f, " peer {}", peer.address())?;
        }
        if let Some(broadcast) = address.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        if let Some(device) = &address.device {
            write!(f, " dev {}", quoted(device))?;
        }
        if address.scope != 0 {
            write!(f, " scope {}", address.scope)?;
        }
        if let Some(label) = &address.label {
            write!(f, " label {}", quoted(label))?;
        }
        for (flag, word) in [
            (HOME_ADDRESS, "home"),
            (MANAGE_TEMPORARY, "mngtmpaddr"),
            (NO_PREFIX_ROUTE, "noprefixroute"),
            (AUTOJOIN, "autojoin"),
        ] {
            if address.flags & flag != 0 {
                write!(f, " {word}")?;
            }
        }
        if !address.track {
            write!(f, " no_track")?;
        }
        Ok(())
    }
}
