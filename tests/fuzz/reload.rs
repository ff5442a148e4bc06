//! From one configuration to any other, in the cores that run them: nothing panics, what a reload
//! leads to is bounded, the same configuration once more changes nothing, and who stops has closed
//! every socket and put away every device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keepalived::addr::IfIndex;
use keepalived::config::Config;
use keepalived::errno::Errno;
use keepalived::notify::News;
use keepalived::time::Instant;
use keepalived::wire::rtnl::{Address, Link, LinkRequest, Notice, Request};
use keepalived::{check, vrrp};

use crate::adverts::link;
use crate::ipvs::Liar;

/// Wake-ups after each configuration.
const TURNS: u32 = 20;
/// A configuration of 100 kB has some thousand statements, each worth a few effects.
const EFFECTS_MAX: usize = 200_000;

/// Both cores, before they know anything.
pub(crate) struct Cores {
    now: Instant,
    vrrp: vrrp::Core,
    sockets: BTreeSet<vrrp::SocketId>,
    next_link: u32,
    /// Those that were made.
    links: BTreeMap<IfIndex, Link>,
    check: check::Core,
    /// None: an IPVS that has nothing yet and can do everything.
    pub(crate) liar: Option<Liar>,
    /// What was to be told to scripts, pipes and mails.
    pub(crate) news: Vec<News>,
    /// Requests to the kernel, as they leave.
    pub(crate) requests: Vec<Vec<u8>>,
    /// The last one of them.
    last: String,
}

impl Cores {
    pub(crate) fn new() -> Self {
        let own = ["10.0.0.1/24", "fe80::1/64", "192.168.200.1/24"];
        let own = own.map(|cidr| Address::new(IfIndex(2), cidr.parse().unwrap()));
        let mut cores = Self {
            now: Instant::ZERO,
            vrrp: vrrp::Core::new(),
            sockets: BTreeSet::new(),
            next_link: 10,
            links: BTreeMap::new(),
            check: check::Core::new(1),
            liar: None,
            news: Vec::new(),
            requests: Vec::new(),
            last: String::new(),
        };
        cores.tell_vrrp(vrrp::Event::WallClock(Duration::from_secs(1_700_000_000)));
        cores.tell_vrrp(vrrp::Event::Resync {
            links: &[link(2, "eth0"), link(3, "eth1")],
            addresses: &own,
            rules: &[],
        });
        cores
    }

    /// One configuration after the other; what does not hold.
    pub(crate) fn reload(&mut self, config: &Arc<Config>) -> Result<(), String> {
        for again in [false, true] {
            let before = self.requests.len();
            let effects = self.tell_vrrp(vrrp::Event::Reload(config));
            self.tell_check(check::Event::Reload(config));
            if effects > EFFECTS_MAX {
                return Err(format!("{effects} effects"));
            }
            let made = self.requests.len() - before;
            if again && made > 0 && self.liar.is_none() {
                return Err(format!(
                    "the same again leads to {made} requests: {}",
                    self.last
                ));
            }
            self.pass();
        }
        Ok(())
    }

    /// The beginning of the end.
    pub(crate) fn halt(&mut self) {
        self.tell_vrrp(vrrp::Event::Stop);
        self.tell_check(check::Event::Stop);
    }

    pub(crate) fn stop(mut self) -> Result<(), String> {
        self.halt();
        if !self.sockets.is_empty() {
            return Err(format!("{} sockets stay open", self.sockets.len()));
        }
        // Devices live until the neighbours have heard of it.
        if let Some(farewell) = self.vrrp.deadline() {
            self.now = self.now.max(farewell);
            let mut effects = Vec::new();
            self.vrrp.on_time(self.now, &mut effects);
            self.perform_vrrp(effects);
        }
        match self.vrrp.deadline() {
            Some(_) => Err("who has stopped waits for something".to_owned()),
            None => Ok(()),
        }
    }

    /// Timers, until there is nothing to do or it has been enough.
    fn pass(&mut self) {
        for _ in 0..TURNS {
            let Some(next) = self
                .vrrp
                .deadline()
                .into_iter()
                .chain(self.check.deadline())
                .min()
            else {
                return;
            };
            self.now = self.now.max(next);
            let mut effects = Vec::new();
            self.vrrp.on_time(self.now, &mut effects);
            self.perform_vrrp(effects);
            let mut effects = Vec::new();
            self.check.on_time(self.now, &mut effects);
            self.perform_check(effects);
        }
    }

    fn tell_vrrp(&mut self, event: vrrp::Event<'_>) -> usize {
        let mut effects = Vec::new();
        self.vrrp.on_event(self.now, event, &mut effects);
        let count = effects.len();
        self.perform_vrrp(effects);
        count
    }

    fn perform_vrrp(&mut self, effects: Vec<vrrp::Effect>) {
        let mut notices = Vec::new();
        for effect in effects {
            match effect {
                vrrp::Effect::Open { socket, .. } => {
                    assert!(self.sockets.insert(socket), "{socket:?} is opened twice");
                }
                vrrp::Effect::Close(socket) => {
                    assert!(self.sockets.remove(&socket), "{socket:?} is closed twice");
                }
                vrrp::Effect::Kernel(request) => {
                    self.last = format!("{request:?}");
                    self.requests.push(request.emit(1));
                    if let Request::Link(request) = request {
                        notices.extend(self.change_link(request));
                    }
                }
                vrrp::Effect::Notify(transition) => self.news.push(News::Router(transition)),
                _ => {}
            }
        }
        for notice in notices {
            self.tell_vrrp(vrrp::Event::Network(notice));
        }
    }

    /// What the kernel tells of a link that was made, changed or removed.
    fn change_link(&mut self, request: LinkRequest) -> Option<Notice> {
        match request {
            LinkRequest::Add(new) => {
                self.next_link += 1;
                let index = IfIndex(self.next_link);
                let link = Link {
                    index,
                    name: new.name,
                    mac: new.mac,
                    mtu: 1500,
                    multicast: true,
                    kind: new.kind,
                    below: Some(new.below),
                    group: new.group,
                    ..Link::default()
                };
                self.links.insert(index, link.clone());
                Some(Notice::Link(link))
            }
            LinkRequest::SwitchOn(index) => {
                let link = self.links.get_mut(&index)?;
                (link.up, link.running) = (true, true);
                Some(Notice::Link(link.clone()))
            }
            LinkRequest::Remove(index) => {
                self.links.remove(&index).map(|_| Notice::LinkGone(index))
            }
            LinkRequest::SetMac(index, mac) => {
                let link = self.links.get_mut(&index)?;
                link.mac = Some(mac);
                Some(Notice::Link(link.clone()))
            }
            LinkRequest::SetKind(index, kind) => {
                let link = self.links.get_mut(&index)?;
                link.kind = kind;
                Some(Notice::Link(link.clone()))
            }
            LinkRequest::SetMaster(..) | LinkRequest::NoOwnAddress(_) => None,
        }
    }

    fn tell_check(&mut self, event: check::Event<'_>) {
        let mut effects = Vec::new();
        self.check.on_event(self.now, event, &mut effects);
        self.perform_check(effects);
    }

    fn perform_check(&mut self, effects: Vec<check::Effect>) {
        for effect in effects {
            let liar = self.liar.as_mut();
            match effect {
                check::Effect::FindDirector { .. } => {
                    let answer = liar.map_or(Ok(0x01_0201), Liar::version);
                    self.tell_check(check::Event::Director(answer));
                }
                check::Effect::LoadModule(module) => {
                    let success = true;
                    self.tell_check(check::Event::ModuleLoaded { module, success });
                }
                check::Effect::ReadIpvs(id) => {
                    let answer = liar.map_or(Ok(None), |liar| liar.reading(&id));
                    self.tell_check(check::Event::IpvsRead { id, answer });
                }
                check::Effect::ReadTimeouts => {
                    let answer = liar.map_or(Err(Errno::ENOENT), Liar::timeouts);
                    self.tell_check(check::Event::TimeoutsRead(answer));
                }
                check::Effect::Ipvs(request) => {
                    self.last = format!("{request:?}");
                    self.requests.push(request.emit(30, 1));
                    if let Some(error) = liar.and_then(Liar::refusal) {
                        self.tell_check(check::Event::IpvsFailed { request, error });
                    }
                }
                check::Effect::Mark { request, .. } => {
                    assert!(
                        !request.emit(1).is_empty(),
                        "a batch has a begin and an end"
                    );
                    if let Some(error) = liar.and_then(Liar::refusal) {
                        self.tell_check(check::Event::MarkFailed { request, error });
                    }
                }
                check::Effect::Notify(notice) => self.news.push(News::Director(notice)),
                _ => {}
            }
        }
    }
}
