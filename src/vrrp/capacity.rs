//! How many addresses an advert can carry: what the count field and the interface allow; and how
//! many octets of adverts may wait to be read.

use super::instance::Instance as Living;
use crate::addr::Family;
use crate::config::{Authentication, BufferPolicy, Global, Instance, Version};
use crate::wire::rtnl::Link;

/// Addresses of one advert on an interface of this MTU; the others are treated as excluded ones.
pub(super) fn addresses_per_advert(instance: &Instance, mtu: u32) -> usize {
    Layout::of(instance).capacity(mtu)
}

/// `vrrp_rx_bufs_policy` and `vrrp_rx_bufs_multiplier`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferRule {
    policy: Option<BufferPolicy>,
    multiplier: u32,
}

impl BufferRule {
    pub(super) fn of(global: &Global) -> Self {
        Self {
            policy: global.buffers.vrrp_policy,
            multiplier: global.buffers.vrrp_multiplier.unwrap_or(MULTIPLIER),
        }
    }
}

impl Living {
    /// What this instance adds to the octets that may wait in its socket; 0 when nobody has said
    /// anything.
    pub(super) fn buffer_share(&self, link: Option<&Link>, rule: BufferRule) -> u32 {
        if let Some(octets) = self.config.receive_buffer {
            return octets;
        }
        match rule.policy {
            None => 0,
            Some(BufferPolicy::Octets(octets)) => octets,
            Some(BufferPolicy::Mtu) => {
                let mtu = link.map_or(MTU, |link| link.mtu);
                mtu.saturating_mul(rule.multiplier)
            }
            Some(BufferPolicy::Advert) => {
                let octets = Layout::of(&self.config).length(self.config.addresses.len());
                octets.saturating_mul(rule.multiplier)
            }
        }
    }
}

/// What decides how much of a packet is not addresses.
#[derive(Clone, Copy)]
struct Layout {
    family: Family,
    is_v2: bool,
    has_ah: bool,
    has_trailer: bool,
}

impl Layout {
    fn of(instance: &Instance) -> Self {
        Self {
            family: instance.family,
            is_v2: instance.version == Version::V2,
            has_ah: matches!(instance.authentication, Authentication::Ah(_)),
            has_trailer: instance.hmac.is_some(),
        }
    }

    /// Octets of an advert with this many addresses, with its IP header.
    fn length(self, addresses: usize) -> u32 {
        let (taken, address) = self.parts();
        let length = taken + addresses.min(COUNT_MAX) * address;
        u32::try_from(length).expect("255 addresses are few")
    }

    fn capacity(self, mtu: u32) -> usize {
        let (taken, address) = self.parts();
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        (mtu.saturating_sub(taken) / address).min(COUNT_MAX)
    }

    /// What a packet is beside its addresses, and what each of them takes.
    fn parts(self) -> (usize, usize) {
        let (ip_header, address) = match self.family {
            Family::V4 => (20, 4),
            Family::V6 => (40, 16),
        };
        let when = |present, length| if present { length } else { 0 };
        let taken = ip_header
            + ADVERT_HEADER
            + when(self.is_v2 && self.family == Family::V4, V2_AUTHENTICATION)
            + when(self.has_ah, AH_HEADER)
            + when(self.has_trailer, HMAC_TRAILER);
        (taken, address)
    }
}

/// Of `vrrp_rx_bufs_multiplier`.
const MULTIPLIER: u32 = 3;
/// That of Ethernet, for packets that any interface may bring.
const MTU: u32 = 1_500;
/// RFC 9568 5.2.5: the count has eight bits.
const COUNT_MAX: usize = 255;
const ADVERT_HEADER: usize = 8;
/// In every advert of version 2 over IPv4, whatever the type of authentication.
const V2_AUTHENTICATION: usize = 8;
const AH_HEADER: usize = 24;
const HMAC_TRAILER: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advert_is_as_long_as_the_interface_lets_it_be() {
        let v2 = Layout {
            family: Family::V4,
            is_v2: true,
            has_ah: false,
            has_trailer: false,
        };
        let v3 = Layout { is_v2: false, ..v2 };
        let v6 = Layout {
            family: Family::V6,
            ..v3
        };
        let signed = Layout { has_ah: true, ..v2 };
        let trailed = Layout {
            has_trailer: true,
            ..v3
        };
        for (layout, mtu, expected) in [
            (v2, 1500, 255),
            (v2, 576, (576 - 36) / 4),
            (v3, 576, (576 - 28) / 4),
            (signed, 576, (576 - 60) / 4),
            (trailed, 576, (576 - 56) / 4),
            (v6, 1280, (1280 - 48) / 16),
            (v6, 9000, 255),
            (v2, 20, 0),
        ] {
            assert_eq!(layout.capacity(mtu), expected, "{mtu}");
        }
    }
}
