//! The other side of the check core's door: a clock, backends, a kernel, and a log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use keepalived::check::{Connect, Core, Effect, Event, ProbeId, ServerState};
use keepalived::child::Exit;
use keepalived::config::{self, AnyHost, Config, Script};
use keepalived::errno::Errno;
use keepalived::time::Instant;
use keepalived::wire::rtnl::{Address, Notice};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::filter::{self, Filter};
use crate::kernel::{Kernel, command};

/// How a backend answers a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Accepting,
    Refusing,
    /// Packets vanish.
    Silent,
    /// The connection cannot even be tried on this side.
    Unbindable,
    /// The connection is made, and this happens on it.
    Talking(&'static [Move]),
}

/// What a peer does, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Nothing until it hears something.
    Hear,
    Say(&'static [u8]),
    /// Milliseconds.
    Pause(u64),
    /// It closes the connection.
    End,
    /// The connection breaks.
    Break(Errno),
    /// All of this without end.
    Again,
}

/// A connection on which a peer talks.
#[derive(Debug)]
struct Talk {
    moves: &'static [Move],
    at: usize,
    /// Its next move comes then; None: it waits to hear something.
    next: Option<Instant>,
    /// It was spoken to, and has not yet taken notice.
    heard: bool,
}

/// What loading the module comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modprobe {
    Loading,
    Failing,
    /// It never ends.
    Hanging,
    /// IPVS loads, and nothing more.
    HangingAtSchedulers,
}

/// How the lines begin that say why a check failed.
const REASON: &str = "Check of service ";

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) kernel: Kernel,
    pub(crate) filter: Filter,
    /// Others change the tables, or the kernel refuses things.
    pub(crate) is_troubled: bool,
    pub(crate) modprobe: Modprobe,
    pub(crate) backends: BTreeMap<SocketAddr, Backend>,
    pub(crate) directing: Option<bool>,
    /// The transcript is kept.
    pub(crate) recording: bool,
    /// Everything that was ever asked or said.
    pub(crate) transcript: Vec<String>,
    /// How many changes the last configuration came to.
    pub(crate) operations: Option<u64>,
    now: Instant,
    lines: Vec<String>,
    reasons: Vec<String>,
    requests: Vec<String>,
    marks: Vec<String>,
    connects: Vec<String>,
    searches: usize,
    notices: Vec<String>,
    /// Every module that was to be loaded.
    pub(crate) modules: Vec<String>,
    /// The addresses of this machine.
    pub(crate) addresses: Vec<Address>,
    watching: bool,
    open: BTreeMap<ProbeId, SocketAddr>,
    talks: BTreeMap<ProbeId, Talk>,
    running: BTreeSet<ProbeId>,
    runs: Vec<String>,
    /// Programs that end at once, with the code they end with.
    pub(crate) programs: BTreeMap<String, i32>,
    kills: Vec<String>,
    /// What was sent to peers.
    sent: Vec<Vec<u8>>,
    last_probe: Option<ProbeId>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Kernel::with_ipvs(), 1)
    }

    pub(crate) fn with(kernel: Kernel, seed: u64) -> Self {
        capture();
        Self {
            core: Core::new(seed),
            kernel,
            filter: Filter::default(),
            is_troubled: false,
            modprobe: Modprobe::Failing,
            backends: BTreeMap::new(),
            directing: None,
            recording: false,
            transcript: Vec::new(),
            operations: None,
            now: Instant::ZERO,
            lines: Vec::new(),
            reasons: Vec::new(),
            requests: Vec::new(),
            marks: Vec::new(),
            connects: Vec::new(),
            searches: 0,
            notices: Vec::new(),
            modules: Vec::new(),
            addresses: Vec::new(),
            watching: false,
            open: BTreeMap::new(),
            talks: BTreeMap::new(),
            running: BTreeSet::new(),
            runs: Vec::new(),
            programs: BTreeMap::new(),
            kills: Vec::new(),
            sent: Vec::new(),
            last_probe: None,
        }
    }

    /// A world with this configuration, at time zero.
    pub(crate) fn running(text: &str) -> Self {
        let mut world = Self::new();
        world.reload(text);
        world
    }

    /// A new configuration, which has nothing to complain about.
    #[track_caller]
    pub(crate) fn reload(&mut self, text: &str) {
        self.apply(&load(text));
    }

    pub(crate) fn apply(&mut self, config: &Config) {
        self.event(Event::Reload(&Arc::new(config.clone())));
    }

    pub(crate) fn set(&mut self, backend: &str, answer: Backend) {
        self.backends.insert(backend.parse().unwrap(), answer);
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        let mut out = Vec::new();
        self.core.on_event(self.now, event, &mut out);
        self.settle(out);
    }

    pub(crate) fn stop(&mut self) {
        self.event(Event::Stop);
        while self.core.deadline() == Some(self.now) {
            let mut out = Vec::new();
            self.core.on_time(self.now, &mut out);
            self.settle(out);
        }
        assert_eq!(
            self.core.deadline(),
            None,
            "nothing is waited for after a stop"
        );
        assert!(
            self.open.is_empty(),
            "every probe is closed: {:?}",
            self.open
        );
    }

    /// Time passes.
    pub(crate) fn run(&mut self, seconds: f64) {
        self.run_for(Duration::from_secs_f64(seconds));
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_turn().filter(|&next| next <= end) {
            let mut out = Vec::new();
            if let Some(probe) = self.talker(next) {
                self.now = next;
                self.move_of(probe);
                continue;
            }
            if next > self.now {
                self.core.on_time(self.now, &mut out);
                assert_eq!(out, [], "on_time too early does nothing");
                self.now = next;
            }
            self.core.on_time(self.now, &mut out);
            self.settle(out);
        }
        self.now = end;
    }

    /// What was sent since the last call, one text after the other.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        sent.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    pub(crate) fn sent_octets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    /// The peer of the attempt begun last says this.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let probe = self.last_probe();
        self.event(Event::Received { probe, bytes });
    }

    fn next_turn(&self) -> Option<Instant> {
        let moves = self.talks.values().filter_map(|talk| talk.next);
        moves.chain(self.core.deadline()).min()
    }

    /// Whose move it is. Packets come before timers.
    fn talker(&self, now: Instant) -> Option<ProbeId> {
        let mut talks = self.talks.iter();
        let due = |talk: &Talk| talk.next.is_some_and(|next| next <= now);
        talks.find(|(_, talk)| due(talk)).map(|(probe, _)| *probe)
    }

    fn move_of(&mut self, probe: ProbeId) {
        let now = self.now;
        let talk = self.talks.get_mut(&probe).unwrap();
        let step = talk.moves.get(talk.at).copied();
        talk.at += 1;
        let error = |error| Event::Failed {
            probe,
            error,
            started: true,
        };
        let event = match step {
            Some(Move::Hear) if talk.heard => {
                talk.heard = false;
                return;
            }
            None | Some(Move::Hear) => {
                talk.at -= 1;
                talk.next = None;
                return;
            }
            Some(Move::Pause(milliseconds)) => {
                talk.next = Some(now + Duration::from_millis(milliseconds));
                return;
            }
            Some(Move::Again) => {
                talk.at = 0;
                return;
            }
            Some(Move::Say(bytes)) => Event::Received { probe, bytes },
            Some(Move::End) => Event::Closed(probe),
            Some(Move::Break(errno)) => error(errno),
        };
        self.event(event);
    }

    /// The log lines since the last call, from info upwards, each with its time in seconds.
    #[track_caller]
    pub(crate) fn expect_lines(&mut self, expected: &str) {
        assert_same(&self.lines(), expected);
    }

    /// Why checks failed since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_reasons(&mut self, expected: &str) {
        assert_same(&std::mem::take(&mut self.reasons), expected);
    }

    /// The changes asked of IPVS since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_requests(&mut self, expected: &str) {
        assert_same(&self.requests(), expected);
    }

    /// What was asked of the packet filter since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_marks(&mut self, expected: &str) {
        assert_same(&std::mem::take(&mut self.marks), expected);
    }

    /// The tables of marks.
    #[track_caller]
    pub(crate) fn expect_filter(&mut self, expected: &str) {
        assert_same(&self.filter.show(), expected);
    }

    /// The connections begun since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_connects(&mut self, expected: &str) {
        assert_same(&self.connects(), expected);
    }

    /// The connections begun since the last call.
    pub(crate) fn connects(&mut self) -> Vec<String> {
        std::mem::take(&mut self.connects)
    }

    /// What was to be told since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_notices(&mut self, expected: &str) {
        assert_same(&std::mem::take(&mut self.notices), expected);
    }

    #[track_caller]
    pub(crate) fn expect_table(&mut self, expected: &str) {
        assert_same(&self.kernel.show(), expected);
    }

    /// What was said and asked so far does not matter.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.lines.clear();
        self.reasons.clear();
        self.requests.clear();
        self.marks.clear();
        self.connects.clear();
        self.notices.clear();
    }

    /// The log lines since the last call.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// The changes asked of IPVS since the last call.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.requests)
    }

    /// An address of this machine comes or goes.
    pub(crate) fn set_address(&mut self, address: &Address, here: bool) {
        self.addresses.retain(|other| other != address);
        if here {
            self.addresses.push(address.clone());
        }
        if self.watching {
            let address = address.clone();
            self.event(Event::Network(if here {
                Notice::Address(address)
            } else {
                Notice::AddressGone(address)
            }));
        }
    }

    /// Where connections are being made, or are open.
    pub(crate) fn open(&self) -> impl Iterator<Item = SocketAddr> {
        self.open.values().copied()
    }

    /// What was to be told since the last call.
    pub(crate) fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// How often IPVS was looked for since the last call.
    pub(crate) fn searches(&mut self) -> usize {
        std::mem::take(&mut self.searches)
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The attempt begun last, alive or not.
    pub(crate) fn last_probe(&self) -> ProbeId {
        self.last_probe.unwrap()
    }

    pub(crate) fn server(&self, address: &str) -> ServerState {
        let address = address.parse().unwrap();
        let services = self.core.observe(self.now).services;
        let mut servers = services.into_iter().flat_map(|service| service.servers);
        servers.find(|server| server.address == address).unwrap()
    }

    /// Effects are performed in order; what fails at once comes back before anything else.
    fn settle(&mut self, out: Vec<Effect>) {
        self.collect_log();
        let mut inbox = VecDeque::new();
        self.perform(out, &mut inbox);
        while let Some(event) = inbox.pop_front() {
            let mut out = Vec::new();
            self.core.on_event(self.now, event, &mut out);
            self.collect_log();
            self.perform(out, &mut inbox);
        }
    }

    fn perform(&mut self, out: Vec<Effect>, inbox: &mut VecDeque<Event<'static>>) {
        for effect in out {
            if self.recording {
                let line = format!("{:.3} {effect:?}", self.seconds());
                self.transcript.push(line);
            }
            match effect {
                Effect::Connect(connect) => inbox.extend(self.connect(&connect)),
                Effect::Send { probe, bytes } => self.send(probe, bytes),
                Effect::Run { probe, script } => inbox.extend(self.begin(probe, &script)),
                Effect::Kill { probe, kill } => {
                    assert!(self.running.contains(&probe), "killed while running");
                    self.kills.push(self.stamp(&format!("{kill:?}")));
                }

                Effect::Close(probe) => {
                    self.talks.remove(&probe);
                    let known = self.open.remove(&probe).is_some() | self.running.remove(&probe);
                    assert!(known, "closed once, and after opening");
                }
                Effect::FindDirector { .. } => {
                    self.searches += 1;
                    let found = self.kernel.present.then_some(0x01_0201);
                    inbox.push_back(Event::Director(found.ok_or(Errno::ENOENT)));
                }
                Effect::LoadModule(module) => {
                    let success = self.load_module(&module);
                    let hangs = match module.as_str() {
                        "ip_vs" => self.modprobe == Modprobe::Hanging,
                        _ => self.modprobe == Modprobe::HangingAtSchedulers,
                    };
                    if !hangs {
                        inbox.push_back(Event::ModuleLoaded { module, success });
                    }
                }
                Effect::ReadIpvs(id) => {
                    let answer = self.kernel.read(id);
                    inbox.push_back(Event::IpvsRead { id, answer });
                }
                Effect::ReadTimeouts => {
                    inbox.push_back(Event::TimeoutsRead(Ok(self.kernel.timeouts)));
                }
                Effect::WatchAddresses(watched) => {
                    assert_ne!(self.watching, watched, "told once");
                    self.watching = watched;
                    if watched {
                        inbox.push_back(Event::Addresses(self.addresses.clone()));
                    }
                }
                Effect::Notify(notice) => {
                    self.notices.push(self.stamp(&notice.to_string()));
                }
                Effect::Ipvs(request) => {
                    self.requests.push(self.stamp(&command(&request)));
                    if let Err(error) = self.kernel.request(&request) {
                        inbox.push_back(Event::IpvsFailed { request, error });
                    }
                    self.check_targets();
                }
                Effect::Mark { request, .. } => {
                    self.marks.push(self.stamp(&filter::command(&request)));
                    if let Err(error) = self.filter.request(&request) {
                        inbox.push_back(Event::MarkFailed { request, error });
                    }
                    self.check_targets();
                }
                Effect::Directing(directing) => {
                    assert_ne!(self.directing, Some(directing), "told once");
                    self.directing = Some(directing);
                }
            }
        }
    }

    /// Packets are marked for services that are there: they come first and go last.
    fn check_targets(&self) {
        if !self.is_troubled {
            for id in self.filter.targets() {
                assert!(self.kernel.table.contains_key(&id), "{id:?} is not there");
            }
        }
    }

    fn connect(&mut self, connect: &Connect) -> Option<Event<'static>> {
        let fresh = self.last_probe.is_none_or(|last| last < connect.probe);
        assert!(fresh, "an id is given out once");
        self.last_probe = Some(connect.probe);
        self.open.insert(connect.probe, connect.to);
        self.connects.push(self.stamp(&connect.to.to_string()));
        self.answer(connect.probe, connect.to)
    }

    fn begin(&mut self, probe: ProbeId, script: &Script) -> Option<Event<'static>> {
        self.last_probe = Some(probe);
        self.running.insert(probe);
        let command = script.argv.join(" ");
        self.runs.push(self.stamp(&command));
        let exit = Exit::Code(*self.programs.get(&command)?);
        Some(Event::Exited { probe, exit })
    }

    /// The program begun last ends.
    pub(crate) fn exit(&mut self, exit: Exit) {
        let probe = self.last_probe();
        self.event(Event::Exited { probe, exit });
    }

    /// The programs begun since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_runs(&mut self, expected: &str) {
        assert_same(&std::mem::take(&mut self.runs), expected);
    }

    /// What was sent to programs since the last call, each with its time.
    #[track_caller]
    pub(crate) fn expect_kills(&mut self, expected: &str) {
        assert_same(&std::mem::take(&mut self.kills), expected);
    }

    fn send(&mut self, probe: ProbeId, bytes: Vec<u8>) {
        assert!(self.open.contains_key(&probe), "sent while open");
        self.sent.push(bytes);
        if let Some(talk) = self.talks.get_mut(&probe) {
            talk.heard = true;
            talk.next.get_or_insert(self.now);
        }
    }

    /// One scheduler is no module of this kernel.
    fn load_module(&mut self, module: &str) -> bool {
        self.modules.push(module.to_owned());
        if module == "ip_vs" {
            let success = self.modprobe == Modprobe::Loading;
            self.kernel.present |= success;
            return success;
        }
        module != format!("ip_vs_{}", self.kernel.without)
    }

    fn answer(&mut self, probe: ProbeId, to: SocketAddr) -> Option<Event<'static>> {
        let failed = |error, started| Event::Failed {
            probe,
            error,
            started,
        };
        match self
            .backends
            .get(&to)
            .copied()
            .unwrap_or(Backend::Accepting)
        {
            Backend::Accepting => Some(Event::Connected(probe)),
            Backend::Refusing => Some(failed(Errno::ECONNREFUSED, true)),
            Backend::Silent => None,
            Backend::Unbindable => Some(failed(Errno::EADDRNOTAVAIL, false)),
            Backend::Talking(moves) => {
                let next = Some(self.now);
                let talk = Talk {
                    moves,
                    at: 0,
                    next,
                    heard: false,
                };
                self.talks.insert(probe, talk);
                Some(Event::Connected(probe))
            }
        }
    }

    fn collect_log(&mut self) {
        for (level, text) in LOG.take() {
            let line = self.stamp(&text);
            if self.recording {
                self.transcript.push(line.clone());
            }
            // What keepalived does not say has lists of its own.
            if let Some(count) = text.strip_prefix(OPERATIONS) {
                self.operations = count.parse().ok();
                continue;
            }
            match text.strip_prefix(REASON) {
                Some(reason) if level <= Level::Info => self.reasons.push(self.stamp(reason)),
                None if level <= Level::Info => self.lines.push(line),
                _ => {}
            }
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.since(Instant::ZERO).as_secs_f64()
    }

    fn stamp(&self, text: &str) -> String {
        format!("{} {text}", self.seconds())
    }
}

/// Told with every configuration that has to do with IPVS.
const OPERATIONS: &str = "the number of IPVS operations of this configuration: ";

/// A configuration file.
#[track_caller]
pub(crate) fn load(text: &str) -> Config {
    let loaded = config::load_text("test.conf", text, &AnyHost);
    loaded.config.expect("a configuration that can run")
}

/// Compares with a block of lines, whatever their indent.
#[track_caller]
fn assert_same(actual: &[String], expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    let expected: Vec<&str> = expected
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(
        actual,
        expected,
        "\n--- actual\n{}\n--- expected\n{}\n",
        actual.join("\n"),
        expected.join("\n")
    );
}

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// The log of the thread that runs a test.
struct Capture;

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = (record.level(), record.args().to_string());
        LOG.with_borrow_mut(|log| log.push(line));
    }

    fn flush(&self) {}
}

fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Capture).expect("nobody else sets a logger");
        log::set_max_level(LevelFilter::Debug);
    });
    LOG.take();
}

/// What was logged so far on this thread does not matter.
pub(crate) fn forget_log() {
    capture();
}
