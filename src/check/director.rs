//! Whether this machine can direct: finding IPVS, loading its module, and living without it.
//!
//! Upstream's whole daemon exits when the kernel has no IPVS. Here the checks run on, IPVS is
//! looked for again and again, and the VRRP core is told, so that no machine without a table
//! answers for a virtual server's address.

use std::time::Duration;

use log::{debug, error, info};

use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::Request;

use super::refusal::Complaints;
use super::{Core, Effect, Timer};

#[derive(Debug, Default)]
pub(super) struct Director {
    state: State,
    /// The module was loaded, or cannot be; once is enough until IPVS has been seen again.
    module_tried: bool,
    /// A configuration was seen.
    pub(super) started: bool,
    /// `net_namespace_ipvs`, of the first configuration.
    pub(super) namespace: Option<String>,
    /// `lvs_flush` is still to be done.
    pub(super) flush: bool,
    /// Zero: the table is not read back.
    audit_interval: Duration,
    /// What the VRRP core was told last.
    told: Option<bool>,
    complaints: Complaints,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing that needs it was ever configured: IPVS is none of our business.
    #[default]
    Idle,
    /// Asked for the first time.
    Searching,
    /// The module is being loaded.
    Loading,
    Missing,
    Ready,
}

impl Core {
    /// None until IPVS answered.
    pub(super) fn directing(&self) -> Option<bool> {
        self.director.told
    }

    /// There is something to program, or no longer.
    pub(super) fn need_director(&mut self, now: Instant, needed: bool, out: &mut Vec<Effect>) {
        match self.director.state {
            State::Idle if needed => {
                self.director.state = State::Searching;
                self.search(now, out);
            }
            State::Searching | State::Loading | State::Missing if !needed => {
                self.director.state = State::Idle;
                self.timers.cancel(Timer::Director);
                self.tell(true, out);
            }
            State::Idle => self.tell(true, out),
            State::Searching | State::Loading | State::Missing | State::Ready => {}
        }
    }

    /// The answer to a search.
    pub(super) fn director_answered(
        &mut self,
        now: Instant,
        answer: Result<u32, Errno>,
        out: &mut Vec<Effect>,
    ) {
        if self.director.state == State::Idle {
            return;
        }
        self.timers.cancel(Timer::Director);
        match answer {
            Ok(version) => self.found(now, version, out),
            Err(error) => self.not_found(now, error, out),
        }
    }

    /// A module is there, or never will be: the next search or request tells.
    pub(super) fn module_loaded(
        &mut self,
        now: Instant,
        module: &str,
        success: bool,
        out: &mut Vec<Effect>,
    ) {
        let outcome = if success { "succeeded" } else { "failed" };
        debug!("loading {module} {outcome}");
        if module != IPVS_MODULE {
            self.table.module_loaded(module, success);
        } else if self.director.state == State::Loading {
            self.search(now, out);
        }
    }

    /// IPVS is missing, has not answered, or refused something: it is looked at again.
    pub(super) fn director_due(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.search(now, out);
    }

    /// The kernel refused a request.
    pub(super) fn ipvs_failed(&mut self, now: Instant, request: &Request, error: Errno) {
        match request {
            // Before a start both are told to end, whether they run or not.
            Request::DelDaemon(..) if matches!(error, Errno::ESRCH | Errno::ENOENT) => return,
            Request::NewDaemon(daemon) => self.sync.refused(daemon),
            _ => {}
        }
        if self.table.refused(now, request, error) {
            self.director.complaints.write(now, request, error);
        }
        // Also after what needed no more than a correction: when the whole IPVS has gone, a
        // deletion only says that there is nothing to delete.
        self.look_again(now);
    }

    /// Not now: what was refused a moment ago would be refused again.
    pub(super) fn look_again(&mut self, now: Instant) {
        let waiting = self.timers.deadline_of(Timer::Director).is_some();
        if self.director.state == State::Ready && !waiting {
            self.timers.set(Timer::Director, now + RETRY);
        }
    }

    /// A scheduler that is missing, or whose module is on its way, is asked for again.
    pub(super) fn wait_for_modules(&mut self, now: Instant) {
        let waits = self.table.waits_for_modules();
        match self.timers.deadline_of(Timer::Modules) {
            None if waits => self.timers.set(Timer::Modules, now + RETRY),
            Some(_) if !waits => self.timers.cancel(Timer::Modules),
            _ => {}
        }
    }

    /// The end: nothing is waited for any more, and late answers find nobody.
    pub(super) fn rest(&mut self) {
        self.director.state = State::Idle;
        for timer in [
            Timer::Director,
            Timer::Modules,
            Timer::Walks,
            Timer::Table,
            Timer::Audit,
            Timer::Drain,
        ] {
            self.timers.cancel(timer);
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.director.state == State::Ready
    }

    fn search(&mut self, now: Instant, out: &mut Vec<Effect>) {
        // Also when no answer ever comes.
        self.timers.set(Timer::Director, now + RETRY);
        let namespace = self.director.namespace.clone();
        out.push(Effect::FindDirector { namespace });
    }

    fn found(&mut self, now: Instant, version: u32, out: &mut Vec<Effect>) {
        self.director.module_tried = false;
        match self.director.state {
            State::Ready => {
                self.table.retry();
                self.marks.retry();
                self.sync.settle(out);
            }
            State::Missing => {
                info!("IPVS is there now, programming the virtual servers");
                self.program(now, out);
            }
            State::Idle | State::Searching | State::Loading => self.program(now, out),
        }
        debug!(
            "IPVS version {}.{}.{}",
            version >> 16,
            version >> 8 & 0xff,
            version & 0xff
        );
        self.director.state = State::Ready;
        self.tell(true, out);
    }

    fn not_found(&mut self, now: Instant, error: Errno, out: &mut Vec<Effect>) {
        self.timers.set(Timer::Director, now + RETRY);
        self.table.close();
        self.sync.close();
        self.timeouts.forget();
        if !self.director.module_tried {
            self.director.module_tried = true;
            self.director.state = State::Loading;
            out.push(Effect::LoadModule(IPVS_MODULE.to_owned()));
            return;
        }
        if self.director.state != State::Missing {
            error!(
                "IPVS: Can't initialize ipvs: {error}; no virtual server is served, trying again \
                 every {} s",
                RETRY.as_secs()
            );
        }
        self.director.state = State::Missing;
        self.tell(false, out);
    }

    /// Everything, in upstream's order; the table in the order of the file, by the verdicts of
    /// this moment.
    fn program(&mut self, now: Instant, out: &mut Vec<Effect>) {
        out.extend(self.timeouts.settle());
        self.sync.open(out);
        let flush = std::mem::take(&mut self.director.flush);
        if flush {
            out.push(Effect::Ipvs(Request::Flush));
        }
        self.table.open(flush);
        for id in &self.order {
            for &at in &self.services[id].kernel {
                self.table.queue(at);
            }
        }
        self.plan_audit(now);
    }

    /// The table is read again after a while.
    pub(super) fn plan_audit(&mut self, now: Instant) {
        let interval = self.director.audit_interval;
        if interval.is_zero() {
            self.timers.cancel(Timer::Audit);
        } else {
            self.timers.set(Timer::Audit, now + interval);
        }
    }

    /// What a configuration says of it.
    pub(super) fn configure_audit(&mut self, now: Instant, given: Option<Duration>) {
        let interval = given.unwrap_or(AUDIT);
        if std::mem::replace(&mut self.director.audit_interval, interval) != interval
            && self.is_ready()
        {
            self.plan_audit(now);
        }
    }

    fn tell(&mut self, directing: bool, out: &mut Vec<Effect>) {
        if self.director.told != Some(directing) {
            self.director.told = Some(directing);
            out.push(Effect::Directing(directing));
        }
    }
}

const IPVS_MODULE: &str = "ip_vs";

/// How long the table is left alone before it is read again, unless the configuration says.
const AUDIT: Duration = Duration::from_secs(10);

/// How often a missing or refusing IPVS is looked at.
const RETRY: Duration = Duration::from_secs(10);
