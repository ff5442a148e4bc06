//! Virtual routers as text.

use std::fmt::{self, Display};

use super::{Printer, quoted};
use crate::addr::Family;
use crate::config::lossless;
use crate::config::script::Script;
use crate::config::vrrp::{
    AUTOJOIN, Authentication, Destination, HOME_ADDRESS, Hmac, HmacMode, InitialState, Instance,
    Ipvlan, IpvlanMode, Layer, MANAGE_TEMPORARY, NO_DAD, NO_PREFIX_ROUTE, Notify, OldChecksum,
    ReplayGuard, Secret, SyncGroup, Unicast, Version, VirtualAddress, Vmac,
};
use crate::config::{Config, Global};

impl Printer {
    pub(super) fn instance(&mut self, instance: &Instance, config: &Config) {
        self.open(format_args!("vrrp_instance {}", quoted(&instance.name)));
        let state = match instance.state {
            InitialState::Master => "MASTER",
            InitialState::Backup => "BACKUP",
        };
        self.word("state", state);
        // Before everything that says the family: version 2 of IPv6 is not taken after it.
        let version = match instance.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        self.word("version", version);
        if !instance.interface.is_empty() {
            self.word("interface", quoted(&instance.interface));
        }
        self.layer(instance);
        self.word("virtual_router_id", instance.vrid);
        self.word("priority", instance.priority);
        self.seconds("advert_int", instance.advert_interval);
        self.authentication(&instance.authentication);
        if let Some(hmac) = &instance.hmac {
            self.hmac(hmac);
        }
        self.destination(instance, &config.global);
        self.election(instance);
        self.garp(instance);
        self.tracks(&instance.track);
        self.notify(&instance.notify);
        let group_tells = config
            .sync_groups
            .iter()
            .any(|group| group.notify.priority_changes);
        if instance.notify.priority_changes || group_tells {
            self.word("notify_priority_changes", instance.notify.priority_changes);
        }
        self.carried(instance);
        self.close();
    }

    fn layer(&mut self, instance: &Instance) {
        self.maybe("vrf", instance.vrf.as_deref().map(quoted));
        let base = match &instance.layer {
            Layer::Interface => false,
            Layer::Vmac(vmac) => {
                self.line(vmac_line(vmac));
                vmac.base
            }
            Layer::Ipvlan(ipvlan) => {
                self.line(ipvlan_line(ipvlan));
                false
            }
        };
        self.flag("vmac_xmit_base", base);
        self.flag("use_vmac_addr", instance.vmac_addresses);
        self.flag("promote_secondaries", instance.promote_secondaries);
        self.flag("linkbeat_use_polling", instance.poll_link);
        self.maybe("kernel_rx_buf_size", instance.receive_buffer);
        let sync = instance.sync_daemon_interface.as_deref();
        self.maybe("lvs_sync_daemon_interface", sync.map(quoted));
    }

    fn authentication(&mut self, authentication: &Authentication) {
        let (kind, password) = match authentication {
            Authentication::None => return,
            Authentication::Pass(password) => ("PASS", password),
            Authentication::Ah(password) => ("AH", password),
        };
        let used = password.iter().rposition(|octet| *octet != 0);
        let octets = password.get(..used.map_or(0, |last| last + 1));
        let text = lossless::decode(octets.unwrap_or_default());
        self.open("authentication");
        self.word("auth_type", kind);
        self.word("auth_pass", quoted(&text));
        self.close();
    }

    fn hmac(&mut self, hmac: &Hmac) {
        self.open("auth_hmac");
        for key in &hmac.keys {
            let value = match &key.secret {
                Secret::File { path, .. } => quoted(&format!("file:{path}")).to_string(),
                Secret::Octets(octets) => {
                    let digits = octets.iter().map(|octet| format!("{octet:02x}"));
                    format!("hex:{}", digits.collect::<String>())
                }
            };
            self.line(format_args!("key {} {value}", key.id));
        }
        self.word("active_key", hmac.active);
        self.word("time_window", hmac.window.as_secs());
        let replay = match hmac.replay {
            ReplayGuard::Time => "time",
            ReplayGuard::Monotonic => "monotonic",
        };
        self.word("anti_replay", replay);
        let mode = match hmac.mode {
            HmacMode::Enforce => "enforce",
            HmacMode::Permissive => "permissive",
            HmacMode::ReceiveOnly => "receive-only",
        };
        self.word("mode", mode);
        self.close();
    }

    fn destination(&mut self, instance: &Instance, global: &Global) {
        match &instance.destination {
            Destination::Multicast(group) => {
                self.maybe("mcast_src_ip", instance.source);
                let everyones = global.vrrp.group(instance.family);
                self.maybe(
                    "mcast_dst_ip",
                    Some(group).filter(|group| **group != everyones),
                );
            }
            Destination::Unicast(unicast) => {
                self.maybe("unicast_src_ip", instance.source);
                self.unicast(unicast);
            }
        }
        self.flag("track_src_ip", instance.track_source);
        let says_family = !instance.addresses.is_empty()
            || instance.source.is_some()
            || match &instance.destination {
                Destination::Multicast(group) => *group != global.vrrp.group(instance.family),
                Destination::Unicast(unicast) => !unicast.peers.is_empty(),
            };
        self.flag("native_ipv6", instance.family == Family::V6 && !says_family);
    }

    fn unicast(&mut self, unicast: &Unicast) {
        if !unicast.peers.is_empty() {
            self.open("unicast_peer");
            for peer in &unicast.peers {
                let mut line = peer.address.to_string();
                for (name, ttl) in [("min_ttl", peer.min_ttl), ("max_ttl", peer.max_ttl)] {
                    if let Some(ttl) = ttl {
                        line += &format!(" {name} {ttl}");
                    }
                }
                self.line(line);
            }
            self.close();
        }
        self.maybe("unicast_ttl", unicast.ttl);
        self.flag("check_unicast_src", unicast.check_source);
        self.flag("unicast_fault_no_peer", unicast.fault_without_peer);
        match unicast.old_checksum {
            OldChecksum::Detect => {}
            OldChecksum::Always => self.line("old_unicast_checksum"),
            OldChecksum::Never => self.line("old_unicast_checksum never"),
        }
    }

    fn election(&mut self, instance: &Instance) {
        self.flag("strict_mode", instance.strict);
        let owner = instance.is_owner();
        if instance.accept != (owner || !instance.strict) {
            self.line(if instance.accept {
                "accept"
            } else {
                "no_accept"
            });
        }
        if owner && instance.owner_ignore_adverts != instance.strict {
            self.word("owner_ignore_adverts", instance.owner_ignore_adverts);
        }
        self.flag("skip_check_adv_addr", instance.skip_check_addresses);
        self.flag("v3_checksum_as_v2", instance.v3_checksum_as_v2);
        self.flag("nopreempt", !instance.preempt);
        self.seconds("preempt_delay", instance.preempt_delay);
        self.maybe("timer_expired_backup", instance.timer_expired_backup);
        self.flag("dont_track_primary", !instance.track_primary);
        self.word("down_timer_adverts", instance.down_timer_adverts);
        self.word("lower_prio_no_advert", instance.lower_prio_no_advert);
        self.word("higher_prio_send_advert", instance.higher_prio_send_advert);
    }

    fn garp(&mut self, instance: &Instance) {
        let garp = &instance.garp;
        self.word("garp_master_repeat", garp.repeat);
        self.seconds("garp_master_delay", garp.delay);
        self.seconds("garp_master_refresh", garp.refresh);
        self.word("garp_master_refresh_repeat", garp.refresh_repeat);
        self.word("garp_lower_prio_repeat", garp.lower_prio_repeat);
        self.seconds("garp_lower_prio_delay", garp.lower_prio_delay);
        if let Some(extra) = garp.extra {
            let all = if extra.all { "all " } else { "" };
            let seconds = extra.interval.as_secs();
            self.line(format_args!("garp_extra_if {all}{seconds}"));
        }
    }

    /// Addresses, routes and rules.
    fn carried(&mut self, instance: &Instance) {
        if instance.addresses.is_empty() {
            self.line("no_virtual_ipaddress");
        }
        self.addresses("virtual_ipaddress", &instance.addresses);
        self.addresses("virtual_ipaddress_excluded", &instance.excluded);
        self.routes("virtual_routes", &instance.routes);
        self.rules("virtual_rules", &instance.rules);
    }

    fn addresses(&mut self, keyword: &str, addresses: &[VirtualAddress]) {
        if addresses.is_empty() {
            return;
        }
        self.open(keyword);
        for address in addresses {
            self.line(address_line(address));
        }
        self.close();
    }

    pub(super) fn sync_group(&mut self, group: &SyncGroup) {
        self.open(format_args!("vrrp_sync_group {}", quoted(&group.name)));
        self.members(&group.members);
        self.tracks(&group.track);
        self.flag("sync_group_tracking_weight", group.tracking_weight);
        self.notify(&group.notify);
        self.flag("notify_priority_changes", group.notify.priority_changes);
        self.close();
    }

    pub(super) fn members(&mut self, members: &[String]) {
        self.open("group");
        for member in members {
            self.line(quoted(member));
        }
        self.close();
    }

    fn notify(&mut self, notify: &Notify) {
        for (keyword, script) in [
            ("notify_backup", &notify.backup),
            ("notify_master", &notify.master),
            ("notify_fault", &notify.fault),
            ("notify_stop", &notify.stop),
            ("notify", &notify.any),
            ("notify_master_rx_lower_pri", &notify.master_hears_lower),
        ] {
            self.maybe(keyword, script.as_ref());
        }
        if notify.deletion {
            let script = notify.deleted.as_ref().map(Script::to_string);
            let gap = if script.is_some() { " " } else { "" };
            let script = script.unwrap_or_default();
            self.line(format_args!("notify_deleted{gap}{script}"));
        }
        self.flag("smtp_alert", notify.mail);
    }
}

fn vmac_line(vmac: &Vmac) -> String {
    let mut line = "use_vmac".to_owned();
    if let Some(name) = &vmac.name {
        line += &format!(" name {}", quoted(name));
    }
    if let Some(mac) = vmac.mac {
        line += &format!(" {mac}");
    }
    if vmac.tell {
        line += " netlink_notify_msg";
    }
    if let Some(group) = vmac.group {
        line += &format!(" group {group}");
    }
    line
}

fn ipvlan_line(ipvlan: &Ipvlan) -> String {
    let mut line = "use_ipvlan".to_owned();
    if let Some(name) = &ipvlan.name {
        line += &format!(" name {}", quoted(name));
    }
    if let Some(address) = ipvlan.address {
        line += &format!(" {address}");
    }
    line += match ipvlan.mode {
        IpvlanMode::Bridge => " bridge",
        IpvlanMode::Private => " private",
        IpvlanMode::Vepa => " vepa",
    };
    if let Some(group) = ipvlan.group {
        line += &format!(" group {group}");
    }
    line
}

/// An address with its options, as `virtual_ipaddress` takes them.
pub(super) fn address_line(address: &VirtualAddress) -> String {
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
            (NO_DAD, "-nodad"),
            (MANAGE_TEMPORARY, "mngtmpaddr"),
            (NO_PREFIX_ROUTE, "noprefixroute"),
            (AUTOJOIN, "autojoin"),
        ] {
            if address.flags & flag != 0 {
                write!(f, " {word}")?;
            }
        }
        match address.preferred_lifetime {
            Some(u32::MAX) => write!(f, " preferred_lft forever")?,
            Some(seconds) => write!(f, " preferred_lft {seconds}")?,
            None => {}
        }
        if address.vmac {
            write!(f, " use_vmac")?;
        }
        if !address.track {
            write!(f, " no_track")?;
        }
        Ok(())
    }
}
