//! What the kernel may say: messages of every kind, bent. They are read to an end, and what is not
//! bent means what was written.

use keepalived::addr::Family;
use keepalived::wire::connector;
use keepalived::wire::ipvs::{self, DestState, Service, ServiceId};
use keepalived::wire::netlink::Messages;
use keepalived::wire::rtnl::Notice;

/// Everything that reads what the kernel says.
pub(crate) fn read(datagram: &[u8]) -> usize {
    let by_mark = ServiceId::Fwmark {
        mark: 1,
        family: Family::V4,
    };
    let _ = connector::parse(datagram);
    let mut count = 0;
    for message in Messages::new(datagram) {
        count += 1;
        let _ = message.outcome();
        let _ = Notice::parse(&message);
        let _ = ipvs::parse_family(message.payload);
        let _ = ipvs::parse_info(message.payload);
        let _ = ipvs::Timeouts::parse(message.payload);
        let _ = Service::parse(message.payload);
        let _ = DestState::parse(message.payload, &by_mark);
    }
    count
}
