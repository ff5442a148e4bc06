//! `global_defs`.

mod read;

use crate::config::Global;
use crate::config::source::Span;

use super::field::Field;
use super::garp::{ExtraGarpDraft, GarpDraft, garp_delay, garp_refresh, garp_repeat};
use super::{Keyword, Table};

pub(crate) use read::{number, text};

/// What `global_defs` says: the settings themselves, and the defaults of instances and servers.
#[derive(Default)]
pub(crate) struct GlobalDraft {
    pub(crate) global: Global,
    pub(crate) garp: GarpDraft,
    pub(crate) garp_extra: ExtraGarpDraft,
    pub(crate) down_timer_adverts: Option<u32>,
    pub(crate) lower_prio_no_advert: bool,
    pub(crate) higher_prio_send_advert: bool,
    pub(crate) version: Option<u32>,
    pub(crate) strict: bool,
    pub(crate) check_unicast_src: bool,
    pub(crate) skip_check_adv_addr: bool,
    pub(crate) v3_checksum_as_v2: bool,
    pub(crate) owner_ignore_adverts: bool,
    pub(crate) notify_priority_changes: bool,
    /// Where `lvs_sync_daemon` stands.
    pub(crate) sync_daemon: Option<Span>,
    /// Where `vrrp_notify_fifo` stands.
    pub(crate) vrrp_fifo: Option<Span>,
    /// Where `lvs_notify_fifo` stands.
    pub(crate) lvs_fifo: Option<Span>,
    /// Where `vrrp_iptables` stands.
    pub(crate) iptables: Option<Span>,
    /// Where `vrrp_ipsets` stands.
    pub(crate) ipsets: Option<Span>,
    pub(crate) smtp_alert: Option<bool>,
    pub(crate) smtp_alert_vrrp: Option<bool>,
    pub(crate) smtp_alert_checker: Option<bool>,
}

type Row = Keyword<GlobalDraft>;

const SNMP: &str = "there is no SNMP yet";
const DBUS: &str = "there is no D-Bus yet";
const NFTABLES: &str = "nftables is used in its place";
const ONE_PROCESS: &str = "one process does everything, with the name and the priority it has";
const COMING: &str = "it is not done yet";

// A row of this table is a keyword; it reads as a table.
#[rustfmt::skip]
pub(crate) static GLOBAL: Table<GlobalDraft> = Table {
    name: "global_defs",
    keywords: &[
        Row::line("router_id", "STRING",
            "Names this machine in mails; the host's name unless given.",
            read::router_id).may_be_bare(),
        Row::line("lvs_id", "STRING", "The same, in configurations of old.",
            read::router_id).may_be_bare(),

        // Mail.
        Row::values("notification_email", "", "Block of addresses: who is mailed.",
            read::notification_email),
        Row::line("notification_email_from", "ADDRESS", "Sender of mails.",
            read::notification_email_from).may_be_bare().judging_itself(),
        Row::line("smtp_server", "HOST [PORT]", "Mail relay; port 25 unless given.",
            read::smtp_server),
        Row::field("smtp_helo_name", "STRING", "Name given to the mail relay.",
            Field::Text(|all| &mut all.global.smtp_helo_name)).may_be_bare(),
        Row::line("smtp_connect_timeout", "INT 0..4294",
            "Seconds to wait for the mail relay, 30 unless given; 0 is read as 1.",
            read::smtp_connect_timeout),
        Row::field("smtp_alert", "[BOOL]", "Default of every smtp_alert.",
            Field::MaybeTruth(|all| &mut all.smtp_alert)),
        Row::field("smtp_alert_vrrp", "[BOOL]", "The same, of instances and groups.",
            Field::MaybeTruth(|all| &mut all.smtp_alert_vrrp)),
        Row::field("smtp_alert_checker", "[BOOL]", "The same, of virtual and real servers.",
            Field::MaybeTruth(|all| &mut all.smtp_alert_checker)),
        Row::field("smtp_alert_limit", "INT 0..1000000",
            "Mails in a minute, 30 unless given and any number with 0; what is more becomes one mail \
             at the end of the minute.",
            Field::Number(|all| &mut all.global.smtp_alert_limit)),
        Row::flag("no_email_faults", "No mail when an instance enters FAULT.",
            |all| &mut all.global.no_email_faults),
        Row::truth("no_checker_emails", "Mail only when a real server comes or goes.",
            |all| &mut all.global.no_checker_emails),

        // Scripts.
        Row::field("notify_timeout", "SEC 0.001..3600",
            "As long is a notify script waited for before the next of its instance, group or \
             server starts beside it; 30 unless given.",
            Field::Seconds(|all| &mut all.global.scripts.notify_timeout)),
        Row::truth("notify_kill", "A notify script that takes longer is killed.",
            |all| &mut all.global.scripts.notify_kills),
        Row::truth("notify_coalesce",
            "Notify scripts that wait are not run when a newer state comes.",
            |all| &mut all.global.scripts.notify_coalesce),
        Row::command("startup_script", "Run once before anything else.",
            |all| &mut all.global.scripts.startup).may_be_bare(),
        Row::field("startup_script_timeout", "INT 1..1000", "Seconds it may take, 10 unless given.",
            Field::WholeSeconds(|all| &mut all.global.scripts.startup_timeout)),
        Row::command("shutdown_script", "Run once after everything else.",
            |all| &mut all.global.scripts.shutdown).may_be_bare(),
        Row::field("shutdown_script_timeout", "INT 1..1000",
            "Seconds it may take, 10 unless given.",
            Field::WholeSeconds(|all| &mut all.global.scripts.shutdown_timeout)),
        Row::line("script_user", "USER [[:]GROUP]",
            "Whom scripts run as that name nobody themselves: keepalived_script unless given, and \
             without such a user the one the daemon runs as.",
            read::script_user).may_be_bare(),
        Row::flag("enable_script_security",
            "No script runs as root that somebody else could change. Without it every script is \
             reported, and -t exits with 6.",
            |all| &mut all.global.scripts.security),
        Row::truth("use_symlink_paths", "Run scripts by their path as it is written.",
            |all| &mut all.global.scripts.symlink_paths),
        Row::truth("set_supplementary_groups", "Scripts have all groups of their user.",
            |all| &mut all.global.scripts.supplementary_groups),

        // Pipes.
        Row::line("notify_fifo", "NAME [USER [[:]GROUP]]", "Pipe that all events are written to.",
            |all, statement, report| read::fifo(&mut all.global.fifos.all, statement, report))
            .may_be_bare().first_counts(),
        Row::command("notify_fifo_script", "Started to read it; its name is the last argument.",
            |all| &mut all.global.fifos.all.reader).may_be_bare(),
        Row::line("vrrp_notify_fifo", "NAME [USER [[:]GROUP]]",
            "Pipe for the events of instances and groups.",
            |all, statement, report| {
                all.vrrp_fifo = Some(statement.span());
                read::fifo(&mut all.global.fifos.vrrp, statement, report);
            })
            .may_be_bare().first_counts(),
        Row::command("vrrp_notify_fifo_script", "Started to read it.",
            |all| &mut all.global.fifos.vrrp.reader).may_be_bare(),
        Row::line("lvs_notify_fifo", "NAME [USER [[:]GROUP]]",
            "Pipe for the events of virtual and real servers.",
            |all, statement, report| {
                all.lvs_fifo = Some(statement.span());
                read::fifo(&mut all.global.fifos.lvs, statement, report);
            })
            .may_be_bare().first_counts(),
        Row::command("lvs_notify_fifo_script", "Started to read it.",
            |all| &mut all.global.fifos.lvs.reader).may_be_bare(),
        Row::truth("vrrp_notify_priority_changes", "Default of notify_priority_changes.",
            |all| &mut all.notify_priority_changes),
        Row::flag("fifo_write_vrrp_states_on_reload", "Write all states again on reload.",
            |all| &mut all.global.fifos.states_on_reload),

        // Interfaces.
        Row::line("dynamic_interfaces", "[allow_if_changes]",
            "Interfaces may be missing, and come and go.",
            read::dynamic_interfaces),
        Row::line("default_interface", "IFNAME",
            "Where static addresses without dev go, eth0 unless given.",
            read::default_interface).may_be_bare(),
        Row::flag("disable_local_igmp", "No IGMP reports for link-local groups.",
            |all| &mut all.global.disable_local_igmp),

        // IPVS.
        Row::flag("lvs_flush", "Empty the IPVS table before the first entry is made.",
            |all| &mut all.global.lvs.flush),
        Row::line("lvs_flush_on_stop", "[VS]",
            "Empty the whole table at the end, or remove our virtual servers as a whole.",
            read::lvs_flush_on_stop),
        Row::line("lvs_flush_onstop", "[VS]", "Old name of lvs_flush_on_stop.",
            read::lvs_flush_on_stop),
        Row::field("lvs_audit_interval", "SEC 0..86400",
            "How often the IPVS table is read back, 10 unless given; 0 for never. Entries of ours \
             that somebody deleted come back; what was changed or added by hand is logged.",
            Field::Seconds(|all| &mut all.global.lvs.audit_interval)),
        Row::flag("lvs_audit_undo",
            "What others changed in entries of ours, or added to them, is undone as well.",
            |all| &mut all.global.lvs.audit_undo),
        Row::field("lvs_drain_timeout", "SEC 0..86400",
            "A real server that leaves the configuration gets weight 0 and is removed when its \
             connections have ended, or after this time; 0, unless given, for at once.",
            Field::Seconds(|all| &mut all.global.lvs.drain_timeout)),
        Row::line("lvs_timeouts", "[tcp INT] [tcpfin INT] [udp INT]",
            "Seconds until idle connections are forgotten, 0..2678400.",
            read::lvs_timeouts).judging_itself(),
        Row::line("lvs_sync_daemon",
            "IFNAME [[inst] NAME] [id INT] [maxlen INT] [port INT] [ttl INT] [group IP]",
            "Connections are told to the other director.",
            read::lvs_sync_daemon).judging_itself().first_counts(),
        Row::truth("checker_log_all_failures", "Log every check that fails.",
            |all| &mut all.global.checker_log_all_failures),
        Row::truth("checker_share_probes",
            "Checks that agree in everything (kind, endpoint, times, retries, what is expected) make \
             one attempt for all real servers that have them; what comes of it is each server's own. \
             Programs of MISC_CHECK are not shared: what else they do is not known.",
            |all| &mut all.global.checker_share_probes),
        Row::truth("rs_init_notifies", "Real servers are told of at start.",
            |all| &mut all.global.rs_init_notifies),

        // Defaults of instances.
        Row::line("vrrp_mcast_group4", "IP", "Where IPv4 adverts go, 224.0.0.18 unless given.",
            |all, statement, report| {
                read::group(&mut all.global.vrrp.group_v4, false, statement, report);
            }),
        Row::line("vrrp_mcast_group6", "IP", "Where IPv6 adverts go, ff02::12 unless given.",
            |all, statement, report| {
                read::group(&mut all.global.vrrp.group_v6, true, statement, report);
            }),
        Row::line("vrrp_garp_master_delay", "INT 0..4294",
            "Default of garp_master_delay, 5 unless given.",
            |all, statement, report| garp_delay(&mut all.garp.delay, statement, report)),
        Row::line("vrrp_garp_master_repeat", "INT 0..",
            "Default of garp_master_repeat, 5 unless given.",
            |all, statement, report| garp_repeat(&mut all.garp.repeat, statement, report)),
        Row::line("vrrp_garp_master_refresh", "INT 0..",
            "Default of garp_master_refresh, off unless given.",
            |all, statement, report| garp_refresh(&mut all.garp.refresh, statement, report)),
        Row::line("vrrp_garp_master_refresh_repeat", "INT 0..",
            "Default of garp_master_refresh_repeat, 1 unless given.",
            |all, statement, report| garp_repeat(&mut all.garp.refresh_repeat, statement, report)),
        Row::line("vrrp_garp_lower_prio_delay", "INT 0..4294",
            "Default of garp_lower_prio_delay, that of vrrp_garp_master_delay unless given.",
            |all, statement, report| garp_delay(&mut all.garp.lower_prio_delay, statement, report)),
        Row::field("vrrp_garp_lower_prio_repeat", "INT 0..2147483647",
            "Default of garp_lower_prio_repeat, that of vrrp_garp_master_repeat unless given.",
            Field::Number(|all| &mut all.garp.lower_prio_repeat)),
        Row::line("vrrp_min_garp", "[BOOL]",
            "One burst of one frame: sets what is not set by then to repeat 1, delay 0, refresh 0.",
            read::min_garp),
        Row::line("vrrp_garp_extra_if", "[all] INT 1..86400", "Default of garp_extra_if.",
            |all, statement, report| all.garp_extra.read(1, statement, report))
            .judging_itself(),
        Row::line("vrrp_vmac_garp_intvl", "[all] INT 1..86400", "Old name of vrrp_garp_extra_if.",
            |all, statement, report| all.garp_extra.read(1, statement, report))
            .judging_itself(),
        Row::field("vrrp_garp_interval", "SEC 0.000001..4294.967295",
            "Pause between gratuitous ARPs on an interface.",
            Field::Seconds(|all| &mut all.global.vrrp.garp_interval)),
        Row::field("vrrp_gna_interval", "SEC 0.000001..4294.967295",
            "Pause between neighbour advertisements on an interface.",
            Field::Seconds(|all| &mut all.global.vrrp.gna_interval)),
        Row::field("vrrp_down_timer_adverts", "INT 1..100",
            "Default of down_timer_adverts, 3 unless given.",
            Field::Number(|all| &mut all.down_timer_adverts)),
        Row::truth("vrrp_lower_prio_no_advert", "Default of lower_prio_no_advert.",
            |all| &mut all.lower_prio_no_advert),
        Row::truth("vrrp_higher_prio_send_advert", "Default of higher_prio_send_advert.",
            |all| &mut all.higher_prio_send_advert),
        Row::field("vrrp_version", "INT 2..3",
            "Version of instances that do not say: 2 unless given, of IPv6 always 3.",
            Field::Number(|all| &mut all.version)),
        Row::line("v3_checksum_as_v2", "", "Default of v3_checksum_as_v2.",
            |all, _, _| all.v3_checksum_as_v2 = true).judging_itself(),
        Row::flag("vrrp_check_unicast_src", "Default of check_unicast_src.",
            |all| &mut all.check_unicast_src),
        Row::truth("vrrp_skip_check_adv_addr", "Default of skip_check_adv_addr.",
            |all| &mut all.skip_check_adv_addr),
        Row::truth("vrrp_strict", "Default of strict_mode.", |all| &mut all.strict),
        Row::truth("vrrp_owner_ignore_adverts", "Default of owner_ignore_adverts.",
            |all| &mut all.owner_ignore_adverts),
        Row::field("vrrp_startup_delay", "SEC 0.001..4294.967295",
            "Wait so long before any instance starts.",
            Field::Seconds(|all| &mut all.global.vrrp.startup_delay)),
        Row::field("vrrp_delay_after_boot", "SEC 0.001..4294.967295",
            "Wait until the machine runs so long; the longer of the two counts.",
            Field::Seconds(|all| &mut all.global.vrrp.delay_after_boot)),
        Row::flag("log_unknown_vrids", "Log adverts of routers that are not configured here.",
            |all| &mut all.global.log_unknown_vrids),
        Row::field("vmac_prefix", "STRING", "Starts names of interfaces, vrrp unless given.",
            Field::Text(|all| &mut all.global.vrrp.vmac_prefix)).first_counts(),
        Row::field("vmac_addr_prefix", "STRING", "The same, of single addresses.",
            Field::Text(|all| &mut all.global.vrrp.vmac_addr_prefix)).first_counts(),

        // Packet filters.
        Row::line("vrrp_iptables", "[IN_CHAIN [OUT_CHAIN]]",
            "Filter with iptables, in the chains INPUT and OUTPUT unless given.",
            read::iptables).first_counts().stored(NFTABLES),
        Row::line("vrrp_ipsets", "[ADDR [ADDR6 [IF6 [IGMP [MLD [ND]]]]]]",
            "Names of the sets it uses; none at all without a name.",
            read::ipsets).stored(NFTABLES),
        Row::line("nftables", "[TABLE]", "Filter with nftables, in the table keepalived.",
            |all, statement, report| {
                read::table(&mut all.global.firewall.nftables, "keepalived", statement, report);
            }).first_counts(),
        Row::field("nftables_priority", "INT -2147483648..2147483647",
            "Priority of its chains, -1 unless given.",
            Field::Signed(|all| &mut all.global.firewall.nftables_priority)),
        Row::flag("nftables_ifindex", "Link-local sets go by interface number.",
            |all| &mut all.global.firewall.nftables_ifindex),
        Row::flag("nftables_counters", "Its rules count.",
            |all| &mut all.global.firewall.nftables_counters),
        Row::line("nftables_ipvs", "[TABLE]",
            "A virtual server of a group with addresses and ports only is one service of IPVS, by a \
             firewall mark that nftables sets, in the table keepalived_ipvs.",
            |all, statement, report| {
                let table = &mut all.global.firewall.nftables_ipvs;
                read::table(table, "keepalived_ipvs", statement, report);
            }).first_counts(),
        Row::field("nftables_ipvs_priority", "INT -2147483648..2147483647",
            "Priority of its chain, -1 unless given.",
            Field::Signed(|all| &mut all.global.firewall.nftables_ipvs_priority)),
        Row::field("nftables_ipvs_start_fwmark", "INT 1..4294967295",
            "The first mark, 1000 unless given; what has a mark already keeps it.",
            Field::Exact(|all| &mut all.global.firewall.nftables_ipvs_start_fwmark)),

        // What were processes.
        Row::flag("process_names", "Name the processes after what they do.",
            |all| &mut all.global.processes.named).stored(ONE_PROCESS),
        Row::line("process_name", "NAME", "Name of the parent, at most 15 octets.",
            |all, statement, report| {
                read::process_name(&mut all.global.processes.name, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("vrrp_process_name", "NAME", "Name of the VRRP process.",
            |all, statement, report| {
                read::process_name(&mut all.global.processes.vrrp.name, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("checker_process_name", "NAME", "Name of the checker process.",
            |all, statement, report| {
                read::process_name(&mut all.global.processes.checker.name, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("lvs_process_name", "NAME", "Old name of checker_process_name.",
            |all, statement, report| {
                read::process_name(&mut all.global.processes.checker.name, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("bfd_process_name", "NAME", "Name of the BFD process.",
            |all, statement, report| {
                read::process_name(&mut all.global.processes.bfd.name, statement, report);
            }).stored(ONE_PROCESS),
        Row::field("vrrp_priority", "INT -20..19", "Nice value of the VRRP process.",
            Field::Signed(|all| &mut all.global.processes.vrrp.priority)).stored(ONE_PROCESS),
        Row::field("checker_priority", "INT -20..19", "Nice value of the checker process.",
            Field::Signed(|all| &mut all.global.processes.checker.priority)).stored(ONE_PROCESS),
        Row::field("bfd_priority", "INT -20..19", "Nice value of the BFD process.",
            Field::Signed(|all| &mut all.global.processes.bfd.priority)).stored(ONE_PROCESS),
        Row::flag("vrrp_no_swap", "Keep the VRRP process in memory.",
            |all| &mut all.global.processes.vrrp.no_swap).stored(ONE_PROCESS),
        Row::flag("checker_no_swap", "Keep the checker process in memory.",
            |all| &mut all.global.processes.checker.no_swap).stored(ONE_PROCESS),
        Row::flag("bfd_no_swap", "Keep the BFD process in memory.",
            |all| &mut all.global.processes.bfd.no_swap).stored(ONE_PROCESS),
        Row::line("vrrp_rt_priority", "INT 1..99", "Real-time priority of the VRRP process.",
            |all, statement, report| {
                read::real_time(&mut all.global.processes.vrrp.real_time, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("checker_rt_priority", "INT 1..99", "Real-time priority of the checker process.",
            |all, statement, report| {
                read::real_time(&mut all.global.processes.checker.real_time, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("bfd_rt_priority", "INT 1..99", "Real-time priority of the BFD process.",
            |all, statement, report| {
                read::real_time(&mut all.global.processes.bfd.real_time, statement, report);
            }).stored(ONE_PROCESS),
        Row::line("vrrp_cpu_affinity", "INT", "Processors of the VRRP process.",
            |all, statement, report| {
                read::processors(&mut all.global.processes.vrrp.processors, statement, report);
            }).judging_itself().stored(ONE_PROCESS),
        Row::line("checker_cpu_affinity", "INT", "Processors of the checker process.",
            |all, statement, report| {
                read::processors(&mut all.global.processes.checker.processors, statement, report);
            }).judging_itself().stored(ONE_PROCESS),
        Row::line("bfd_cpu_affinity", "INT", "Processors of the BFD process.",
            |all, statement, report| {
                read::processors(&mut all.global.processes.bfd.processors, statement, report);
            }).judging_itself().stored(ONE_PROCESS),
        Row::field("vrrp_rlimit_rttime", "INT 1..4294967295",
            "Microseconds the VRRP process may run without a pause.",
            Field::Micros(|all| &mut all.global.processes.vrrp.real_time_limit))
            .stored(ONE_PROCESS),
        Row::field("vrrp_rlimit_rtime", "INT 1..4294967295", "Old name of vrrp_rlimit_rttime.",
            Field::Micros(|all| &mut all.global.processes.vrrp.real_time_limit))
            .other_name().stored(ONE_PROCESS),
        Row::field("checker_rlimit_rttime", "INT 1..4294967295",
            "Microseconds the checker process may run without a pause.",
            Field::Micros(|all| &mut all.global.processes.checker.real_time_limit))
            .stored(ONE_PROCESS),
        Row::field("checker_rlimit_rtime", "INT 1..4294967295",
            "Old name of checker_rlimit_rttime.",
            Field::Micros(|all| &mut all.global.processes.checker.real_time_limit))
            .other_name().stored(ONE_PROCESS),
        Row::field("bfd_rlimit_rttime", "INT 1..4294967295",
            "Microseconds the BFD process may run without a pause.",
            Field::Micros(|all| &mut all.global.processes.bfd.real_time_limit))
            .stored(ONE_PROCESS),
        Row::field("bfd_rlimit_rtime", "INT 1..4294967295", "Old name of bfd_rlimit_rttime.",
            Field::Micros(|all| &mut all.global.processes.bfd.real_time_limit))
            .other_name().stored(ONE_PROCESS),
        Row::line("max_auto_priority", "[INT -1..99]",
            "Real-time priority the daemon may give itself when it is late; 99 without a number.",
            read::max_auto_priority).stored(ONE_PROCESS),
        Row::field("min_auto_priority_delay", "INT 1..10000000",
            "Microseconds it must be late for that, 1000000 unless given.",
            Field::Micros(|all| &mut all.global.processes.min_auto_priority_delay))
            .stored(ONE_PROCESS),
        Row::line("umask", "NUMBER|BITS",
            "Mask of created files: a number, or IRUSR and the like joined by |.",
            read::umask).judging_itself(),

        // Buffers.
        Row::field("vrrp_netlink_cmd_rcv_bufs", "INT 0..", "Receive buffer, octets; 0 for any.",
            Field::Exact(|all| &mut all.global.buffers.vrrp_command.size)),
        Row::truth("vrrp_netlink_cmd_rcv_bufs_force", "Beyond what the system allows.",
            |all| &mut all.global.buffers.vrrp_command.force),
        Row::field("vrrp_netlink_monitor_rcv_bufs", "INT 0..", "Receive buffer, octets.",
            Field::Exact(|all| &mut all.global.buffers.vrrp_monitor.size)),
        Row::truth("vrrp_netlink_monitor_rcv_bufs_force", "Beyond what the system allows.",
            |all| &mut all.global.buffers.vrrp_monitor.force),
        Row::field("process_monitor_rcv_bufs", "INT 0..", "Receive buffer, octets.",
            Field::Exact(|all| &mut all.global.buffers.process_monitor.size)).stored(COMING),
        Row::truth("process_monitor_rcv_bufs_force", "Beyond what the system allows.",
            |all| &mut all.global.buffers.process_monitor.force).stored(COMING),
        Row::field("lvs_netlink_cmd_rcv_bufs", "INT 0..", "Receive buffer, octets.",
            Field::Exact(|all| &mut all.global.buffers.lvs_command.size)),
        Row::truth("lvs_netlink_cmd_rcv_bufs_force", "Beyond what the system allows.",
            |all| &mut all.global.buffers.lvs_command.force),
        Row::field("lvs_netlink_monitor_rcv_bufs", "INT 0..", "Receive buffer, octets.",
            Field::Exact(|all| &mut all.global.buffers.lvs_monitor.size)),
        Row::truth("lvs_netlink_monitor_rcv_bufs_force", "Beyond what the system allows.",
            |all| &mut all.global.buffers.lvs_monitor.force),
        Row::line("vrrp_rx_bufs_policy", "MTU|ADVERT|INT",
            "Receive buffer of VRRP: a multiple of the MTU or of an advert, or octets.",
            read::buffer_policy).judging_itself(),
        Row::field("vrrp_rx_bufs_multiplier", "INT 1..", "That multiple, 3 unless given.",
            Field::Exact(|all| &mut all.global.buffers.vrrp_multiplier)),

        // SNMP and D-Bus.
        Row::field("snmp_socket", "ADDRESS", "Where the master agent is.",
            Field::Text(|all| &mut all.global.snmp.socket)).first_counts().stored(SNMP),
        Row::flag("enable_traps", "Send traps.", |all| &mut all.global.snmp.traps).stored(SNMP),
        Row::flag("enable_snmp_vrrp", "Instances in the MIB of keepalived.",
            |all| &mut all.global.snmp.vrrp).stored(SNMP),
        Row::flag("enable_snmp_keepalived", "Old name of enable_snmp_vrrp.",
            |all| &mut all.global.snmp.vrrp).other_name().stored(SNMP),
        Row::flag("enable_snmp_checker", "Servers in the MIB of keepalived.",
            |all| &mut all.global.snmp.checker).stored(SNMP),
        Row::line("enable_snmp_rfc", "", "Both MIBs of the RFCs.",
            |all, _, _| {
                all.global.snmp.rfc_v2 = true;
                all.global.snmp.rfc_v3 = true;
            }).stored(SNMP),
        Row::flag("enable_snmp_rfcv2", "The MIB of RFC 2787.",
            |all| &mut all.global.snmp.rfc_v2).stored(SNMP),
        Row::flag("enable_snmp_rfcv3", "The MIB of RFC 6527.",
            |all| &mut all.global.snmp.rfc_v3).stored(SNMP),
        Row::field("snmp_vs_stats_update_interval", "SEC 0.001..30",
            "How old counters of virtual servers may be, 5 unless given.",
            Field::Seconds(|all| &mut all.global.snmp.virtual_server_interval)).stored(SNMP),
        Row::field("snmp_rs_stats_update_interval", "SEC 0.001..30",
            "The same of real servers.",
            Field::Seconds(|all| &mut all.global.snmp.real_server_interval)).stored(SNMP),
        Row::flag("enable_dbus", "Announce states on D-Bus.",
            |all| &mut all.global.dbus.enabled).stored(DBUS),
        Row::field("dbus_service_name", "NAME", "Our name, org.keepalived.Vrrp1 unless given.",
            Field::Text(|all| &mut all.global.dbus.service_name)).may_be_bare().stored(DBUS),
        Row::field("dbus_no_interface_name", "NAME",
            "Stands for the interface of instances without one, none unless given.",
            Field::Text(|all| &mut all.global.dbus.no_interface_name)).may_be_bare().stored(DBUS),

        // Files.
        Row::field("state_dump_file", "PATH", "Where SIGUSR1 writes.",
            Field::Text(|all| &mut all.global.files.state_dump)).stored(COMING),
        Row::field("stats_dump_file", "PATH", "Where SIGUSR2 writes.",
            Field::Text(|all| &mut all.global.files.stats_dump)).stored(COMING),
        Row::field("json_dump_file", "PATH", "Where the JSON dump goes.",
            Field::Text(|all| &mut all.global.files.json_dump)).stored(COMING),
        Row::field("json_version", "INT 1..2", "Layout of the JSON dump, 1 unless given.",
            Field::Number(|all| &mut all.global.files.json_version)).may_be_bare().stored(COMING),
        Row::truth("data_use_instance", "Those names carry the instance and the namespace.",
            |all| &mut all.global.files.use_instance).stored(COMING),
        Row::field("config_save_dir", "DIRECTORY", "Copies of the configuration.",
            Field::Text(|all| &mut all.global.files.config_save_directory)).stored(COMING),
        Row::field("tmp_config_directory", "DIRECTORY", "Where a merged copy is kept.",
            Field::Text(|all| &mut all.global.files.temporary_directory)).first_counts()
            .stored("the configuration is read once, no copy is needed"),
        Row::field("iproute_usr_dir", "PATH",
            "Names of routing tables and the like, /usr/share/iproute2 unless given.",
            Field::Text(|all| &mut all.global.files.iproute_usr)),
        Row::field("iproute_etc_dir", "PATH",
            "The same, these count more; /etc/iproute2 unless given.",
            Field::Text(|all| &mut all.global.files.iproute_etc)),

        // Reading.
        Row::line("reload_check_config", "[FILE]",
            "A configuration with any error is refused, at the start and on a reload; what is wrong \
             with a new one is added to the file.",
            |all, statement, report| {
                read::text_or_empty(&mut all.global.reload.check, statement, report);
            }),
        Row::field("reload_time_file", "PATH", "File with the time of the next reload.",
            Field::Text(|all| &mut all.global.reload.time_file)).stored(COMING),
        Row::flag("reload_repeat", "Reload at that time every day.",
            |all| &mut all.global.reload.repeat).stored(COMING),
        Row::line("reload_file", "[PATH]", "File that is touched while the configuration is read.",
            |all, statement, report| {
                read::text_or_empty(&mut all.global.reload.lock_file, statement, report);
            }).stored(COMING),
        Row::line("include_check", "[read|match|wildcard_match|brace_match]",
            "Which failures of an include are fatal; + and - before a word add and take away. \
             All of them without a word.",
            read::include_check).judging_itself(),
        Row::field("random_seed", "INT 0..4294967295", "Seed of ${_RANDOM}.",
            Field::Exact(|all| &mut all.global.reload.random_seed)),
    ],
};
