//! The pipes that news are written to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use log::{error, warn};
use mio::Token;

use super::reactor::{Reactor, Source};
use crate::child::Identity;
use crate::config::lossless;
use crate::errno::Errno;
use crate::notify::{Backlog, Pipe};
use crate::sys::fifo::{Fifo, Refusal};

#[derive(Debug, Default)]
pub(super) struct Pipes {
    open: BTreeMap<Pipe, Open>,
}

#[derive(Debug)]
struct Open {
    fifo: Fifo,
    token: Token,
    path: String,
    backlog: Backlog,
}

impl Pipes {
    pub(super) fn open(
        &mut self,
        pipe: Pipe,
        path: String,
        owner: Option<&Identity>,
        reactor: &mut Reactor,
    ) {
        let place = PathBuf::from(OsString::from_vec(lossless::encode(&path)));
        let owner = owner.map(|owner| (owner.uid, owner.gid));
        let opened = Fifo::open(&place, owner).and_then(|fifo| {
            let watched = reactor.watch_writable(&fifo, Source::Pipe(pipe));
            let failed = |error| Refusal::System(Errno::of(&error));
            watched.map(|token| (fifo, token)).map_err(failed)
        });
        let title = pipe.title();
        match opened {
            Ok((fifo, token)) => {
                let backlog = Backlog::default();
                let open = Open {
                    fifo,
                    token,
                    path,
                    backlog,
                };
                self.open.insert(pipe, open);
            }
            Err(Refusal::NotAPipe) => error!("{title} {path} is not a fifo"),
            Err(Refusal::OtherOwner(uid)) => {
                error!("{title} {path} belongs to another user (uid {uid})");
            }
            Err(Refusal::System(errno)) => error!("Unable to open {title} {path}: {errno}"),
        }
    }

    pub(super) fn close(&mut self, pipe: Pipe, reactor: &mut Reactor) {
        if let Some(mut open) = self.open.remove(&pipe) {
            open.flush(pipe);
            reactor.forget(&open.fifo, open.token);
        }
    }

    pub(super) fn write(&mut self, pipe: Pipe, line: String) {
        let Some(open) = self.open.get_mut(&pipe) else {
            return;
        };
        if open.backlog.add(line) {
            let (title, path) = (pipe.title(), &open.path);
            warn!("{title} {path}: nobody reads it, the oldest lines are lost");
        }
        open.flush(pipe);
    }

    /// There is room again.
    pub(super) fn on_writable(&mut self, pipe: Pipe) {
        if let Some(open) = self.open.get_mut(&pipe) {
            open.flush(pipe);
        }
    }
}

impl Open {
    fn flush(&mut self, pipe: Pipe) {
        while let Some(line) = self.backlog.next() {
            match self.fifo.write(&lossless::encode(line)) {
                Ok(()) => {}
                Err(Errno::EAGAIN) => return,
                Err(error) => error!("{} write error: {error}", pipe.title()),
            }
            self.backlog.written();
        }
        let lost = self.backlog.take_lost();
        if lost > 0 {
            let (title, path) = (pipe.title(), &self.path);
            warn!("{title} {path}: read again, {lost} lines were lost");
        }
    }
}
