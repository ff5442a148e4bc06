//! The file itself: what stands outside of all blocks.

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::tree::Statement;

use super::check::{VIRTUAL_SERVER, VirtualServerDraft};
use super::global::{GLOBAL, GlobalDraft};
use super::later::ROOT_LATER;
use super::vrrp::{INSTANCE, InstanceDraft};
use super::{Keyword, Table};

/// Everything a file says, before defaults and contradictions.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) global: GlobalDraft,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) virtual_servers: Vec<VirtualServerDraft>,
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
            "IP [PORT]",
            "One service of the IPVS table with its real servers. Without a port, or with port \
             0, it takes all ports and is persistent.",
            &VIRTUAL_SERVER,
            virtual_server,
        ),
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
    if let Some(form @ ("fwmark" | "group")) = statement.argument(1).map(|word| word.text.as_str())
    {
        let message = format!("`virtual_server {form}` is not supported yet, it is skipped");
        report.add(Problem::warning(statement.span(), message));
        return;
    }
    let Some(mut server) = VirtualServerDraft::new(statement, report) else {
        return report.skipped(statement);
    };
    VIRTUAL_SERVER.read(&mut server, inside(statement), report);
    draft.virtual_servers.push(server);
}

/// The statements of a block.
pub(crate) fn inside(statement: &Statement) -> &[Statement] {
    let block = statement.block.as_ref();
    block
        .map(|block| block.statements.as_slice())
        .unwrap_or_default()
}
