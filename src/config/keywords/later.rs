//! Keywords that keepalived has and this program does not have yet: they get a warning, never an
//! error, and the rest of the file runs. Each leaves this list when it starts to work.

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::{Entry, Shape, Standing};

/// A keyword that does not work yet. What its block may hold is nobody's business here.
pub(crate) struct Later {
    pub(crate) name: &'static str,
    block: bool,
}

impl Later {
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            name: self.name,
            arguments: "",
            doc: "",
            shape: if self.block {
                Shape::Values
            } else {
                Shape::Line
            },
            standing: Standing::Later,
            judges_itself: true,
            may_be_bare: false,
            first_counts: false,
            once_only: false,
            other_name: false,
        }
    }

    pub(crate) fn report(&self, statement: &Statement, report: &mut Report<'_>) {
        let what = if statement.block.is_some() {
            "its block is skipped"
        } else {
            "ignored"
        };
        let message = format!("`{}` is not supported yet, {what}", self.name);
        report.add(Problem::warning(statement.head(), message));
        if self.block && statement.block.is_none() {
            let message = format!("`{}` has no block", self.name);
            report.add(Problem::error(statement.head(), message));
        }
    }
}

const fn line(name: &'static str) -> Later {
    Later { name, block: false }
}

const fn block(name: &'static str) -> Later {
    Later { name, block: true }
}

pub(crate) const ROOT_LATER: &[Later] = &[
    block("bfd_instance"),
    line("child_wait_time"),
    block("garp_group"),
    line("instance"),
    block("interface_up_down_delays"),
    block("linkbeat_interfaces"),
    line("linkbeat_use_polling"),
    line("namespace_with_ipsets"),
    line("net_namespace"),
    line("net_namespace_ipvs"),
    block("static_ipaddress"),
    block("static_routes"),
    block("static_rules"),
    block("track_file"),
    block("track_group"),
    line("use_pid_dir"),
    block("vrrp_script"),
    block("vrrp_sync_group"),
    block("vrrp_track_file"),
    block("vrrp_track_process"),
];

pub(crate) const INSTANCE_LATER: &[Later] = &[
    line("accept"),
    line("check_unicast_src"),
    line("garp_extra_if"),
    line("kernel_rx_buf_size"),
    line("linkbeat_use_polling"),
    line("lvs_sync_daemon_interface"),
    line("no_accept"),
    line("notify"),
    line("notify_backup"),
    line("notify_deleted"),
    line("notify_fault"),
    line("notify_master"),
    line("notify_master_rx_lower_pri"),
    line("notify_priority_changes"),
    line("notify_stop"),
    line("old_unicast_checksum"),
    line("owner_ignore_adverts"),
    line("promote_secondaries"),
    line("smtp_alert"),
    line("strict_mode"),
    line("thread_timer_expired"),
    line("timer_expired_backup"),
    block("track_bfd"),
    block("track_file"),
    block("track_interface"),
    block("track_process"),
    block("track_script"),
    line("track_src_ip"),
    line("unicast_fault_no_peer"),
    line("unicast_ttl"),
    line("use_vmac"),
    line("use_vmac_addr"),
    line("v3_checksum_as_v2"),
    block("virtual_ipaddress_excluded"),
    block("virtual_routes"),
    block("virtual_rules"),
    line("vmac_garp_intvl"),
    line("vmac_xmit_base"),
];
