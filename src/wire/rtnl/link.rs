//! Links of route netlink: interfaces as they are told of, and the ones that are made for virtual
//! routers on top of another.

use super::{AF_INET6, AF_UNSPEC, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK};
use crate::addr::{IfIndex, MacAddr};
use crate::wire::cursor::{Reader, Writer};
use crate::wire::netlink::{Attributes, Draft, FLAG_ACK, FLAG_CREATE, FLAG_DUMP, FLAG_EXCL};

/// An interface as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub index: IfIndex,
    pub name: String,
    /// None when it has no six-octet hardware address.
    pub mac: Option<MacAddr>,
    pub mtu: u32,
    /// IFF_UP: it is switched on, whether or not a cable is plugged.
    pub up: bool,
    /// IFF_UP and IFF_RUNNING: a cable is plugged and the interface is switched on.
    pub running: bool,
    pub multicast: bool,
    /// IFF_NOARP or a loopback: no gratuitous ARP here.
    pub no_arp: bool,
    pub kind: LinkKind,
    /// IFLA_LINK: what it is on top of; in another namespace, the number means nothing here.
    pub below: Option<IfIndex>,
    /// IFLA_MASTER: the bridge, bond or VRF it is a port of.
    pub master: Option<IfIndex>,
    /// The interface group, 0 for most.
    pub group: u32,
}

/// What an interface is, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// Hardware, or something else that is none of ours.
    #[default]
    Other,
    /// Another hardware address on the same cable.
    Macvlan(MacvlanMode),
    /// Another network layer behind the same hardware address.
    Ipvlan(IpvlanMode),
    /// A routing domain; the number is that of its table.
    Vrf(u32),
}

/// MACVLAN_MODE_*: who may talk with whom on one cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacvlanMode {
    /// None of them with another: what virtual routers want.
    Private,
    /// Any other.
    Other(u32),
}

/// IPVLAN_MODE_L2 with the flags of IPVLAN_F_*, or another mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpvlanMode {
    Bridge,
    Private,
    Vepa,
    Other,
}

/// What is asked of the kernel about links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkRequest {
    /// EEXIST: the name is taken.
    Add(NewLink),
    Remove(IfIndex),
    SetMac(IfIndex, MacAddr),
    /// Another mode of the kind it is.
    SetKind(IfIndex, LinkKind),
    /// None: it is a port of nothing.
    SetMaster(IfIndex, Option<IfIndex>),
    /// The kernel gives it no link-local address of its own. Linux before 3.17 does not know this.
    NoOwnAddress(IfIndex),
    SwitchOn(IfIndex),
}

/// An interface to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    pub name: String,
    pub below: IfIndex,
    pub kind: LinkKind,
    /// None: the kernel's choice.
    pub mac: Option<MacAddr>,
    pub master: Option<IfIndex>,
    pub group: u32,
}

impl LinkRequest {
    pub(super) fn emit(&self, sequence: u32) -> Vec<u8> {
        match self {
            Self::Add(link) => link.emit(sequence),
            Self::Remove(index) => {
                Draft::new(RTM_DELLINK, FLAG_ACK, sequence, &fixed(*index, 0, 0)).finish()
            }
            Self::SetMac(index, mac) => change(*index, sequence, |draft| {
                draft.attribute(IFLA_ADDRESS, &mac.0);
            }),
            Self::SetKind(index, kind) => change(*index, sequence, |draft| {
                write_kind(draft, *kind);
            }),
            Self::SetMaster(index, master) => change(*index, sequence, |draft| {
                draft.u32(IFLA_MASTER, master.map_or(0, |master| master.0));
            }),
            Self::NoOwnAddress(index) => change(*index, sequence, |draft| {
                draft.nested(IFLA_AF_SPEC, |families| {
                    families.nested(AF_INET6.into(), |v6| {
                        v6.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
                    });
                });
            }),
            Self::SwitchOn(index) => {
                let fixed = fixed(*index, IFF_UP, IFF_UP);
                Draft::new(RTM_NEWLINK, FLAG_ACK, sequence, &fixed).finish()
            }
        }
    }
}

impl NewLink {
    fn emit(&self, sequence: u32) -> Vec<u8> {
        let flags = FLAG_ACK | FLAG_CREATE | FLAG_EXCL;
        let mut draft = Draft::new(RTM_NEWLINK, flags, sequence, &fixed(IfIndex(0), 0, 0));
        if let Some(mac) = self.mac {
            draft.attribute(IFLA_ADDRESS, &mac.0);
        }
        if self.group != 0 {
            draft.u32(IFLA_GROUP, self.group);
        }
        if let Some(master) = self.master {
            draft.u32(IFLA_MASTER, master.0);
        }
        draft.u32(IFLA_LINK, self.below.0);
        draft.text(IFLA_IFNAME, &self.name);
        write_kind(&mut draft, self.kind);
        draft.finish()
    }
}

/// Asks for every interface; the answers are [`super::Notice::Link`]s.
pub fn emit_link_dump(sequence: u32) -> Vec<u8> {
    let fixed = fixed(IfIndex(0), 0, 0);
    Draft::new(RTM_GETLINK, FLAG_DUMP, sequence, &fixed).finish()
}

/// struct ifinfomsg: family and padding, hardware type, number, flags and which of them change.
fn fixed(index: IfIndex, flags: u32, changed: u32) -> Vec<u8> {
    let mut fixed = Writer::new();
    fixed
        .u8(AF_UNSPEC)
        .zeros(3)
        .native_u32(index.0)
        .native_u32(flags)
        .native_u32(changed);
    fixed.finish()
}

fn change(index: IfIndex, sequence: u32, write: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::new(RTM_NEWLINK, FLAG_ACK, sequence, &fixed(index, 0, 0));
    write(&mut draft);
    draft.finish()
}

fn write_kind(draft: &mut Draft, kind: LinkKind) {
    let (name, mode, flags) = match kind {
        LinkKind::Macvlan(mode) => ("macvlan", mode.number(), None),
        LinkKind::Ipvlan(mode) => ("ipvlan", IPVLAN_MODE_L2.into(), Some(mode.flags())),
        LinkKind::Other | LinkKind::Vrf(_) => return,
    };
    draft.nested(IFLA_LINKINFO, |info| {
        // As iproute2 has it, without the NUL at the end.
        info.attribute(IFLA_INFO_KIND, name.as_bytes());
        info.nested(IFLA_INFO_DATA, |data| {
            match flags {
                None => data.u32(IFLA_MACVLAN_MODE, mode),
                Some(flags) => data
                    .u16(IFLA_IPVLAN_MODE, IPVLAN_MODE_L2)
                    .u16(IFLA_IPVLAN_FLAGS, flags),
            };
        });
    });
}

/// The part of struct ifinfomsg that matters, and the attributes after it.
struct Fixed<'a> {
    index: IfIndex,
    flags: u32,
    attributes: Attributes<'a>,
}

fn parse_fixed(payload: &[u8]) -> Option<Fixed<'_>> {
    let mut reader = Reader::new(payload);
    let family = reader.u8()?;
    reader.take(3)?; // Padding and the hardware type.
    let index = IfIndex(reader.native_u32()?);
    let flags = reader.native_u32()?;
    reader.take(4)?; // Which flags changed: old kernels say "all".
    // Other families tell of a port leaving its bridge with an RTM_DELLINK, and of IPv6 settings
    // with an RTM_NEWLINK: the interface itself is AF_UNSPEC.
    (family == AF_UNSPEC).then_some(Fixed {
        index,
        flags,
        attributes: Attributes::new(reader.rest()),
    })
}

/// RTM_DELLINK.
pub(super) fn parse_gone(payload: &[u8]) -> Option<IfIndex> {
    parse_fixed(payload).map(|link| link.index)
}

pub(super) fn parse(payload: &[u8]) -> Option<Link> {
    let Fixed {
        index,
        flags,
        attributes,
    } = parse_fixed(payload)?;
    let mac = attributes
        .last_of(IFLA_ADDRESS)
        .and_then(|attribute| <[u8; 6]>::try_from(attribute.value).ok());
    let number = |kind| {
        attributes
            .last_of(kind)
            .and_then(|attribute| attribute.u32())
    };
    let up = flags & IFF_UP != 0;
    Some(Link {
        index,
        name: attributes.last_of(IFLA_IFNAME)?.text(),
        mac: mac.map(MacAddr),
        // Wireless drivers send scraps without an MTU: events, not descriptions of the interface.
        mtu: number(IFLA_MTU)?,
        up,
        running: up && flags & IFF_RUNNING != 0,
        multicast: flags & IFF_MULTICAST != 0,
        no_arp: flags & (IFF_NOARP | IFF_LOOPBACK) != 0,
        kind: attributes
            .last_of(IFLA_LINKINFO)
            .map_or(LinkKind::Other, |info| parse_kind(info.nested())),
        below: number(IFLA_LINK).filter(|below| *below != 0).map(IfIndex),
        master: number(IFLA_MASTER)
            .filter(|master| *master != 0)
            .map(IfIndex),
        group: number(IFLA_GROUP).unwrap_or(0),
    })
}

fn parse_kind(info: Attributes<'_>) -> LinkKind {
    let Some(kind) = info.last_of(IFLA_INFO_KIND) else {
        return LinkKind::Other;
    };
    let data = info.last_of(IFLA_INFO_DATA).map(|data| data.nested());
    let attribute = |kind| data.and_then(|data| data.last_of(kind));
    let word = |kind| attribute(kind).and_then(|attribute| attribute.u32());
    let short = |kind| attribute(kind).and_then(|attribute| attribute.u16());
    match kind.text().as_str() {
        "macvlan" => LinkKind::Macvlan(MacvlanMode::of(word(IFLA_MACVLAN_MODE).unwrap_or(0))),
        // Linux before 4.15 has no flags: what it knows is what is called bridge now.
        "ipvlan" => LinkKind::Ipvlan(match (short(IFLA_IPVLAN_MODE), short(IFLA_IPVLAN_FLAGS)) {
            (Some(IPVLAN_MODE_L2), None | Some(0)) => IpvlanMode::Bridge,
            (Some(IPVLAN_MODE_L2), Some(IPVLAN_F_PRIVATE)) => IpvlanMode::Private,
            (Some(IPVLAN_MODE_L2), Some(IPVLAN_F_VEPA)) => IpvlanMode::Vepa,
            _ => IpvlanMode::Other,
        }),
        "vrf" => LinkKind::Vrf(word(IFLA_VRF_TABLE).unwrap_or(0)),
        _ => LinkKind::Other,
    }
}

impl MacvlanMode {
    fn of(number: u32) -> Self {
        match number {
            MACVLAN_MODE_PRIVATE => Self::Private,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Private => MACVLAN_MODE_PRIVATE,
            Self::Other(other) => other,
        }
    }
}

impl IpvlanMode {
    fn flags(self) -> u16 {
        match self {
            Self::Bridge | Self::Other => 0,
            Self::Private => IPVLAN_F_PRIVATE,
            Self::Vepa => IPVLAN_F_VEPA,
        }
    }
}

const IFLA_ADDRESS: u16 = 0x1;
const IFLA_IFNAME: u16 = 0x3;
const IFLA_MTU: u16 = 0x4;
const IFLA_LINK: u16 = 0x5;
const IFLA_MASTER: u16 = 0xa;
const IFLA_LINKINFO: u16 = 0x12;
const IFLA_AF_SPEC: u16 = 0x1a;
const IFLA_GROUP: u16 = 0x1b;

const IFLA_INFO_KIND: u16 = 0x1;
const IFLA_INFO_DATA: u16 = 0x2;

const IFLA_MACVLAN_MODE: u16 = 0x1;
const MACVLAN_MODE_PRIVATE: u32 = 0x1;

const IFLA_IPVLAN_MODE: u16 = 0x1;
const IFLA_IPVLAN_FLAGS: u16 = 0x2;
const IPVLAN_MODE_L2: u16 = 0x0;
const IPVLAN_F_PRIVATE: u16 = 0x1;
const IPVLAN_F_VEPA: u16 = 0x2;

const IFLA_VRF_TABLE: u16 = 0x1;

const IFLA_INET6_ADDR_GEN_MODE: u16 = 0x8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 0x1;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;
