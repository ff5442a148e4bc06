//! The dump of instances and sync groups, in keepalived's layout.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::os::fd::RawFd;
use std::time::Duration;

use super::report::{field, heading};
use super::{belongings, surroundings};
use crate::config::{
    self, Authentication, Config, Destination, InitialState, IpvlanMode, Layer, Notify,
    OldChecksum, SyncGroup, Tracks, Version,
};
use crate::sys::calendar::LocalTime;
use crate::time::Instant;
use crate::vrrp::{GroupState, InstanceState, Snapshot, SocketId, StateName};

/// What runs, and what the clocks show.
#[derive(Debug)]
pub(super) struct Now {
    pub(super) snapshot: Snapshot,
    pub(super) at: Instant,
    /// Since 1970.
    pub(super) wall: Duration,
    /// What each pair of sockets receives and sends with.
    pub(super) sockets: BTreeMap<SocketId, (RawFd, RawFd)>,
}

/// Everything about VRRP but the global definitions.
pub(super) fn write(text: &mut String, config: &Config, now: Option<&Now>) {
    if !config.instances.is_empty() {
        heading(text, "VRRP Topology");
    }
    for instance in &config.instances {
        let mut groups = config.sync_groups.iter();
        let group = groups.find(|group| group.members.contains(&instance.name));
        let state = now.and_then(|now| {
            let mut states = now.snapshot.instances.iter();
            let state = states.find(|state| state.name == instance.name)?;
            Some((state, now))
        });
        write_instance(text, instance, group, state);
    }
    if let Some(now) = now {
        surroundings::sockets(text, now);
    }
    if !config.sync_groups.is_empty() {
        heading(text, "VRRP Sync groups");
    }
    for group in &config.sync_groups {
        let state = now.and_then(|now| {
            let mut states = now.snapshot.groups.iter();
            let state = states.find(|state| state.name == group.name)?;
            Some((state, &now.snapshot))
        });
        write_group(text, group, state);
    }
    surroundings::tracked(text, config);
    if let Some(now) = now {
        surroundings::interfaces(text, now);
    }
}

fn write_instance(
    text: &mut String,
    instance: &config::Instance,
    group: Option<&SyncGroup>,
    now: Option<(&InstanceState, &Now)>,
) {
    let state = now.map(|(state, _)| state);
    field(text, 1, "VRRP Instance", &instance.name);
    let version = match instance.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    field(text, 3, "VRRP Version", version);
    if let Some(group) = group {
        field(text, 3, "Sync group", &group.name);
    }
    condition(text, instance, now);
    device(text, instance, state);
    if let Some(source) = state.and_then(|now| now.source).or(instance.source) {
        let said = if instance.source.is_some() {
            " (from configuration)"
        } else {
            ""
        };
        field(text, 3, "Using src_ip", format!("{source}{said}"));
    }
    if let Destination::Multicast(group) = instance.destination {
        line(text, 3, format_args!("Multicast address {group}"));
    }
    announcement(text, instance);
    priorities(text, instance, state);
    if let Some((state, now)) = now
        && let Some(at) = state.advertised_at
    {
        field(text, 3, "Last advert sent", now.stamp(at));
    }
    field(text, 3, "Accept", enabled(instance.accept));
    preemption(text, instance);
    field(
        text,
        3,
        "Promote_secondaries",
        enabled(instance.promote_secondaries),
    );
    authentication(text, instance);
    belongings::of_instance(text, instance, state);
    peers(text, instance);
    if let Some((state, now)) = now {
        descriptors(text, state, now);
    }
    tracked(text, &instance.track);
    field(
        text,
        3,
        "Using smtp notification",
        yes(instance.notify.mail),
    );
    let deleted = if instance.notify.deletion {
        "Deleted"
    } else {
        "Fault"
    };
    field(text, 3, "Notify deleted", deleted);
    scripts(text, &instance.notify);
    field(
        text,
        3,
        "Notify priority changes",
        instance.notify.priority_changes,
    );
}

/// The interface, and what was put onto it.
fn device(text: &mut String, instance: &config::Instance, now: Option<&InstanceState>) {
    let interface = &instance.interface;
    let made = now.and_then(|now| now.device.as_deref());
    let is_up = made.is_some();
    let name = |given: &Option<String>| {
        let given = given.as_deref().or(made).unwrap_or("(none)");
        given.to_owned()
    };
    match &instance.layer {
        Layer::Interface => field(text, 3, "Interface", interface),
        Layer::Vmac(vmac) => {
            let (name, base) = (name(&vmac.name), vmac.base);
            let words =
                format_args!("Use VMAC, i/f name {name}, is_up = {is_up}, xmit_base = {base}");
            line(text, 3, words);
            field(text, 3, "Interface", format!("{name}, vmac on {interface}"));
        }
        Layer::Ipvlan(ipvlan) => {
            let name = name(&ipvlan.name);
            let address = ipvlan
                .address
                .map_or_else(|| "(none)".to_owned(), |own| own.to_string());
            let mode = match ipvlan.mode {
                IpvlanMode::Bridge => "bridge",
                IpvlanMode::Private => "private",
                IpvlanMode::Vepa => "vepa",
            };
            let words = format_args!(
                "Use IPVLAN, i/f {name}, is_up = {is_up}, i/f address = {address}, type {mode}"
            );
            line(text, 3, words);
            field(
                text,
                3,
                "Interface",
                format!("{name}, ipvlan on {interface}"),
            );
        }
    }
    if let Some(vrf) = &instance.vrf {
        field(text, 3, "VRF", vrf);
    }
}

fn descriptors(text: &mut String, state: &InstanceState, now: &Now) {
    let mut sockets = now.snapshot.sockets.iter();
    let socket = sockets.find(|socket| socket.instances.contains(&state.id));
    let open = socket.and_then(|socket| now.sockets.get(&socket.id));
    if let Some((receiver, sender)) = open {
        line(text, 3, format_args!("fd_in {receiver}, fd_out {sender}"));
    }
}

fn scripts(text: &mut String, notify: &Notify) {
    for (which, script) in [
        ("Backup state transition", &notify.backup),
        ("Master state transition", &notify.master),
        ("Fault state transition", &notify.fault),
        ("Stop state transition", &notify.stop),
        ("Deleted state transition", &notify.deleted),
        ("Generic state transition", &notify.any),
        ("Master rx lower pri", &notify.master_hears_lower),
    ] {
        let Some(script) = script else { continue };
        let words: Vec<_> = script.argv.iter().map(|word| format!("'{word}'")).collect();
        field(text, 3, &format!("{which} script"), words.join(" "));
    }
}

/// The state with what only that state has; without a snapshot what it hopes to be.
fn condition(text: &mut String, instance: &config::Instance, now: Option<(&InstanceState, &Now)>) {
    let Some((state, now)) = now else {
        let wanted = match instance.state {
            InitialState::Master => StateName::Master,
            InitialState::Backup => StateName::Backup,
        };
        return field(text, 3, "Wantstate", wanted);
    };
    field(text, 3, "State", state.state);
    if let Some(master) = state.master {
        field(text, 3, "Master router", master);
    }
    if let Some(priority) = state.master_priority {
        field(text, 3, "Master priority", priority);
    }
    flags(text, instance);
    field(text, 3, "Wantstate", state.wish);
    field(text, 3, "Number of config faults", 0);
    field(text, 3, "Number of tracker faults", state.tracker_faults);
    let others = state.faults.len() - state.tracker_faults;
    let words = if others == 0 {
        "(none)".to_owned()
    } else {
        others.to_string()
    };
    line(text, 3, format_args!("Flags of interface faults - {words}"));
    for fault in &state.faults {
        field(text, 3, "Fault", fault);
    }
    for refused in &state.refused {
        let from = refused
            .from
            .map_or_else(|| "others".to_owned(), |from| from.to_string());
        let (count, reason) = (refused.count, refused.reason);
        field(text, 3, "Refused", format!("{count} from {from}: {reason}"));
    }
    field(text, 3, "Number of track scripts init", 0);
    if let Some(at) = state.last_transition {
        field(text, 3, "Last transition", now.stamp(at));
    }
    match state.wakes_at {
        Some(at) => field(text, 3, "Read timeout", now.stamp(at)),
        None => field(text, 3, "Read timeout", "DISABLED"),
    }
    let micros = state.master_down.as_micros();
    field(text, 3, "Master down timer", format!("{micros} usecs"));
}

fn flags(text: &mut String, instance: &config::Instance) {
    let unicast = matches!(instance.destination, Destination::Unicast(_));
    let own_device = match instance.layer {
        Layer::Interface => None,
        Layer::Vmac(_) => Some("Using VMAC"),
        Layer::Ipvlan(_) => Some("Using IPVLAN"),
    };
    let unicast = unicast.then_some("Using unicast");
    let strict = instance.strict.then_some("Strict mode");
    let flags: Vec<_> = [unicast, own_device, strict]
        .into_iter()
        .flatten()
        .collect();
    if flags.is_empty() {
        return line(text, 3, format_args!("Flags: none"));
    }
    line(text, 3, format_args!("Flags:"));
    for flag in flags {
        line(text, 5, format_args!("{flag}"));
    }
}

fn announcement(text: &mut String, instance: &config::Instance) {
    let garp = instance.garp;
    let mut say = |what: &str, value: u64| {
        field(text, 3, &format!("Gratuitous ARP {what}"), value);
    };
    say("delay", garp.delay.as_secs());
    say("repeat", garp.repeat.into());
    say("refresh", garp.refresh.as_secs());
    say("refresh repeat", garp.refresh_repeat.into());
    say("lower priority delay", garp.lower_prio_delay.as_secs());
    say("lower priority repeat", garp.lower_prio_repeat.into());
    field(text, 3, "Down timer adverts", instance.down_timer_adverts);
    let mut say = |which: &str, answers: bool| {
        let key = format!("Send advert after receive {which} priority advert");
        field(text, 3, &key, answers);
    };
    say("lower", !instance.lower_prio_no_advert);
    say("higher", instance.higher_prio_send_advert);
}

fn priorities(text: &mut String, instance: &config::Instance, now: Option<&InstanceState>) {
    field(text, 3, "Virtual Router ID", instance.vrid);
    field(text, 3, "Priority", instance.priority);
    let effective = now.map_or(instance.priority, |now| now.priority);
    field(text, 3, "Effective priority", effective);
    let total = now.map_or_else(|| instance.priority.into(), |now| now.total_priority);
    field(text, 3, "Total priority", total);
    let interval = instance.advert_interval;
    let interval = match instance.version {
        Version::V2 => format!("{} sec", interval.as_secs()),
        Version::V3 => format!("{} milli-sec", interval.as_millis()),
    };
    field(text, 3, "Advert interval", interval);
}

fn preemption(text: &mut String, instance: &config::Instance) {
    field(text, 3, "Preempt", enabled(instance.preempt));
    if !instance.preempt_delay.is_zero() {
        let delay = instance.preempt_delay.as_secs_f64();
        field(text, 3, "Preempt delay", format!("{delay} secs"));
    }
}

fn authentication(text: &mut String, instance: &config::Instance) {
    // Version 3 knows of none.
    let kind = match instance.authentication {
        Authentication::None if instance.version == Version::V3 => None,
        Authentication::None => Some("none"),
        Authentication::Pass(_) => Some("SIMPLE_PASSWORD"),
        Authentication::Ah(_) => Some("IPSEC_AH"),
    };
    if let Some(kind) = kind {
        field(text, 3, "Authentication type", kind);
    }
    if instance.authentication != Authentication::None {
        field(text, 3, "Password", "********");
    }
    if instance.hmac.is_some() {
        field(text, 3, "Authentication extension", "HMAC-SHA256-128");
    }
}

fn peers(text: &mut String, instance: &config::Instance) {
    if let Destination::Unicast(unicast) = &instance.destination {
        field(text, 3, "Unicast TTL", unicast.ttl.unwrap_or(u8::MAX));
        let checks = yes(unicast.check_source);
        line(text, 3, format_args!("Check unicast src : {checks}"));
        line(text, 3, format_args!("Unicast Peer :"));
        for peer in &unicast.peers {
            let mut words = peer.address.to_string();
            if peer.min_ttl.is_some() || peer.max_ttl.is_some() {
                let (least, most) = (peer.min_ttl.unwrap_or(0), peer.max_ttl.unwrap_or(u8::MAX));
                let _ = write!(words, " min_ttl {least} max_ttl {most}");
            }
            line(text, 5, format_args!("{words}"));
        }
        let compatible = match unicast.old_checksum {
            OldChecksum::Detect => "no",
            OldChecksum::Always => "yes",
            OldChecksum::Never => "never",
        };
        field(text, 3, "Unicast checksum compatibility", compatible);
    }
}

fn tracked(text: &mut String, tracks: &Tracks) {
    for (kind, list) in [
        ("interfaces", &tracks.interfaces),
        ("scripts", &tracks.scripts),
        ("files", &tracks.files),
        ("processes", &tracks.processes),
        ("BFDs", &tracks.bfds),
    ] {
        if list.is_empty() {
            continue;
        }
        line(text, 3, format_args!("Tracked {kind} :"));
        for tracked in list {
            let reverse = if tracked.weight.reverse {
                " reverse"
            } else {
                ""
            };
            let (name, weight) = (&tracked.name, tracked.weight.value);
            // As keepalived has it.
            let comma = if matches!(kind, "files" | "processes") {
                ","
            } else {
                ""
            };
            line(
                text,
                5,
                format_args!("{name}{comma} weight {weight}{reverse}"),
            );
        }
    }
}

fn write_group(text: &mut String, group: &SyncGroup, now: Option<(&GroupState, &Snapshot)>) {
    match now {
        Some((state, snapshot)) => {
            let title = format!("{}, {}", group.name, state.state);
            field(text, 1, "VRRP Sync Group", title);
            let mut faulty = 0;
            for instance in &snapshot.instances {
                let is_member = group.members.contains(&instance.name);
                faulty += usize::from(is_member && !instance.faults.is_empty());
            }
            let words = format_args!("Num member fault {faulty}, num member init 0");
            line(text, 3, words);
        }
        None => field(text, 1, "VRRP Sync Group", &group.name),
    }
    line(text, 3, format_args!("VRRP member instances :"));
    for member in &group.members {
        line(text, 5, format_args!("{member}"));
    }
    if group.tracking_weight {
        line(text, 3, format_args!("sync group tracking weight set"));
    }
    field(text, 3, "Using smtp notification", yes(group.notify.mail));
    tracked(text, &group.track);
}

impl Now {
    /// `1795275733.331025 (Sat Nov 21 15:42:13.331025 2026)`: that moment by the clock on the wall.
    fn stamp(&self, at: Instant) -> impl fmt::Display {
        let wall = (self.wall + at.since(self.at)).saturating_sub(self.at.since(at));
        let micros = wall.subsec_micros();
        let seconds = wall.as_secs();
        let local = LocalTime::at(i64::try_from(seconds).unwrap_or(i64::MAX)).to_string();
        // The year follows the fraction.
        let (before, year) = local.rsplit_once(' ').unwrap_or((&local, ""));
        format!("{seconds}.{micros:06} ({before}.{micros:06} {year})")
    }
}

fn line(text: &mut String, indent: usize, words: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:indent$}{words}", "");
}

fn enabled(is: bool) -> &'static str {
    if is { "enabled" } else { "disabled" }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{IfIndex, MacAddr};
    use crate::vrrp::{Core, Event};
    use crate::wire::rtnl::{Address, Link};

    const TEXT: &str = "
        vrrp_sync_group G {
            group {
                OUT
            }
            track_interface {
                eth1 weight 10
            }
            sync_group_tracking_weight
        }
        vrrp_instance OUT {
            interface eth0
            virtual_router_id 51
            priority 150
            preempt_delay 3
            authentication {
                auth_type PASS
                auth_pass 1111
            }
            track_interface {
                eth2 weight -20
            }
            virtual_ipaddress {
                10.0.0.100
                10.0.0.101/24 dev eth0 label eth0:1
            }
            virtual_rules {
                from 10.9.0.0/24 iif lan7 lookup 100 priority 500 no_track
            }
            virtual_ipaddress_excluded {
                10.0.0.102
            }
        }";

    fn observed(config: &Config) -> Now {
        let link = |index, name: &str| Link {
            index: IfIndex(index),
            name: name.to_owned(),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            up: true,
            running: true,
            multicast: true,
            ..Link::default()
        };
        let links = [link(2, "eth0"), link(3, "eth1"), link(4, "eth2")];
        let own = "10.0.0.1/24".parse().unwrap();
        let addresses = [Address::new(IfIndex(2), own)];
        let (mut core, mut effects) = (Core::new(), Vec::new());
        let start = Instant::ZERO + Duration::from_secs(100);
        let (links, addresses) = (&links, &addresses);
        core.on_event(
            start,
            Event::Resync {
                links,
                addresses,
                rules: &[],
            },
            &mut effects,
        );
        core.on_event(start, Event::Reload(config), &mut effects);
        let master = start + Duration::from_secs(4);
        core.on_time(master, &mut effects);
        Now {
            snapshot: core.observe(),
            at: master + Duration::from_secs(1),
            wall: Duration::from_secs(1_795_275_733),
            sockets: core
                .observe()
                .sockets
                .iter()
                .map(|socket| (socket.id, (14, 15)))
                .collect(),
        }
    }

    /// The layout is that of keepalived 2.2.7, seen with this very configuration.
    #[test]
    fn an_instance_and_its_group_are_written_as_keepalived_does() {
        let loaded = config::load_text("test.conf", TEXT, &config::AnyHost);
        let config = loaded.config.unwrap();
        let mut text = String::new();
        write(&mut text, &config, Some(&observed(&config)));
        for part in [
            " VRRP Instance = OUT\n   VRRP Version = 2\n   Sync group = G\n   State = MASTER\n   \
             Flags: none\n   Wantstate = MASTER\n   Number of config faults = 0\n",
            "   Last transition = 1795275732.000000 (",
            "   Read timeout = 1795275733.000000 (",
            "   Master down timer = 3375000 usecs\n   Interface = eth0\n   \
             Using src_ip = 10.0.0.1\n   Multicast address 224.0.0.18\n   \
             Gratuitous ARP delay = 5\n",
            "   Priority = 150\n   Effective priority = 160\n   Total priority = 160\n   \
             Advert interval = 1 sec\n   Last advert sent = ",
            "   Virtual IP (2):\n     10.0.0.100 dev eth0 scope global set\n     \
             10.0.0.101/24 dev eth0 scope global label eth0:1 set\n   Virtual IP Excluded :\n     \
             10.0.0.102 dev eth0 scope global set\n   Virtual Rules :\n",
            "   fd_in 14, fd_out 15\n   Tracked interfaces :\n     \
             eth2 weight -20\n   Using smtp notification = no\n   Notify deleted = Fault\n   \
             Notify priority changes = false\n",
            "------< VRRP Sync groups >------\n VRRP Sync Group = G, MASTER\n   \
             Num member fault 0, num member init 0\n   VRRP member instances :\n     OUT\n   \
             sync group tracking weight set\n   Using smtp notification = no\n   \
             Tracked interfaces :\n     eth1 weight 10\n",
            "------< VRRP Sockpool >------\n fd_in 14 fd_out = 15\n   Interface = eth0\n   \
             Family = IPv4\n   Protocol = VRRP\n   Type = Multicast\n   Rx buf size = 0\n   \
             VRRP instances\n     OUT vrid 51\n",
            "------< Interfaces >------\n Name = eth0\n   index = 2\n   \
             IPv4 address = 10.0.0.1\n",
            "   IPv6 address = (none)\n   MAC = 02:00:00:00:00:01\n   State = UP, RUNNING\n   \
             MTU = 1500\n   NIC netlink status update\n   Tracking VRRP instances :\n     OUT\n",
            " Name = lan7\n   Interface does not exist\n   Tracking VRRP instances :\n     OUT\n",
        ] {
            assert!(text.contains(part), "{part}\nin\n{text}");
        }
    }

    #[test]
    fn what_is_made_for_an_instance_is_written_as_keepalived_does() {
        let vmac = TEXT.replace("priority 150", "priority 150\n use_vmac");
        let ipvlan = "priority 150\n use_ipvlan ipv.51 10.0.0.41/24 private";
        let ipvlan = TEXT.replace("priority 150", ipvlan);
        for (source, part) in [
            (
                vmac,
                "   Use VMAC, i/f name (none), is_up = false, xmit_base = false\n   \
                 Interface = (none), vmac on eth0\n",
            ),
            (
                ipvlan,
                "   Use IPVLAN, i/f ipv.51, is_up = false, i/f address = 10.0.0.41/24, type \
                 private\n   Interface = ipv.51, ipvlan on eth0\n   \
                 Using src_ip = 10.0.0.41 (from configuration)\n",
            ),
        ] {
            let loaded = config::load_text("test.conf", &source, &config::AnyHost);
            let config = loaded.config.unwrap();
            let mut text = String::new();
            write(&mut text, &config, Some(&observed(&config)));
            assert!(text.contains(part), "{part}\nin\n{text}");
        }
    }

    #[test]
    fn without_a_daemon_the_configuration_is_written() {
        let loaded = config::load_text("test.conf", TEXT, &config::AnyHost);
        let mut text = String::new();
        write(&mut text, &loaded.config.unwrap(), None);
        assert!(
            text.contains("   Wantstate = BACKUP\n   Interface = eth0\n"),
            "{text}"
        );
        assert!(text.contains(" VRRP Sync Group = G\n"), "{text}");
    }
}
