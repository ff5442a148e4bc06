//! `global_defs` and the single statements outside of all blocks: what holds for the whole file,
//! wherever it stands in it.

use std::net::IpAddr;
use std::time::Duration;

use crate::addr::Family;

use super::script::{Script, ScriptUser};
use super::vrrp::Destination;

/// The global settings that anything uses after the file is read. None is what the manual gives
/// as default. Defaults of instances (`vrrp_garp_*` and the like) are already inside them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Global {
    /// `router_id` (or the old `lvs_id`); None: the host's name.
    pub router_id: Option<String>,
    /// `notification_email`: the recipients of mails.
    pub notification_email: Vec<String>,
    /// `notification_email_from`.
    pub notification_email_from: Option<String>,
    /// `smtp_server HOST [PORT]`, host as written.
    pub smtp_server: Option<(String, u16)>,
    /// `smtp_helo_name`.
    pub smtp_helo_name: Option<String>,
    /// `smtp_connect_timeout`, 1 to 4294 s; None: 30 s.
    pub smtp_connect_timeout: Option<Duration>,
    /// `smtp_alert_limit`: mails in a minute, 0 for any number; None: 30.
    pub smtp_alert_limit: Option<u32>,
    /// `no_email_faults`: no mail when an instance enters FAULT.
    pub no_email_faults: bool,
    /// `no_checker_emails`: mail only when a real server comes or goes.
    pub no_checker_emails: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `checker_log_all_failures`.
    pub checker_log_all_failures: bool,
    /// `checker_share_probes`: checks that agree in everything make one attempt for all of them.
    pub checker_share_probes: bool,
    /// `rs_init_notifies`: real servers are told of at start.
    pub rs_init_notifies: bool,
    /// `dynamic_interfaces`: interfaces may come and go; None: all must exist.
    pub dynamic_interfaces: Option<DynamicInterfaces>,
    /// `default_interface`: where static addresses without `dev` go; None: eth0.
    pub default_interface: Option<String>,
    /// `disable_local_igmp`: no IGMP reports for link-local groups.
    pub disable_local_igmp: bool,
    pub namespace: Namespace,
    pub processes: Processes,
    pub scripts: Scripts,
    pub fifos: Fifos,
    pub lvs: Lvs,
    pub vrrp: Vrrp,
    pub firewall: Firewall,
    pub buffers: Buffers,
    pub snmp: Snmp,
    pub dbus: Dbus,
    pub files: Files,
    pub reload: Reload,
}

/// `dynamic_interfaces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicInterfaces {
    /// They may be missing.
    ComeAndGo,
    /// `allow_if_changes`: and may change what they are on top of.
    Change,
}

/// The single statements outside of all blocks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Namespace {
    /// `net_namespace`; `-s` counts more.
    pub network: Option<String>,
    /// `net_namespace_ipvs`; Some("") is the namespace of the machine, None that of the rest.
    pub ipvs: Option<String>,
    /// `namespace_with_ipsets`.
    pub ipsets: bool,
    /// `use_pid_dir`.
    pub pid_directory: bool,
    /// `instance`: part of the names of pid file and log.
    pub instance: Option<String>,
    /// `child_wait_time`; None: 5 s.
    pub child_wait: Option<Duration>,
    /// `linkbeat_use_polling`: ask all interfaces of VRRP for their link.
    pub poll_links: bool,
}

/// Names and priorities of what were processes of their own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Processes {
    /// `process_names`: the children are named after what they do.
    pub named: bool,
    /// `process_name`, at most 15 octets.
    pub name: Option<String>,
    pub vrrp: Process,
    pub checker: Process,
    pub bfd: Process,
    /// `max_auto_priority`, -1 to 99; None: 0, off.
    pub max_auto_priority: Option<i32>,
    /// `min_auto_priority_delay`, 1 to 10,000,000 µs; None: 1 s.
    pub min_auto_priority_delay: Option<Duration>,
    /// `umask`, at most 0o777; None: 0o177.
    pub umask: Option<u32>,
}

/// `vrrp_*`, `checker_*` and `bfd_*` of one process.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Process {
    /// `*_process_name`, at most 15 octets.
    pub name: Option<String>,
    /// `*_priority`: the nice value, -20 to 19.
    pub priority: Option<i32>,
    /// `*_no_swap`.
    pub no_swap: bool,
    /// `*_rt_priority`: SCHED_RR, 1 to 99.
    pub real_time: Option<u32>,
    /// `*_cpu_affinity`: numbers of processors; empty for all.
    pub processors: Vec<u32>,
    /// `*_rlimit_rttime`, 2 µs to 4,294,967,295 µs; None: 10 ms.
    pub real_time_limit: Option<Duration>,
}

/// What concerns scripts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scripts {
    /// `script_user`; None: `keepalived_script` if there is such a user, else the daemon's.
    pub user: Option<ScriptUser>,
    /// `enable_script_security`: no script runs as root that others could change.
    pub security: bool,
    /// `use_symlink_paths`: scripts run by the path as written.
    pub symlink_paths: bool,
    /// `set_supplementary_groups`.
    pub supplementary_groups: bool,
    /// `notify_timeout`, 1 ms to 3600 s: as long is a notify script waited for; None: 30 s.
    pub notify_timeout: Option<Duration>,
    /// `notify_kill`: a script that takes longer is killed.
    pub notify_kills: bool,
    /// `notify_coalesce`: scripts that wait are not run when a newer state comes.
    pub notify_coalesce: bool,
    /// `startup_script`: run once before anything else.
    pub startup: Option<Script>,
    /// `startup_script_timeout`, 1 to 1000 s; None: 10 s.
    pub startup_timeout: Option<Duration>,
    /// `shutdown_script`: run once after everything else.
    pub shutdown: Option<Script>,
    /// `shutdown_script_timeout`, 1 to 1000 s; None: 10 s.
    pub shutdown_timeout: Option<Duration>,
}

/// Pipes that events are written to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fifos {
    /// `notify_fifo`: all events.
    pub all: Fifo,
    /// `vrrp_notify_fifo`: those of instances and groups.
    pub vrrp: Fifo,
    /// `lvs_notify_fifo`: those of virtual and real servers.
    pub lvs: Fifo,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
}

/// One pipe.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fifo {
    pub path: Option<String>,
    /// Whom the pipe belongs to; None: the default user of scripts.
    pub owner: Option<ScriptUser>,
    /// Started to read it, with its path as last argument.
    pub reader: Option<Script>,
}

/// IPVS as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Lvs {
    /// `lvs_flush`: empty the IPVS table before the first entry is made.
    pub flush: bool,
    /// `lvs_flush_on_stop`; None: entries are removed one by one.
    pub flush_on_stop: Option<FlushOnStop>,
    /// `lvs_audit_interval`: how often the table is read back; None: 10 s, zero: never.
    pub audit_interval: Option<Duration>,
    /// `lvs_audit_undo`: what others did to entries of ours is undone and not only told.
    pub audit_undo: bool,
    /// `lvs_drain_timeout`: how long a server that left the configuration may finish its
    /// connections; None and zero: not at all.
    pub drain_timeout: Option<Duration>,
    /// `lvs_timeouts tcp`, 0 to 2,678,400 s; None and zero leave it to the kernel.
    pub timeout_tcp: Option<Duration>,
    /// `lvs_timeouts tcpfin`.
    pub timeout_tcp_fin: Option<Duration>,
    /// `lvs_timeouts udp`.
    pub timeout_udp: Option<Duration>,
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
}

/// `lvs_flush_on_stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOnStop {
    /// The whole table.
    Everything,
    /// `VS`: our virtual servers.
    VirtualServers,
}

/// `lvs_sync_daemon`: connections are told to the other director.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SyncDaemon {
    pub interface: String,
    /// `inst`: master or backup as this instance; None: both at once.
    pub instance: Option<String>,
    /// `id`, 0 to 255; None: the virtual router id of the instance, else 0.
    pub id: Option<u32>,
    /// `maxlen`, 1 to 65507 octets.
    pub max_length: Option<u32>,
    /// `port`; None: 8848.
    pub port: Option<u32>,
    /// `ttl`, 1 to 255.
    pub ttl: Option<u32>,
    /// `group`; None: 224.0.0.81.
    pub group: Option<IpAddr>,
}

/// VRRP as a whole: what is not a default of instances.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Vrrp {
    /// `vrrp_mcast_group4`; None: 224.0.0.18.
    pub group_v4: Option<IpAddr>,
    /// `vrrp_mcast_group6`; None: ff02::12.
    pub group_v6: Option<IpAddr>,
    /// `vrrp_garp_interval`: pause between gratuitous ARPs of an interface; None: none.
    pub garp_interval: Option<Duration>,
    /// `vrrp_gna_interval`: the same between neighbour advertisements.
    pub gna_interval: Option<Duration>,
    /// `vrrp_startup_delay`, 1 ms to 4294.967295 s.
    pub startup_delay: Option<Duration>,
    /// `vrrp_delay_after_boot`, 1 ms to 4294.967295 s; the longer of the two counts.
    pub delay_after_boot: Option<Duration>,
    /// `vmac_prefix` of generated interface names; None: vrrp.
    pub vmac_prefix: Option<String>,
    /// `vmac_addr_prefix`; None: as `vmac_prefix`.
    pub vmac_addr_prefix: Option<String>,
}

impl Vrrp {
    /// Where adverts of a family go that an instance says nothing of.
    pub fn group(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.group_v4.unwrap_or(IpAddr::V4(Destination::GROUP_V4)),
            Family::V6 => self.group_v6.unwrap_or(IpAddr::V6(Destination::GROUP_V6)),
        }
    }
}

/// iptables and nftables.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Firewall {
    /// `vrrp_iptables`: the chains for what comes in and goes out.
    pub iptables: Option<Iptables>,
    /// `vrrp_ipsets`: the names given, as far as they are; Some([]) for none at all.
    pub ipsets: Option<Vec<String>>,
    /// `nftables`: the table; None: used under the name `keepalived` when needed.
    pub nftables: Option<String>,
    /// `nftables_priority`; None: -1.
    pub nftables_priority: Option<i32>,
    /// `nftables_ifindex`.
    pub nftables_ifindex: bool,
    /// `nftables_counters`.
    pub nftables_counters: bool,
    /// `nftables_ipvs`: the table of firewall marks for groups of virtual servers.
    pub nftables_ipvs: Option<String>,
    /// `nftables_ipvs_priority`; None: -1.
    pub nftables_ipvs_priority: Option<i32>,
    /// `nftables_ipvs_start_fwmark`; None: 1000.
    pub nftables_ipvs_start_fwmark: Option<u32>,
}

/// `vrrp_iptables`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iptables {
    pub input: String,
    /// None: nothing that goes out is filtered.
    pub output: Option<String>,
}

/// Receive buffers of sockets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Buffers {
    /// `vrrp_netlink_cmd_rcv_bufs`.
    pub vrrp_command: Buffer,
    /// `vrrp_netlink_monitor_rcv_bufs`.
    pub vrrp_monitor: Buffer,
    /// `process_monitor_rcv_bufs`.
    pub process_monitor: Buffer,
    /// `lvs_netlink_cmd_rcv_bufs`.
    pub lvs_command: Buffer,
    /// `lvs_netlink_monitor_rcv_bufs`.
    pub lvs_monitor: Buffer,
    /// `vrrp_rx_bufs_policy`; None: the system's default.
    pub vrrp_policy: Option<BufferPolicy>,
    /// `vrrp_rx_bufs_multiplier`, from 1 on; None: 3.
    pub vrrp_multiplier: Option<u32>,
}

/// One receive buffer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Buffer {
    /// Octets; None and 0 leave it to the kernel.
    pub size: Option<u32>,
    /// Beyond what the system allows.
    pub force: bool,
}

impl Buffer {
    /// Gives a socket what is wanted, if it is not left to the kernel. `set` takes octets and
    /// whether to go beyond what the system allows.
    pub fn apply<E>(&self, set: impl FnOnce(u32, bool) -> Result<(), E>) -> Result<(), E> {
        match self.size.filter(|octets| *octets > 0) {
            Some(octets) => set(octets, self.force),
            None => Ok(()),
        }
    }
}

/// `vrrp_rx_bufs_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferPolicy {
    /// A multiple of the interface's MTU.
    Mtu,
    /// A multiple of the largest advert.
    Advert,
    Octets(u32),
}

/// `snmp_*` and `enable_snmp_*`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snmp {
    /// `snmp_socket`: where the master agent is.
    pub socket: Option<String>,
    /// `enable_traps`.
    pub traps: bool,
    /// `enable_snmp_vrrp`.
    pub vrrp: bool,
    /// `enable_snmp_checker`.
    pub checker: bool,
    /// `enable_snmp_rfc` and `enable_snmp_rfcv2`: RFC 2787.
    pub rfc_v2: bool,
    /// `enable_snmp_rfc` and `enable_snmp_rfcv3`: RFC 6527.
    pub rfc_v3: bool,
    /// `snmp_vs_stats_update_interval`, 1 ms to 30 s; None: 5 s.
    pub virtual_server_interval: Option<Duration>,
    /// `snmp_rs_stats_update_interval`; None: that of virtual servers.
    pub real_server_interval: Option<Duration>,
}

/// `enable_dbus` and `dbus_*`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dbus {
    pub enabled: bool,
    /// `dbus_service_name`; None: org.keepalived.Vrrp1.
    pub service_name: Option<String>,
    /// `dbus_no_interface_name`; None: none.
    pub no_interface_name: Option<String>,
}

/// Files that are written or read beside the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Files {
    /// `state_dump_file`, `stats_dump_file`, `json_dump_file`.
    pub state_dump: Option<String>,
    pub stats_dump: Option<String>,
    pub json_dump: Option<String>,
    /// `json_version`, 1 or 2; None: 1.
    pub json_version: Option<u32>,
    /// `data_use_instance`: the names above carry instance and namespace.
    pub use_instance: bool,
    /// `config_save_dir`: copies of the configuration.
    pub config_save_directory: Option<String>,
    /// `tmp_config_directory`; None: in memory.
    pub temporary_directory: Option<String>,
    /// `iproute_usr_dir` and `iproute_etc_dir`: names of tables, scopes and the like.
    pub iproute_usr: Option<String>,
    pub iproute_etc: Option<String>,
}

/// How the configuration is read and read again.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reload {
    /// `reload_check_config`: any problem refuses the configuration; Some("") without a log.
    pub check: Option<String>,
    /// `reload_time_file`.
    pub time_file: Option<String>,
    /// `reload_repeat`.
    pub repeat: bool,
    /// `reload_file`: touched while reading; Some("") for the usual name.
    pub lock_file: Option<String>,
    /// `include_check`; None: nothing an include lacks is fatal.
    pub include_check: Option<IncludeCheck>,
    /// `random_seed` of `${_RANDOM}`; None: the time.
    pub random_seed: Option<u32>,
}

/// `include_check`: which failures of an include are fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IncludeCheck {
    /// A file cannot be read.
    pub read: bool,
    /// `match`: a name without wildcards matches nothing.
    pub names: bool,
    /// `wildcard_match`: a pattern matches nothing.
    pub wildcards: bool,
    /// `brace_match`: one of several alternatives matches nothing.
    pub braces: bool,
}

/// `nftables_ipvs_priority`, unless it says another: just before those at the usual place.
pub const MARKS_PRIORITY: i32 = -1;
/// `nftables_ipvs_start_fwmark`, unless it says another.
pub const MARKS_START: u32 = 1_000;
