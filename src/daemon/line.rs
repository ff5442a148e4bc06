//! The line to the mail server: the question for its address, and the connection.

use std::collections::VecDeque;
use std::net::SocketAddr;

use log::warn;
use mio::Token;

use super::reactor::{Reactor, Source};
use crate::errno::Errno;
use crate::notify::{Line as Told, Order};
use crate::sys::outgoing::Way;
use crate::sys::process::Pid;
use crate::sys::resolve::Question;
use crate::sys::tcp::{Progress, TcpProbe};

#[derive(Debug, Default)]
pub(super) struct Line {
    question: Option<Question>,
    call: Option<Call>,
}

#[derive(Debug)]
struct Call {
    socket: TcpProbe,
    token: Token,
    is_connected: bool,
    /// What there was no room for yet.
    unsent: VecDeque<u8>,
    heard: [u8; BUFFER],
}

impl Line {
    /// What is known at once.
    pub(super) fn perform(&mut self, order: Order, reactor: &mut Reactor) -> Option<Told<'static>> {
        match order {
            Order::Resolve { host } => self.resolve(&host),
            Order::Dial { to } => self.dial(to, reactor),
            Order::Say(octets) => self.say(&octets),
            Order::HangUp => {
                self.hang_up(reactor);
                None
            }
        }
    }

    /// The answer, if the child that has ended was asked.
    pub(super) fn on_exit(&mut self, pid: Pid) -> Option<Vec<std::net::IpAddr>> {
        let question = self.question.take_if(|question| question.pid() == pid)?;
        Some(question.answer())
    }

    /// The next thing heard; None when there is nothing. To be asked again until then.
    pub(super) fn hear(&mut self) -> Option<Told<'_>> {
        let call = self.call.as_mut()?;
        if !call.is_connected {
            return match call.socket.finish() {
                Ok(Progress::Pending) => None,
                Ok(Progress::Connected) => {
                    call.is_connected = true;
                    Some(Told::Connected)
                }
                Err(error) => Some(Told::Failed(error)),
            };
        }
        if let Err(error) = call.flush() {
            return Some(Told::Failed(error));
        }
        match call.socket.receive(&mut call.heard) {
            Ok(None) => None,
            Ok(Some(0)) => Some(Told::Closed),
            Ok(Some(count)) => Some(Told::Received(&call.heard[..count])),
            Err(error) => Some(Told::Failed(error)),
        }
    }

    fn resolve(&mut self, host: &str) -> Option<Told<'static>> {
        if let Some(question) = self.question.take() {
            question.withdraw();
        }
        match Question::ask(host) {
            Ok(question) => {
                self.question = Some(question);
                None
            }
            Err(error) => {
                warn!("cannot ask for the address of {host}: {error}");
                Some(Told::Resolved(&[]))
            }
        }
    }

    fn dial(&mut self, to: SocketAddr, reactor: &mut Reactor) -> Option<Told<'static>> {
        let way = Way {
            to,
            from: None,
            device: None,
            mark: 0,
        };
        let (socket, progress) = match TcpProbe::start(&way) {
            Ok(started) => started,
            Err(error) => return Some(Told::Failed(error.errno)),
        };
        let token = match reactor.watch_both_ways(&socket, Source::Mail) {
            Ok(token) => token,
            Err(error) => return Some(Told::Failed(Errno::of(&error))),
        };
        let is_connected = progress == Progress::Connected;
        self.call = Some(Call {
            socket,
            token,
            is_connected,
            unsent: VecDeque::new(),
            heard: [0; BUFFER],
        });
        is_connected.then_some(Told::Connected)
    }

    /// What is not sent yet is tried once more: it is the goodbye.
    fn hang_up(&mut self, reactor: &mut Reactor) {
        if let Some(mut call) = self.call.take() {
            let _ = call.flush();
            reactor.forget(&call.socket, call.token);
        }
    }

    fn say(&mut self, octets: &[u8]) -> Option<Told<'static>> {
        let call = self.call.as_mut()?;
        call.unsent.extend(octets);
        call.flush().err().map(Told::Failed)
    }
}

impl Call {
    fn flush(&mut self) -> Result<(), Errno> {
        while !self.unsent.is_empty() {
            let (front, _) = self.unsent.as_slices();
            let sent = self.socket.send(front)?;
            if sent == 0 {
                return Ok(());
            }
            self.unsent.drain(..sent);
        }
        Ok(())
    }
}

/// Replies are short.
const BUFFER: usize = 1_024;
