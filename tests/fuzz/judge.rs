//! The check core, and peers that answer what they like: every attempt comes to its end, what one
//! call leads to is bounded, and an answer means the same however it is cut.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keepalived::check::{Connect, Core, Effect, Event, ProbeId, ServerState, Transport};
use keepalived::config::{AnyHost, load_text};
use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::time::Instant;

/// One call leads to a few effects for each server.
const EFFECTS_MAX: usize = 200;
/// No attempt of these checks has longer than this, its pages included.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a peer says before it only repeats itself.
const ANSWERS_MAX: u64 = 12;

/// A core that checks.
pub(crate) struct Judge {
    core: Core,
    now: Instant,
    open: BTreeMap<ProbeId, Peer>,
    effects: Vec<Effect>,
    /// Whether answers come in pieces.
    cuts: Option<Rand>,
}

/// The other end of one attempt.
struct Peer {
    since: Instant,
    connect: Connect,
    /// The last words that it heard.
    heard: Vec<u8>,
}

/// What a peer answers to its last words.
pub(crate) type Answer = fn(&[u8], &mut Rand) -> Vec<u8>;

impl Judge {
    /// With these checks, each on a server of its own.
    pub(crate) fn new(checks: &[&str], cuts: Option<Rand>) -> Self {
        let servers = checks
            .iter()
            .zip(1..)
            .map(|(check, number)| format!("real_server 10.0.0.{number} 80 {{\n{check}\n}}\n"));
        let text = format!(
            "virtual_server 10.0.9.1 80 {{\ndelay_loop 1\nwarmup 0\nprotocol TCP\n\
             connect_timeout 2\nretry 1\ndelay_before_retry 1\n{}}}",
            servers.collect::<String>()
        );
        let loaded = load_text("fuzz.conf", &text, &AnyHost);
        let problems = loaded.diagnostics.render(false);
        let config = loaded.config.unwrap_or_else(|| panic!("{problems}"));
        let mut judge = Self {
            core: Core::new(1),
            now: Instant::ZERO,
            open: BTreeMap::new(),
            effects: Vec::new(),
            cuts,
        };
        judge.tell(Event::Reload(&Arc::new(config)));
        judge.perform();
        judge
    }

    /// What it believes of every server.
    pub(crate) fn verdicts(&self) -> Vec<(bool, usize, String)> {
        let services = self.core.observe(self.now).services;
        let servers = services.into_iter().flat_map(|service| service.servers);
        let verdict = |server: ServerState| {
            let reasons = format!("{:?}", server.reasons);
            (server.alive, server.failed_checks, reasons)
        };
        servers.map(verdict).collect()
    }

    /// The next attempts begin, and their peers answer.
    pub(crate) fn round(&mut self, answer: Answer, seed: u64) -> Result<(), String> {
        let deadline = self.core.deadline().ok_or("nothing is checked any more")?;
        self.now = self.now.max(deadline);
        self.core.on_time(self.now, &mut self.effects);
        self.perform();
        if self.core.deadline().is_some_and(|next| next <= self.now) {
            return Err("a due timer was left behind".to_owned());
        }
        // Also those whose peers have been silent so far.
        for probe in self.open.keys().copied().collect::<Vec<_>>() {
            // What one peer says is nothing to the others.
            self.converse(probe, answer, &mut Rand::new(seed ^ probe.0));
        }
        for peer in self.open.values() {
            if self.now.since(peer.since) > PATIENCE {
                return Err(format!("{:?} has no end", peer.connect));
            }
        }
        Ok(())
    }

    fn converse(&mut self, probe: ProbeId, answer: Answer, rand: &mut Rand) {
        for _ in 0..rand.below(ANSWERS_MAX) {
            let Some(peer) = self.open.get(&probe) else {
                break;
            };
            let is_stream = matches!(peer.connect.transport, Transport::Tcp | Transport::Tls(_));
            let text = answer(&peer.heard, rand);
            self.say(probe, &text, is_stream);
        }
        let end = match rand.below(4) {
            0 => Event::Failed {
                probe,
                error: Errno::ECONNRESET,
                started: true,
            },
            // The patience of the check ends it.
            1 => return,
            _ => Event::Closed(probe),
        };
        // Also for one that is closed: late news find nobody.
        self.tell(end);
        self.perform();
    }

    fn say(&mut self, probe: ProbeId, mut text: &[u8], is_stream: bool) {
        while !text.is_empty() {
            let length = match &mut self.cuts {
                Some(rand) if is_stream => 1 + usize::try_from(rand.below(40)).unwrap(),
                _ => text.len(),
            };
            let (piece, rest) = text.split_at(length.min(text.len()));
            text = rest;
            self.tell(Event::Received {
                probe,
                bytes: piece,
            });
            self.perform();
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        self.core.on_event(self.now, event, &mut self.effects);
    }

    fn perform(&mut self) {
        loop {
            let effects = std::mem::take(&mut self.effects);
            if effects.is_empty() {
                return;
            }
            assert!(effects.len() <= EFFECTS_MAX, "{} effects", effects.len());
            for effect in effects {
                self.take(effect);
            }
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Connect(connect) => {
                let probe = connect.probe;
                let is_secret = matches!(connect.transport, Transport::Tls(_));
                let peer = Peer {
                    since: self.now,
                    connect,
                    heard: Vec::new(),
                };
                assert!(self.open.insert(probe, peer).is_none(), "{probe:?} again");
                self.tell(Event::Connected(probe));
                if is_secret {
                    self.tell(Event::Secured {
                        probe,
                        days_left: Some(9),
                    });
                }
            }
            Effect::Send { probe, bytes } => {
                if let Some(peer) = self.open.get_mut(&probe) {
                    peer.heard = bytes;
                }
            }
            Effect::Close(probe) => {
                assert!(self.open.remove(&probe).is_some(), "{probe:?} is not open");
            }
            Effect::FindDirector { .. } => self.tell(Event::Director(Ok(0x01_0201))),
            Effect::LoadModule(module) => {
                let success = true;
                self.tell(Event::ModuleLoaded { module, success });
            }
            Effect::ReadIpvs(id) => {
                let answer = Ok(None);
                self.tell(Event::IpvsRead { id, answer });
            }
            Effect::ReadTimeouts => self.tell(Event::TimeoutsRead(Err(Errno::ENOENT))),
            _ => {}
        }
    }
}
