//! The calls of sockets that no safe wrapper covers, each as thin as it is.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void, sockaddr, socklen_t};

use crate::errno::Errno;

/// A close-on-exec, non-blocking socket.
pub(super) fn open(domain: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd, Errno> {
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers are passed.
    let descriptor = check(unsafe { libc::socket(domain, kind, protocol) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Types the kernel reads as plain octets: every field is an integer or made of integers.
///
/// # Safety
///
/// The type is the one that the kernel's interface documents, without references; a pointer in
/// it points to something that lives through the call.
pub(super) unsafe trait KernelInput {}

// SAFETY: an integer.
unsafe impl KernelInput for c_int {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::ip_mreqn {}
// SAFETY: its pointer is made and used within one function, `reject_everything`.
unsafe impl KernelInput for libc::sock_fprog {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::ipv6_mreq {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::sockaddr_in {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::sockaddr_in6 {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::sockaddr_nl {}
// SAFETY: integers only.
unsafe impl KernelInput for libc::sockaddr_ll {}

pub(super) fn set<T: KernelInput>(
    socket: &OwnedFd,
    level: c_int,
    option: c_int,
    value: &T,
) -> Result<(), Errno> {
    // SAFETY: the pointer and the size are those of one live value, which the kernel only reads.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const *value).cast::<c_void>(),
            size_of_type::<T>(),
        )
    })?;
    Ok(())
}

/// Packets of this interface only.
pub(super) fn bind_to_device(socket: &OwnedFd, name: &str) -> Result<(), Errno> {
    let length = socklen_t::try_from(name.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer and the length are those of a live string, which the kernel only reads.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast::<c_void>(),
            length,
        )
    })?;
    Ok(())
}

/// How many octets may wait to be read; beyond what the system allows, for who may do that.
pub(super) fn set_receive_buffer(
    socket: &OwnedFd,
    octets: u32,
    beyond_limit: bool,
) -> Result<(), Errno> {
    let octets = c_int::try_from(octets).unwrap_or(c_int::MAX);
    let option = if beyond_limit {
        libc::SO_RCVBUFFORCE
    } else {
        libc::SO_RCVBUF
    };
    set(socket, libc::SOL_SOCKET, option, &octets)
}

/// The socket never has anything to read: a filter of one instruction, "return 0 octets".
pub(super) fn reject_everything(socket: &OwnedFd) -> Result<(), Errno> {
    filter(socket, &mut [instruction(0x06, 0, 0, 0)]) // BPF_RET | BPF_K
}

/// One instruction of a packet filter: the code, how many to leave out if it is true and if it is
/// not, and the number.
pub(super) fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

pub(super) fn filter(socket: &OwnedFd, program: &mut [libc::sock_filter]) -> Result<(), Errno> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_mut_ptr(),
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)
}

pub(super) fn bind<A: KernelInput>(socket: &OwnedFd, address: &A) -> Result<(), Errno> {
    // SAFETY: the pointer and the size are those of one live address, which the kernel only reads.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const *address).cast::<sockaddr>(),
            size_of_type::<A>(),
        )
    })?;
    Ok(())
}

/// Sends a datagram whole; datagram sockets know no other way.
pub(super) fn send_to<A: KernelInput>(
    socket: &OwnedFd,
    datagram: &[u8],
    flags: c_int,
    to: &A,
) -> Result<(), Errno> {
    retry_interrupted(|| {
        // SAFETY: both pointers with their lengths are those of live values, only read.
        unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                datagram.as_ptr().cast::<c_void>(),
                datagram.len(),
                flags,
                (&raw const *to).cast::<sockaddr>(),
                size_of_type::<A>(),
            )
        }
    })?;
    Ok(())
}

/// A received datagram: how long it was on its way here, and the address of its sender.
pub(super) struct Received<A> {
    /// Longer than the buffer when the datagram was cut.
    pub(super) length: usize,
    pub(super) from: A,
}

/// One datagram; None when there is none.
pub(super) fn receive_from<A: KernelInput>(
    socket: &OwnedFd,
    buffer: &mut [u8],
) -> Result<Option<Received<A>>, Errno> {
    // SAFETY: KernelInput types are made of integers, for which all zeros are a value.
    let mut from: A = unsafe { mem::zeroed() };
    let received = retry_interrupted(|| {
        let mut from_length = size_of_type::<A>();
        // SAFETY: the kernel writes at most `buffer.len()` octets into the buffer and at most
        // `from_length` octets into `from`, both live and borrowed mutably.
        unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                buffer.as_mut_ptr().cast::<c_void>(),
                buffer.len(),
                libc::MSG_TRUNC,
                (&raw mut from).cast::<sockaddr>(),
                &raw mut from_length,
            )
        }
    });
    match received {
        Ok(length) => Ok(Some(Received { length, from })),
        Err(Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The port a netlink socket was given by the kernel.
pub(super) fn netlink_port(socket: &OwnedFd) -> Result<u32, Errno> {
    use nix::sys::socket::{NetlinkAddr, getsockname};
    let address: NetlinkAddr = getsockname(socket.as_raw_fd())?;
    Ok(address.pid())
}

/// The result of a call that returns -1 for an error.
pub(super) fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(Errno::of(&io::Error::last_os_error()))
    } else {
        Ok(result)
    }
}

/// Signals come through a descriptor, so an interrupted call is rare, and never worth an error.
fn retry_interrupted(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    for _ in 0..INTERRUPTS_MAX {
        match usize::try_from(call()) {
            Ok(length) => return Ok(length),
            Err(_) => match Errno::of(&io::Error::last_os_error()) {
                Errno::EINTR => {}
                error => return Err(error),
            },
        }
    }
    Err(Errno::EINTR)
}

fn size_of_type<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).expect("the kernel's structures are small")
}

/// A call interrupted more often than this is not going to come to an end.
const INTERRUPTS_MAX: usize = 10;
