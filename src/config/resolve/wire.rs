//! What an instance says on the wire, to whom, and over what.

use std::time::Duration;

use crate::addr::{Family, MacAddr, Vrid};
use crate::config::diag::Problem;
use crate::config::keywords::global::GlobalDraft;
use crate::config::keywords::vrrp::InstanceDraft;
use crate::config::keywords::vrrp::auth::AuthenticationKind;
use crate::config::report::Report;
use crate::config::vrrp::{Hmac, HmacMode, Ipvlan, Unicast, Vmac};
use crate::config::{Authentication, Destination, InitialState, Layer, Version};

use super::election::Role;

const ADVERT_INTERVAL: Duration = Duration::from_secs(1);

/// An instance says it, or its family, or the file.
pub(crate) fn version(
    draft: &InstanceDraft,
    family: Family,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> Version {
    match (draft.version, family) {
        (Some((2, span)), Family::V6) if strict => {
            let message = "strict mode has no IPv6 in version 2, version 3 is used";
            report.add(Problem::error(span, message));
            Version::V3
        }
        (Some((2, _)), _) => Version::V2,
        (Some(_), _) | (None, Family::V6) => Version::V3,
        (None, Family::V4) if global.version == Some(3) => Version::V3,
        (None, Family::V4) => Version::V2,
    }
}

/// Version 2 has a field of whole seconds (RFC 3768 5.3.7), version 3 one of twelve bits that
/// counts hundredths (RFC 9568 5.2.7).
pub(crate) fn advert_interval(
    draft: &InstanceDraft,
    version: Version,
    report: &mut Report<'_>,
) -> Duration {
    const HUNDREDTH: Duration = Duration::from_millis(10);
    let Some((wanted, span)) = draft.advert_interval else {
        return ADVERT_INTERVAL;
    };
    let (unit, most, counts) = match version {
        Version::V2 => (ADVERT_INTERVAL, 255, "version 2 counts whole seconds"),
        Version::V3 => (HUNDREDTH, 0xfff, "version 3 counts hundredths up to 40.95"),
    };
    let units = wanted.saturating_add(unit / 2).as_nanos() / unit.as_nanos();
    let units = u32::try_from(units).unwrap_or(u32::MAX).clamp(1, most);
    let interval = unit * units;
    if interval != wanted {
        let used = crate::config::value::print_seconds(interval);
        let message = format!("{counts}, {used} is used");
        report.add(Problem::error(span, message));
    }
    interval
}

pub(crate) fn authentication(
    draft: &InstanceDraft,
    version: Version,
    family: Family,
    strict: bool,
    hmac: bool,
    report: &mut Report<'_>,
) -> Authentication {
    let Some((kind, span)) = draft.authentication.kind else {
        return Authentication::None;
    };
    let mut none = |why: &str| {
        let message = format!("{why}, there is no authentication");
        report.add(Problem::error(span, message));
        Authentication::None
    };
    match (kind, draft.authentication.password) {
        _ if strict => none("strict mode has none"),
        _ if version == Version::V3 => none("version 3 has none (RFC 9568 9)"),
        (AuthenticationKind::Ah, _) if family == Family::V6 => none("AH does not go with IPv6"),
        _ if hmac => none("`auth_hmac` takes its place"),
        (_, None) => none("`auth_type` without `auth_pass`"),
        (AuthenticationKind::Pass, Some(password)) => Authentication::Pass(password),
        (AuthenticationKind::Ah, Some(password)) => Authentication::Ah(password),
    }
}

/// With AH only an owner starts as master: the sequence of the others is not known yet.
pub(crate) fn state(
    draft: &InstanceDraft,
    role: Role,
    authentication: &Authentication,
    report: &mut Report<'_>,
) -> InitialState {
    let hopes = role.state == InitialState::Master && role.priority != 255;
    if !hopes || !matches!(authentication, Authentication::Ah(_)) {
        return role.state;
    }
    let message = "`state MASTER` does not go with AH, it starts as backup";
    let span = draft.state.map_or(draft.name.span, |(_, span)| span);
    report.add(Problem::error(span, message));
    InitialState::Backup
}

pub(crate) fn hmac(
    draft: &InstanceDraft,
    strict: bool,
    advert_interval: Duration,
    report: &mut Report<'_>,
) -> Option<Hmac> {
    const LEAST: Duration = Duration::from_secs(5);
    const MOST: Duration = Duration::from_secs(300);
    let hmac = draft.hmac.as_ref()?;
    let active = hmac.active.and_then(|id| u8::try_from(id).ok());
    let active = active.filter(|id| hmac.keys.iter().any(|key| key.id == *id));
    let Some(active) = active else {
        let message = "`auth_hmac` without the key that `active_key` names, ignored";
        report.add(Problem::error(hmac.span, message));
        return None;
    };
    let mut mode = HmacMode::default();
    if let Some((wanted, span)) = hmac.mode {
        if strict && wanted != HmacMode::Enforce {
            report.add(Problem::error(span, "strict mode has `mode enforce`"));
        } else {
            mode = wanted;
        }
    }
    let window = (advert_interval * 3).clamp(LEAST, MOST);
    Some(Hmac {
        keys: hmac.keys.clone(),
        active,
        window: hmac.window.unwrap_or(window),
        replay: hmac.replay,
        mode,
    })
}

pub(crate) fn destination(
    draft: &InstanceDraft,
    family: Family,
    interface: &str,
    strict: bool,
    global: &GlobalDraft,
    report: &mut Report<'_>,
) -> Destination {
    let everyones = global.global.vrrp.group(family);
    let group = draft.group.map_or(everyones, |(group, _)| group);
    let speaks_to_peers = !draft.peers.is_empty() || draft.fault_without_peer;
    if !speaks_to_peers {
        let span = draft.unicast.filter(|_| !interface.is_empty());
        if let Some(span) = span {
            let message = "a keyword of unicast and no peer: the instance speaks multicast";
            let help = "write the other routers into `unicast_peer`, or use mcast_src_ip";
            report.add(Problem::error(span, message).help(help));
        }
        if draft.unicast_ttl.is_some() {
            let message = "`unicast_ttl` without a peer, it is ignored";
            report.add(Problem::error(draft.name.span, message));
        }
        if !interface.is_empty() {
            return Destination::Multicast(group);
        }
    }
    if strict && !draft.peers.is_empty() && !interface.is_empty() {
        let message = "strict mode has no unicast where there is multicast";
        let help = "take `strict_mode` or `vrrp_strict` away; keepalived 2.4 refuses the file";
        report.add(Problem::error(draft.name.span, message).help(help));
    }
    if let Some((_, span)) = draft.group {
        let message = "`mcast_dst_ip` does not go with unicast peers, it is ignored";
        report.add(Problem::error(span, message));
    }
    if draft.peers.is_empty() && draft.fault_without_peer {
        let message = "no peer: the instance stays in FAULT";
        report.add(Problem::warning(draft.name.span, message));
    }
    Destination::Unicast(Unicast {
        peers: draft.peers.iter().map(|(peer, _)| *peer).collect(),
        ttl: draft.unicast_ttl.and_then(|ttl| u8::try_from(ttl).ok()),
        check_source: draft.check_source || global.check_unicast_src,
        fault_without_peer: draft.fault_without_peer,
        old_checksum: draft.old_checksum,
        group: everyones,
    })
}

pub(crate) fn layer(
    draft: &InstanceDraft,
    vrid: Vrid,
    interface: &str,
    destination: &Destination,
    strict: bool,
    report: &mut Report<'_>,
) -> Layer {
    let layer = &draft.layer;
    let unicast = matches!(destination, Destination::Unicast(_));
    let vmac = layer.vmac.as_ref().map(|vmac| vmac.span);
    let ipvlan = layer.ipvlan.as_ref().map(|ipvlan| ipvlan.span);
    let made = vmac.or(ipvlan);
    if let Some(span) = layer.base.filter(|_| vmac.is_none() || ipvlan.is_some()) {
        let message = "`vmac_xmit_base` goes with use_vmac, it is ignored";
        report.add(Problem::error(span, message));
    }
    let Some(made) = made else {
        return Layer::Interface;
    };
    if interface.is_empty() {
        let message = "there is no interface to put another one onto, ignored";
        report.add(Problem::error(made, message));
        return Layer::Interface;
    }
    if let Some(ipvlan) = &layer.ipvlan {
        if ipvlan.address.is_none() && draft.family != Some(Family::V6) {
            let message = "an IPv4 ipvlan needs an address of its own: the instance stays in FAULT";
            report.add(Problem::error(ipvlan.span, message));
        }
        return Layer::Ipvlan(Ipvlan {
            name: ipvlan.name.clone(),
            address: ipvlan.address,
            mode: ipvlan.mode,
            group: ipvlan.group,
        });
    }
    let Some(vmac) = &layer.vmac else {
        return Layer::Interface;
    };
    let mut base = layer.base.is_some();
    if base && strict {
        let message = "strict mode has no `vmac_xmit_base`, it is ignored";
        report.add(Problem::error(layer.base.unwrap_or(made), message));
        base = false;
    }
    if unicast && !base {
        let message = "unicast adverts leave through the interface below: vmac_xmit_base is set";
        report.add(Problem::error(made, message));
        base = true;
    }
    let mut mac = None;
    if let Some((octets, span)) = &vmac.mac {
        if strict {
            let message = "strict mode has the hardware address of the RFC, this is ignored";
            report.add(Problem::error(*span, message));
        } else {
            let sixth = octets.iter().copied().chain([vrid.number()]).take(6);
            mac = sixth.collect::<Vec<u8>>().try_into().ok().map(MacAddr);
        }
    }
    Layer::Vmac(Vmac {
        name: vmac.name.clone(),
        mac,
        base,
        tell: vmac.tell,
        group: vmac.group,
    })
}

pub(crate) fn vrf(
    draft: &mut InstanceDraft,
    interface: &str,
    destination: &Destination,
    report: &mut Report<'_>,
) -> Option<String> {
    let (vrf, span) = draft.vrf.take()?;
    if !interface.is_empty() || matches!(destination, Destination::Multicast(_)) {
        let message = "`vrf` is for unicast instances without an interface, it is ignored";
        report.add(Problem::error(span, message));
        return None;
    }
    Some(vrf)
}
