//! The global definitions in keepalived.data: what holds for every instance unless it says
//! otherwise.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::field;
use crate::addr::Family;

use crate::config::{self, Buffer, Firewall, MARKS_PRIORITY, MARKS_START};
use crate::sys::daemonize::DEFAULT_UMASK;

/// What comes behind the names and the mails.
pub(super) fn write(text: &mut String, global: &config::Global) {
    let namespace = global.namespace.network.as_deref();
    field(
        text,
        1,
        "Network namespace",
        namespace.unwrap_or("(default)"),
    );
    let directing = match global.namespace.ipvs.as_deref() {
        None => "(main namespace)",
        Some("") => "(default)",
        Some(named) => named,
    };
    field(text, 1, "Network namespace ipvs", directing);
    field(
        text,
        1,
        "Checkers log all failures",
        global.checker_log_all_failures,
    );
    let is_dynamic = global.dynamic_interfaces.is_some();
    field(text, 1, "Dynamic interfaces", is_dynamic);
    let interface = global.default_interface.as_deref().unwrap_or("eth0");
    field(text, 1, "Default interface", interface);
    field(
        text,
        1,
        "Disable local IGMP",
        yes(global.disable_local_igmp),
    );
    for family in [Family::V4, Family::V6] {
        let key = format!("VRRP {family} mcast group");
        field(text, 1, &key, global.vrrp.group(family));
    }
    let seconds = |time: Option<Duration>| format!("{:.6}", time.unwrap_or_default().as_secs_f64());
    field(
        text,
        1,
        "Gratuitous ARP interval",
        seconds(global.vrrp.garp_interval),
    );
    field(
        text,
        1,
        "Gratuitous NA interval",
        seconds(global.vrrp.gna_interval),
    );
    firewall(text, &global.firewall);
    let security = if global.scripts.security {
        "enabled"
    } else {
        "disabled"
    };
    let _ = writeln!(text, " Script security {security}");
    limits(text, global);
}

fn limits(text: &mut String, global: &config::Global) {
    let buffers = &global.buffers;
    buffer(text, "vrrp_netlink_cmd_rcv_bufs", &buffers.vrrp_command);
    buffer(text, "vrrp_netlink_monitor_rcv_bufs", &buffers.vrrp_monitor);
    let multiple = buffers.vrrp_multiplier.unwrap_or(3);
    field(
        text,
        1,
        "rs_init_notifies",
        u8::from(global.rs_init_notifies),
    );
    field(
        text,
        1,
        "no_checker_emails",
        u8::from(global.no_checker_emails),
    );
    field(text, 1, "rx_bufs_multiples", multiple);
    let mask = global.processes.umask.unwrap_or(DEFAULT_UMASK);
    field(text, 1, "umask", format!("{mask:04o}"));
}

fn firewall(text: &mut String, firewall: &Firewall) {
    let table = firewall.nftables.as_deref().unwrap_or("keepalived");
    field(text, 1, "nftables table name", table);
    let priority = firewall.nftables_priority.unwrap_or(-1);
    field(text, 1, "nftables base chain priority", priority);
    if let Some(table) = &firewall.nftables_ipvs {
        field(text, 1, "ipvs nftables table name", table);
        let priority = firewall.nftables_ipvs_priority.unwrap_or(MARKS_PRIORITY);
        field(text, 1, "ipvs nftables base chain priority", priority);
        let first = firewall.nftables_ipvs_start_fwmark.unwrap_or(MARKS_START);
        field(text, 1, "ipvs nftables start fwmark", first);
    }
}

fn buffer(text: &mut String, name: &str, buffer: &Buffer) {
    field(text, 1, name, buffer.size.unwrap_or(0));
    field(text, 1, &format!("{name}_force"), u8::from(buffer.force));
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
