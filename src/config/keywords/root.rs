//! The file itself: what stands outside of all blocks.

use crate::config::check::Ssl;
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::Statement;

use super::check::{VIRTUAL_SERVER, VirtualServerDraft};
use super::global::{GLOBAL, GlobalDraft};
use super::group::{self, GroupDraft};
use super::later::ROOT_LATER;
use super::ssl::SSL;
use super::vrrp::{INSTANCE, InstanceDraft};
use super::{Keyword, Table};

/// Everything a file says, before defaults and contradictions.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) global: GlobalDraft,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) virtual_server_groups: Vec<GroupDraft>,
    pub(crate) virtual_servers: Vec<VirtualServerDraft>,
    /// With its keyword.
    pub(crate) ssl: Option<(Ssl, Span)>,
}

pub(crate) static ROOT: Table<Draft> = Table {
    name: "",
    keywords: &[
        Keyword::block(
            "global_defs",
            "",
            "Settings of the whole file, wherever the block stands. Repeated blocks merge.",
            &GLOBAL,
            global_defs,
        ),
        Keyword::block(
            "vrrp_instance",
            "NAME",
            "One virtual router on one interface.",
            &INSTANCE,
            vrrp_instance,
        )
        .may_be_bare(),
        Keyword::block(
            "virtual_server",
            "IP [PORT] | fwmark N | group NAME",
            "One service of the IPVS table with its real servers: an address, what the firewall \
             marks, or all of a group; the last two without effect yet. Without a port, or with \
             port 0, an address takes all ports and is persistent.",
            &VIRTUAL_SERVER,
            virtual_server,
        ),
        Keyword::values(
            "virtual_server_group",
            "NAME",
            "Lines `IP [PORT]`, `IP-IP [PORT]`, `IP/LENGTH [PORT]` or `fwmark N [inet|inet6]`: \
             addresses, ranges, networks and marks that are served as one. The end of a range \
             may be its last octet, or the last 16 bits of an IPv6 address in hex.",
            virtual_server_group,
        )
        .stored("a service of a group is not programmed"),
        Keyword::block(
            "SSL",
            "",
            "What the checks of SSL_GET show of themselves and whom they know.",
            &SSL,
            ssl,
        )
        .stored("SSL_GET is not made"),
    ],
    later: ROOT_LATER,
};

fn global_defs(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    GLOBAL.read(&mut draft.global, inside(statement), report);
}

fn vrrp_instance(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let [name] = statement.arguments() else {
        let message = "`vrrp_instance` takes one name, its block is skipped";
        report.add(Problem::error(statement.span(), message));
        return;
    };
    let mut instance = InstanceDraft::new(name);
    if let Some(first) = draft.instances.iter().find(|other| other.name == name.text) {
        let message = format!("a second `vrrp_instance {}`, it is skipped", name.text);
        report.add(Problem::error(name.span, message).note(first.span, "first defined here"));
        return;
    }
    INSTANCE.read(&mut instance, inside(statement), report);
    draft.instances.push(instance);
}

fn virtual_server(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let Some(mut server) = VirtualServerDraft::new(statement, report) else {
        return report.skipped(statement);
    };
    VIRTUAL_SERVER.read(&mut server, inside(statement), report);
    draft.virtual_servers.push(server);
}

fn virtual_server_group(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    draft
        .virtual_server_groups
        .extend(group::group(statement, report));
}

fn ssl(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    if let Some((_, first)) = draft.ssl {
        let message = "`SSL` is given twice, the later one counts";
        let problem = Problem::error(statement.head(), message);
        report.add(problem.note(first, "first given here"));
    }
    let mut ssl = Ssl::default();
    SSL.read(&mut ssl, inside(statement), report);
    draft.ssl = Some((ssl, statement.head()));
}

/// The statements of a block.
pub(crate) fn inside(statement: &Statement) -> &[Statement] {
    let block = statement.block.as_ref();
    block
        .map(|block| block.statements.as_slice())
        .unwrap_or_default()
}
