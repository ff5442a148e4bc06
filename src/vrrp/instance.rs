//! One virtual router: its data, `step` and `enter`. The state machine of RFC 3768 6.4 with FAULT
//! beside it. `enter` is the only place that assigns the state.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use log::{debug, info, warn};

use super::accept::Advert;
use super::announce::Burst;
use super::capacity::addresses_per_advert;
use super::devices::{Devices, Over};
use super::dialect::{Dialect, Saying};
use super::election::{self, Contender};
use super::entries;
use super::fault::Fault;
use super::kernel::Owned;
use super::layers;
use super::network::Network;
use super::observe::{StateName, Statistics};
use super::owner::Rivalry;
use super::pacing::Pacing;
use super::refusal::Refused;
use super::restraint::{Deed, Restraint};
use super::statics::Statics;
use super::strangers::Strangers;
use super::sync::{Groups, Wish};
use super::track::{self, OWNER, Watch};
use super::{Alarm, Effect, InstanceId, SocketId, Sockets, Timer};
use crate::addr::IfIndex;
use crate::config::{self, Layer, Version, VirtualAddress};
use crate::time::{Instant, Timers};
use crate::track::{Condition, Object};

/// What an instance may look at and write to while it handles one event.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    /// Since 1970, for signatures with a time in them.
    pub(super) time: Duration,
    pub(super) network: &'a Network,
    /// Of all instances: none of them is ever a source.
    pub(super) virtual_addresses: &'a BTreeSet<IpAddr>,
    pub(super) sockets: &'a Sockets,
    pub(super) devices: &'a Devices,
    pub(super) groups: &'a Groups,
    pub(super) directing: bool,
    /// How everything does that is tracked and no interface, as far as it was told.
    pub(super) conditions: &'a BTreeMap<Object, Condition>,
    /// What is left until anybody may become master.
    pub(super) start_delay: Duration,
    pub(super) releases_all: bool,
    /// A master heard a weaker one: what its group does then as well.
    pub(super) defended: bool,
    pub(super) statics: &'a Statics,
    pub(super) pacing: &'a mut Pacing,
    pub(super) strangers: &'a mut Strangers,
    pub(super) timers: &'a mut Timers<Timer>,
    pub(super) out: &'a mut Vec<Effect>,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) config: config::Instance,
    pub(super) state: State,
    /// The interface, while it exists.
    pub(super) link: Option<IfIndex>,
    /// What its own device is over that (`use_vmac`, `use_ipvlan`).
    pub(super) over: Over,
    pub(super) socket: Option<SocketId>,
    /// What adverts come from.
    pub(super) source: Option<IpAddr>,
    /// Why it cannot take part, as of the last look; what its group adds is not in it.
    pub(super) faults: Vec<Fault>,
    /// It has not begun, and what it watches has not been run for the first time.
    pub(super) awaits_scripts: bool,
    /// It did for a while, and its beginning is none of the start any more.
    has_waited: bool,
    /// Everything it watches, its group's included.
    pub(super) watches: Vec<Watch>,
    /// The base priority and what its watches add, as of the last look.
    pub(super) total_priority: i32,
    /// The effective priority.
    priority: u8,
    /// Another owner of the same addresses.
    pub(super) rivalry: Rivalry,
    /// Another instance that has its number where this one speaks.
    pub(super) twin: Option<String>,
    /// An owner that nobody holds back does not listen first.
    pub(super) starts_as_master: bool,
    /// How many addresses an advert has room for.
    capacity: usize,
    /// What this instance has put into the kernel.
    pub(super) owned: Owned,
    /// When a goodbye of another master was last answered with an announcement.
    pub(super) goodbye_answered_at: Option<Instant>,
    /// What a crash may have left behind was taken away, or taken over.
    pub(super) cleaned: bool,
    pub(super) statistics: Statistics,
    /// Of the master it listens to.
    pub(super) master_priority: Option<u8>,
    pub(super) last_transition: Option<Instant>,
    /// When its last advert left.
    pub(super) advertised_at: Option<Instant>,
    /// When it last spoke because another master did.
    answered_at: Option<Instant>,
    /// Whose packet came last.
    pub(super) last_sender: Option<IpAddr>,
    pub(super) dialect: Dialect,
    /// Version 3: the interval of the master, which a backup learns (RFC 9568 6.1,
    /// Active_Adver_Interval).
    pub(super) master_interval: Duration,
    pub(super) refused: Refused,
    /// Scripts and pipes have heard of it.
    pub(super) has_told: bool,
    /// What was complained about already; a new master starts a new slate.
    told: Vec<Told>,
    /// What one packet each can cause.
    pub(super) restraint: Restraint,
}

/// The states of RFC 3768 6.4, each with what only it has.
#[derive(Debug)]
pub(super) enum State {
    /// Not looked at yet.
    Init,
    Backup {
        master: Option<IpAddr>,
        delay: PreemptDelay,
        /// It would be master if it were alone: only its group holds it back.
        ready: bool,
    },
    Master,
    Fault,
}

/// Where `preempt_delay` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreemptDelay {
    /// No advert of lower priority was heard yet.
    Idle,
    Running,
    Over,
}

/// What makes an instance step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Advert(Advert),
    /// Master_Down_Timer.
    MasterDown,
    /// Adver_Timer.
    AdvertDue,
    PreemptDelayOver,
    Shutdown,
}

/// One kind of complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    AddressList,
    Interval,
    ClockSkew,
    OwnAddress,
    Rival,
}

impl Instance {
    pub(super) fn new(id: InstanceId, config: config::Instance) -> Self {
        let master_interval = config.advert_interval;
        Self {
            id,
            watches: Vec::new(),
            awaits_scripts: false,
            has_waited: false,
            total_priority: config.priority.into(),
            priority: config.priority,
            config,
            state: State::Init,
            link: None,
            over: Over::Nothing,
            socket: None,
            source: None,
            faults: Vec::new(),
            rivalry: Rivalry::Nobody,
            twin: None,
            starts_as_master: false,
            capacity: usize::MAX,
            owned: Owned::default(),
            goodbye_answered_at: None,
            cleaned: false,
            statistics: Statistics::default(),
            master_priority: None,
            last_transition: None,
            advertised_at: None,
            answered_at: None,
            last_sender: None,
            dialect: Dialect::default(),
            master_interval,
            refused: Refused::default(),
            has_told: false,
            told: Vec::new(),
            restraint: Restraint::default(),
        }
    }

    pub(super) fn on_alarm(&mut self, alarm: Alarm, cx: &mut Context<'_>) {
        match alarm {
            Alarm::MasterDown => self.step(Input::MasterDown, cx),
            Alarm::Advert => {
                self.notice_lateness(cx);
                self.step(Input::AdvertDue, cx);
            }
            Alarm::PreemptDelay => self.step(Input::PreemptDelayOver, cx),
            Alarm::Announce => self.announce(Burst::Second, cx),
            Alarm::Refresh => self.announce(Burst::Refresh, cx),
            Alarm::LowerPriority => self.announce(Burst::LowerPriorityAgain, cx),
            Alarm::Restore => {
                self.announce_late(cx);
                self.complete(cx);
            }
            Alarm::Extra => self.announce_elsewhere(cx),
            Alarm::Silence => self.announce(Burst::Return, cx),
            Alarm::Rival => self.forget_rival(),
        }
    }

    /// The state machine: (state, input).
    pub(super) fn step(&mut self, input: Input, cx: &mut Context<'_>) {
        match (&mut self.state, input) {
            (State::Backup { .. }, Input::Advert(advert)) => self.backup_hears(advert, cx),
            // RFC 3768 6.4.2 (RFC 5798: 365).
            (State::Backup { .. }, Input::MasterDown) => {
                debug!("({self}) Receive advertisement timeout");
                self.enter(State::Master, Leave::Quietly, cx);
            }
            (State::Backup { delay, .. }, Input::PreemptDelayOver) => *delay = PreemptDelay::Over,
            (State::Master, Input::Advert(advert)) => self.master_hears(advert, cx),
            // RFC 3768 6.4.3 (RFC 5798: 680, 685).
            (State::Master, Input::AdvertDue) => self.advertise(cx),
            // RFC 3768 6.4.3 (RFC 5798: 655).
            (State::Master, Input::Shutdown) => {
                self.enter(State::Init, Leave::SayingGoodbye, cx);
            }
            // RFC 3768 6.4.2 (RFC 5798: 345).
            (_, Input::Shutdown) => self.enter(State::Init, Leave::Quietly, cx),
            // A timer of another state that was due in the same turn.
            (State::Init | State::Fault, _)
            | (State::Backup { .. }, Input::AdvertDue)
            | (State::Master, Input::MasterDown | Input::PreemptDelayOver) => {}
        }
    }

    /// RFC 3768 6.4.2, RFC 9568 6.4.2 (RFC 5798: 420).
    fn backup_hears(&mut self, advert: Advert, cx: &mut Context<'_>) {
        let State::Backup { master, delay, .. } = &mut self.state else {
            return;
        };
        let known = master.replace(advert.source);
        self.master_priority = Some(advert.priority);
        let delay = *delay;
        // Two who take turns do not wipe the slate at each of them.
        if known != Some(advert.source)
            && let Some(more) = self.restraint.permit(Deed::Master, cx.now)
        {
            self.told.clear();
            self.refused.begin_anew();
            match known {
                None => debug!("({self}) master set to {}{more}", advert.source),
                Some(old) => {
                    debug!(
                        "({self}) master changed from {old} to {}{more}",
                        advert.source
                    );
                }
            }
        }
        self.reclaim_from(&advert, cx);
        if advert.priority == 0 {
            // RFC 3768 6.4.2 (RFC 5798: 425, 430): the master leaves, only the skew is left.
            if let Some(more) = self.restraint.permit(Deed::Goodbye, cx.now) {
                debug!("({self}) Backup received priority 0 advertisement{more}");
            }
            self.set(Alarm::MasterDown, self.skew_time(), cx);
            return;
        }
        let yields = advert.priority >= self.priority();
        let waits = !self.config.preempt_delay.is_zero() && delay != PreemptDelay::Over;
        if !self.config.preempt || yields || waits {
            // RFC 3768 6.4.2 (RFC 5798: 445, 455, 460). An equal counts as the master whatever its
            // address.
            if let State::Backup { ready, .. } = &mut self.state {
                *ready = false;
            }
            self.learn_interval(&advert, cx.now);
            self.set(Alarm::MasterDown, self.master_down_interval(), cx);
            self.delay_preemption(yields, delay, cx);
            return;
        }
        // RFC 3768 6.4.2 (RFC 5798: 470): discarded, and the timer stays where it was.
        if let Some(more) = self.restraint.permit(Deed::Discard, cx.now) {
            info!(
                "({self}) received lower priority ({}) advert from {} - discarding{more}",
                advert.priority, advert.source
            );
        }
    }

    /// The first advert of a weaker master starts the delay, one of a stronger ends it.
    fn delay_preemption(&mut self, yields: bool, was: PreemptDelay, cx: &mut Context<'_>) {
        let State::Backup { delay, .. } = &mut self.state else {
            return;
        };
        if self.config.preempt_delay.is_zero() {
            return;
        }
        let mut permitted = || self.restraint.permit(Deed::Delay, cx.now);
        match (yields, was) {
            (true, PreemptDelay::Running) => {
                *delay = PreemptDelay::Idle;
                if let Some(more) = permitted() {
                    debug!("({self}) stop preempt delay{more}");
                }
                cx.timers.cancel(Timer::Of(self.id, Alarm::PreemptDelay));
            }
            (true, PreemptDelay::Over) => *delay = PreemptDelay::Idle,
            (false, PreemptDelay::Idle) => {
                *delay = PreemptDelay::Running;
                let seconds = self.config.preempt_delay.as_secs_f64();
                if let Some(more) = permitted() {
                    debug!("({self}) start preempt delay ({seconds:.6}){more}");
                }
                self.set(Alarm::PreemptDelay, self.config.preempt_delay, cx);
            }
            (true, PreemptDelay::Idle) | (false, PreemptDelay::Running | PreemptDelay::Over) => {}
        }
    }

    /// RFC 3768 6.4.3, RFC 9568 6.4.3 (RFC 5798: 700).
    fn master_hears(&mut self, advert: Advert, cx: &mut Context<'_>) {
        if advert.priority == 0 {
            // RFC 3768 6.4.3 (RFC 5798: 705, 710): another one leaves; tell the rest who is here.
            if let Some(more) = self.restraint.permit(Deed::Goodbye, cx.now) {
                debug!("({self}) Master received priority 0 message{more}");
            }
            self.answer(cx);
            self.answer_goodbye(cx);
            return;
        }
        let Some(source) = self.source else { return };
        let ours = Contender {
            priority: self.priority(),
            source,
        };
        let theirs = Contender {
            priority: advert.priority,
            source: advert.source,
        };
        self.await_silence(cx);
        match ours.against(theirs) {
            Ordering::Equal => {
                if self.tell_once(Told::OwnAddress) {
                    warn!(
                        "({self}) WARNING - equal priority advert received from remote host with \
                         our IP address."
                    );
                }
            }
            Ordering::Greater if theirs.priority == OWNER => {
                if self.concedes_to(&advert, cx) {
                    self.master_yields(advert, cx);
                }
            }
            // RFC 3768 6.4.3 (RFC 5798: 775): a weaker one is not yielded to.
            Ordering::Greater => self.master_defends(advert, cx),
            Ordering::Less => {
                if ours.priority == OWNER {
                    self.tell_of_rival(advert.source);
                }
                self.master_yields(advert, cx);
            }
        }
    }

    fn master_defends(&mut self, advert: Advert, cx: &mut Context<'_>) {
        let answers = !self.config.lower_prio_no_advert;
        let permitted = self.restraint.permit(Deed::Defence, cx.now);
        if let Some(more) = permitted {
            let consequence = if answers {
                ", forcing new election"
            } else {
                ""
            };
            info!(
                "({self}) Received advert from {} with lower priority {}, ours {}{consequence}\
                 {more}",
                advert.source,
                advert.priority,
                self.priority()
            );
        }
        if let Some(sequence) = advert.sequence {
            // The other side takes our answer only with a later number than its own.
            if permitted.is_some() {
                info!("({self}) IPSEC-AH : Syncing seq_num - Increment seq");
            }
            self.dialect.ah_sequence = sequence.saturating_add(1);
        }
        if answers {
            self.answer(cx);
        }
        if permitted.is_none() {
            return;
        }
        self.announce(Burst::LowerPriority, cx);
        cx.defended = true;
        self.tell_weaker(cx);
    }

    /// RFC 3768 6.4.3 (RFC 5798: 725, 735): to a higher priority, or an equal one with a higher
    /// address.
    fn master_yields(&mut self, advert: Advert, cx: &mut Context<'_>) {
        if self.config.higher_prio_send_advert {
            self.advertise(cx);
        }
        if advert.priority > self.priority() {
            info!(
                "({self}) Master received advert from {} with higher priority {}, ours {}",
                advert.source,
                advert.priority,
                self.priority()
            );
        } else {
            info!(
                "({self}) Master received advert from {} with same priority {} but higher IP \
                 address than ours",
                advert.source, advert.priority
            );
        }
        self.master_priority = Some(advert.priority);
        // RFC 5798: 745, 750.
        self.learn_interval(&advert, cx.now);
        let state = State::Backup {
            master: Some(advert.source),
            delay: PreemptDelay::Idle,
            ready: false,
        };
        self.enter(state, Leave::Quietly, cx);
    }

    /// Looks at the machine again, after `locate`: socket, director. The faults are a pure
    /// function of what is known, never a count kept by hand.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        if self.over == Over::Pending {
            // The next look, in a moment, will tell.
            self.socket = None;
            return;
        }
        let channel = self.channel(cx.network);
        self.socket = channel.and_then(|channel| cx.sockets.on(&channel));
        self.awaits_scripts = matches!(self.state, State::Init) && self.lacks_results(cx);
        self.has_waited |= self.awaits_scripts;
        let faults = self.faults(cx);
        for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            match fault {
                Fault::Tracked(Object::Script(name)) => {
                    info!("({self}): entering FAULT state due to script {name}");
                }
                _ => info!("({self}): entering FAULT state ({fault})"),
            }
        }
        self.faults = faults;
        let contributions = self.contributions(cx).map(|(_, contribution)| contribution);
        self.total_priority = track::total(self.config.priority, contributions);
        self.weigh(cx);
    }

    /// A member of its group waits for its scripts; whoever has begun goes on.
    pub(super) fn wait_for_scripts(&mut self) {
        self.awaits_scripts |= matches!(self.state, State::Init);
        self.has_waited |= self.awaits_scripts;
    }

    /// Finds the effective priority anew.
    pub(super) fn weigh(&mut self, cx: &mut Context<'_>) {
        let priority = match self.rivalry {
            Rivalry::Conceded(_) => OWNER - 1,
            _ => track::effective(self.config.priority, self.total_priority),
        };
        self.change_priority(priority, cx);
    }

    /// The next advert tells it, and none is sent for it. A backup waits by as much longer or
    /// shorter as the skew changes.
    fn change_priority(&mut self, priority: u8, cx: &mut Context<'_>) {
        let before = self.master_down_interval();
        let old = std::mem::replace(&mut self.priority, priority);
        if old == priority || matches!(self.state, State::Init) {
            return;
        }
        info!("({self}) Changing effective priority from {old} to {priority}");
        self.tell_priority(cx);
        let timer = Timer::Of(self.id, Alarm::MasterDown);
        if let Some(at) = cx.timers.deadline_of(timer) {
            let left = at.since(cx.now) + self.master_down_interval();
            cx.timers.set(timer, cx.now + left.saturating_sub(before));
        }
    }

    /// Draws the consequence of the last look.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        if self.over == Over::Pending || self.awaits_scripts {
            return;
        }
        match (&self.state, self.faults.is_empty()) {
            (State::Init, true) => self.begin(cx),
            (State::Fault, true) => self.become_backup(Leave::Quietly, cx),
            (State::Init | State::Backup { .. }, false) => {
                self.enter(State::Fault, Leave::Quietly, cx);
            }
            (State::Master, false) => self.enter(State::Fault, Leave::SayingGoodbye, cx),
            (State::Master, true) => self.complete(cx),
            (State::Backup { .. }, true) | (State::Fault, false) => {}
        }
    }

    /// The state it would be in if it were in no group.
    pub(super) fn wish(&self) -> Wish {
        match self.state {
            _ if !self.faults.is_empty() => Wish::Fault,
            State::Master | State::Backup { ready: true, .. } => Wish::Master,
            State::Init | State::Backup { .. } | State::Fault => Wish::Backup,
        }
    }

    /// The master is silent, but other members of the group have one: all of them or none.
    pub(super) fn wait_for_group(&mut self, cx: &mut Context<'_>) {
        if let State::Backup { ready, .. } = &mut self.state {
            *ready = true;
            debug!("({self}) Receive advertisement timeout");
            self.set(Alarm::MasterDown, self.master_down_interval(), cx);
        }
    }

    /// Listens for a whole interval before it believes that there is no master.
    pub(super) fn await_master(&self, cx: &mut Context<'_>) {
        self.set(
            Alarm::MasterDown,
            cx.start_delay + self.master_down_interval(),
            cx,
        );
    }

    /// `timer_expired_backup`: a master that could not run for so long that others took over does
    /// not insist on being it.
    pub(super) fn notice_lateness(&mut self, cx: &mut Context<'_>) {
        let (State::Master, Some(priority), Some(last)) = (
            &self.state,
            self.config.timer_expired_backup,
            self.advertised_at,
        ) else {
            return;
        };
        let interval = self.config.advert_interval;
        let priority = u8::try_from(priority).expect("the configuration ends at 254");
        let skew = self.skew_of(priority, interval);
        let patience = election::master_down_interval(3, interval, skew);
        if cx.now.since(last) > patience {
            let late = (cx.now.since(last) - interval).as_secs_f64();
            info!("({self}) VRRP thread timer expired {late:.6} seconds ago");
            self.become_backup(Leave::Quietly, cx);
        }
    }

    /// A master says that it is here, outside of its interval.
    pub(super) fn reaffirm(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Master) {
            self.advertise(cx);
        }
    }

    /// Another member of the group brought it to this state. Who gives way with its group gives
    /// way to a master; who goes because the group cannot stay says so.
    pub(super) fn follow(&mut self, state: StateName, cx: &mut Context<'_>) {
        match state {
            StateName::Master => self.enter(State::Master, Leave::Quietly, cx),
            StateName::Fault => self.enter(State::Fault, Leave::SayingGoodbye, cx),
            StateName::Backup | StateName::Init => self.become_backup(Leave::Quietly, cx),
        }
    }

    /// RFC 3768 6.4.1, RFC 9568 6.4.1 (RFC 5798: 100, 105): an owner goes to master at once, by way
    /// of a timer that is due; everybody else listens first (155, 160, 165).
    fn begin(&mut self, cx: &mut Context<'_>) {
        self.become_backup(Leave::Quietly, cx);
        if self.starts_as_master {
            self.set(Alarm::MasterDown, cx.start_delay, cx);
        }
    }

    fn become_backup(&mut self, leave: Leave, cx: &mut Context<'_>) {
        let state = State::Backup {
            master: None,
            delay: PreemptDelay::Idle,
            ready: false,
        };
        self.enter(state, leave, cx);
    }

    /// The only assignment of the state (RFC 5798: 145, 355, 410, 670, 765): stops the timers of
    /// the old one (350, 660, 740), logs, starts those of the new one, does what goes with it. The
    /// order is the protocol: advert before address before gratuitous ARP.
    fn enter(&mut self, next: State, leave: Leave, cx: &mut Context<'_>) {
        for alarm in Alarm::ALL {
            cx.timers.cancel(Timer::Of(self.id, alarm));
        }
        let old = std::mem::replace(&mut self.state, next);
        self.last_transition = Some(cx.now);
        let initial = matches!(old, State::Init);
        let suffix = if initial && !self.has_waited {
            " (init)"
        } else {
            ""
        };
        if cx.releases_all {
            self.cleaned = false;
        }
        if matches!(old, State::Master) {
            self.leave_master(leave, cx);
        }
        match &self.state {
            State::Init => {}
            State::Backup { .. } => {
                // RFC 5798: 755, 760.
                self.await_master(cx);
                // An owner passes through in an instant, says nothing, and does not take away what
                // it needs the next moment.
                if initial && self.starts_as_master {
                    return;
                }
                self.clean_up(cx);
                if matches!(old, State::Fault) {
                    self.announce_source(cx);
                }
                info!("({self}) Entering BACKUP STATE{suffix}");
            }
            State::Master => self.become_master(cx),
            State::Fault => {
                self.clean_up(cx);
                info!("({self}) Entering FAULT STATE{suffix}");
            }
        }
        self.tell_state(cx);
    }

    /// RFC 3768 6.4.1 and 6.4.2 (RFC 5798: 110 and 370 the advert, 140 and 405 its timer, 120, 130,
    /// 380 and 395 the announcement).
    fn become_master(&mut self, cx: &mut Context<'_>) {
        self.told.clear();
        self.refused.begin_anew();
        self.dialect.begin_anew();
        // keepalived keeps the interval of the master before, and its next timers are wrong.
        self.master_interval = self.config.advert_interval;
        self.advertise(cx);
        info!("({self}) Entering MASTER STATE");
        self.statistics.become_master += 1;
        self.reclaim("other address owner has disappeared", cx);
        self.cleaned = true;
        let _all = self.take_over(cx);
        self.announce(Burst::First, cx);
    }

    /// RFC 3768 6.4.3 (RFC 5798: 665): who leaves of its own accord says so with priority 0.
    fn leave_master(&mut self, leave: Leave, cx: &mut Context<'_>) {
        self.told.clear();
        self.refused.begin_anew();
        if leave == Leave::SayingGoodbye {
            self.send_advert(0, cx);
            debug!("({self}) sent 0 priority");
        }
        self.part_with_rival();
        // RFC 5798: 310, 320, 340: who is not master has none of the addresses, so that the kernel
        // neither answers for them nor takes packets to them.
        self.give_up(cx);
        self.statistics.release_master += 1;
    }

    /// Sends an advert and starts the next interval; nothing else ever re-arms the timer.
    fn advertise(&mut self, cx: &mut Context<'_>) {
        self.advertised_at = Some(cx.now);
        self.send_advert(self.priority(), cx);
        // RFC 5798: 690, 715.
        self.set(Alarm::Advert, self.config.advert_interval, cx);
        self.count_for_rival(cx);
    }

    /// Whoever sends thousands is not sent as many: everybody hears the one answer.
    fn answer(&mut self, cx: &mut Context<'_>) {
        let is_over = |last| cx.now.since(last) >= ANSWER_INTERVAL;
        if self.answered_at.is_none_or(is_over) {
            self.answered_at = Some(cx.now);
            self.advertise(cx);
        }
    }

    fn send_advert(&mut self, priority: u8, cx: &mut Context<'_>) {
        let (Some(source), Some(on)) = (self.source, self.socket) else {
            return;
        };
        let addresses = self.advertised();
        let saying = Saying {
            source,
            priority,
            addresses: &addresses,
            time: cx.time,
        };
        let copies = self.dialect.say(&self.config, &saying);
        self.statistics.advert_sent += 1;
        self.statistics.pri_zero_sent += u64::from(priority == 0);
        for copy in copies {
            cx.out.push(Effect::Advertise {
                on,
                to: copy.to,
                from: source,
                ttl: copy.ttl,
                packet: copy.packet,
            });
        }
    }

    /// The first ones, as many as an advert has room for, are told of.
    pub(super) fn measure(&mut self, mtu: u32) {
        let capacity = addresses_per_advert(&self.config, mtu);
        let count = self.config.addresses.len();
        if capacity < count && capacity != self.capacity {
            warn!(
                "({self}) {} of {count} addresses do not fit in an advert, they are treated as \
                 excluded ones",
                count - capacity
            );
        }
        self.capacity = capacity;
    }

    /// The interface that adverts leave through and come in on.
    pub(super) fn wire(&self) -> Option<IfIndex> {
        let through_base = match &self.config.layer {
            Layer::Interface => true,
            Layer::Vmac(vmac) => vmac.base,
            // What is sent to the address of an ipvlan is not heard below it.
            Layer::Ipvlan(_) => false,
        };
        match self.over {
            _ if through_base => self.link,
            Over::At(device) => Some(device),
            Over::Nothing | Over::Pending | Over::Missing(_) => None,
        }
    }

    /// The interface that an address is on.
    pub(super) fn place_of(
        &self,
        vip: &VirtualAddress,
        network: &Network,
        devices: &Devices,
    ) -> Option<IfIndex> {
        let base = vip.device.as_deref().unwrap_or(&self.config.interface);
        let over = if layers::rides(vip, &self.config) {
            devices.over(self.id, base)
        } else {
            Over::Nothing
        };
        match over {
            Over::Nothing => network.named(base).map(|link| link.index),
            Over::At(device) => Some(device),
            Over::Pending | Over::Missing(_) => None,
        }
    }

    /// Only a backup goes by an interval that is not its own, and only in version 3.
    pub(super) fn settle_interval(&mut self) {
        let learns = matches!(self.state, State::Backup { .. });
        if !learns || self.config.version == Version::V2 {
            self.master_interval = self.config.advert_interval;
        }
    }

    /// True the first time since the slate was wiped.
    pub(super) fn tell_once(&mut self, what: Told) -> bool {
        let first = !self.told.contains(&what);
        if first {
            self.told.push(what);
        }
        first
    }

    /// The addresses of the packet, in the order of the configuration, as far as they have room.
    pub(super) fn advertised(&self) -> Vec<IpAddr> {
        let addresses = self.config.addresses.iter().map(|vip| vip.cidr.address());
        addresses.take(self.capacity).collect()
    }

    pub(super) fn set(&self, alarm: Alarm, after: Duration, cx: &mut Context<'_>) {
        cx.timers.set(Timer::Of(self.id, alarm), cx.now + after);
    }

    pub(super) fn priority(&self) -> u8 {
        self.priority
    }

    pub(super) fn vrid(&self) -> u8 {
        self.config.vrid.number()
    }

    pub(super) fn meet(&mut self, twin: Option<String>) {
        if let Some(first) = twin.as_ref().filter(|_| self.twin != twin) {
            let (family, vrid) = (self.config.family, self.config.vrid);
            warn!("VRID conflict between {first} and {self} {family} vrid {vrid}");
        }
        self.twin = twin;
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn state_name(&self) -> StateName {
        match self.state {
            State::Init => StateName::Init,
            State::Backup { .. } => StateName::Backup,
            State::Master => StateName::Master,
            State::Fault => StateName::Fault,
        }
    }

    pub(super) fn interface(&self) -> &str {
        &self.config.interface
    }

    pub(super) fn uses(&self, interface: &str) -> bool {
        self.interfaces().any(|known| known == interface)
    }

    /// All that it names; some more than once.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &str> {
        let config = &self.config;
        let own = Some(config.interface.as_str()).filter(|name| !name.is_empty());
        let watched = self.watches.iter().filter_map(|watch| match &watch.object {
            Object::Interface(name) => Some(name.as_str()),
            _ => None,
        });
        let devices = entries::devices(config).map(|(device, _)| device);
        let own = own.into_iter().chain(config.vrf.as_deref());
        own.chain(devices).chain(watched)
    }

    /// Where its IPv6 addresses are.
    pub(super) fn neighbour_links<'a>(
        &'a self,
        network: &'a Network,
        devices: &'a Devices,
    ) -> impl Iterator<Item = IfIndex> + 'a {
        let addresses = self.config.addresses.iter().chain(&self.config.excluded);
        let v6 = addresses.filter(|vip| vip.cidr.address().is_ipv6());
        v6.filter_map(|vip| self.place_of(vip, network, devices))
    }

    pub(super) fn master_down_interval(&self) -> Duration {
        election::master_down_interval(
            self.config.down_timer_adverts,
            self.master_interval,
            self.skew_time(),
        )
    }

    /// An owner that claims a little less for a while is as quick as ever.
    fn skew_time(&self) -> Duration {
        let priority = if self.config.is_owner() {
            OWNER
        } else {
            self.priority()
        };
        self.skew_of(priority, self.master_interval)
    }

    fn skew_of(&self, priority: u8, interval: Duration) -> Duration {
        match self.config.version {
            Version::V2 => election::skew_time(priority),
            Version::V3 => election::skew_time_v3(priority, interval),
        }
    }
}

/// The shortest interval of adverts there is.
const ANSWER_INTERVAL: Duration = Duration::from_millis(10);

/// How a master leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It was told to by a better one.
    Quietly,
    /// With priority 0, so that a backup need not wait.
    SayingGoodbye,
}

impl Alarm {
    const ALL: [Self; 10] = [
        Self::MasterDown,
        Self::Advert,
        Self::PreemptDelay,
        Self::Rival,
        Self::Announce,
        Self::Refresh,
        Self::LowerPriority,
        Self::Extra,
        Self::Silence,
        Self::Restore,
    ];
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.config.name)
    }
}
