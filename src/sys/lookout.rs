//! Frames as they come off the cable, only to see who sends adverts: the first one of the router
//! that is looked for is enough. The kernel drops all others.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::socket::{self, instruction};
use crate::addr::{IfIndex, MacAddr};
use crate::errno::Errno;

#[derive(Debug)]
pub struct Lookout(OwnedFd);

impl Lookout {
    /// For adverts from `source` that come in on `link`.
    pub fn open(link: IfIndex, source: IpAddr) -> Result<Self, Errno> {
        // Protocol 0 receives nothing until the filter is there.
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0)?;
        socket::filter(&socket, &mut adverts_of(source))?;
        let protocol: u16 = match source {
            IpAddr::V4(_) => ETH_P_IP,
            IpAddr::V6(_) => ETH_P_IPV6,
        };
        let address = libc::sockaddr_ll {
            sll_family: FAMILY,
            sll_protocol: protocol.to_be(),
            sll_ifindex: i32::try_from(link.0).map_err(|_| Errno::ENODEV)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        socket::bind(&socket, &address)?;
        Ok(Self(socket))
    }

    /// The hardware address that a frame came from; None while there was none.
    pub fn recv(&self) -> Result<Option<MacAddr>, Errno> {
        // Of the packet nothing matters.
        let received = socket::receive_from::<libc::sockaddr_ll>(&self.0, &mut [0; 1])?;
        Ok(received.and_then(|received| {
            let [a, b, c, d, e, f, ..] = received.from.sll_addr;
            (received.from.sll_halen == 6).then_some(MacAddr([a, b, c, d, e, f]))
        }))
    }
}

impl AsRawFd for Lookout {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Takes packets of VRRP, with and without AH, from that source.
fn adverts_of(source: IpAddr) -> Vec<libc::sock_filter> {
    let (protocol_at, source_at, source) = match source {
        IpAddr::V4(v4) => (9, 12, v4.octets().to_vec()),
        IpAddr::V6(v6) => (6, 8, v6.octets().to_vec()),
    };
    let words: Vec<u32> = source
        .chunks_exact(4)
        .map(|word| {
            word.iter()
                .fold(0, |all, octet| all << 8 | u32::from(*octet))
        })
        .collect();
    // From behind: how many instructions there are to leave out to drop it.
    let mut program = vec![
        instruction(RETURN, 0, 0, 0),
        instruction(RETURN, 0, 0, u32::MAX),
    ];
    let mut drop = 1;
    for (at, word) in (source_at..)
        .step_by(4)
        .zip(words)
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        program.push(instruction(IS_EQUAL, 0, drop, *word));
        program.push(instruction(LOAD_WORD, 0, 0, *at));
        drop += 2;
    }
    program.push(instruction(IS_EQUAL, 0, drop, libc::IPPROTO_AH as u32));
    program.push(instruction(IS_EQUAL, 1, 0, VRRP));
    program.push(instruction(LOAD_OCTET, 0, 0, protocol_at));
    program.reverse();
    program
}

/// AF_PACKET in the width of an address.
const FAMILY: u16 = 17;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// RFC 9568 5.1.1.4.
const VRRP: u32 = 112;
/// BPF_LD | BPF_B | BPF_ABS, BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET.
const LOAD_OCTET: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
const IS_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
