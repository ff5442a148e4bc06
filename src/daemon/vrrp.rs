//! The driver of the VRRP core: descriptors to `vrrp::Event`, `vrrp::Effect` to `sys`.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;

use log::{debug, error, warn};
use mio::Token;

use super::Error;
use super::logging::VRRP;
use super::reactor::{Reactor, Source};
use super::recorder;
use crate::addr::{Family, IfIndex};
use crate::config::{Buffers, Config};
use crate::errno::Errno;
use crate::notify::News;
use crate::sys::clock::Clock;
use crate::sys::linkbeat::Asker;
use crate::sys::lookout::Lookout;
use crate::sys::netlink::{Monitor, RouteCommand};
use crate::sys::nft::PacketFilter;
use crate::sys::packet_socket::PacketSocket;
use crate::sys::sysctl::Settings;
use crate::sys::vrrp_socket::{VrrpSocket, Way};
use crate::time::Instant;
use crate::track::{Condition, Object};
use crate::vrrp::{Attempt, Effect, Event, FORWARDING_AGE_MAX, Snapshot, SocketId, Trace};
use crate::wire::channel::Channel;
use crate::wire::linkbeat::Question;
use crate::wire::nft;
use crate::wire::rtnl::Request;
use crate::wire::sysctl::{self, Setting};

#[derive(Debug)]
pub(super) struct Driver {
    core: recorder::Vrrp,
    sockets: BTreeMap<SocketId, Open>,
    packets: PacketSocket,
    route: RouteCommand,
    monitor: Monitor,
    settings: Settings,
    lookouts: BTreeMap<Trace, (Lookout, Token)>,
    links: Asker,
    filter: PacketFilter,
    forwarding_read_at: Option<Instant>,
    /// What effects led to, to be told to the core in order.
    inbox: VecDeque<Answer>,
    effects: Vec<Effect>,
    /// What is to be told to scripts, pipes and mails.
    news: Vec<News>,
    buffer: Box<[u8; PACKET_MAX]>,
}

/// What comes of an effect at once.
#[derive(Debug)]
enum Answer {
    Failed(Attempt, Errno),
    Setting(Setting, i32),
    Link(Question, Result<bool, Errno>),
}

#[derive(Debug)]
struct Open {
    socket: VrrpSocket,
    token: Token,
    interface: String,
    /// The last advert could not be sent; said once.
    mute: bool,
}

impl Driver {
    /// Subscribes to the kernel's changes before it asks for the present state: nothing falls
    /// between.
    pub(super) fn new(
        now: Instant,
        core: recorder::Vrrp,
        reactor: &mut Reactor,
    ) -> Result<Self, Error> {
        let opening = |what| move |errno: Errno| Error::Open { what, errno };
        debug!(target: VRRP, "Registering Kernel netlink command channel");
        let route = RouteCommand::open().map_err(opening("netlink command channel"))?;
        debug!(target: VRRP, "Registering Kernel netlink reflector");
        let monitor = Monitor::open(route.port()).map_err(opening("netlink reflector"))?;
        debug!(target: VRRP, "Registering gratuitous ARP shared channel");
        let packets = PacketSocket::open().map_err(opening("gratuitous ARP channel"))?;
        reactor
            .watch_readable(&monitor, Source::Monitor)
            .map_err(Error::Poll)?;
        let mut driver = Self {
            core,
            sockets: BTreeMap::new(),
            packets,
            route,
            monitor,
            settings: Settings::default(),
            lookouts: BTreeMap::new(),
            links: Asker::default(),
            filter: PacketFilter::default(),
            forwarding_read_at: None,
            inbox: VecDeque::new(),
            effects: Vec::new(),
            news: Vec::new(),
            buffer: Box::new([0; PACKET_MAX]),
        };
        // The clock starts with the machine.
        let uptime = now.since(Instant::ZERO);
        driver.tell(now, Event::Uptime(uptime), reactor);
        driver.resynchronise(now, reactor);
        Ok(driver)
    }

    /// A configuration is about to be read.
    pub(super) fn reloading(&mut self, now: Instant, reactor: &mut Reactor) {
        self.tell(now, Event::Reloading, reactor);
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Config, reactor: &mut Reactor) {
        self.widen(&config.global.buffers);
        self.tell_time(now);
        self.tell(now, Event::Reload(config), reactor);
    }

    /// The buffers of the two netlink sockets; 0 is for the kernel to choose.
    fn widen(&self, buffers: &Buffers) {
        let (command, monitor) = (&buffers.vrrp_command, &buffers.vrrp_monitor);
        let command = command.apply(|octets, beyond| self.route.set_receive_buffer(octets, beyond));
        let monitor =
            monitor.apply(|octets, beyond| self.monitor.set_receive_buffer(octets, beyond));
        for (what, result) in [("cmd", command), ("monitor", monitor)] {
            if let Err(error) = result {
                warn!(target: VRRP, "cannot set vrrp_netlink_{what}_rcv_bufs: {error}");
            }
        }
    }

    /// The descriptors of every socket, to receive and to send.
    pub(super) fn descriptors(&self) -> BTreeMap<SocketId, (RawFd, RawFd)> {
        let sockets = self.sockets.iter();
        sockets
            .map(|(id, open)| (*id, open.socket.descriptors()))
            .collect()
    }

    pub(super) fn directing(&mut self, now: Instant, directing: bool, reactor: &mut Reactor) {
        self.tell(now, Event::Directing(directing), reactor);
    }

    pub(super) fn stop(&mut self, now: Instant, reactor: &mut Reactor) {
        self.tell_time(now);
        self.tell(now, Event::Stop, reactor);
    }

    /// `-V`: what instances have stays.
    pub(super) fn leave(&mut self, now: Instant, reactor: &mut Reactor) {
        self.tell(now, Event::Leave, reactor);
    }

    pub(super) fn on_time(&mut self, now: Instant, reactor: &mut Reactor) {
        if self.core.deadline().is_some_and(|deadline| deadline <= now) {
            self.read_forwarding(now, reactor);
        }
        self.tell_time(now);
        self.core.on_time(now, &mut self.effects);
        self.settle(now, reactor);
    }

    /// Timers are about to send neighbour advertisements, which say whether we forward.
    fn read_forwarding(&mut self, now: Instant, reactor: &mut Reactor) {
        let is_fresh = |at| now.since(at) < FORWARDING_AGE_MAX;
        if self.forwarding_read_at.is_some_and(is_fresh) {
            return;
        }
        self.forwarding_read_at = Some(now);
        for (link, interface) in self.core.neighbour_links() {
            let setting = Setting::of_link(Family::V6, &interface, "forwarding");
            let read = self.settings.perform(&sysctl::Request::Read(setting));
            let forwards = read.is_ok_and(|value| value.is_some_and(|value| value != 0));
            self.tell(now, Event::Forwarding { link, forwards }, reactor);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    pub(super) fn is_master(&self, instance: &str) -> bool {
        self.core.is_master(instance)
    }

    /// How something does that instances track.
    pub(super) fn tracked(
        &mut self,
        now: Instant,
        object: &Object,
        condition: Condition,
        reactor: &mut Reactor,
    ) {
        self.tell(now, Event::Tracked { object, condition }, reactor);
    }

    /// What has happened since the last call.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn observe(&self) -> Snapshot {
        self.core.observe()
    }

    /// At most a budget of packets; the rest in the next turn, after everybody else's.
    pub(super) fn on_packets(
        &mut self,
        now: Instant,
        on: SocketId,
        token: Token,
        reactor: &mut Reactor,
    ) {
        self.tell_time(now);
        for _ in 0..PACKETS_PER_TURN {
            let Some(open) = self.sockets.get(&on) else {
                return;
            };
            match open.socket.recv(self.buffer.as_mut_slice()) {
                Ok(None) => return,
                Ok(Some(datagram)) => {
                    let event = Event::Datagram { on, datagram };
                    self.core.on_event(now, event, &mut self.effects);
                    self.settle(now, reactor);
                }
                // Too long for an advert, or an error of the interface that this read has cleared.
                Err(error) => debug!(target: VRRP, "({}) recvmsg: {error}", open.interface),
            }
        }
        reactor.again(token);
    }

    pub(super) fn on_notices(&mut self, now: Instant, token: Token, reactor: &mut Reactor) {
        for _ in 0..NOTICES_PER_TURN {
            match self.monitor.recv() {
                Ok(None) => return,
                Ok(Some(notices)) => {
                    for notice in notices {
                        self.tell(now, Event::Network(notice), reactor);
                    }
                }
                Err(Errno::ENOBUFS) => {
                    warn!(
                        target: VRRP,
                        "Netlink: Receive buffer overrun on monitor socket - reading everything anew"
                    );
                    self.resynchronise(now, reactor);
                }
                Err(error) => {
                    error!(target: VRRP, "Netlink: cannot read monitor socket: {error}");
                    return;
                }
            }
        }
        reactor.again(token);
    }

    fn resynchronise(&mut self, now: Instant, reactor: &mut Reactor) {
        match self.route.snapshot() {
            Ok(all) => {
                let everything = Event::Resync {
                    links: &all.links,
                    addresses: &all.addresses,
                    rules: &all.rules,
                };
                self.tell(now, everything, reactor);
            }
            Err(error) => error!(target: VRRP, "Netlink: cannot read interfaces: {error}"),
        }
    }

    /// The wall clock may have been set since the last turn.
    fn tell_time(&mut self, now: Instant) {
        let time = Event::WallClock(Clock.wall());
        self.core.on_event(now, time, &mut self.effects);
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, reactor: &mut Reactor) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, reactor);
    }

    /// Performs what the core wants, and tells it what failed, until it wants nothing more.
    fn settle(&mut self, now: Instant, reactor: &mut Reactor) {
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform(effect, reactor);
            }
            let Some(answer) = self.inbox.pop_front() else {
                return;
            };
            let event = match answer {
                Answer::Failed(what, error) => Event::Failed { what, error },
                Answer::Setting(setting, value) => Event::Setting { setting, value },
                Answer::Link(ref question, answer) => Event::LinkAnswer { question, answer },
            };
            self.core.on_event(now, event, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect, reactor: &mut Reactor) {
        match effect {
            Effect::Open {
                socket,
                channel,
                interface,
            } => {
                self.open(socket, &channel, interface, reactor);
            }
            Effect::Buffer { socket, octets } => self.resize(socket, octets),
            Effect::Close(socket) => self.close(socket, reactor),
            Effect::Advertise {
                on,
                to,
                from,
                ttl,
                packet,
            } => self.advertise(on, &Way { from, to, ttl }, &packet),
            Effect::Announce { on, frame } => self.announce(on, &frame),
            Effect::Kernel(request) => self.request(request),
            Effect::Setting(request) => self.set(&request),
            Effect::Seek(trace) => self.seek(trace, reactor),
            Effect::StopSeeking(trace) => self.stop_seeking(trace, reactor),
            Effect::AskLink(question) => {
                let answer = self.links.ask(&question);
                self.inbox.push_back(Answer::Link(question, answer));
            }
            Effect::Filter(request) => self.filter(request),
            Effect::Notify(transition) => self.news.push(News::Router(transition)),
        }
    }

    fn open(&mut self, id: SocketId, channel: &Channel, interface: String, reactor: &mut Reactor) {
        let opened = VrrpSocket::open(channel, &interface).and_then(|socket| {
            let watched = reactor.watch_readable(&socket, Source::Vrrp(id));
            watched
                .map(|token| (socket, token))
                .map_err(|error| Errno::of(&error))
        });
        match opened {
            Ok((socket, token)) => {
                debug!(
                    target: VRRP,
                    "VRRP sockpool: [ifindex({:3}), family({}), proto({}), {}]",
                    channel.link.map_or(0, |link| link.0),
                    channel.family(),
                    channel.carrier.protocol(),
                    channel.ear
                );
                self.sockets.insert(
                    id,
                    Open {
                        socket,
                        token,
                        interface,
                        mute: false,
                    },
                );
            }
            Err(error) => self
                .inbox
                .push_back(Answer::Failed(Attempt::Open(id), error)),
        }
    }

    /// Who cannot be looked for is not seen.
    fn seek(&mut self, trace: Trace, reactor: &mut Reactor) {
        let opened = Lookout::open(trace.link, trace.source).and_then(|lookout| {
            let watched = reactor.watch_readable(&lookout, Source::Lookout(trace));
            watched
                .map(|token| (lookout, token))
                .map_err(|error| Errno::of(&error))
        });
        match opened {
            Ok(lookout) => {
                self.lookouts.insert(trace, lookout);
            }
            Err(error) => debug!(target: VRRP, "cannot look for {}: {error}", trace.source),
        }
    }

    fn stop_seeking(&mut self, trace: Trace, reactor: &mut Reactor) {
        if let Some((lookout, token)) = self.lookouts.remove(&trace) {
            reactor.forget(&lookout, token);
        }
    }

    pub(super) fn on_sighting(&mut self, now: Instant, of: Trace, reactor: &mut Reactor) {
        let Some((lookout, _)) = self.lookouts.get(&of) else {
            return;
        };
        if let Ok(Some(mac)) = lookout.recv() {
            self.stop_seeking(of, reactor);
            self.tell(now, Event::Sighting { of, mac }, reactor);
        }
    }

    fn resize(&mut self, id: SocketId, octets: u32) {
        let Some(open) = self.sockets.get(&id) else {
            return;
        };
        if let Err(error) = open.socket.set_receive_buffer(octets) {
            warn!(target: VRRP, "({}) cannot set receive buffer: {error}", open.interface);
        }
    }

    fn close(&mut self, id: SocketId, reactor: &mut Reactor) {
        if let Some(open) = self.sockets.remove(&id) {
            reactor.forget(&open.socket, open.token);
        }
    }

    fn advertise(&mut self, on: SocketId, way: &Way, packet: &[u8]) {
        let Some(open) = self.sockets.get_mut(&on) else {
            return;
        };
        match open.socket.send(way, packet) {
            Ok(()) => open.mute = false,
            Err(error) if !open.mute => {
                warn!(target: VRRP, "({}) cannot send advert: {error}", open.interface);
                open.mute = true;
            }
            Err(_) => {}
        }
    }

    fn announce(&mut self, on: IfIndex, frame: &[u8]) {
        if let Err(error) = self.packets.send(on, frame) {
            debug!(target: VRRP, "Error sending gratuitous ARP on ifindex {}: {error}", on.0);
        }
    }

    fn filter(&mut self, request: nft::Request) {
        if let Err(error) = self.filter.perform(&request) {
            let answer = Answer::Failed(Attempt::Filter(request), error);
            self.inbox.push_back(answer);
        }
    }

    fn set(&mut self, request: &sysctl::Request) {
        match self.settings.perform(request) {
            Ok(None) => {}
            Ok(Some(value)) => {
                let setting = request.setting().clone();
                self.inbox.push_back(Answer::Setting(setting, value));
            }
            // Such as a container whose /proc/sys is read-only.
            Err(error) => warn!(target: VRRP, "cannot set {}: {error}", request.setting()),
        }
    }

    fn request(&mut self, request: Request) {
        if let Err(error) = self.route.perform(&request) {
            let answer = Answer::Failed(Attempt::Kernel(request), error);
            self.inbox.push_back(answer);
        }
    }
}

/// The longest advert has 255 addresses, 1,056 octets with its headers; options may add forty.
const PACKET_MAX: usize = 2_048;
/// A flood on one interface must not keep the others waiting.
const PACKETS_PER_TURN: usize = 32;
/// Datagrams of the monitor, each with as many notices as fit in it.
const NOTICES_PER_TURN: usize = 32;
