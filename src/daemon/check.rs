//! The driver of the check core: descriptors to `check::Event`, `check::Effect` to `sys`.

use std::collections::{BTreeMap, VecDeque};

use log::{debug, error};
use mio::Token;

use super::logging::CHECK;
use super::reactor::{Reactor, Source};
use crate::check::{Connect, Core, Effect, Event, ProbeId, Snapshot};
use crate::config::Config;
use crate::errno::Errno;
use crate::sys::ipvs::Ipvs;
use crate::sys::process::{self, Exit, Modprobe, Pid};
use crate::sys::tcp::{Progress, StartError, TcpProbe};
use crate::time::Instant;
use crate::wire::ipvs::Request;

#[derive(Debug)]
pub(super) struct Driver {
    core: Core,
    ipvs: Option<Ipvs>,
    probes: BTreeMap<ProbeId, (TcpProbe, Token)>,
    /// The child that loads a module, and what to load.
    modprobe: Option<Loading>,
    /// Answers that effects gave at once, to be told to the core in order.
    inbox: VecDeque<Event<'static>>,
    effects: Vec<Effect>,
    /// What the VRRP core has to know.
    directing: Option<bool>,
}

#[derive(Debug)]
struct Loading {
    pid: Pid,
    module: &'static str,
    how: Modprobe,
}

impl Driver {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            core: Core::new(seed),
            ipvs: None,
            probes: BTreeMap::new(),
            modprobe: None,
            inbox: VecDeque::new(),
            effects: Vec::new(),
            directing: None,
        }
    }

    pub(super) fn reload(&mut self, now: Instant, config: &Config, reactor: &mut Reactor) {
        self.tell(now, Event::Reload(config), reactor);
    }

    pub(super) fn stop(&mut self, now: Instant, reactor: &mut Reactor) {
        self.tell(now, Event::Stop, reactor);
    }

    pub(super) fn on_time(&mut self, now: Instant, reactor: &mut Reactor) {
        self.core.on_time(now, &mut self.effects);
        self.settle(now, reactor);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    pub(super) fn observe(&self, now: Instant) -> Snapshot {
        self.core.observe(now)
    }

    /// Whether this machine can direct, when that has changed since the last call.
    pub(super) fn take_directing(&mut self) -> Option<bool> {
        self.directing.take()
    }

    /// The socket of a probe is writable: connected, or failed.
    pub(super) fn on_writable(&mut self, now: Instant, probe: ProbeId, reactor: &mut Reactor) {
        let Some((socket, _)) = self.probes.get(&probe) else {
            return;
        };
        let event = match socket.finish() {
            Ok(Progress::Pending) => return,
            Ok(Progress::Connected) => Event::Connected(probe),
            Err(error) => Event::Failed {
                probe,
                error,
                started: true,
            },
        };
        self.tell(now, event, reactor);
    }

    /// A child of ours has ended.
    pub(super) fn on_exit(&mut self, now: Instant, pid: Pid, exit: Exit, reactor: &mut Reactor) {
        let Some(loading) = self.modprobe.take_if(|loading| loading.pid == pid) else {
            return;
        };
        let success = exit == Exit::Code(0);
        debug!(target: CHECK, "modprobe {} {exit:?}", loading.module);
        if !success && loading.how == Modprobe::Syslog {
            // Busybox has no -s.
            self.load_module(loading.module, Modprobe::Quiet);
        } else {
            self.inbox.push_back(Event::ModuleLoaded { success });
        }
        self.settle(now, reactor);
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, reactor: &mut Reactor) {
        self.core.on_event(now, event, &mut self.effects);
        self.settle(now, reactor);
    }

    /// Performs what the core wants, and tells it the answers, until it wants nothing more.
    fn settle(&mut self, now: Instant, reactor: &mut Reactor) {
        loop {
            for effect in std::mem::take(&mut self.effects) {
                self.perform(effect, reactor);
            }
            let Some(event) = self.inbox.pop_front() else {
                return;
            };
            self.core.on_event(now, event, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect, reactor: &mut Reactor) {
        match effect {
            Effect::Connect(connect) => self.connect(&connect, reactor),
            Effect::Close(probe) => self.close(probe, reactor),
            Effect::FindDirector => self.find_director(),
            Effect::LoadModule(module) => self.load_module(module, Modprobe::Syslog),
            Effect::Ipvs(request) => self.request(request),
            Effect::Directing(directing) => self.directing = Some(directing),
        }
    }

    fn connect(&mut self, connect: &Connect, reactor: &mut Reactor) {
        let probe = connect.probe;
        let device = connect.device.as_deref();
        let event = match TcpProbe::start(connect.to, connect.from, device, connect.mark) {
            Ok((_, Progress::Connected)) => Event::Connected(probe),
            Ok((socket, Progress::Pending)) => {
                match reactor.watch_writable(&socket, Source::Probe(probe)) {
                    Ok(token) => {
                        self.probes.insert(probe, (socket, token));
                        return;
                    }
                    Err(error) => Event::Failed {
                        probe,
                        error: Errno::of(&error),
                        started: false,
                    },
                }
            }
            Err(StartError { errno, started }) => {
                if !started {
                    error!(target: CHECK, "Checker cannot start towards {}: {errno}", connect.to);
                }
                Event::Failed {
                    probe,
                    error: errno,
                    started,
                }
            }
        };
        self.inbox.push_back(event);
    }

    fn close(&mut self, probe: ProbeId, reactor: &mut Reactor) {
        if let Some((socket, token)) = self.probes.remove(&probe) {
            reactor.forget(&socket, token);
        }
    }

    fn find_director(&mut self) {
        let found = Ipvs::open();
        let answer = match found {
            Ok((ipvs, version)) => {
                self.ipvs = Some(ipvs);
                Ok(version)
            }
            Err(error) => {
                self.ipvs = None;
                Err(error)
            }
        };
        self.inbox.push_back(Event::Director(answer));
    }

    fn load_module(&mut self, module: &'static str, how: Modprobe) {
        match process::load_module(module, how) {
            Ok(pid) => self.modprobe = Some(Loading { pid, module, how }),
            Err(error) => {
                debug!(target: CHECK, "cannot start modprobe {module}: {error}");
                self.inbox.push_back(Event::ModuleLoaded { success: false });
            }
        }
    }

    fn request(&mut self, request: Request) {
        let outcome = match &mut self.ipvs {
            Some(ipvs) => ipvs.perform(&request),
            None => Err(Errno::ENOPROTOOPT),
        };
        if let Err(error) = outcome {
            self.inbox.push_back(Event::IpvsFailed { request, error });
        }
    }
}
