//! Values as words: `name=value`, without blanks. What is written reads back as the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::SECOND;
use crate::addr::{Cidr, Family, IfIndex, MacAddr};
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::{
    Checksum, Dest, DestOptions, DestState, Method, Service, ServiceId, Timeouts, Tunnel,
};
use crate::wire::rtnl::{Action, Address, IpvlanMode, Link, LinkKind, MacvlanMode, RouteKey, Rule};

/// One value in one word.
pub(super) trait Word: Sized {
    fn write(&self) -> String;
    fn read(word: &str) -> Option<Self>;
}

/// Several values, each with its name.
pub(super) trait Record: Sized {
    fn write(&self) -> String;
    fn read(fields: &Fields<'_>) -> Option<Self>;
}

/// The words of a line, by their names.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// None when a word has no name.
    pub(super) fn parse(words: &'a str) -> Option<Self> {
        let words = words.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| word.split_once('='))
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn word(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.0.iter();
        fields
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    pub(super) fn value<T: Word>(&self, name: &str) -> Option<T> {
        T::read(self.word(name)?)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Word for $number {
            fn write(&self) -> String {
                self.to_string()
            }

            fn read(word: &str) -> Option<Self> {
                word.parse().ok()
            }
        })*
    };
}

numbers!(
    u8, u16, u32, u64, i32, i64, IpAddr, Ipv4Addr, SocketAddr, Cidr
);

macro_rules! records {
    ($($record:ident { $($field:ident),* $(,)? })*) => {
        $(impl Record for $record {
            fn write(&self) -> String {
                let fields = [$(format!("{}={}", stringify!($field), Word::write(&self.$field))),*];
                fields.join(" ")
            }

            fn read(fields: &Fields<'_>) -> Option<Self> {
                Some(Self {
                    $($field: fields.value(stringify!($field))?,)*
                })
            }
        })*
    };
}

records! {
    Link {
        index, name, mac, mtu, up, running, multicast, no_arp, kind, below, master, group,
    }
    Address { link, cidr, peer, broadcast, label, scope, flags, preferred }
    RouteKey { destination, table, kind, protocol, tos, metric, gateway, link }
    Rule {
        family, preference, from, to, invert, tos, action, mark, mark_mask, from_interface,
        to_interface, tunnel, users, protocol, ip_protocol, source_ports, destination_ports,
        suppress_prefix, suppress_group, realms,
    }
    Service { id, scheduler, flags, timeout, prefix, engine }
    Timeouts { tcp, tcp_fin, udp }
}

impl Record for DestState {
    fn write(&self) -> String {
        let Dest { address, options } = self.dest;
        let DestOptions {
            method,
            weight,
            upper_threshold,
            lower_threshold,
        } = options;
        let method = method.write();
        let active = self.active;
        format!(
            "address={address} method={method} weight={weight} upper={upper_threshold} \
             lower={lower_threshold} active={active}"
        )
    }

    fn read(fields: &Fields<'_>) -> Option<Self> {
        let address = fields.value("address")?;
        let options = DestOptions {
            method: fields.value("method")?,
            weight: fields.value("weight")?,
            upper_threshold: fields.value("upper")?,
            lower_threshold: fields.value("lower")?,
        };
        Some(Self {
            dest: Dest { address, options },
            active: fields.value("active")?,
        })
    }
}

impl Word for bool {
    fn write(&self) -> String {
        flag(*self).to_owned()
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

pub(super) fn flag(is_set: bool) -> &'static str {
    if is_set { "yes" } else { "no" }
}

/// `-` is nothing.
impl<T: Word> Word for Option<T> {
    fn write(&self) -> String {
        self.as_ref().map_or_else(|| String::from("-"), Word::write)
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "-" => Some(None),
            word => T::read(word).map(Some),
        }
    }
}

/// With `%` and two digits for what would end a word; nothing is `%`.
impl Word for String {
    fn write(&self) -> String {
        match self.as_str() {
            "" => return Self::from("%"),
            "-" => return Self::from("%2d"),
            _ => {}
        }
        let mut word = Self::with_capacity(self.len());
        for letter in self.chars() {
            if letter.is_ascii() && (letter <= ' ' || letter == '%' || letter == '\x7f') {
                word += &format!("%{:02x}", u32::from(letter));
            } else {
                word.push(letter);
            }
        }
        word
    }

    fn read(word: &str) -> Option<Self> {
        if word == "%" {
            return Some(Self::new());
        }
        let mut pieces = word.split('%');
        let mut text = pieces.next()?.to_owned();
        for piece in pieces {
            let (digits, rest) = piece.split_at_checked(2)?;
            text.push(char::from(u8::from_str_radix(digits, 16).ok()?));
            text += rest;
        }
        Some(text)
    }
}

impl Word for IfIndex {
    fn write(&self) -> String {
        self.0.to_string()
    }

    fn read(word: &str) -> Option<Self> {
        word.parse().ok().map(Self)
    }
}

impl Word for Errno {
    fn write(&self) -> String {
        self.number().to_string()
    }

    fn read(word: &str) -> Option<Self> {
        word.parse().ok().map(Self::new)
    }
}

impl Word for MacAddr {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(word: &str) -> Option<Self> {
        let octets = octets(&word.replace(':', ""))?;
        octets.try_into().ok().map(Self)
    }
}

impl Word for Family {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(word: &str) -> Option<Self> {
        [Self::V4, Self::V6]
            .into_iter()
            .find(|family| family.to_string() == word)
    }
}

impl<T: Word> Word for (T, T) {
    fn write(&self) -> String {
        format!("{},{}", self.0.write(), self.1.write())
    }

    fn read(word: &str) -> Option<Self> {
        let (first, second) = word.split_once(',')?;
        Some((T::read(first)?, T::read(second)?))
    }
}

impl Word for LinkKind {
    fn write(&self) -> String {
        match self {
            Self::Other => "other".to_owned(),
            Self::Macvlan(MacvlanMode::Private) => "macvlan:private".to_owned(),
            Self::Macvlan(MacvlanMode::Other(mode)) => format!("macvlan:{mode}"),
            Self::Ipvlan(IpvlanMode::Bridge) => "ipvlan:bridge".to_owned(),
            Self::Ipvlan(IpvlanMode::Private) => "ipvlan:private".to_owned(),
            Self::Ipvlan(IpvlanMode::Vepa) => "ipvlan:vepa".to_owned(),
            Self::Ipvlan(IpvlanMode::Other) => "ipvlan:other".to_owned(),
            Self::Vrf(table) => format!("vrf:{table}"),
        }
    }

    fn read(word: &str) -> Option<Self> {
        let (kind, mode) = word.split_once(':').unwrap_or((word, ""));
        Some(match (kind, mode) {
            ("other", "") => Self::Other,
            ("macvlan", "private") => Self::Macvlan(MacvlanMode::Private),
            ("macvlan", mode) => Self::Macvlan(MacvlanMode::Other(mode.parse().ok()?)),
            ("ipvlan", "bridge") => Self::Ipvlan(IpvlanMode::Bridge),
            ("ipvlan", "private") => Self::Ipvlan(IpvlanMode::Private),
            ("ipvlan", "vepa") => Self::Ipvlan(IpvlanMode::Vepa),
            ("ipvlan", "other") => Self::Ipvlan(IpvlanMode::Other),
            ("vrf", table) => Self::Vrf(table.parse().ok()?),
            _ => return None,
        })
    }
}

impl Word for Action {
    fn write(&self) -> String {
        match self {
            Self::Table(table) => format!("table:{table}"),
            Self::L3mdev => "l3mdev".to_owned(),
            Self::Goto(preference) => format!("goto:{preference}"),
            Self::Nop => "nop".to_owned(),
            Self::Blackhole => "blackhole".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
            Self::Prohibit => "prohibit".to_owned(),
        }
    }

    fn read(word: &str) -> Option<Self> {
        Some(match word.split_once(':') {
            Some(("table", table)) => Self::Table(table.parse().ok()?),
            Some(("goto", preference)) => Self::Goto(preference.parse().ok()?),
            Some(_) => return None,
            None => match word {
                "l3mdev" => Self::L3mdev,
                "nop" => Self::Nop,
                "blackhole" => Self::Blackhole,
                "unreachable" => Self::Unreachable,
                "prohibit" => Self::Prohibit,
                _ => return None,
            },
        })
    }
}

impl Word for ServiceId {
    fn write(&self) -> String {
        match self {
            Self::Address { protocol, address } => format!("{protocol}/{address}"),
            Self::Fwmark { mark, family } => format!("mark/{mark}/{family}"),
        }
    }

    fn read(word: &str) -> Option<Self> {
        let (first, rest) = word.split_once('/')?;
        if first == "mark" {
            let (mark, family) = rest.split_once('/')?;
            let (mark, family) = (mark.parse().ok()?, Family::read(family)?);
            return Some(Self::Fwmark { mark, family });
        }
        Some(Self::Address {
            protocol: first.parse().ok()?,
            address: rest.parse().ok()?,
        })
    }
}

impl Word for Method {
    fn write(&self) -> String {
        let checksum = |checksum: &Checksum| match checksum {
            Checksum::None => "none",
            Checksum::Full => "full",
            Checksum::Remote => "remote",
        };
        match self {
            Self::Masq => "masq".to_owned(),
            Self::Local => "local".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Tunnel(Tunnel::Ipip) => "ipip".to_owned(),
            Self::Tunnel(Tunnel::Gre { checksum: sum }) => format!("gre:{}", checksum(sum)),
            Self::Tunnel(Tunnel::Gue {
                port,
                checksum: sum,
            }) => format!("gue:{}:{port}", checksum(sum)),
        }
    }

    fn read(word: &str) -> Option<Self> {
        let checksum = |word: &str| match word {
            "none" => Some(Checksum::None),
            "full" => Some(Checksum::Full),
            "remote" => Some(Checksum::Remote),
            _ => None,
        };
        let words: Vec<&str> = word.split(':').collect();
        Some(match words[..] {
            ["masq"] => Self::Masq,
            ["local"] => Self::Local,
            ["route"] => Self::Route,
            ["ipip"] => Self::Tunnel(Tunnel::Ipip),
            ["gre", sum] => Self::Tunnel(Tunnel::Gre {
                checksum: checksum(sum)?,
            }),
            ["gue", sum, port] => Self::Tunnel(Tunnel::Gue {
                port: port.parse().ok()?,
                checksum: checksum(sum)?,
            }),
            _ => return None,
        })
    }
}

/// Seconds with nine decimals.
impl Word for Duration {
    fn write(&self) -> String {
        format!("{}.{:09}", self.as_secs(), self.subsec_nanos())
    }

    fn read(word: &str) -> Option<Self> {
        let (seconds, nanos) = word.split_once('.')?;
        let nanos = nanos.parse().ok().filter(|_| nanos.len() == 9)?;
        Some(Self::new(seconds.parse().ok()?, nanos))
    }
}

pub(super) fn instant(word: &str) -> Option<Instant> {
    let time = Duration::read(word)?;
    let nanos = time.as_secs().checked_mul(SECOND)?;
    Some(Instant::from_nanos(
        nanos.checked_add(u64::from(time.subsec_nanos()))?,
    ))
}

pub(super) fn hex(octets: &[u8]) -> String {
    if octets.is_empty() {
        return String::from("-");
    }
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(super) fn octets(hex: &str) -> Option<Vec<u8>> {
    if hex == "-" {
        return Some(Vec::new());
    }
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    Some(
        pairs
            .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn returns<T: Word + PartialEq + std::fmt::Debug>(value: T) {
        let word = value.write();
        assert!(!word.contains([' ', '\n']), "{word:?}");
        assert_eq!(T::read(&word), Some(value), "{word:?}");
    }

    #[test]
    fn words_read_back_as_the_same() {
        for text in ["", "-", "%", "a b\n", "eth0", "%2d", "\u{10ff80}="] {
            returns(text.to_owned());
            returns(Some(text.to_owned()));
        }
        returns(None::<u32>);
        returns(MacAddr([0, 1, 2, 0xaa, 0xbb, 0xff]));
        returns(Duration::new(86_400, 7));
        returns((Some(1_u16), None));
        for kind in [
            LinkKind::Other,
            LinkKind::Vrf(7),
            LinkKind::Macvlan(MacvlanMode::Private),
            LinkKind::Macvlan(MacvlanMode::Other(4)),
            LinkKind::Ipvlan(IpvlanMode::Vepa),
        ] {
            returns(kind);
        }
        let tunnels = [
            Tunnel::Ipip,
            Tunnel::Gre {
                checksum: Checksum::Full,
            },
            Tunnel::Gue {
                port: 6080,
                checksum: Checksum::Remote,
            },
        ];
        tunnels.into_iter().map(Method::Tunnel).for_each(returns);
        for id in [
            ServiceId::Fwmark {
                mark: 5,
                family: Family::V6,
            },
            ServiceId::Address {
                protocol: 6,
                address: "[fe80::1]:80".parse().unwrap(),
            },
        ] {
            returns(id);
        }
    }

    #[test]
    fn octets_read_back_as_the_same() {
        for bytes in [&[][..], &[0], &[0, 0xff, 0x10]] {
            assert_eq!(octets(&hex(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(octets("0"), None);
        assert_eq!(octets("zz"), None);
    }
}
