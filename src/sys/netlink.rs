//! Netlink sockets: commands with their answers, and the monitor of what others do.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use libc::c_int;

use super::socket;
use crate::addr::{Cidr, IfIndex};
use crate::errno::Errno;
use crate::wire::netlink::{FLAG_DUMP_INTERRUPTED, Header, Message, Messages};
use crate::wire::rtnl::{
    Address, Link, Notice, PROTOCOL_KEEPALIVED, Request, Rule, emit_address_dump, emit_link_dump,
    emit_rule_dump,
};

/// Changes links and addresses, and reads them.
#[derive(Debug)]
pub struct RouteCommand(Channel);

/// All there is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    pub rules: Vec<Rule>,
}

impl RouteCommand {
    pub fn open() -> Result<Self, Errno> {
        Channel::open(libc::NETLINK_ROUTE).map(Self)
    }

    /// The port whose echoes the monitor leaves out.
    pub fn port(&self) -> u32 {
        self.0.port
    }

    /// Does it; the kernel has finished when this returns.
    pub fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        self.0
            .exchange(|sequence| request.emit(sequence), |_| {})
            .map(|_| ())
    }

    /// See [`Monitor::set_receive_buffer`].
    pub fn set_receive_buffer(&self, octets: u32, beyond_limit: bool) -> Result<(), Errno> {
        socket::set_receive_buffer(&self.0.socket, octets, beyond_limit)
    }

    /// To be taken after a [`Monitor`] is open: together they miss nothing.
    pub fn snapshot(&mut self) -> Result<Snapshot, Errno> {
        let mut snapshot = Snapshot::default();
        for notice in self.dump(emit_link_dump)? {
            if let Notice::Link(link) = notice {
                snapshot.links.push(link);
            }
        }
        for notice in self.dump(emit_address_dump)? {
            if let Notice::Address(address) = notice {
                snapshot.addresses.push(address);
            }
        }
        // A kernel without policy routing has none.
        let _ = self.0.exchange(emit_rule_dump, |message| {
            if let Some(Notice::Rule(rule)) = Notice::parse(message) {
                snapshot.rules.push(*rule);
            }
        });
        Ok(snapshot)
    }

    fn dump(&mut self, request: fn(u32) -> Vec<u8>) -> Result<Vec<Notice>, Errno> {
        settle(|| {
            let mut notices = Vec::new();
            let ending = self
                .0
                .exchange(request, |message| notices.extend(Notice::parse(message)))?;
            Ok((ending, notices))
        })
    }
}

/// Reads a table again when it changed under the reader's hands: the kernel finds its place again
/// by counting, so that an entry that goes lets another one slip through. Of a table that never
/// holds still, everything seen is taken: what is gone by then, the monitor tells.
fn settle(
    mut read: impl FnMut() -> Result<(Ending, Vec<Notice>), Errno>,
) -> Result<Vec<Notice>, Errno> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for _ in 0..DUMPS_MAX {
        match read()? {
            (Ending::Complete, notices) => return Ok(notices),
            (Ending::Interrupted, notices) => all.extend(
                notices
                    .into_iter()
                    .filter(|notice| seen.insert(key_of(notice))),
            ),
        }
    }
    Ok(all)
}

/// What makes an entry of a table the same in two dumps.
fn key_of(notice: &Notice) -> (IfIndex, Option<Cidr>, Option<IpAddr>) {
    match notice {
        // Not read in this way.
        Notice::RouteGone(_) | Notice::Rule(_) | Notice::RuleGone(_) => (IfIndex(0), None, None),
        Notice::Link(Link { index, .. }) | Notice::LinkGone(index) => (*index, None, None),
        Notice::Address(address) | Notice::AddressGone(address) => {
            (address.link, Some(address.cidr), address.peer)
        }
    }
}

/// Tells what changes, whoever did it, except what one port of our own asked for. The kernel names
/// the port in notices of IPv4 addresses only: our own changes of IPv6 addresses are told, too. Of
/// links everything is told: newer kernels name the port, older ones do not, and only the notice
/// says which number a new link was given.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    ignored_port: u32,
    /// The last removal by that port: its sequence number, and what was removed.
    removed: Option<(u32, Notice)>,
}

impl Monitor {
    /// Port 0 for a monitor that leaves nothing out.
    pub fn open(ignored_port: u32) -> Result<Self, Errno> {
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        ignore_foreign_routes(&socket)?;
        socket::bind(&socket, &address_of(GROUPS))?;
        Ok(Self {
            socket,
            ignored_port,
            removed: None,
        })
    }

    /// How many octets may wait to be read: as far as the system allows, or beyond.
    pub fn set_receive_buffer(&self, octets: u32, beyond_limit: bool) -> Result<(), Errno> {
        socket::set_receive_buffer(&self.socket, octets, beyond_limit)
    }

    /// The notices of one datagram, maybe none; None when nothing waits. ENOBUFS: some are lost,
    /// and a new snapshot must tell what they would have told.
    pub fn recv(&mut self) -> Result<Option<Vec<Notice>>, Errno> {
        let mut buffer = [0; MONITOR_BUFFER];
        let Some(datagram) = receive(&self.socket, &mut buffer)? else {
            return Ok(None);
        };
        let Datagram::Whole(datagram) = datagram else {
            return Err(Errno::ENOBUFS);
        };
        let notices = Messages::new(datagram).filter_map(|message| self.news(&message));
        Ok(Some(notices.collect()))
    }

    /// What of a message is to be told.
    fn news(&mut self, message: &Message<'_>) -> Option<Notice> {
        let notice = Notice::parse(message)?;
        let Header { port, sequence, .. } = message.header;
        if matches!(notice, Notice::Link(_) | Notice::LinkGone(_)) {
            return Some(notice);
        }
        // Port 0 is the kernel itself, with what nobody asked for: that is never left out.
        if port == 0 || port != self.ignored_port {
            return Some(notice);
        }
        if !matches!(notice, Notice::AddressGone(_)) {
            return None;
        }
        // With the first address of a network the kernel removes the others of that network, too,
        // unless promote_secondaries is set. It tells of those first, under the same number: only
        // the last one is what was asked for.
        let (earlier, collateral) = self.removed.replace((sequence, notice))?;
        (earlier == sequence).then_some(collateral)
    }
}

/// Of routes only the end of those with keepalived's own protocol is of interest: a routing daemon
/// may change a million others in a minute.
fn ignore_foreign_routes(socket: &OwnedFd) -> Result<(), Errno> {
    // The filter reads in network order what the kernel wrote in the machine's own.
    let swapped = |kind: u16| u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
    let mut program = [
        socket::instruction(LOAD_HALF, 0, 0, KIND_OFFSET),
        socket::instruction(JUMP_EQUAL, 4, 0, swapped(libc::RTM_NEWROUTE)),
        socket::instruction(JUMP_EQUAL, 0, 2, swapped(libc::RTM_DELROUTE)),
        socket::instruction(LOAD_OCTET, 0, 0, ROUTE_PROTOCOL_OFFSET),
        socket::instruction(JUMP_EQUAL, 0, 1, PROTOCOL_KEEPALIVED.into()),
        socket::instruction(RETURN, 0, 0, u32::MAX),
        socket::instruction(RETURN, 0, 0, 0),
    ];
    socket::filter(socket, &mut program)
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How the answers to a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The table changed while it was dumped: entries may be missing.
    Interrupted,
}

/// A socket that asks and is answered. The kernel answers route and generic netlink requests while
/// they are sent, so reading the answer is the second half of one call and not a wait.
#[derive(Debug)]
pub(super) struct Channel {
    socket: OwnedFd,
    port: u32,
    sequence: u32,
}

impl Channel {
    pub(super) fn open(protocol: c_int) -> Result<Self, Errno> {
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
        socket::bind(&socket, &address_of(0))?;
        let port = socket::netlink_port(&socket)?;
        Ok(Self {
            socket,
            port,
            sequence: 0,
        })
    }

    pub(super) fn set_receive_buffer(&self, octets: u32, beyond: bool) -> Result<(), Errno> {
        socket::set_receive_buffer(&self.socket, octets, beyond)
    }

    /// Sends a request and shows its answers, up to the acknowledgement or the end of the dump.
    pub(super) fn exchange(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<Ending, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let datagram = request(self.sequence);
        socket::send_to(&self.socket, &datagram, 0, &address_of(0))?;

        let mut ending = Ending::Complete;
        let mut buffer = vec![0; ANSWER_BUFFER];
        for _ in 0..DATAGRAMS_MAX {
            let datagram = match receive(&self.socket, &mut buffer)? {
                Some(Datagram::Whole(datagram)) => datagram,
                Some(Datagram::Cut) => return Err(Errno::EMSGSIZE),
                None => return Err(Errno::EAGAIN),
            };
            for message in Messages::new(datagram) {
                // What is left of an earlier request that failed half-way.
                if message.header.sequence != self.sequence {
                    continue;
                }
                if message.header.flags & FLAG_DUMP_INTERRUPTED != 0 {
                    ending = Ending::Interrupted;
                }
                match message.outcome() {
                    Some(outcome) => return outcome.map(|()| ending),
                    None => each(&message),
                }
            }
        }
        Err(Errno::EAGAIN)
    }
}

impl Channel {
    /// Sends a batch and reads what is answered, which is all there when the sending is done. The
    /// first error counts; a kernel that answers nothing at all knows no batches.
    pub(super) fn batch(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let datagram = request(self.sequence);
        socket::send_to(&self.socket, &datagram, 0, &address_of(0))?;

        let mut result = Err(Errno::EOPNOTSUPP);
        let mut buffer = vec![0; ANSWER_BUFFER];
        for _ in 0..DATAGRAMS_MAX {
            let datagram = match receive(&self.socket, &mut buffer)? {
                Some(Datagram::Whole(datagram)) => datagram,
                Some(Datagram::Cut) => return Err(Errno::EMSGSIZE),
                None => return result,
            };
            for message in Messages::new(datagram) {
                let ours = message.header.sequence == self.sequence;
                match message.outcome().filter(|_| ours) {
                    Some(Err(error)) => {
                        self.discard();
                        return Err(error);
                    }
                    Some(Ok(())) => result = Ok(()),
                    None => {}
                }
            }
        }
        result
    }

    /// What else is answered to a batch that failed.
    fn discard(&self) {
        let mut buffer = [0; 1];
        for _ in 0..DATAGRAMS_MAX {
            if !matches!(receive(&self.socket, &mut buffer), Ok(Some(_))) {
                return;
            }
        }
    }
}

enum Datagram<'a> {
    Whole(&'a [u8]),
    /// Longer than the buffer; the rest is gone.
    Cut,
}

/// One datagram of the kernel; those of other processes are passed over.
fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Result<Option<Datagram<'a>>, Errno> {
    for _ in 0..STRANGERS_MAX {
        let Some(received) = socket::receive_from::<libc::sockaddr_nl>(socket, buffer)? else {
            return Ok(None);
        };
        if received.from.nl_pid != 0 {
            continue;
        }
        return Ok(Some(match buffer.get(..received.length) {
            Some(datagram) => Datagram::Whole(datagram),
            None => Datagram::Cut,
        }));
    }
    Ok(None)
}

/// The kernel, or for binding: any port, and these groups.
fn address_of(groups: u32) -> libc::sockaddr_nl {
    // SAFETY: sockaddr_nl is made of integers, for which all zeros are a value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = FAMILY;
    address.nl_groups = groups;
    address
}

/// AF_NETLINK in the width of an address.
const FAMILY: libc::sa_family_t = 16;
/// RTMGRP_LINK; _IPV4_IFADDR, _ROUTE, _RULE; _IPV6_IFADDR, _ROUTE, and RTNLGRP_IPV6_RULE as a bit.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x4_0000;

/// BPF_LD | BPF_H | BPF_ABS and the like.
const LOAD_HALF: u16 = 0x28;
const LOAD_OCTET: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// nlmsg_type of struct nlmsghdr.
const KIND_OFFSET: u32 = 4;
/// rtm_protocol of the struct rtmsg behind it.
const ROUTE_PROTOCOL_OFFSET: u32 = 16 + 5;

/// A notice of one link takes one to two kilobytes.
const MONITOR_BUFFER: usize = 16 * 1024;
/// The kernel fills a datagram of a dump up to the reader's buffer, 32 KiB at most.
const ANSWER_BUFFER: usize = 32 * 1024;
/// At a hundred addresses a datagram this is more than any machine has.
const DATAGRAMS_MAX: usize = 10_000;
/// A table that changed under this many readings in a row is not going to hold still.
const DUMPS_MAX: usize = 5;
/// Any local process may write to our ports; it shall not keep us from our work.
const STRANGERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(index: u32) -> Notice {
        Notice::LinkGone(IfIndex(index))
    }

    #[test]
    fn an_interrupted_dump_is_made_again_and_forgotten() {
        let mut dumps = vec![
            (Ending::Complete, vec![gone(2), gone(3)]),
            (Ending::Interrupted, vec![gone(1), gone(2)]),
        ];
        let settled = settle(|| Ok(dumps.pop().unwrap()));
        assert_eq!(settled, Ok(vec![gone(2), gone(3)]));
    }

    #[test]
    fn of_dumps_that_are_all_interrupted_everything_is_taken_once() {
        let mut number = 0;
        let settled = settle(|| {
            number += 1;
            Ok((Ending::Interrupted, vec![gone(number), gone(7)]))
        });
        let expected = vec![gone(1), gone(7), gone(2), gone(3), gone(4), gone(5)];
        assert_eq!(settled, Ok(expected));
    }

    #[test]
    fn an_error_ends_the_reading() {
        let settled = settle(|| Err(Errno::ENOBUFS));
        assert_eq!(settled, Err(Errno::ENOBUFS));
    }
}
