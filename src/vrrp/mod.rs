//! The VRRP core (RFC 9568, RFC 3768). Events in, effects out.
