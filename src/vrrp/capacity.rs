//! How many addresses an advert can carry: what the count field and the interface allow.

use crate::addr::Family;
use crate::config::{Authentication, Instance, Version};

/// Addresses of one advert on an interface of this MTU; the others are treated as excluded ones.
pub(super) fn addresses_per_advert(instance: &Instance, mtu: u32) -> usize {
    Layout {
        family: instance.family,
        is_v2: instance.version == Version::V2,
        has_ah: matches!(instance.authentication, Authentication::Ah(_)),
        has_trailer: instance.hmac.is_some(),
    }
    .capacity(mtu)
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
    fn capacity(self, mtu: u32) -> usize {
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
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        (mtu.saturating_sub(taken) / address).min(COUNT_MAX)
    }
}

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
