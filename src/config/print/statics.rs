//! What stands outside of instances as text.

use super::vrrp::address_line;
use super::{Printer, quoted};
use crate::config::statics::{GarpGroup, LinkbeatMethod, Links, StaticAddress, Statics};
use crate::config::value::print_seconds;

impl Printer {
    pub(super) fn statics(&mut self, statics: &Statics) {
        // Before the entries that name them.
        for group in &statics.track_groups {
            self.open(format_args!("track_group {}", quoted(&group.name)));
            self.members(&group.members);
            self.close();
        }
        if !statics.addresses.is_empty() {
            self.open("static_ipaddress");
            for StaticAddress {
                address,
                track_group,
            } in &statics.addresses
            {
                let mut line = address_line(address);
                if let Some(group) = track_group {
                    line += &format!(" track_group {}", quoted(group));
                }
                self.line(line);
            }
            self.close();
        }
        self.routes("static_routes", &statics.routes);
        self.rules("static_rules", &statics.rules);
    }

    pub(super) fn links(&mut self, links: &Links) {
        for group in &links.garp_groups {
            self.garp_group(group);
        }
        if !links.linkbeats.is_empty() {
            self.open("linkbeat_interfaces");
            for linkbeat in &links.linkbeats {
                let method = match linkbeat.method {
                    None => "",
                    Some(LinkbeatMethod::Mii) => " MII",
                    Some(LinkbeatMethod::Ethtool) => " ETHTOOL",
                    Some(LinkbeatMethod::Ioctl) => " IOCTL",
                };
                self.line(format_args!("{}{method}", quoted(&linkbeat.interface)));
            }
            self.close();
        }
        if !links.delays.is_empty() {
            self.open("interface_up_down_delays");
            for delay in &links.delays {
                let (down, up) = (print_seconds(delay.down), print_seconds(delay.up));
                self.line(format_args!("{} {down} {up}", quoted(&delay.interface)));
            }
            self.close();
        }
    }

    fn garp_group(&mut self, group: &GarpGroup) {
        self.open("garp_group");
        self.maybe("garp_interval", group.garp_interval.map(print_seconds));
        self.maybe("gna_interval", group.gna_interval.map(print_seconds));
        for interface in &group.interfaces {
            self.word("interface", quoted(interface));
        }
        self.close();
    }
}
