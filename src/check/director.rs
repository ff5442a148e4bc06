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

use super::ipvs::Table;
use super::refusal::Complaints;
use super::{Core, Effect, Timer};

#[derive(Debug, Default)]
pub(super) struct Director {
    state: State,
    /// The module was loaded, or cannot be; once is enough until IPVS has been seen again.
    module_tried: bool,
    /// A configuration was seen.
    pub(super) started: bool,
    /// `lvs_flush` is still to be done.
    pub(super) flush: bool,
    /// What the VRRP core was told last.
    told: Option<bool>,
    complaints: Complaints,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No virtual server was ever configured: IPVS is none of our business.
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
            Ok(version) => self.found(version, out),
            Err(error) => self.not_found(now, error, out),
        }
    }

    /// The module is there, or never will be: the next search tells.
    pub(super) fn module_loaded(&mut self, now: Instant, success: bool, out: &mut Vec<Effect>) {
        if self.director.state != State::Loading {
            return;
        }
        debug!(
            "loading {IPVS_MODULE} {}",
            if success { "succeeded" } else { "failed" }
        );
        self.search(now, out);
    }

    /// IPVS is missing, has not answered, or refused something: it is looked at again.
    pub(super) fn director_due(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.search(now, out);
    }

    /// The kernel refused a request.
    pub(super) fn ipvs_failed(
        &mut self,
        now: Instant,
        request: &Request,
        error: Errno,
        out: &mut Vec<Effect>,
    ) {
        if self.table.refused(now, request, error, out) {
            self.director.complaints.write(now, request, error);
        }
        // Also after what needed no more than a correction: when the whole IPVS has gone, a
        // deletion only says that there is nothing to delete.
        let waiting = self.timers.deadline_of(Timer::Director).is_some();
        if self.director.state == State::Ready && !waiting {
            self.timers.set(Timer::Director, now + RETRY);
        }
    }

    /// The end: nothing is waited for any more, and late answers find nobody.
    pub(super) fn rest(&mut self) {
        self.director.state = State::Idle;
        self.table = Table::default();
        self.timers.cancel(Timer::Director);
    }

    fn search(&mut self, now: Instant, out: &mut Vec<Effect>) {
        // Also when no answer ever comes.
        self.timers.set(Timer::Director, now + RETRY);
        out.push(Effect::FindDirector);
    }

    fn found(&mut self, version: u32, out: &mut Vec<Effect>) {
        self.director.module_tried = false;
        match self.director.state {
            State::Ready => self.table.retry(out),
            State::Missing => {
                info!("IPVS is there now, programming the virtual servers");
                self.program(out);
            }
            State::Idle | State::Searching | State::Loading => self.program(out),
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
        if !self.director.module_tried {
            self.director.module_tried = true;
            self.director.state = State::Loading;
            out.push(Effect::LoadModule(IPVS_MODULE));
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

    /// The whole table, in the order of the file, by the verdicts of this moment.
    fn program(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.director.flush) {
            out.push(Effect::Ipvs(Request::Flush));
        }
        self.table.open();
        for key in &self.order {
            let service = &self.services[key];
            let id = service.kernel.id;
            self.table.settle_service(id, out);
            for &address in &service.servers {
                self.table.settle_dest(id, address, out);
            }
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

/// How often a missing or refusing IPVS is looked at.
const RETRY: Duration = Duration::from_secs(10);
