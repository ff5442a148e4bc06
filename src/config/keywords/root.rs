//! The file itself: what stands outside of all blocks.

use crate::config::check::Ssl;
use crate::config::diag::Problem;
use crate::config::lossless;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::Statement;

use super::bfd::{self, BfdDraft};
use super::check::{VIRTUAL_SERVER, VirtualServerDraft};
use super::field::Field;
use super::global::{GLOBAL, GlobalDraft};
use super::group::{self, GroupDraft};
use super::ssl::SSL;
use super::statics::{self, GARP_GROUP, StaticsDraft, TRACK_GROUP};
use super::sync::{SYNC_GROUP, SyncDraft, vrrp_sync_group};
use super::track::{FILE, FileDraft, Named, PROCESS, ProcessDraft, SCRIPT, ScriptDraft};
use super::vrrp::{INSTANCE, InstanceDraft};
use super::{Keyword, Table};

/// Everything a file says, before defaults and contradictions.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) global: GlobalDraft,
    pub(crate) statics: StaticsDraft,
    pub(crate) scripts: Vec<(Named, ScriptDraft)>,
    pub(crate) processes: Vec<(Named, ProcessDraft)>,
    pub(crate) files: Vec<(Named, FileDraft)>,
    pub(crate) bfds: Vec<(Named, BfdDraft)>,
    pub(crate) sync_groups: Vec<(Named, SyncDraft)>,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) virtual_server_groups: Vec<GroupDraft>,
    pub(crate) virtual_servers: Vec<VirtualServerDraft>,
    /// With its keyword.
    pub(crate) ssl: Option<(Ssl, Span)>,
}

const NAMESPACE: &str = "the namespace of the command line counts";
const NAMES: &str = "files have the names of the command line";

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
        Keyword::<Draft>::block(
            "vrrp_sync_group",
            "NAME",
            "Instances that change state together.",
            &SYNC_GROUP,
            vrrp_sync_group,
        )
        .may_be_bare(),
        Keyword::<Draft>::block(
            "vrrp_script",
            "NAME",
            "A command that instances watch. Stands before the instances that name it.",
            &SCRIPT,
            vrrp_script,
        ),
        Keyword::<Draft>::block(
            "vrrp_track_process",
            "NAME",
            "A process that instances watch. Stands before the instances that name it.",
            &PROCESS,
            vrrp_track_process,
        ),
        Keyword::<Draft>::block(
            "track_file",
            "NAME",
            "A file that instances and checks watch. Stands before what names it.",
            &FILE,
            track_file,
        ),
        Keyword::<Draft>::block(
            "vrrp_track_file",
            "NAME",
            "Old name of track_file.",
            &FILE,
            track_file,
        ),
        Keyword::<Draft>::block(
            "bfd_instance",
            "NAME",
            "A BFD session that instances and checks watch. Stands before what names it.",
            &bfd::INSTANCE,
            bfd_instance,
        )
        .stored("there is no BFD yet"),
        Keyword::<Draft>::block(
            "track_group",
            "NAME",
            "Instances that need static entries. Stands before the entries that name it.",
            &TRACK_GROUP,
            statics::track_group,
        )
        .may_be_bare(),
        Keyword::<Draft>::values(
            "static_ipaddress",
            "",
            "Block of addresses, as in virtual_ipaddress and with [track_group NAME], that are \
             set at start and stay.",
            statics::addresses,
        ),
        Keyword::<Draft>::values(
            "static_routes",
            "",
            "Block of routes, as in virtual_routes and with [track_group NAME].",
            statics::routes,
        ),
        Keyword::<Draft>::values(
            "static_rules",
            "",
            "Block of rules, as in virtual_rules and with [track_group NAME].",
            statics::rules,
        ),
        Keyword::<Draft>::block(
            "garp_group",
            "",
            "Interfaces that share the pauses between gratuitous ARPs.",
            &GARP_GROUP,
            statics::garp_group,
        ),
        Keyword::<Draft>::values(
            "linkbeat_interfaces",
            "",
            "Block of interfaces that are asked for their link: IFNAME [MII|ETHTOOL|IOCTL].",
            statics::linkbeats,
        ),
        Keyword::<Draft>::values(
            "interface_up_down_delays",
            "",
            "Block of interfaces whose changes must last: IFNAME SEC [SEC], down and up, 0..255.",
            statics::delays,
        ),
        Keyword::<Draft>::flag("linkbeat_use_polling", "Ask all interfaces.", |draft| {
            &mut draft.global.global.namespace.poll_links
        }),
        Keyword::<Draft>::field(
            "net_namespace",
            "NAME",
            "The network namespace to run in; -s counts more.",
            Field::Text(|draft| &mut draft.global.global.namespace.network),
        )
        .may_be_bare()
        .first_counts()
        .stored(NAMESPACE),
        Keyword::<Draft>::line(
            "net_namespace_ipvs",
            "[NAME]",
            "That of the IPVS table; without a name that of the machine.",
            |draft, statement, _| {
                let name = statement.argument(1).map(|word| word.text.to_string());
                draft.global.global.namespace.ipvs = Some(name.unwrap_or_default());
            },
        )
        .first_counts(),
        Keyword::<Draft>::flag(
            "namespace_with_ipsets",
            "Old kernels: ipsets in a namespace.",
            |draft| &mut draft.global.global.namespace.ipsets,
        )
        .stored("there is no packet filter yet"),
        Keyword::<Draft>::flag(
            "use_pid_dir",
            "Pid files in a directory of their own.",
            |draft| &mut draft.global.global.namespace.pid_directory,
        )
        .stored(NAMES),
        Keyword::<Draft>::field(
            "instance",
            "NAME",
            "Part of the names of files and logs.",
            Field::Text(|draft| &mut draft.global.global.namespace.instance),
        )
        .may_be_bare()
        .first_counts()
        .stored(NAMES),
        Keyword::<Draft>::field(
            "child_wait_time",
            "INT 0..",
            "Seconds to wait for children at the end, 5 unless given.",
            Field::WholeSeconds(|draft| &mut draft.global.global.namespace.child_wait),
        )
        .stored("there are no children to wait for"),
        Keyword::block(
            "virtual_server",
            "IP [PORT] | fwmark N | group NAME",
            "One service of the IPVS table with its real servers: an address, what the firewall \
             marks, or all of a group. Without a port, or with port 0, an address takes all ports \
             and is persistent.",
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
        ),
        Keyword::block(
            "SSL",
            "",
            "What the checks of SSL_GET show of themselves and whom they know.",
            &SSL,
            ssl,
        )
        .stored("SSL_GET is not made"),
    ],
};

fn global_defs(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    GLOBAL.read(&mut draft.global, inside(statement), report);
}

fn vrrp_script(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let mut script = ScriptDraft::default();
    SCRIPT.read(&mut script, inside(statement), report);
    named(&mut draft.scripts, script, statement, report);
}

fn vrrp_track_process(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let mut process = ProcessDraft::default();
    PROCESS.read(&mut process, inside(statement), report);
    named(&mut draft.processes, process, statement, report);
}

fn track_file(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let mut file = FileDraft::default();
    FILE.read(&mut file, inside(statement), report);
    named(&mut draft.files, file, statement, report);
}

/// Of several objects of one name the first is meant; keepalived does not say so.
fn named<T>(into: &mut Vec<(Named, T)>, new: T, statement: &Statement, report: &mut Report<'_>) {
    let Some(name) = statement.argument(1) else {
        return;
    };
    if let Some((first, _)) = into.iter().find(|(other, _)| other.name == name.text) {
        let keyword = statement.keyword();
        let message = format!("a second `{keyword} {}`, the first is used", name.text);
        report.add(Problem::warning(name.span, message).note(first.span, "first defined here"));
        return;
    }
    into.push((Named::new(name), new));
}

fn bfd_instance(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    const NAME_MAX: usize = 31;
    let Some(name) = statement.argument(1) else {
        return;
    };
    if lossless::encode(&name.text).len() > NAME_MAX {
        return report.reject(name, "a name of at most 31 octets, its block is skipped");
    }
    if let Some((first, _)) = draft.bfds.iter().find(|(other, _)| other.name == name.text) {
        let message = format!("a second `bfd_instance {}`, it is skipped", name.text);
        report.add(Problem::error(name.span, message).note(first.span, "first defined here"));
        return;
    }
    let mut bfd = BfdDraft::default();
    bfd::INSTANCE.read(&mut bfd, inside(statement), report);
    draft.bfds.push((Named::new(name), bfd));
}

fn vrrp_instance(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let [name] = statement.arguments() else {
        let message = "`vrrp_instance` takes one name, its block is skipped";
        report.add(Problem::error(statement.span(), message));
        return;
    };
    let mut instance = InstanceDraft::new(name);
    if let Some(first) = draft
        .instances
        .iter()
        .find(|other| other.name.name == name.text)
    {
        let message = format!("a second `vrrp_instance {}`, it is skipped", name.text);
        report.add(Problem::error(name.span, message).note(first.name.span, "first defined here"));
        return;
    }
    INSTANCE.read(&mut instance, inside(statement), report);
    draft.instances.push(instance);
}

fn virtual_server(draft: &mut Draft, statement: &Statement, report: &mut Report<'_>) {
    let Some(mut server) = VirtualServerDraft::new(statement, report) else {
        return report.skipped(statement);
    };
    let servers = inside(statement).iter();
    let servers = servers.filter(|statement| statement.keyword() == "real_server");
    server.real_servers.reserve_exact(servers.count());
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
