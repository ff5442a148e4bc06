//! The sockets: one pair for each channel, shared by its instances, which are told apart by VRID.

use std::collections::BTreeMap;

use super::observe::SocketState;
use super::{Effect, InstanceId, SocketId, Timer};
use crate::time::Timers;
use crate::wire::channel::Channel;

#[derive(Debug, Default)]
pub(super) struct Sockets {
    by_channel: BTreeMap<Channel, SocketId>,
    sockets: BTreeMap<SocketId, Socket>,
    /// Ids are never given out twice.
    last_id: u32,
}

#[derive(Debug)]
struct Socket {
    channel: Channel,
    interface: String,
    usable: bool,
    /// Octets that may wait to be read; 0: as many as the kernel finds right.
    buffer: u32,
    /// By VRID; several of one only of unicast, whose peers differ.
    instances: BTreeMap<u8, Vec<InstanceId>>,
}

/// An instance and where it wants to be heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct User<'a> {
    pub(super) channel: Channel,
    pub(super) interface: &'a str,
    pub(super) vrid: u8,
    pub(super) id: InstanceId,
    /// What it adds to the octets that may wait to be read.
    pub(super) buffer: u32,
}

impl Sockets {
    /// Opens what is needed and not there, closes what nobody uses. A socket that failed is tried
    /// again, under another id, once its timer has run out.
    pub(super) fn settle<'a>(
        &mut self,
        users: impl Iterator<Item = User<'a>>,
        timers: &Timers<Timer>,
        out: &mut Vec<Effect>,
    ) {
        let mut buffers: BTreeMap<SocketId, u32> = BTreeMap::new();
        for socket in self.sockets.values_mut() {
            socket.instances.clear();
        }
        for user in users {
            let mut id = self.by_channel.get(&user.channel).copied();
            if let Some(known) = id
                && !self.sockets[&known].usable
                && timers.deadline_of(Timer::Reopen(known)).is_none()
            {
                self.sockets.remove(&known);
                id = None;
            }
            let id = id.unwrap_or_else(|| self.open(&user, out));
            let socket = self
                .sockets
                .get_mut(&id)
                .expect("a channel names a socket there is");
            socket.instances.entry(user.vrid).or_default().push(user.id);
            let buffer = buffers.entry(id).or_default();
            *buffer = buffer.saturating_add(user.buffer);
        }
        for (id, octets) in buffers {
            if let Some(socket) = self.sockets.get_mut(&id)
                && std::mem::replace(&mut socket.buffer, octets) != octets
                && socket.usable
                && octets > 0
            {
                out.push(Effect::Buffer { socket: id, octets });
            }
        }
        self.close_unused(out);
    }

    fn open(&mut self, user: &User<'_>, out: &mut Vec<Effect>) -> SocketId {
        self.last_id += 1;
        let (socket, channel) = (SocketId(self.last_id), user.channel);
        out.push(Effect::Open {
            socket,
            channel,
            interface: user.interface.to_owned(),
        });
        self.by_channel.insert(channel, socket);
        let instances = BTreeMap::new();
        self.sockets.insert(
            socket,
            Socket {
                channel,
                interface: user.interface.to_owned(),
                usable: true,
                buffer: 0,
                instances,
            },
        );
        socket
    }

    fn close_unused(&mut self, out: &mut Vec<Effect>) {
        let by_channel = &mut self.by_channel;
        self.sockets.retain(|id, socket| {
            let keep = !socket.instances.is_empty();
            if !keep {
                by_channel.remove(&socket.channel);
                if socket.usable {
                    out.push(Effect::Close(*id));
                }
            }
            keep
        });
    }

    /// All there are, each with how many octets may wait and whose it is.
    pub(super) fn observe(&self) -> impl Iterator<Item = SocketState> {
        self.sockets.iter().map(|(id, socket)| SocketState {
            id: *id,
            channel: socket.channel,
            interface: socket.interface.clone(),
            buffer: socket.buffer,
            instances: socket.instances.values().flatten().copied().collect(),
        })
    }

    /// Notes that a socket could not be opened; tells whose it was.
    pub(super) fn fail(&mut self, failed: SocketId) -> Option<Channel> {
        let socket = self.sockets.get_mut(&failed)?;
        socket.usable = false;
        Some(socket.channel)
    }

    /// The instances a packet may be for.
    pub(super) fn instances(&self, on: SocketId, vrid: u8) -> &[InstanceId] {
        let socket = self.sockets.get(&on);
        socket
            .and_then(|socket| socket.instances.get(&vrid))
            .map_or(&[], Vec::as_slice)
    }

    /// The name of the interface of a socket.
    pub(super) fn interface(&self, on: SocketId) -> &str {
        let socket = self.sockets.get(&on);
        socket.map_or("", |socket| socket.interface.as_str())
    }

    /// The usable socket of a channel.
    pub(super) fn on(&self, channel: &Channel) -> Option<SocketId> {
        let id = self.by_channel.get(channel)?;
        self.sockets
            .get(id)
            .filter(|socket| socket.usable)
            .map(|_| *id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::addr::IfIndex;
    use crate::time::Instant;
    use crate::wire::channel::{Carrier, Ear};
    use crate::wire::vrrp;

    fn user(link: u32, vrid: u8) -> User<'static> {
        User {
            channel: channel(link),
            interface: "eth0",
            vrid,
            id: InstanceId(vrid.into()),
            buffer: 0,
        }
    }

    fn channel(link: u32) -> Channel {
        Channel {
            carrier: Carrier::Vrrp,
            link: Some(IfIndex(link)),
            ear: Ear::Group(vrrp::GROUP.into()),
        }
    }

    fn opened(effects: &[Effect]) -> Vec<SocketId> {
        let opened = effects.iter().filter_map(|effect| match effect {
            Effect::Open { socket, .. } => Some(*socket),
            _ => None,
        });
        opened.collect()
    }

    #[test]
    fn instances_of_one_interface_share_a_socket_and_the_last_one_closes_it() {
        let (mut sockets, timers) = (Sockets::default(), Timers::new());
        let mut out = Vec::new();
        sockets.settle(
            [user(2, 51), user(2, 52), user(3, 51)].into_iter(),
            &timers,
            &mut out,
        );
        let [shared, other] = opened(&out)[..] else {
            panic!("{out:?}")
        };
        assert_eq!(sockets.instances(shared, 52), [InstanceId(52)]);
        assert_eq!(sockets.instances(other, 52), []);

        out.clear();
        sockets.settle([user(2, 52)].into_iter(), &timers, &mut out);
        assert_eq!(out, [Effect::Close(other)]);
        assert_eq!(sockets.instances(shared, 51), []);
        out.clear();
        sockets.settle(std::iter::empty(), &timers, &mut out);
        assert_eq!(out, [Effect::Close(shared)]);
        assert_eq!(sockets.on(&channel(2)), None);
    }

    #[test]
    fn what_may_wait_to_be_read_grows_with_the_instances() {
        let (mut sockets, timers) = (Sockets::default(), Timers::new());
        let mut out = Vec::new();
        let sized = |vrid, buffer| User {
            buffer,
            ..user(2, vrid)
        };
        sockets.settle(
            [sized(51, 3_000), sized(52, 500)].into_iter(),
            &timers,
            &mut out,
        );
        let [socket] = opened(&out)[..] else {
            panic!("{out:?}")
        };
        let octets = 3_500;
        assert_eq!(out.pop(), Some(Effect::Buffer { socket, octets }));
        out.clear();
        sockets.settle([sized(51, 3_500)].into_iter(), &timers, &mut out);
        assert_eq!(out, []);
        sockets.settle([sized(51, 1_000)].into_iter(), &timers, &mut out);
        let octets = 1_000;
        assert_eq!(out, [Effect::Buffer { socket, octets }]);
    }

    #[test]
    fn a_socket_that_failed_waits_for_its_timer_and_is_never_closed() {
        let (mut sockets, mut timers) = (Sockets::default(), Timers::new());
        let mut out = Vec::new();
        let settle = |sockets: &mut Sockets, timers: &Timers<Timer>, out: &mut Vec<Effect>| {
            out.clear();
            sockets.settle([user(2, 51)].into_iter(), timers, out);
        };
        settle(&mut sockets, &timers, &mut out);
        let [first] = opened(&out)[..] else {
            panic!("{out:?}")
        };
        assert_eq!(sockets.fail(first), Some(channel(2)));
        assert_eq!(sockets.on(&channel(2)), None);

        timers.set(Timer::Reopen(first), Instant::ZERO + Duration::from_secs(5));
        settle(&mut sockets, &timers, &mut out);
        assert!(out.is_empty(), "{out:?}");
        timers.cancel(Timer::Reopen(first));
        settle(&mut sockets, &timers, &mut out);
        let [second] = opened(&out)[..] else {
            panic!("{out:?}")
        };
        assert_ne!(first, second);
        assert_eq!(sockets.fail(first), None, "a late failure finds nobody");
    }
}
