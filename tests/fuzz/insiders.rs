//! Somebody who knows the key, and writes with it what nobody should: adverts of any priority, any
//! length, any number of addresses, whole and bent, signed as they are. What is signed is judged as
//! any advert is; what was changed afterwards counts nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keepalived::addr::Vrid;
use keepalived::rand::Rand;
use keepalived::vrrp::{Event, StateName};
use keepalived::wire::cursor::Writer;
use keepalived::wire::ip::Datagram;
use keepalived::wire::signature::{Scope, Sequence, Trailer};
use keepalived::wire::vrrp::{Advert, Auth, Cover, Format};
use keepalived::wire::{ah, ip};

use crate::adverts::{AH, DIALECTS, Router, TIME, V6, bend, is_as_signed};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const PASSWORD: &[u8; 8] = b"secret99";
const PACKETS: u64 = 200;
/// One packet leads to an announcement of each address, an advert, and some words.
const EFFECTS_MAX: usize = 60;
const TRAILER: usize = 28;

/// One pair of every dialect that signs; how many packets counted.
pub(crate) fn round(rand: &mut Rand) -> Result<u64, String> {
    let mut counted = 0;
    for (statements, addresses, signed) in &DIALECTS {
        if *signed {
            counted += of_dialect(statements, addresses, rand)
                .map_err(|why| format!("{statements:?}, {addresses:?}: {why}"))?;
        }
    }
    Ok(counted)
}

fn of_dialect(statements: &str, addresses: &str, rand: &mut Rand) -> Result<u64, String> {
    let mut master = Router::new(statements, addresses, 200, 1);
    let mut backup = Router::new(statements, addresses, 100, 2);
    let whole = master.advert();
    for sent in 0..PACKETS {
        let packet = if statements == AH {
            with_ah(&whole, sent, rand)
        } else {
            with_trailer(&whole, addresses == V6, sent, rand)
        };
        let forged = rand.chance(30);
        let heard = if forged {
            bend(&packet, &whole, rand)
        } else {
            packet.clone()
        };
        let before = backup.state();
        hear(&mut backup, &heard, addresses == V6);
        let after = backup.state();
        let counts = after.statistics.advert_rcvd > before.statistics.advert_rcvd;
        if !matches!(after.state, StateName::Backup | StateName::Master) {
            return Err(format!("{heard:02x?} makes it {:?}", after.state));
        }
        if backup.effects.len() > EFFECTS_MAX {
            return Err(format!("{} effects", backup.effects.len()));
        }
        if !counts && (after.state, after.wakes_at) != (before.state, before.wakes_at) {
            return Err(format!("{heard:02x?} does not count and changes something"));
        }
        if counts && forged && !is_as_signed(&heard, &[&packet, &whole], addresses) {
            return Err(format!("{heard:02x?} was never signed"));
        }
        if rand.chance(5) {
            backup.wake();
        }
    }
    Ok(backup.state().statistics.advert_rcvd)
}

fn hear(backup: &mut Router, packet: &[u8], is_v6: bool) {
    backup.effects.clear();
    let on = backup.on;
    let datagram = if is_v6 {
        Datagram::V6 {
            source: SOURCE_V6,
            destination: None,
            hop_limit: Some(255),
            payload: packet,
        }
    } else {
        Datagram::V4(packet)
    };
    backup.tell(Event::Datagram { on, datagram });
}

/// The IP header of a true advert, the header that signs, and a message.
fn with_ah(whole: &[u8], sent: u64, rand: &mut Rand) -> Vec<u8> {
    let sequence = 100 + u32::try_from(sent).unwrap() - u32::try_from(rand.below(3)).unwrap();
    let message = message(2, Some(Auth::Ah), false, rand);
    let mut writer = Writer::new();
    writer.bytes(&whole[..ip::LENGTH]);
    ah::Header::emit(SOURCE_V4, sequence, &mut writer);
    writer.bytes(&message);
    let length = u16::try_from(writer.as_slice().len()).unwrap();
    writer.patch(2, &length.to_be_bytes());
    let hops = if rand.chance(50) {
        ah::Hops::Signed
    } else {
        ah::Hops::Free
    };
    ah::sign(&mut writer, PASSWORD, hops);
    writer.finish()
}

/// The same with a trailer.
fn with_trailer(whole: &[u8], is_v6: bool, sent: u64, rand: &mut Rand) -> Vec<u8> {
    let (header, rest) = whole.split_at(if is_v6 { 0 } else { ip::LENGTH });
    let version = rest[0] >> 4;
    let message = message(version, None, is_v6, rand);
    let scope = Scope {
        version,
        vrid: if rand.chance(95) { VRID } else { 7 },
        source: if is_v6 {
            SOURCE_V6.into()
        } else {
            SOURCE_V4.into()
        },
    };
    let Sequence(first) = Sequence::at(TIME);
    let late = rand.below(3)
        + if rand.chance(5) {
            rand.next_u64() >> 20
        } else {
            0
        };
    let sequence = Sequence((first + 10 + sent).wrapping_sub(late));
    let key = if rand.chance(95) { 1 } else { 2 };
    let trailer = Trailer::sign(&scope, &message, key, SECRET, sequence);
    assert_eq!(trailer.len(), TRAILER);
    let mut writer = Writer::new();
    writer.bytes(header).bytes(&message).bytes(&trailer);
    if !is_v6 {
        let length = u16::try_from(writer.as_slice().len()).unwrap();
        writer.patch(2, &length.to_be_bytes());
    }
    writer.finish()
}

/// Most often one that could be true.
fn message(version: u8, auth: Option<Auth>, is_v6: bool, rand: &mut Rand) -> Vec<u8> {
    let interval = if rand.chance(80) { 1 } else { rand.below(256) };
    let interval = u8::try_from(interval).unwrap();
    let count = if rand.chance(80) { 2 } else { rand.below(256) };
    let addresses = (0..count).map(|number| {
        let number = u16::try_from(100 + number).unwrap();
        let [high, low] = number.to_be_bytes();
        match (is_v6, number) {
            (true, 100) => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x100]),
            (true, _) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number]),
            (false, _) => IpAddr::from([10, 0, high, low]),
        }
    });
    let advert = Advert {
        vrid: Vrid::new(VRID).unwrap(),
        priority: u8::try_from(rand.below(256)).unwrap(),
        format: if version == 2 {
            Format::V2 { interval, auth }
        } else {
            let interval = u16::from(interval) * 100;
            Format::V3 { interval }
        },
        addresses: addresses.collect(),
    };
    let cover = if is_v6 {
        Cover::Kernel
    } else if version == 2 {
        Cover::Message
    } else {
        Cover::Addresses {
            source: SOURCE_V4,
            destination: Ipv4Addr::new(10, 0, 0, 2),
        }
    };
    let message = advert.emit(cover);
    if rand.chance(20) {
        return bend(&message, &message, rand);
    }
    message
}

const VRID: u8 = 51;
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
