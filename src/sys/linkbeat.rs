//! The door to the link of an interface: requests of ioctl(2) that are older than netlink.

use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{AF_INET, SOCK_DGRAM, c_char, c_ulong, c_void};

use super::socket;
use crate::errno::Errno;
use crate::wire::linkbeat::{Question, Way};

/// A socket, only to ask through; opened for the first question.
#[derive(Debug, Default)]
pub struct Asker {
    socket: Option<OwnedFd>,
}

/// struct mii_ioctl_data, in the place of the union of struct ifreq.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Transceiver {
    phy: u16,
    register: u16,
    write: u16,
    read: u16,
}

/// struct ethtool_value.
#[repr(C)]
struct DriverValue {
    command: u32,
    data: u32,
}

/// struct ifreq: a name and a union of 24 octets on machines of 64 bits.
#[repr(C)]
union Payload {
    transceiver: Transceiver,
    pointer: *mut c_void,
    flags: i16,
    whole: [u64; 3],
}

#[repr(C)]
struct Request {
    name: [c_char; libc::IFNAMSIZ],
    payload: Payload,
}

impl Asker {
    /// True when there is a link; EOPNOTSUPP of a driver that cannot be asked this way.
    pub fn ask(&mut self, question: &Question) -> Result<bool, Errno> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => socket::open(AF_INET, SOCK_DGRAM, 0)?,
        };
        let answer = ask(&socket, question);
        self.socket = Some(socket);
        answer
    }
}

fn ask(socket: &OwnedFd, question: &Question) -> Result<bool, Errno> {
    let name = &question.interface;
    match question.way {
        Way::Mii => {
            let found = transceiver(socket, name, SIOCGMIIPHY, Transceiver::default())?;
            let status = Transceiver {
                register: MII_BMSR,
                ..found
            };
            // A loss is latched until it is read.
            transceiver(socket, name, SIOCGMIIREG, status)?;
            let status = transceiver(socket, name, SIOCGMIIREG, status)?.read;
            Ok(status & BMSR_LSTATUS != 0)
        }
        Way::Ethtool => {
            let mut value = DriverValue {
                command: ETHTOOL_GLINK,
                data: 0,
            };
            let pointer = (&raw mut value).cast();
            perform(socket, name, SIOCETHTOOL, Payload { pointer })?;
            Ok(value.data != 0)
        }
        Way::Flags => {
            let payload = Payload { whole: [0; 3] };
            let told = perform(socket, name, SIOCGIFFLAGS, payload)?;
            // SAFETY: the kernel wrote flags, and every pattern of bits is a number.
            let flags = unsafe { told.payload.flags };
            Ok(i32::from(flags) & libc::IFF_RUNNING != 0)
        }
    }
}

fn transceiver(
    socket: &OwnedFd,
    name: &str,
    request: c_ulong,
    transceiver: Transceiver,
) -> Result<Transceiver, Errno> {
    let told = perform(socket, name, request, Payload { transceiver })?;
    // SAFETY: the kernel wrote these four numbers, and every pattern of bits is a number.
    Ok(unsafe { told.payload.transceiver })
}

fn perform(
    socket: &OwnedFd,
    name: &str,
    request: c_ulong,
    payload: Payload,
) -> Result<Request, Errno> {
    // The last octet stays a NUL.
    if name.len() >= libc::IFNAMSIZ {
        return Err(Errno::ENODEV);
    }
    // SAFETY: all zero is an empty name and an empty union.
    let mut asked: Request = unsafe { mem::zeroed() };
    for (into, octet) in asked.name.iter_mut().zip(name.bytes()) {
        *into = octet.cast_signed() as c_char;
    }
    asked.payload = payload;
    // SAFETY: the pointer is to a live struct ifreq; what its union may point to is a live value
    // of the caller, large enough for the request.
    socket::check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &raw mut asked) })?;
    Ok(asked)
}

/// linux/sockios.h
const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCETHTOOL: c_ulong = 0x8946;
const SIOCGMIIPHY: c_ulong = 0x8947;
const SIOCGMIIREG: c_ulong = 0x8948;
/// linux/ethtool.h
const ETHTOOL_GLINK: u32 = 0xa;
/// linux/mii.h
const MII_BMSR: u16 = 0x1;
const BMSR_LSTATUS: u16 = 0x4;
