//! `--log-events`: what the cores are told, into a file. Whatever goes wrong with it is one
//! warning; the daemon goes on without it.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;

use log::{info, warn};

use crate::check;
use crate::errno::Errno;
use crate::journal::Journal;
use crate::sys::logfile::LogFile;
use crate::time::Instant;
use crate::vrrp;

/// Where the drivers say what they tell their cores; one for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Option<Rc<RefCell<Recording>>>);

#[derive(Debug)]
struct Recording {
    journal: Journal,
    /// None: it has come to its end.
    file: Option<LogFile>,
    /// What the file was given.
    octets: usize,
}

impl Recorder {
    /// Appends to the file; without one nothing is recorded.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            return Self(None);
        };
        match LogFile::open_secret(path) {
            Ok(file) => {
                info!("Events are written to {}", path.display());
                let journal = Journal::default();
                let recording = Recording {
                    journal,
                    file: Some(file),
                    octets: 0,
                };
                Self(Some(Rc::new(RefCell::new(recording))))
            }
            Err(error) => {
                warn!("cannot write events to {}: {error}", path.display());
                Self(None)
            }
        }
    }

    /// The end of a turn, or of a long work within one.
    pub(super) fn flush(&self) {
        if let Some(recording) = &self.0 {
            recording.borrow_mut().flush();
        }
    }

    fn note(&self, write: impl FnOnce(&mut Journal)) {
        if let Some(recording) = &self.0 {
            recording.borrow_mut().note(write);
        }
    }
}

impl Recording {
    fn note(&mut self, write: impl FnOnce(&mut Journal)) {
        if self.file.is_none() {
            return;
        }
        write(&mut self.journal);
        if self.journal.waiting() > WAITING_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some(file) = &mut self.file else { return };
        let text = self.journal.take();
        self.octets += text.len();
        let outcome = if self.octets > FILE_MAX {
            Err(Errno::EFBIG)
        } else {
            file.write(&text)
        };
        if let Err(error) = outcome {
            warn!("events are not written any more: {error}");
            self.file = None;
        }
    }
}

/// The VRRP core, with everything written down that it is told.
#[derive(Debug)]
pub(super) struct Vrrp {
    core: vrrp::Core,
    recorder: Recorder,
}

impl Vrrp {
    /// `release_all` and `tell_of_addresses` are `-X` and `-a`.
    pub(super) fn new(
        now: Instant,
        release_all: bool,
        tell_of_addresses: bool,
        recorder: Recorder,
    ) -> Self {
        let mut core = vrrp::Core::new();
        if release_all {
            core = core.releasing_all();
        }
        if tell_of_addresses {
            core = core.telling_of_addresses();
        }
        recorder.note(|journal| journal.vrrp_begins(now, release_all, tell_of_addresses));
        Self { core, recorder }
    }

    pub(super) fn on_event(
        &mut self,
        now: Instant,
        event: vrrp::Event<'_>,
        out: &mut Vec<vrrp::Effect>,
    ) {
        self.recorder
            .note(|journal| journal.vrrp_event(now, &event));
        let before = out.len();
        self.core.on_event(now, event, out);
        self.tell(out, before);
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<vrrp::Effect>) {
        self.recorder.note(|journal| journal.vrrp_time(now));
        let before = out.len();
        self.core.on_time(now, out);
        self.tell(out, before);
    }

    fn tell(&self, out: &[vrrp::Effect], before: usize) {
        let new = out.get(before..).unwrap_or_default();
        self.recorder.note(|journal| journal.vrrp_effects(new));
    }
}

impl Deref for Vrrp {
    type Target = vrrp::Core;

    fn deref(&self) -> &vrrp::Core {
        &self.core
    }
}

/// The check core, with everything written down that it is told.
#[derive(Debug)]
pub(super) struct Check {
    core: check::Core,
    recorder: Recorder,
}

impl Check {
    pub(super) fn new(now: Instant, seed: u64, tls: bool, recorder: Recorder) -> Self {
        let core = check::Core::new(seed);
        let core = if tls { core } else { core.without_tls() };
        recorder.note(|journal| journal.check_begins(now, seed, tls));
        Self { core, recorder }
    }

    pub(super) fn on_event(
        &mut self,
        now: Instant,
        event: check::Event<'_>,
        out: &mut Vec<check::Effect>,
    ) {
        self.recorder
            .note(|journal| journal.check_event(now, &event));
        let before = out.len();
        self.core.on_event(now, event, out);
        self.tell(out, before);
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<check::Effect>) {
        self.recorder.note(|journal| journal.check_time(now));
        let before = out.len();
        self.core.on_time(now, out);
        self.tell(out, before);
    }

    fn tell(&self, out: &[check::Effect], before: usize) {
        let new = out.get(before..).unwrap_or_default();
        self.recorder.note(|journal| journal.check_effects(new));
    }
}

impl Deref for Check {
    type Target = check::Core;

    fn deref(&self) -> &check::Core {
        &self.core
    }
}

/// So much waits for the end of a turn.
const WAITING_MAX: usize = 1 << 20;
/// An instance with an advert a second writes some twenty megabytes a day.
const FILE_MAX: usize = 1 << 30;
