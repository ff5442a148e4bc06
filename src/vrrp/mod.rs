//! The VRRP core (RFC 9568; version 2 as in RFC 3768). Events in, effects out.
//!
//! The contract:
//!
//! 1. `now` never goes back; a call with the same `now` twice is fine; `on_time` too early does
//!    nothing.
//! 2. Effects are performed in order and before the next call. The order is the protocol: advert,
//!    then address, then gratuitous ARP.
//! 3. The core never waits: what an effect leads to comes back as an event, or not at all.
//! 4. Ids are given out once and never again: a late event for something gone finds nobody.
//! 5. On a wake-up all readable descriptors are handled first, `on_time` last: a daemon that slept
//!    too long reads the adverts that wait for it before it may believe that the master is dead.
//!
//! The steps of the state machine are cited by their numbers in RFC 5798 6.4, which RFC 9568 kept
//! without them; those of RFC 3768 6.4 are the same. What RFC 5798 asks and no code here does:
//!
//! * (325, 630) router advertisements are those of another program;
//! * (335, 645) frames to the virtual hardware address come in on a device of their own, if there
//!   is such an address at all (`use_vmac`), and the kernel forwards what it forwards;
//! * (390, 620) joining the groups of an IPv6 address, and (610, 625, 650) answering for an address
//!   and taking packets to it, the kernel does for who has the address on an interface;
//! * (635) not taking them, but for neighbour discovery, is the packet filter's (`no_accept`).

mod accept;
mod announce;
mod binding;
mod capacity;
mod debounce;
mod devices;
mod dialect;
pub mod election;
mod entries;
mod fault;
mod firewall;
mod instance;
mod kernel;
mod layers;
mod linkbeat;
mod network;
mod notify;
mod observe;
mod owner;
mod pacing;
mod reception;
mod refusal;
mod reload;
mod replay;
mod restraint;
mod routing;
mod settings;
mod sockets;
mod start;
mod statics;
mod stop;
mod strangers;
mod sync;
mod tidings;
mod track;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use log::{debug, error, info};

use crate::addr::{Family, IfIndex, MacAddr};
use crate::config::{Config, InstanceKey};
use crate::errno::Errno;
use crate::notify::Transition;
use crate::time::{Instant, Timers};
use crate::wire::channel::{Channel, Ear};
use crate::wire::ip::Datagram;
use crate::wire::linkbeat::Question;
use crate::wire::nft;
use crate::wire::rtnl::{self, Address, Link, Notice};
use crate::wire::sysctl::{self, Setting};
use announce::Burst;
use capacity::BufferRule;
use debounce::Debounce;
use devices::Devices;
use firewall::Firewall;
use instance::{Context, Instance};
use linkbeat::Linkbeats;
use network::Network;
use pacing::{Lane, Pacing, Way};
use restraint::{Deed, Restraint};
use settings::Settings;
use sockets::{Sockets, User};
use start::StartDelay;
use statics::Statics;
use stop::Belongings;
use strangers::Strangers;
use sync::Groups;

pub use crate::track::{Condition, Object};
pub use observe::{
    GroupState, Holding, InstanceState, InterfaceState, RefusedPackets, Snapshot, SocketState,
    Standing, StateName, Statistics,
};
pub use strangers::Trace;

/// One virtual router of one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(u32);

/// A pair of raw sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// What happens to the core.
#[derive(Debug)]
pub enum Event<'a> {
    /// A packet that arrived on a socket of ours.
    Datagram {
        on: SocketId,
        datagram: Datagram<'a>,
    },
    /// The kernel tells of a change that was not ours.
    Network(Notice),
    /// Everything the kernel has: before the first configuration, and whenever notices were lost.
    Resync {
        links: &'a [Link],
        addresses: &'a [Address],
        rules: &'a [rtnl::Rule],
    },
    /// What net.ipv6.conf.IF.forwarding of an interface says; see [`Core::neighbour_links`].
    Forwarding { link: IfIndex, forwards: bool },
    /// Somebody who was sought was seen, and is sought no more.
    Sighting { of: Trace, mac: MacAddr },
    /// An interface was asked for its link.
    LinkAnswer {
        question: &'a Question,
        answer: Result<bool, Errno>,
    },
    /// The answer to a question about a setting of the kernel.
    Setting { setting: Setting, value: i32 },
    /// An effect failed.
    Failed { what: Attempt, error: Errno },
    /// What the clock on the wall shows at `now`, since 1970. Told before the first
    /// configuration, and whenever the clock may have been set.
    WallClock(Duration),
    /// Whether this machine can direct: false while IPVS is missing in the kernel.
    Directing(bool),
    /// How something does that instances track; interfaces are told of by the kernel.
    Tracked {
        object: &'a Object,
        condition: Condition,
    },
    /// How long the machine has been up; told before the first configuration.
    Uptime(Duration),
    /// A configuration is about to be read, which may take a while: masters say that they are here.
    Reloading,
    /// A new configuration; the first one is the start. Start is a change from nothing.
    Reload(&'a Config),
    /// The daemon stops: masters say goodbye and give up their addresses. It has ended when there
    /// is no deadline any more.
    Stop,
    /// The same, but instances say nothing, and what they have stays, their devices included; what
    /// is static goes all the same.
    Leave,
}

/// Effects whose failure the core wants to hear of.
#[derive(Debug)]
pub enum Attempt {
    Open(SocketId),
    Kernel(rtnl::Request),
    Filter(nft::Request),
}

/// What an instance is across reloads. Unicast instances of one source may share a key when their
/// peers differ; they are told apart by their names, else by their order.
type Identity = (InstanceKey, usize);

/// What the core wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a pair of sockets: be heard where the channel says, and be ready to send.
    Open {
        socket: SocketId,
        channel: Channel,
        /// The name of the channel's interface; empty without one.
        interface: String,
    },
    /// From now on this many octets may wait to be read.
    Buffer {
        socket: SocketId,
        octets: u32,
    },
    Close(SocketId),
    /// Send a packet: that of IPv4 with its header, that of IPv6 without.
    Advertise {
        on: SocketId,
        to: IpAddr,
        from: IpAddr,
        ttl: u8,
        packet: Vec<u8>,
    },
    /// Send a whole Ethernet frame.
    Announce {
        on: IfIndex,
        frame: Vec<u8>,
    },
    Kernel(rtnl::Request),
    Setting(sysctl::Request),
    /// Ask an interface whether there is a link.
    AskLink(Question),
    /// Find out the hardware address that adverts of somebody come from.
    Seek(Trace),
    StopSeeking(Trace),
    Filter(nft::Request),
    /// Scripts, pipes and mails are to tell of it.
    Notify(Transition),
}

/// Everything the core waits for; at most one deadline per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Of(InstanceId, Alarm),
    /// Try again to open sockets that could not be opened.
    Reopen(SocketId),
    /// The new state of a link has lasted.
    Settle(IfIndex),
    /// Interfaces that do not tell of their link are asked.
    Linkbeat,
    /// Try again to make the devices that the kernel refused.
    Devices,
    /// The start is not delayed any longer.
    Started,
    /// Who was sought was not seen.
    Stranger(Trace),
    /// What was to be heard of the end has left.
    Farewell,
    /// A device that went down has not gone.
    Sinking,
    /// Static entries that were removed, or refused, are tried again.
    Statics,
    /// The next announcement that waits on an interface.
    Pace(Lane),
}

/// The timers of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Alarm {
    /// When the master has been silent for too long.
    MasterDown,
    /// When the next advert is due.
    Advert,
    /// When a backup that waits may preempt.
    PreemptDelay,
    /// When the second burst of gratuitous ARP follows the first.
    Announce,
    /// When addresses are announced again as a matter of routine.
    Refresh,
    /// When addresses are announced a second time after an advert of lower priority.
    LowerPriority,
    /// When addresses that somebody removed, or the kernel refused, are tried again.
    Restore,
    /// When the other interfaces of `garp_extra_if` are announced again.
    Extra,
    /// When another master that was heard may be believed to be gone.
    Silence,
    /// When another owner that was heard may be believed to be gone.
    Rival,
}

/// The core. See the module's contract.
#[derive(Debug)]
pub struct Core {
    instances: BTreeMap<InstanceId, Instance>,
    by_key: BTreeMap<Identity, InstanceId>,
    /// All of them, in the order of the file.
    order: Vec<InstanceId>,
    groups: Groups,
    sockets: Sockets,
    devices: Devices,
    firewall: Firewall,
    settings: Settings,
    statics: Statics,
    pacing: Pacing,
    strangers: Strangers,
    /// What packets can cause that are no instance's.
    restraint: Restraint,
    /// `disable_local_igmp`.
    quiet_igmp: bool,
    buffer_rule: BufferRule,
    network: Network,
    /// Effects of this call that `network` knows of.
    mirrored: usize,
    timers: Timers<Timer>,
    virtual_addresses: BTreeSet<IpAddr>,
    directing: bool,
    conditions: BTreeMap<Object, Condition>,
    debounce: Debounce,
    linkbeats: Linkbeats,
    start_delay: StartDelay,
    /// Set when the end has begun.
    end: Option<Belongings>,
    /// `-X`: whatever the kernel has of an instance goes when it does.
    releases_all: bool,
    /// `-a`: the log tells of all addresses that come and go.
    tells_of_addresses: bool,
    log_unknown_vrids: bool,
    /// The wall clock when ours showed zero.
    wall_clock: Duration,
    next_instance: u32,
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    /// Nothing configured yet, nothing known of the machine.
    pub fn new() -> Self {
        Self {
            instances: BTreeMap::new(),
            by_key: BTreeMap::new(),
            order: Vec::new(),
            groups: Groups::default(),
            sockets: Sockets::default(),
            devices: Devices::default(),
            firewall: Firewall::default(),
            settings: Settings::default(),
            statics: Statics::default(),
            pacing: Pacing::default(),
            strangers: Strangers::default(),
            restraint: Restraint::default(),
            quiet_igmp: false,
            buffer_rule: BufferRule::default(),
            network: Network::default(),
            mirrored: 0,
            timers: Timers::new(),
            virtual_addresses: BTreeSet::new(),
            directing: true,
            conditions: BTreeMap::new(),
            debounce: Debounce::default(),
            linkbeats: Linkbeats::default(),
            start_delay: StartDelay::default(),
            end: None,
            releases_all: false,
            tells_of_addresses: false,
            log_unknown_vrids: false,
            wall_clock: Duration::ZERO,
            next_instance: 1,
        }
    }

    /// `-X`: at every transition away from master an instance removes its addresses, known to be
    /// set or not.
    pub fn releasing_all(self) -> Self {
        Self {
            releases_all: true,
            ..self
        }
    }

    /// `-a`: the log tells of every address that others add or remove.
    pub fn telling_of_addresses(self) -> Self {
        Self {
            tells_of_addresses: true,
            ..self
        }
    }

    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        self.mirrored = out.len();
        self.handle(now, event, out);
        self.firewall.guard(&self.network, &self.devices, out);
        self.mirror(out);
    }

    fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Effect>) {
        match event {
            Event::Datagram { on, datagram } => self.on_datagram(now, on, datagram, out),
            Event::Network(notice) => self.on_notice(now, &notice, out),
            Event::Resync {
                links,
                addresses,
                rules,
            } => self.resync(now, (links, addresses, rules), out),
            Event::Failed {
                what: Attempt::Open(socket),
                error,
            } => {
                self.on_open_failed(now, socket, error, out);
            }
            Event::Sighting { of, mac } => self.strangers.on_sighting(of, mac, &mut self.timers),
            Event::LinkAnswer { question, answer } => {
                let (beats, network) = (&mut self.linkbeats, &self.network);
                if let Some(notice) = beats.on_answer(question, answer, network, out) {
                    self.on_notice(now, &notice, out);
                }
            }
            Event::Setting { setting, value } => self.settings.on_value(&setting, value, out),
            Event::Failed {
                what: Attempt::Filter(request),
                error,
            } => self.firewall.refused(&request, error, out),
            Event::Failed {
                what: Attempt::Kernel(rtnl::Request::Link(request)),
                error,
            } => {
                if self.devices.refused(&request, error) {
                    self.timers.set(Timer::Devices, now + REMAKE_DELAY);
                    self.reassess(now, out);
                }
            }
            Event::Failed {
                what: Attempt::Kernel(request),
                error,
            } => self.on_refusal(now, &request, error, out),
            Event::Forwarding { link, forwards } => self.network.set_forwarding(link, forwards),
            Event::WallClock(time) => {
                self.wall_clock = time.saturating_sub(now.since(Instant::ZERO))
            }
            Event::Directing(directing) => {
                self.directing = directing;
                self.reassess(now, out);
            }
            Event::Tracked { object, condition } => {
                let before = self.conditions.insert(object.clone(), condition);
                if before != Some(condition) {
                    self.reassess(now, out);
                }
            }
            Event::Uptime(uptime) => self.start_delay.uptime = uptime,
            Event::Reloading => self.reaffirm(now, out),
            Event::Reload(config) => self.reload(now, config, out),
            Event::Stop => self.stop(now, Belongings::GoToo, out),
            Event::Leave => self.stop(now, Belongings::Stay, out),
        }
    }

    fn resync(
        &mut self,
        now: Instant,
        (links, addresses, rules): (&[Link], &[Address], &[rtnl::Rule]),
        out: &mut Vec<Effect>,
    ) {
        let links = links.iter().map(|link| {
            let (known, timers) = (&self.network, &mut self.timers);
            let link = self.linkbeats.overrule(link.clone());
            self.debounce.hold_back(now, &link, known, timers)
        });
        let links: Vec<_> = links.collect();
        self.network.renew(&links, addresses);
        self.statics.compare(&self.network, rules);
        self.each(now, out, |instance, cx| {
            instance.owned.compare(cx.network, rules);
        });
        self.reassess(now, out);
        self.ask_for_routes_again(now, out);
    }

    /// The kernel refused a request about addresses, routes or rules.
    fn on_refusal(
        &mut self,
        now: Instant,
        request: &rtnl::Request,
        error: Errno,
        out: &mut Vec<Effect>,
    ) {
        if let rtnl::Request::AddAddress(address) = request
            && let Some(simpler) = address.for_older_kernels()
            && matches!(error, Errno::EINVAL | Errno::EOPNOTSUPP)
        {
            out.push(Effect::Kernel(rtnl::Request::AddAddress(simpler)));
            return;
        }
        self.network.refused(request, error);
        if let rtnl::Request::AddAddress(address) = request
            && error != Errno::EEXIST
        {
            self.devices.refused_address(address);
        }
        kernel::tell_of_refusal(request, error);
        let timers = &mut self.timers;
        if self.statics.refuse(now, request, error, timers) {
            self.reassess(now, out);
        }
        self.each(now, out, |instance, cx| {
            instance.on_kernel_refusal(request, error, cx);
        });
    }

    /// All timers due at `now`.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.mirrored = out.len();
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Of(id, alarm) => self.on_alarm(now, id, alarm, out),
                Timer::Reopen(_) | Timer::Statics => self.reassess(now, out),
                Timer::Started => self.start_delay.complete(),
                Timer::Settle(link) => {
                    if let Some(notice) = Debounce::settled(link, &self.network) {
                        self.take_in(now, &notice, out);
                    }
                }
                Timer::Linkbeat => {
                    let (network, timers) = (&self.network, &mut self.timers);
                    self.linkbeats.on_time(now, network, timers, out);
                }
                Timer::Devices => {
                    self.devices.retry();
                    self.reassess(now, out);
                }
                Timer::Pace(lane) => {
                    let (network, timers) = (&self.network, &mut self.timers);
                    let way = Way {
                        network,
                        timers,
                        out,
                    };
                    self.pacing.on_time(now, lane, way);
                }
                Timer::Stranger(trace) => self.strangers.give_up(trace, out),
                Timer::Farewell => self.take_leave(out),
                Timer::Sinking => {
                    self.devices.believe();
                    self.reassess(now, out);
                }
            }
        }
        self.firewall.guard(&self.network, &self.devices, out);
        self.mirror(out);
    }

    fn on_alarm(&mut self, now: Instant, id: InstanceId, alarm: Alarm, out: &mut Vec<Effect>) {
        let waits = alarm == Alarm::MasterDown && !self.groups.lets_lead(id, &self.instances);
        self.one(now, id, out, |instance, cx| {
            if waits {
                instance.wait_for_group(cx);
            } else {
                instance.on_alarm(alarm, cx);
            }
        });
        self.synchronise_with(now, id, out);
    }

    /// The kernel does not tell us of our own changes.
    fn mirror(&mut self, effects: &[Effect]) {
        for effect in &effects[self.mirrored..] {
            if let Effect::Kernel(request) = effect {
                self.network.requested(request);
            }
        }
        self.mirrored = effects.len();
    }

    /// When `on_time` has work next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Packets are told apart by VRID; what is not for us is none of our business.
    fn on_datagram(
        &mut self,
        now: Instant,
        on: SocketId,
        datagram: Datagram<'_>,
        out: &mut Vec<Effect>,
    ) {
        if !self.start_delay.left(now).is_zero() {
            return;
        }
        let received = match accept::Received::parse(datagram) {
            Ok(received) => received,
            Err(short) => {
                if let Some(more) = self.restraint.permit(Deed::Short, now) {
                    debug!("{short} - {} bytes{more}", datagram.length());
                }
                return;
            }
        };
        let Some(id) = self.addressee(on, &received) else {
            self.tell_of_unknown(now, on, &received);
            return;
        };
        let (instances, mut cx) = self.split(now, out);
        if let Some(instance) = instances.get_mut(&id) {
            instance.on_packet(&received, &mut cx);
            if cx.defended {
                self.announce_with(now, id, out);
            }
            self.synchronise_with(now, id, out);
        }
    }

    /// A weaker master that one member heard may be believed in the segments of the others, too.
    fn announce_with(&mut self, now: Instant, id: InstanceId, out: &mut Vec<Effect>) {
        let others: Vec<_> = self.groups.others(id).collect();
        for other in others {
            self.one(now, other, out, |instance, cx| {
                instance.announce(Burst::LowerPriority, cx);
            });
        }
    }

    /// Which instance a packet is for. Unicast instances that share number and socket are told
    /// apart by who sends: whom they heard last, else whom they have for a peer.
    fn addressee(&self, on: SocketId, received: &accept::Received<'_>) -> Option<InstanceId> {
        let (source, vrid) = (received.source, received.packet.vrid());
        let candidates = self.sockets.instances(on, vrid);
        let known = |id: &&InstanceId| self.instances.get(id);
        let found = match candidates {
            [only] => return Some(*only),
            [] => None,
            several => {
                let heard = several.iter().find(|id| {
                    known(id).is_some_and(|instance| instance.last_sender == Some(source))
                });
                heard.or_else(|| {
                    let mut several = several.iter();
                    several.find(|id| known(id).is_some_and(|one| one.has_peer(source)))
                })
            }
        };
        found.copied()
    }

    /// `log_unknown_vrids`.
    fn tell_of_unknown(&mut self, now: Instant, on: SocketId, received: &accept::Received<'_>) {
        if !self.log_unknown_vrids {
            return;
        }
        let Some(more) = self.restraint.permit(Deed::Unknown, now) else {
            return;
        };
        let (source, vrid) = (received.source, received.packet.vrid());
        let from = if self.sockets.instances(on, vrid).is_empty() {
            String::new()
        } else {
            format!(" from {source}")
        };
        let interface = self.sockets.interface(on);
        info!("Unknown VRID({vrid}) received on interface({interface}){from}. ignoring...{more}");
    }

    fn on_notice(&mut self, now: Instant, notice: &Notice, out: &mut Vec<Effect>) {
        let (known, timers) = (&self.network, &mut self.timers);
        let notice = match notice {
            Notice::Link(link) => &Notice::Link(self.linkbeats.overrule(link.clone())),
            _ => notice,
        };
        let notice = self.debounce.filter(now, notice, known, timers);
        self.take_in(now, &notice, out);
    }

    fn take_in(&mut self, now: Instant, notice: &Notice, out: &mut Vec<Effect>) {
        self.tell_of_links(notice);
        if self.network.is_echo(notice) {
            return;
        }
        self.tell_of_addresses(notice);
        let is_stirred = self.network.takes_routes_along(notice);
        self.network.apply(notice);
        match notice {
            Notice::Link(_) | Notice::LinkGone(_) => self.statics.doubt(),
            Notice::Address(_) | Notice::Rule(_) => {}
            Notice::AddressGone(_) | Notice::RouteGone(_) | Notice::RuleGone(_) => {
                self.statics.on_gone(notice);
            }
        }
        self.each(now, out, |instance, _| match notice {
            Notice::Link(_) | Notice::LinkGone(_) => instance.owned.doubt(),
            Notice::Address(_) | Notice::Rule(_) => {}
            Notice::AddressGone(_) | Notice::RouteGone(_) | Notice::RuleGone(_) => {
                instance.on_gone(notice);
            }
        });
        self.reassess(now, out);
        if is_stirred {
            self.ask_for_routes_again(now, out);
        }
    }

    fn ask_for_routes_again(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.statics.reaffirm(&self.network, out);
        self.each(now, out, |instance, cx| {
            instance.owned.reaffirm(cx.network, cx.out);
        });
    }

    /// Interfaces on which neighbour advertisements may have to be sent. Those say whether this
    /// machine forwards on the interface, which only the system knows: whoever drives the core is
    /// to tell it, before the timers, as often as [`FORWARDING_AGE_MAX`] says.
    pub fn neighbour_links(&self) -> Vec<(IfIndex, String)> {
        let (network, devices) = (&self.network, &self.devices);
        let instances = self.instances.values();
        let links: BTreeSet<_> = instances
            .flat_map(|instance| instance.neighbour_links(network, devices))
            .collect();
        let links = links.into_iter().filter_map(|link| network.link(link));
        links.map(|link| (link.index, link.name.clone())).collect()
    }

    fn on_open_failed(
        &mut self,
        now: Instant,
        socket: SocketId,
        error: Errno,
        out: &mut Vec<Effect>,
    ) {
        let Some(channel) = self.sockets.fail(socket) else {
            return;
        };
        let link = channel.link.and_then(|link| self.network.link(link));
        let name = link.map_or("?", |link| link.name.as_str());
        error!("({name}) cannot open VRRP socket: {error}");
        self.timers.set(Timer::Reopen(socket), now + REOPEN_DELAY);
        self.reassess(now, out);
    }

    /// Brings sockets and instances in line with what is known of the machine.
    fn reassess(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.statics
            .complete(now, &self.network, &mut self.timers, out);
        let virtual_addresses = &self.virtual_addresses;
        let is_virtual = |address| virtual_addresses.contains(&address);
        self.firewall.settle(&self.network, out);
        self.devices.settle(&self.network, is_virtual, out);
        if !self.devices.is_any_sinking() {
            self.timers.cancel(Timer::Sinking);
        } else if self.timers.deadline_of(Timer::Sinking).is_none() {
            self.timers.set(Timer::Sinking, now + SINKING_DELAY);
        }
        self.each(now, out, |instance, cx| instance.locate(cx));
        self.find_twins();
        let network = &self.network;
        let used = self.instances.values().filter_map(|instance| {
            let channel = instance.channel(network)?;
            let link = channel.link.and_then(|link| network.link(link));
            Some(User {
                channel,
                interface: link.map_or("", |link| &link.name),
                vrid: instance.vrid(),
                id: instance.id,
                buffer: instance.buffer_share(link, self.buffer_rule),
            })
        });
        self.sockets.settle(used, &self.timers, out);
        self.devices.retire(&self.network, out);
        self.borrow_settings(out);
        self.each(now, out, |instance, cx| instance.look(cx));
        self.groups.wait_together(&mut self.instances);
        self.tell_beginning(out);
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for id in ids {
            let is_sound = self.instances[&id].faults.is_empty();
            // Who is only held back waits for its group below.
            if !(is_sound && self.groups.holds_in_fault(id, &self.instances)) {
                self.one(now, id, out, |instance, cx| instance.settle(cx));
            }
        }
        self.synchronise(now, out);
    }

    /// Two that hear each other on one interface cannot have one number: the later one waits. The
    /// configuration says so already, unless interfaces may change what they are.
    fn find_twins(&mut self) {
        let mut first: BTreeMap<(Channel, u8), String> = BTreeMap::new();
        for id in &self.order {
            let Some(instance) = self.instances.get_mut(id) else {
                continue;
            };
            let channel = instance.channel(&self.network);
            let shared = channel.filter(|channel| matches!(channel.ear, Ear::Group(_)));
            let twin = shared.and_then(|channel| {
                let name = instance.name().to_owned();
                match first.entry((channel, instance.vrid())) {
                    Entry::Vacant(place) => {
                        place.insert(name);
                        None
                    }
                    Entry::Occupied(taken) => Some(taken.get().clone()),
                }
            });
            instance.meet(twin);
        }
    }

    /// Masters say that they are here, in the order of the file.
    fn reaffirm(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for id in self.order.clone() {
            self.one(now, id, out, |instance, cx| instance.reaffirm(cx));
        }
    }

    /// What instances and devices need of the kernel while they are there.
    fn borrow_settings(&mut self, out: &mut Vec<Effect>) {
        let of_link = |link, name| Setting::of_link(Family::V4, link, name);
        let mut wanted = BTreeMap::new();
        if self.quiet_igmp {
            wanted.insert(settings::igmp_reports(), 0);
        }
        // Two interfaces of one cable: each answers for its own addresses only.
        for base in self.devices.bases() {
            wanted.insert(of_link(base, "arp_ignore"), 1);
            wanted.insert(of_link(base, "arp_filter"), 1);
        }
        for instance in self.instances.values() {
            if instance.config.promote_secondaries {
                wanted.insert(of_link(instance.interface(), "promote_secondaries"), 1);
            }
        }
        wanted.retain(|setting, _| match &setting.scope {
            sysctl::Scope::Link(name) => self.network.named(name).is_some(),
            sysctl::Scope::Family | sysctl::Scope::All | sysctl::Scope::Default => true,
        });
        self.settings.settle(wanted, out);
        let devices = &self.devices;
        let is_device = |name: &str| devices.has(name);
        let (in_the_way, network) = (devices.has_macvlans(), &self.network);
        self.settings
            .filter_reverse_paths(in_the_way, network, is_device, out);
    }

    fn each(
        &mut self,
        now: Instant,
        out: &mut Vec<Effect>,
        mut act: impl FnMut(&mut Instance, &mut Context<'_>),
    ) {
        let (instances, mut cx) = self.split(now, out);
        for instance in instances.values_mut() {
            act(instance, &mut cx);
        }
    }

    fn one(
        &mut self,
        now: Instant,
        id: InstanceId,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Instance, &mut Context<'_>),
    ) {
        let (instances, mut cx) = self.split(now, out);
        if let Some(instance) = instances.get_mut(&id) {
            act(instance, &mut cx);
        }
    }

    /// The instances, and apart from them what they look at.
    fn split<'a>(
        &'a mut self,
        now: Instant,
        out: &'a mut Vec<Effect>,
    ) -> (&'a mut BTreeMap<InstanceId, Instance>, Context<'a>) {
        let cx = Context {
            now,
            time: self.wall_clock + now.since(Instant::ZERO),
            network: &self.network,
            virtual_addresses: &self.virtual_addresses,
            sockets: &self.sockets,
            devices: &self.devices,
            groups: &self.groups,
            directing: self.directing,
            conditions: &self.conditions,
            start_delay: self.start_delay.left(now),
            releases_all: self.releases_all,
            defended: false,
            statics: &self.statics,
            pacing: &mut self.pacing,
            strangers: &mut self.strangers,
            timers: &mut self.timers,
            out,
        };
        (&mut self.instances, cx)
    }
}

/// How old what is known of a sysctl may be when it is told to neighbours.
pub const FORWARDING_AGE_MAX: Duration = Duration::from_secs(5);
/// How long a socket that could not be opened is left alone.
const REOPEN_DELAY: Duration = Duration::from_secs(5);
/// Between the two notices of a device that is deleted, the kernel waits for its readers.
const SINKING_DELAY: Duration = Duration::from_millis(100);
/// How long a device that the kernel refused is left alone.
const REMAKE_DELAY: Duration = Duration::from_secs(5);
