//! `vrrp_instance`.

pub(crate) mod auth;
pub(crate) mod layer;
mod read;
mod unicast;

use std::net::IpAddr;
use std::time::Duration;

use crate::addr::{Family, Vrid};
use crate::config::InitialState;
use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::tree::{Statement, Word};
use crate::config::vrrp::{OldChecksum, Peer};

use super::address::AddressDraft;
use super::field::Field;
use super::garp::{ExtraGarpDraft, GarpDraft, garp_delay, garp_refresh, garp_repeat};
use super::notify::NotifyDraft;
use super::root::inside;
use super::route::{RouteDraft, route};
use super::rule::{RuleDraft, rule};
use super::track::{BFDS, Named, TrackKind, TracksDraft};
use super::{Keyword, Standing, Table};

use auth::{AUTHENTICATION, AuthenticationDraft, HMAC, HmacDraft};
use layer::LayerDraft;

/// What an instance says.
pub(crate) struct InstanceDraft {
    pub(crate) name: Named,
    /// Fixed by the first address of any kind.
    pub(crate) family: Option<Family>,
    pub(crate) version: Option<(u32, Span)>,
    pub(crate) state: Option<(InitialState, Span)>,
    pub(crate) interface: Option<String>,
    /// It was given, and why it is not usable was said there.
    pub(crate) wrong_interface: bool,
    pub(crate) layer: LayerDraft,
    pub(crate) vrf: Option<(String, Span)>,
    pub(crate) vrid: Option<(Vrid, Span)>,
    /// As `wrong_interface`.
    pub(crate) wrong_vrid: bool,
    pub(crate) priority: Option<u8>,
    pub(crate) advert_interval: Option<(Duration, Span)>,
    pub(crate) authentication: AuthenticationDraft,
    pub(crate) hmac: Option<HmacDraft>,
    pub(crate) addresses: Vec<AddressDraft>,
    pub(crate) excluded: Vec<AddressDraft>,
    pub(crate) routes: Vec<RouteDraft>,
    pub(crate) rules: Vec<RuleDraft>,
    pub(crate) source: Option<(IpAddr, Span)>,
    pub(crate) track_source: Option<Span>,
    pub(crate) group: Option<(IpAddr, Span)>,
    pub(crate) peers: Vec<(Peer, Span)>,
    /// The first keyword that only unicast instances need.
    pub(crate) unicast: Option<Span>,
    pub(crate) unicast_ttl: Option<u32>,
    pub(crate) check_source: bool,
    pub(crate) fault_without_peer: bool,
    pub(crate) old_checksum: OldChecksum,
    pub(crate) strict: Option<bool>,
    pub(crate) nopreempt: Option<Span>,
    pub(crate) preempt_delay: Option<(Duration, Span)>,
    pub(crate) untracked_primary: bool,
    pub(crate) track: TracksDraft,
    pub(crate) down_timer_adverts: Option<u32>,
    pub(crate) timer_expired_backup: Option<(u32, Span)>,
    pub(crate) lower_prio_no_advert: Option<bool>,
    pub(crate) higher_prio_send_advert: Option<bool>,
    pub(crate) owner_ignore_adverts: Option<bool>,
    pub(crate) accept: Option<(bool, Span)>,
    pub(crate) no_addresses: Option<Span>,
    pub(crate) v3_checksum_as_v2: Option<bool>,
    pub(crate) skip_check_adv_addr: Option<bool>,
    pub(crate) promote_secondaries: Option<Span>,
    pub(crate) poll_link: bool,
    pub(crate) receive_buffer: Option<u32>,
    pub(crate) sync_daemon_interface: Option<String>,
    pub(crate) garp: GarpDraft,
    pub(crate) garp_extra: ExtraGarpDraft,
    pub(crate) notify: NotifyDraft,
}

type Row = Keyword<InstanceDraft>;

const ADDRESS: &str = "Block of addresses, one on each line: IP[/LEN] [dev IFNAME] \
    [scope SCOPE] [brd ADDRESS|+|-] [label STRING] [peer IP] [home] [-nodad] [noprefixroute] \
    [mngtmpaddr] [autojoin] [no_track] [preferred_lft SECONDS|forever] [use_vmac].";

// A row of this table is a keyword; it reads as a table.
#[rustfmt::skip]
pub(crate) static INSTANCE: Table<InstanceDraft> = Table {
    name: "vrrp_instance",
    keywords: &[
        Row::line("state", "MASTER|BACKUP",
            "What it hopes to be. Only priority 255 starts as master.", read::state)
            .judging_itself(),
        Row::line("interface", "IFNAME", "Where it speaks VRRP. Must exist.", read::interface),
        Row::line("virtual_router_id", "INT 1..255",
            "The number all routers of this address share.", read::virtual_router_id),
        Row::line("priority", "INT 1..255",
            "Highest wins; 255 owns the address. 100 unless given (255 with state MASTER).",
            read::priority),
        Row::line("advert_int", "SEC 0.01..255",
            "Seconds between adverts, 1 unless given. Version 2: whole seconds; version 3: whole \
             hundredths up to 40.95.", read::advert_int),
        Row::line("version", "INT 2..3",
            "VRRP version; that of vrrp_version unless given, 3 of IPv6. Instances of version 3 \
             do not run yet.", read::version).judging_itself(),
        Row::block("authentication", "", "VRRP version 2 authentication.", &AUTHENTICATION,
            |draft, statement, report| {
                AUTHENTICATION.read(&mut draft.authentication, inside(statement), report);
            }),
        Row::block("auth_hmac", "", "A signature behind each advert.", &HMAC,
            |draft, statement, report| {
                let hmac = draft.hmac.get_or_insert_with(|| HmacDraft::new(statement.head()));
                HMAC.read(hmac, inside(statement), report);
            }),

        // Addresses, routes, rules.
        Row::values("virtual_ipaddress", "", ADDRESS, read::virtual_ipaddress),
        Row::values("virtual_ipaddress_excluded", "",
            "The same of addresses that are not in adverts, of either family.",
            read::virtual_ipaddress_excluded),
        Row::marked("no_virtual_ipaddress", "An instance without addresses is meant.",
            |draft| &mut draft.no_addresses),
        Row::values("virtual_routes", "",
            "Block of routes in the words of ip-route(8), one on each line, with [no_track].",
            |draft, statement, report| {
                for line in inside(statement) {
                    draft.routes.extend(route(line, report));
                }
            }),
        Row::values("virtual_rules", "",
            "Block of rules in the words of ip-rule(8), one on each line, with [no_track].",
            |draft, statement, report| {
                for line in inside(statement) {
                    draft.rules.extend(rule(line, report));
                }
            }),
        Row::line("accept", "", "A master takes packets to addresses it does not own.",
            |draft, statement, _| draft.accept = Some((true, statement.span()))),
        Row::line("no_accept", "", "It does not.",
            |draft, statement, _| draft.accept = Some((false, statement.span()))),
        Row::marked("promote_secondaries", "Set that sysctl of the interface.",
            |draft| &mut draft.promote_secondaries),

        // Where adverts come from and go to.
        Row::line("mcast_src_ip", "IP",
            "Source of adverts; the interface's first address unless given.", read::source),
        Row::line("unicast_src_ip", "IP", "The same, of unicast instances.",
            |draft, statement, report| {
                draft.is_unicast(statement);
                read::source(draft, statement, report);
            }),
        Row::marked("track_src_ip", "In FAULT while no interface has that address.",
            |draft| &mut draft.track_source),
        Row::line("mcast_dst_ip", "IP", "Where adverts go; as vrrp_mcast_group4 unless given.",
            read::destination),
        Row::values("unicast_peer", "",
            "Block of the other routers: IP [min_ttl INT] [max_ttl INT].",
            unicast::peers),
        Row::field("unicast_ttl", "INT 0..255", "TTL of unicast adverts, 255 unless given.",
            Field::Exact(|draft| &mut draft.unicast_ttl)),
        Row::line("unicast_fault_no_peer", "", "In FAULT without a peer, instead of multicast.",
            |draft, statement, _| {
                draft.is_unicast(statement);
                draft.fault_without_peer = true;
            }),
        Row::line("check_unicast_src", "", "Take adverts of the peers and of nobody else.",
            |draft, statement, _| {
                draft.is_unicast(statement);
                draft.check_source = true;
            }),
        Row::line("old_unicast_checksum", "[never]", "As keepalived computed it up to 1.3.6.",
            unicast::old_checksum),
        Row::line("native_ipv6", "", "Old: an instance of IPv6.", read::native_ipv6),

        // What carries them.
        Row::line("use_vmac", "[[name] IFNAME] [MAC] [netlink_notify_msg] [group INT]",
            "Put the addresses onto a macvlan with the hardware address of the virtual router.",
            |draft, statement, report| draft.layer.vmac(statement, report))
            .judging_itself(),
        Row::flag("use_vmac_addr", "And those that are on other interfaces.",
            |draft| &mut draft.layer.addresses),
        Row::marked("vmac_xmit_base", "Adverts leave through the interface below it.",
            |draft| &mut draft.layer.base),
        Row::line("use_ipvlan",
            "[[name] IFNAME] [IP[/LEN]] [bridge|private|vepa] [group INT]",
            "Adverts leave through an ipvlan with an address of its own.",
            read::ipvlan).judging_itself(),
        Row::line("vrf", "IFNAME", "The VRF of an instance without an interface.",
            |draft, statement, report| {
                let Some(word) = statement.argument(1) else {
                    return;
                };
                draft.vrf = report.interface(word).map(|name| (name, word.span));
            }),

        // Who wins.
        Row::marked("nopreempt",
            "Do not take over from a living master of lower priority. Needs state BACKUP.",
            |draft| &mut draft.nopreempt),
        Row::line("preempt", "", "The reverse of nopreempt.",
            |draft, _, _| draft.nopreempt = None),
        Row::line("preempt_delay", "SEC 0..1000",
            "Seconds before taking over from a master of lower priority.", read::preempt_delay),
        Row::field("down_timer_adverts", "INT 1..100",
            "Adverts missed until the master counts as dead.",
            Field::Number(|draft| &mut draft.down_timer_adverts)),
        Row::line("timer_expired_backup", "[INT 1..254]",
            "Back to BACKUP when the daemon was late; goes with nopreempt.",
            read::timer_expired_backup),
        Row::line("thread_timer_expired", "[INT 1..254]", "Old name of timer_expired_backup.",
            |draft, statement, report| {
                read::old(statement, "timer_expired_backup", report);
                read::timer_expired_backup(draft, statement, report);
            }),
        Row::field("lower_prio_no_advert", "[BOOL]", "Do not answer an advert of lower priority.",
            Field::MaybeTruth(|draft| &mut draft.lower_prio_no_advert)),
        Row::field("higher_prio_send_advert", "[BOOL]",
            "Send one more advert when yielding to a higher priority.",
            Field::MaybeTruth(|draft| &mut draft.higher_prio_send_advert)),
        Row::field("owner_ignore_adverts", "[BOOL]", "An owner does not listen to adverts.",
            Field::MaybeTruth(|draft| &mut draft.owner_ignore_adverts)),
        Row::field("strict_mode", "[BOOL]", "As the RFC has it: without authentication, say.",
            Field::MaybeTruth(|draft| &mut draft.strict)),
        Row::field("skip_check_adv_addr", "[BOOL]",
            "The addresses in adverts of a known master are not compared.",
            Field::MaybeTruth(|draft| &mut draft.skip_check_adv_addr)),
        Row::field("v3_checksum_as_v2", "[BOOL]", "Version 3 without the pseudo header.",
            Field::MaybeTruth(|draft| &mut draft.v3_checksum_as_v2)),
        Row::field("kernel_rx_buf_size", "INT 0..", "Receive buffer, octets.",
            Field::Exact(|draft| &mut draft.receive_buffer)),
        Row::line("debug", "INT 0..4", "It never had an effect.",
            |_, statement, report| {
                if let Some(word) = statement.argument(1) {
                    report.lenient(word, 0..=4);
                }
            }).standing(Standing::NoEffect),

        // What it watches.
        Row::flag("dont_track_primary", "Ignore the state of the interface.",
            |draft| &mut draft.untracked_primary),
        Row::values("track_interface", "",
            "Block of interfaces it needs: IFNAME [weight INT [reverse]].",
            |draft, statement, report| {
                TrackKind::Interface.read(&mut draft.track.interfaces, statement, report);
            }),
        Row::values("track_script", "", "Block of scripts: NAME [weight INT [reverse|noreverse]].",
            |draft, statement, report| {
                TrackKind::Script.read(&mut draft.track.scripts, statement, report);
            }),
        Row::values("track_file", "", "Block of files: NAME [weight INT [reverse|noreverse]].",
            |draft, statement, report| {
                TrackKind::File.read(&mut draft.track.files, statement, report);
            }),
        Row::values("track_process", "",
            "Block of processes: NAME [weight INT [reverse|noreverse]].",
            |draft, statement, report| {
                TrackKind::Process.read(&mut draft.track.processes, statement, report);
            }),
        Row::values("track_bfd", "",
            "Block of BFD sessions: NAME [weight INT [reverse|noreverse]].",
            |draft, statement, report| {
                TrackKind::Bfd.read(&mut draft.track.bfds, statement, report);
            }).stored(BFDS),
        Row::line("linkbeat_use_polling", "", "Old: ask the interface for its link.",
            |draft, statement, report| {
                let problem = Problem::warning(statement.head(), "`linkbeat_use_polling` is old");
                report.add(problem.help("write the interface into `linkbeat_interfaces`"));
                draft.poll_link = true;
            }),

        // Whom it tells.
        Row::command("notify_backup", "Run when it becomes BACKUP.",
            |draft| &mut draft.notify.backup),
        Row::command("notify_master", "Run when it becomes MASTER.",
            |draft| &mut draft.notify.master),
        Row::command("notify_fault", "Run when it enters FAULT.",
            |draft| &mut draft.notify.fault),
        Row::command("notify_stop", "Run when the daemon stops.",
            |draft| &mut draft.notify.stop),
        Row::line("notify_deleted", "[COMMAND [USER [[:]GROUP]]]",
            "Run when a reload removes it; DELETED is told instead of FAULT.",
            |draft, statement, report| draft.notify.deleted(statement, report))
            .judging_itself(),
        Row::command("notify", "Run on each of these, with INSTANCE, name, state and priority.",
            |draft| &mut draft.notify.any),
        Row::command("notify_master_rx_lower_pri",
            "Run when a master hears an advert of lower priority.",
            |draft| &mut draft.notify.master_hears_lower),
        Row::field("smtp_alert", "[BOOL]", "Mail on each of these.",
            Field::MaybeTruth(|draft| &mut draft.notify.mail)),
        Row::field("notify_priority_changes", "[BOOL]", "Write changes of priority to the pipe.",
            Field::MaybeTruth(|draft| &mut draft.notify.priority_changes)),
        Row::line("lvs_sync_daemon_interface", "IFNAME",
            "Old: connections are told to the other director over this interface.",
            read::sync_daemon_interface),
        Row::line("lvs_sync_daemon_inteface", "IFNAME", "Old: how keepalived 1.1 spelled it.",
            read::sync_daemon_interface).other_name(),

        // Gratuitous ARP.
        Row::line("garp_master_delay", "INT 0..4294",
            "Seconds to the second burst of gratuitous ARP; 0 for none.",
            |draft, statement, report| garp_delay(&mut draft.garp.delay, statement, report)),
        Row::line("garp_master_repeat", "INT 0..", "Frames in each burst.",
            |draft, statement, report| garp_repeat(&mut draft.garp.repeat, statement, report)),
        Row::line("garp_master_refresh", "INT 0..",
            "Seconds between bursts while master; 0 for none.",
            |draft, statement, report| garp_refresh(&mut draft.garp.refresh, statement, report)),
        Row::line("garp_master_refresh_repeat", "INT 0..", "Frames in each of those bursts.",
            |draft, statement, report| {
                garp_repeat(&mut draft.garp.refresh_repeat, statement, report);
            }),
        Row::line("garp_lower_prio_delay", "INT 0..4294",
            "As garp_master_delay, after an advert of lower priority.",
            |draft, statement, report| {
                garp_delay(&mut draft.garp.lower_prio_delay, statement, report);
            }),
        Row::field("garp_lower_prio_repeat", "INT 0..2147483647",
            "As garp_master_repeat, after an advert of lower priority.",
            Field::Number(|draft| &mut draft.garp.lower_prio_repeat)),
        Row::line("garp_extra_if", "[all] INT 0..86400",
            "Seconds between bursts on the other interfaces its addresses are on: those with a \
             macvlan, or all.",
            |draft, statement, report| draft.garp_extra.read(0, statement, report))
            .judging_itself(),
        Row::line("vmac_garp_intvl", "[all] INT 0..86400", "Old name of garp_extra_if.",
            |draft, statement, report| {
                read::old(statement, "garp_extra_if", report);
                draft.garp_extra.read(0, statement, report);
            }).judging_itself(),
    ],
};

impl InstanceDraft {
    pub(crate) fn new(name: &Word) -> Self {
        Self {
            name: Named::new(name),
            family: None,
            version: None,
            state: None,
            interface: None,
            wrong_interface: false,
            layer: LayerDraft::default(),
            vrf: None,
            vrid: None,
            wrong_vrid: false,
            priority: None,
            advert_interval: None,
            authentication: AuthenticationDraft::default(),
            hmac: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            source: None,
            track_source: None,
            group: None,
            peers: Vec::new(),
            unicast: None,
            unicast_ttl: None,
            check_source: false,
            fault_without_peer: false,
            old_checksum: OldChecksum::default(),
            strict: None,
            nopreempt: None,
            preempt_delay: None,
            untracked_primary: false,
            track: TracksDraft::default(),
            down_timer_adverts: None,
            timer_expired_backup: None,
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            owner_ignore_adverts: None,
            accept: None,
            no_addresses: None,
            v3_checksum_as_v2: None,
            skip_check_adv_addr: None,
            promote_secondaries: None,
            poll_link: false,
            receive_buffer: None,
            sync_daemon_interface: None,
            garp: GarpDraft::default(),
            garp_extra: ExtraGarpDraft::default(),
            notify: NotifyDraft::default(),
        }
    }

    /// Notes a keyword that only unicast instances need.
    fn is_unicast(&mut self, statement: &Statement) {
        self.unicast.get_or_insert_with(|| statement.head());
    }

    /// The first address fixes the family; one of the other is reported and not taken.
    fn is_of_family(&mut self, address: IpAddr, span: Span, report: &mut Report<'_>) -> bool {
        let family = Family::of(address);
        let fixed = *self.family.get_or_insert(family);
        if fixed != family {
            let message = format!("{address} is not {fixed} as the instance is, ignored");
            report.add(Problem::error(span, message));
        }
        fixed == family
    }
}
