//! Addresses as values: networks, hardware addresses, interface numbers, router ids.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::str::FromStr;

/// An address with its prefix length. The host bits are kept: `10.0.0.5/24` is an interface
/// address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// None when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// The address alone: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            prefix: width(address),
        }
    }

    pub fn address(self) -> IpAddr {
        self.address
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    pub fn is_host(self) -> bool {
        self.prefix == width(self.address)
    }

    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// True when `other` lies in this network.
    pub fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.prefix);
                shift == 32 || u32::from(ours) >> shift == u32::from(theirs) >> shift
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.prefix);
                shift == 128 || u128::from(ours) >> shift == u128::from(theirs) >> shift
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The address with all host bits one; None for IPv6 and for networks without host bits.
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.prefix < 31 => Some(Ipv4Addr::from(
                u32::from(address) | (u32::MAX >> self.prefix),
            )),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Cidr {
    /// As keepalived prints it: the length only when it is not that of a host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An Ethernet hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kernel's number of an interface. Never reused while the interface lives.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfIndex(pub u32);

/// A virtual router identifier, 1 to 255 (RFC 9568 5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// None for 0.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    pub const fn number(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vrid({})", self.0)
    }
}

/// Why a text is not an address with an optional length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CidrError {
    /// The part before the slash is not an address.
    Address,
    /// The part after the slash is not a length of that family.
    Prefix,
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// `ADDRESS[/LENGTH]`; without a length the address is a host.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let Some(length) = length else {
            return Ok(Self::host(address));
        };
        // `parse` would take a sign.
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CidrError::Prefix);
        }
        let prefix = length.parse().map_err(|_| CidrError::Prefix)?;
        Self::new(address, prefix).ok_or(CidrError::Prefix)
    }
}

impl From<Ipv4Addr> for Cidr {
    fn from(address: Ipv4Addr) -> Self {
        Self::host(IpAddr::V4(address))
    }
}

impl From<Ipv6Addr> for Cidr {
    fn from(address: Ipv6Addr) -> Self {
        Self::host(IpAddr::V6(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_cidr_reads_and_prints_as_in_a_configuration() {
        assert_eq!(cidr("10.0.0.5").to_string(), "10.0.0.5");
        assert_eq!(cidr("10.0.0.5/24").to_string(), "10.0.0.5/24");
        assert_eq!(cidr("fd00::1/64").to_string(), "fd00::1/64");
        for (text, error) in [
            ("10.0.0", CidrError::Address),
            ("10.0.0.1/33", CidrError::Prefix),
            ("10.0.0.1/+8", CidrError::Prefix),
            ("10.0.0.1/", CidrError::Prefix),
            ("::1/129", CidrError::Prefix),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
        }
    }

    #[test]
    fn networks_contain_their_hosts_and_no_others() {
        assert!(cidr("10.0.0.5/24").contains("10.0.0.200".parse().unwrap()));
        assert!(!cidr("10.0.0.5/24").contains("10.0.1.5".parse().unwrap()));
        assert!(cidr("0.0.0.0/0").contains("1.2.3.4".parse().unwrap()));
        assert!(!cidr("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(cidr("::/0").contains("::1".parse().unwrap()));
        assert_eq!(
            cidr("10.0.0.5/24").broadcast(),
            Some(Ipv4Addr::new(10, 0, 0, 255))
        );
        assert_eq!(cidr("10.0.0.5/31").broadcast(), None);
    }
}
