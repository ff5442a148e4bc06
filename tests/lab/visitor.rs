//! Connections made by the lab itself in the network namespace of a host: a request costs
//! microseconds in place of a process, and a socket stays where it was opened.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::network::Host;

/// Does this in the network of a host.
pub(crate) fn inside<T: Send>(host: &Host, work: impl FnOnce() -> T + Send) -> T {
    let path = format!("/run/netns/{}", host.namespace());
    std::thread::scope(|scope| {
        let there = scope.spawn(move || {
            let namespace = File::open(&path).expect("the host is plugged in");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("we are root");
            work()
        });
        there.join().expect("what is done there does not panic")
    })
}

/// A connection from there, or from anywhere; None when it is not made in time.
pub(crate) fn connection(from: Option<SocketAddrV4>, to: SocketAddrV4) -> Option<TcpStream> {
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).expect("a descriptor is free");
    // Also the patience of connect(2).
    let patience = TimeVal::seconds(PATIENCE_SECONDS);
    setsockopt(&socket, sockopt::SendTimeout, &patience).expect("an option of sockets");
    setsockopt(&socket, sockopt::ReceiveTimeout, &patience).expect("an option of sockets");
    if let Some(from) = from {
        let from = SockaddrIn::from(from);
        bind(socket.as_raw_fd(), &from).expect("the client has the address");
    }
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).ok()?;
    Some(TcpStream::from(socket))
}

/// The first line of a page.
pub(crate) fn page(from: Option<SocketAddrV4>, to: SocketAddrV4) -> Option<String> {
    let mut stream = connection(from, to)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    body.lines().next().map(str::to_owned)
}

/// Says a line to an echo, and hears it; false when the connection is dead.
pub(crate) fn echoes(stream: &mut TcpStream, line: &str) -> bool {
    let mut heard = vec![0; line.len()];
    let said = stream.write_all(line.as_bytes());
    said.and_then(|()| stream.read_exact(&mut heard)).is_ok() && heard == line.as_bytes()
}

/// How long a connection is waited for, and each answer on it: several retransmissions.
const PATIENCE_SECONDS: i64 = 8;
