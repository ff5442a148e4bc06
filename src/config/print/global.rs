//! `global_defs` and the statements outside of all blocks as text.

use super::{Printer, quoted};
use crate::config::Global;
use crate::config::global::{
    BufferPolicy, DynamicInterfaces, Fifo, FlushOnStop, IncludeCheck, Namespace, Process,
    SyncDaemon,
};
use crate::config::keywords::global::{GLOBAL, GlobalDraft};
use crate::config::keywords::root::{Draft, ROOT};
use crate::config::value::print_seconds;

/// Nothing but what stands outside of the block.
fn is_empty(global: &Global) -> bool {
    let outside = Global {
        namespace: global.namespace.clone(),
        ..Global::default()
    };
    *global == outside
}

impl Printer {
    pub(super) fn global(&mut self, global: &Global) {
        if *global == Global::default() {
            return;
        }
        self.namespace(&global.namespace);
        if is_empty(global) {
            return;
        }
        self.open("global_defs");
        self.maybe("router_id", global.router_id.as_deref().map(quoted));
        if !global.notification_email.is_empty() {
            self.open("notification_email");
            for address in &global.notification_email {
                self.line(quoted(address));
            }
            self.close();
        }
        let from = global.notification_email_from.as_deref();
        self.maybe("notification_email_from", from.map(quoted));
        if let Some((host, port)) = &global.smtp_server {
            self.line(format_args!("smtp_server {} {port}", quoted(host)));
        }
        self.maybe(
            "smtp_connect_timeout",
            global.smtp_connect_timeout.map(print_seconds),
        );
        self.maybe("script_user", global.scripts.user.as_ref());
        self.maybe(
            "default_interface",
            global.default_interface.as_deref().map(quoted),
        );
        self.maybe("vrrp_mcast_group4", global.vrrp.group_v4);
        self.maybe("vrrp_mcast_group6", global.vrrp.group_v6);
        self.several_words(global);
        let mut draft = GlobalDraft {
            global: global.clone(),
            ..GlobalDraft::default()
        };
        for line in GLOBAL.settings(&mut draft) {
            self.line(line);
        }
        self.close();
    }

    /// The statements outside of all blocks.
    fn namespace(&mut self, namespace: &Namespace) {
        self.optional("net_namespace_ipvs", namespace.ipvs.as_deref());
        let mut draft = Draft::default();
        draft.global.global.namespace = namespace.clone();
        for line in ROOT.settings(&mut draft) {
            self.line(line);
        }
    }

    /// Statements whose words are more than one field.
    fn several_words(&mut self, global: &Global) {
        match global.dynamic_interfaces {
            Some(DynamicInterfaces::ComeAndGo) => self.line("dynamic_interfaces"),
            Some(DynamicInterfaces::Change) => self.line("dynamic_interfaces allow_if_changes"),
            None => {}
        }
        self.fifo("notify_fifo", &global.fifos.all);
        self.fifo("vrrp_notify_fifo", &global.fifos.vrrp);
        self.fifo("lvs_notify_fifo", &global.fifos.lvs);
        self.lvs(global);
        self.firewall(global);
        let processes = &global.processes;
        self.maybe("process_name", processes.name.as_deref().map(quoted));
        self.process("vrrp", &processes.vrrp);
        self.process("checker", &processes.checker);
        self.process("bfd", &processes.bfd);
        self.maybe("max_auto_priority", processes.max_auto_priority);
        let umask = processes.umask.map(|mask| format!("0{mask:o}"));
        self.maybe("umask", umask);
        self.maybe(
            "vrrp_rx_bufs_policy",
            global.buffers.vrrp_policy.map(|policy| match policy {
                BufferPolicy::Mtu => "MTU".to_owned(),
                BufferPolicy::Advert => "ADVERT".to_owned(),
                BufferPolicy::Octets(octets) => octets.to_string(),
            }),
        );
        self.optional("reload_check_config", global.reload.check.as_deref());
        self.optional("reload_file", global.reload.lock_file.as_deref());
        if let Some(checks) = global.reload.include_check {
            self.include_check(checks);
        }
    }

    fn fifo(&mut self, keyword: &str, fifo: &Fifo) {
        let Some(path) = &fifo.path else {
            return;
        };
        let owner = fifo.owner.as_ref().map(|owner| format!(" {owner}"));
        let owner = owner.unwrap_or_default();
        self.line(format_args!("{keyword} {}{owner}", quoted(path)));
    }

    fn lvs(&mut self, global: &Global) {
        match global.lvs.flush_on_stop {
            Some(FlushOnStop::Everything) => self.line("lvs_flush_on_stop"),
            Some(FlushOnStop::VirtualServers) => self.line("lvs_flush_on_stop VS"),
            None => {}
        }
        for (name, timeout) in [
            ("tcp", global.lvs.timeout_tcp),
            ("tcpfin", global.lvs.timeout_tcp_fin),
            ("udp", global.lvs.timeout_udp),
        ] {
            if let Some(timeout) = timeout {
                self.line(format_args!("lvs_timeouts {name} {}", timeout.as_secs()));
            }
        }
        if let Some(daemon) = &global.lvs.sync_daemon {
            self.sync_daemon(daemon);
        }
    }

    fn sync_daemon(&mut self, daemon: &SyncDaemon) {
        let mut line = format!("lvs_sync_daemon {}", quoted(&daemon.interface));
        if let Some(instance) = &daemon.instance {
            line += &format!(" inst {}", quoted(instance));
        }
        for (name, number) in [
            ("id", daemon.id),
            ("maxlen", daemon.max_length),
            ("port", daemon.port),
            ("ttl", daemon.ttl),
        ] {
            if let Some(number) = number {
                line += &format!(" {name} {number}");
            }
        }
        if let Some(group) = daemon.group {
            line += &format!(" group {group}");
        }
        self.line(line);
    }

    fn firewall(&mut self, global: &Global) {
        let firewall = &global.firewall;
        if let Some(chains) = &firewall.iptables {
            let output = chains.output.iter().map(String::as_str);
            let names: Vec<&str> = [chains.input.as_str()].into_iter().chain(output).collect();
            self.words("vrrp_iptables", &names);
        }
        if let Some(names) = &firewall.ipsets {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            self.words("vrrp_ipsets", &names);
        }
        self.maybe("nftables", firewall.nftables.as_deref().map(quoted));
        let table = firewall.nftables_ipvs.as_deref();
        self.maybe("nftables_ipvs", table.map(quoted));
    }

    fn process(&mut self, which: &str, process: &Process) {
        let name = process.name.as_deref().map(quoted);
        self.maybe(&format!("{which}_process_name"), name);
        self.maybe(&format!("{which}_rt_priority"), process.real_time);
        if !process.processors.is_empty() {
            let numbers: Vec<String> = process.processors.iter().map(u32::to_string).collect();
            let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
            self.words(&format!("{which}_cpu_affinity"), &numbers);
        }
    }

    fn include_check(&mut self, checks: IncludeCheck) {
        let sign = |set: bool| if set { '+' } else { '-' };
        // Reading is implied by every other word, so it comes last.
        self.line(format_args!(
            "include_check {}match {}wildcard_match {}brace_match {}read",
            sign(checks.names),
            sign(checks.wildcards),
            sign(checks.braces),
            sign(checks.read),
        ));
    }

    fn optional(&mut self, keyword: &str, value: Option<&str>) {
        match value {
            Some("") => self.line(keyword),
            Some(value) => self.word(keyword, quoted(value)),
            None => {}
        }
    }

    pub(super) fn words(&mut self, keyword: &str, words: &[&str]) {
        let words: String = words
            .iter()
            .map(|word| format!(" {}", quoted(word)))
            .collect();
        self.line(format_args!("{keyword}{words}"));
    }
}
