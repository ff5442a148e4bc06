//! What instances have to do with, in the layout of keepalived.data: sockets, what is tracked, and
//! the interfaces of the machine.

use std::fmt::Write as _;

use super::report::{field, heading};
use super::topology::Now;
use crate::addr::Family;
use crate::config::{Config, Tracked, Trial};
use crate::vrrp::{InterfaceState, SocketState};
use crate::wire::channel::{Carrier, Ear};
use crate::wire::linkbeat::Way;
use crate::wire::rtnl::{IpvlanMode, Link, LinkKind, MacvlanMode};

pub(super) fn sockets(text: &mut String, now: &Now) {
    if !now.snapshot.sockets.is_empty() {
        heading(text, "VRRP Sockpool");
    }
    for socket in &now.snapshot.sockets {
        if let Some((receiver, sender)) = now.sockets.get(&socket.id) {
            line(text, 1, &format!("fd_in {receiver} fd_out = {sender}"));
        } else {
            line(text, 1, "fd_in -1 fd_out = -1");
        }
        socket_fields(text, socket);
        line(text, 3, "VRRP instances");
        for instance in &now.snapshot.instances {
            if socket.instances.contains(&instance.id) {
                line(
                    text,
                    5,
                    &format!("{} vrid {}", instance.name, instance.vrid),
                );
            }
        }
    }
}

fn socket_fields(text: &mut String, socket: &SocketState) {
    if !socket.interface.is_empty() {
        field(text, 3, "Interface", &socket.interface);
    }
    field(text, 3, "Family", socket.channel.family());
    let protocol = match socket.channel.carrier {
        Carrier::Vrrp => "VRRP",
        Carrier::Ah => "AH",
    };
    field(text, 3, "Protocol", protocol);
    match socket.channel.ear {
        Ear::Group(_) => field(text, 3, "Type", "Multicast"),
        Ear::Own(address) => {
            field(text, 3, "Type", "Unicast");
            field(text, 3, "Address", address);
        }
    }
    field(text, 3, "Rx buf size", socket.buffer);
}

/// Scripts, files and processes, each with who tracks it.
pub(super) fn tracked(text: &mut String, config: &Config) {
    if !config.scripts.is_empty() {
        heading(text, "VRRP Scripts");
    }
    for script in &config.scripts {
        field(text, 1, "VRRP Script", &script.name);
        match &script.trial {
            Trial::Run(program) => field(text, 3, "Command", program.argv.join(" ")),
            Trial::Reach(reach) => line(text, 3, &reach.to_string()),
        }
        field(
            text,
            3,
            "Interval",
            format!("{} sec", script.interval.as_secs_f64()),
        );
        field(
            text,
            3,
            "Timeout",
            format!("{} sec", script.timeout.as_secs_f64()),
        );
        field(text, 3, "Weight", script.weight.value);
        field(text, 3, "Rise", script.rise);
        field(text, 3, "Fall", script.fall);
        trackers(text, config, &script.name, |tracks| &tracks.scripts);
    }
    if !config.files.is_empty() {
        heading(text, "VRRP Track files");
    }
    for file in &config.files {
        field(text, 1, "Track file", &file.name);
        field(text, 3, "File", &file.path);
        field(text, 3, "Weight", file.weight.value);
        trackers(text, config, &file.name, |tracks| &tracks.files);
    }
    if !config.processes.is_empty() {
        heading(text, "VRRP Track processes");
    }
    for process in &config.processes {
        field(text, 1, "VRRP Track process", &process.name);
        field(text, 3, "Process", process.process.join(" "));
        field(text, 3, "Min processes", process.quorum);
        if let Some(most) = process.quorum_max {
            field(text, 3, "Max processes", most);
        }
        field(text, 3, "Weight", process.weight.value);
        let seconds = |time: std::time::Duration| format!("{:.6}s", time.as_secs_f64());
        field(text, 3, "Terminate delay", seconds(process.terminate_delay));
        field(text, 3, "Fork delay", seconds(process.fork_delay));
        field(text, 3, "Full command", process.full_command);
        trackers(text, config, &process.name, |tracks| &tracks.processes);
    }
}

fn trackers(
    text: &mut String,
    config: &Config,
    name: &str,
    of: impl Fn(&crate::config::Tracks) -> &Vec<Tracked>,
) {
    let mut lines = Vec::new();
    for instance in &config.instances {
        let mut tracked = of(&instance.track).iter();
        if let Some(tracked) = tracked.find(|tracked| tracked.name == name) {
            lines.push(format!(
                "{}, weight {}",
                instance.name, tracked.weight.value
            ));
        }
    }
    if lines.is_empty() {
        return;
    }
    line(text, 3, "Tracking instances :");
    for words in lines {
        line(text, 5, &words);
    }
}

pub(super) fn interfaces(text: &mut String, now: &Now) {
    heading(text, "Interfaces");
    for interface in &now.snapshot.interfaces {
        field(text, 1, "Name", &interface.name);
        match &interface.link {
            Some(link) => there(text, interface, link, now),
            // As `dynamic_interfaces` has it: used as soon as it is there.
            None => line(text, 3, "Interface does not exist"),
        }
        if !interface.instances.is_empty() {
            line(text, 3, "Tracking VRRP instances :");
            for name in &interface.instances {
                line(text, 5, name);
            }
        }
    }
}

fn there(text: &mut String, interface: &InterfaceState, link: &Link, now: &Now) {
    field(text, 3, "index", link.index.0);
    for family in [Family::V4, Family::V6] {
        let of_family = interface.addresses.iter();
        let mut addresses = of_family.filter(|cidr| cidr.family() == family);
        let key = format!("{family} address");
        match addresses.next() {
            Some(first) => field(text, 3, &key, first.address()),
            None => field(text, 3, &key, "(none)"),
        }
        let more: Vec<_> = addresses.collect();
        if !more.is_empty() {
            line(text, 3, &format!("Additional {family} addresses :"));
        }
        for cidr in more {
            line(text, 5, &cidr.address().to_string());
        }
    }
    if let Some(mac) = link.mac {
        field(text, 3, "MAC", mac);
    }
    field(text, 3, "State", state(link));
    above(text, interface, link);
    field(text, 3, "MTU", link.mtu);
    let how = match interface.asked {
        None => "NIC netlink status update",
        Some(Way::Mii) => "NIC support MII",
        Some(Way::Ethtool) => "NIC support ETHTOOL",
        Some(Way::Flags) => "NIC support IOCTL",
    };
    line(text, 3, how);
    if let LinkKind::Vrf(table) = link.kind {
        line(text, 3, &format!("VRF master table {table}"));
    }
    if let Some(master) = &interface.master {
        let mut all = now.snapshot.interfaces.iter();
        let is_domain = all.any(|other| {
            let kind = other.link.as_ref().map(|link| link.kind);
            other.name == *master && matches!(kind, Some(LinkKind::Vrf(_)))
        });
        let word = if is_domain { "VRF slave" } else { "Port" };
        line(text, 3, &format!("{word} of {master}"));
    }
    if link.group != 0 {
        field(text, 3, "Group", link.group);
    }
    if interface.forwards {
        line(text, 3, "IPv6 forwarding");
    }
}

/// `UP, RUNNING, no multicast`
fn state(link: &Link) -> String {
    let words = [
        (link.up, "UP", "DOWN"),
        (link.running, "RUNNING", "not RUNNING"),
    ];
    let words = words.map(|(is, yes, no)| if is { yes } else { no });
    let mut state = words.join(", ");
    for (lacks, what) in [(link.no_arp, "no arp"), (!link.multicast, "no multicast")] {
        if lacks {
            let _ = write!(state, ", {what}");
        }
    }
    state
}

fn above(text: &mut String, interface: &InterfaceState, link: &Link) {
    let kind = match link.kind {
        LinkKind::Macvlan(MacvlanMode::Private) => "VMAC type private",
        LinkKind::Macvlan(MacvlanMode::Other(_)) => "VMAC type other",
        LinkKind::Ipvlan(IpvlanMode::Bridge) => "IPVLAN type L2 bridge",
        LinkKind::Ipvlan(IpvlanMode::Private) => "IPVLAN type L2 private",
        LinkKind::Ipvlan(IpvlanMode::Vepa) => "IPVLAN type L2 vepa",
        LinkKind::Ipvlan(IpvlanMode::Other) => "IPVLAN type other",
        LinkKind::Other | LinkKind::Vrf(_) => return,
    };
    let below = interface.below.as_deref().unwrap_or("(unknown)");
    line(text, 3, &format!("{kind}, underlying interface = {below}"));
    if interface.is_ours {
        line(text, 3, "I/f created by keepalived");
    }
}

fn line(text: &mut String, indent: usize, words: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:indent$}{words}", "");
}
