//! The kernel's IPVS table over generic netlink.

use std::path::Path;

use super::netlink::Channel;
use super::netns;
use crate::errno::Errno;
use crate::wire::ipvs::{
    DestState, Request, Service, ServiceId, Timeouts, emit_dest_dump, emit_family_request,
    emit_info_request, emit_service_dump, emit_service_request, emit_timeouts_request,
    parse_family, parse_info,
};

/// The way to the table.
#[derive(Debug)]
pub struct Ipvs {
    channel: Channel,
    family: u16,
}

impl Ipvs {
    /// Finds the family and asks its version (0x010201). ENOENT: this kernel has no IPVS, or not
    /// yet; loading the module is somebody else's.
    pub fn open() -> Result<(Self, u32), Errno> {
        if is_absent() {
            return Err(Errno::ENOENT);
        }
        let mut channel = Channel::open(libc::NETLINK_GENERIC)?;
        let mut family = None;
        channel.exchange(emit_family_request, |answer| {
            family = family.or_else(|| parse_family(answer.payload));
        })?;
        let family = family.ok_or(Errno::ENOENT)?;

        let mut version = None;
        channel.exchange(
            |sequence| emit_info_request(family, sequence),
            |answer| version = version.or_else(|| parse_info(answer.payload)),
        )?;
        let version = version.ok_or(Errno::ENOENT)?;
        Ok((Self { channel, family }, version))
    }

    /// The table of another network namespace; the empty name is that of the first process.
    pub fn open_in(namespace: &str) -> Result<(Self, u32), Errno> {
        netns::within(namespace, Self::open)
    }

    /// See [`Monitor::set_receive_buffer`](super::netlink::Monitor::set_receive_buffer).
    pub fn set_receive_buffer(&self, octets: u32, beyond_limit: bool) -> Result<(), Errno> {
        self.channel.set_receive_buffer(octets, beyond_limit)
    }

    /// One change of the table. What is not there is ENOENT, be it a service or a destination.
    pub fn perform(&mut self, request: &Request) -> Result<(), Errno> {
        let family = self.family;
        self.channel
            .exchange(|sequence| request.emit(family, sequence), |_| {})
            .map(|_| ())
            .map_err(missing)
    }

    /// One service with its destinations; None when there is none of this key.
    pub fn read(&mut self, id: &ServiceId) -> Result<Option<(Service, Vec<DestState>)>, Errno> {
        let family = self.family;
        let mut service = None;
        let asked = self.channel.exchange(
            |sequence| emit_service_request(family, sequence, id),
            |answer| service = service.take().or_else(|| Service::parse(answer.payload)),
        );
        match asked.map_err(missing) {
            Ok(_) => {}
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(service) = service else {
            return Ok(None);
        };
        Ok(Some((service, self.dests(id)?)))
    }

    pub fn timeouts(&mut self) -> Result<Timeouts, Errno> {
        let family = self.family;
        let mut timeouts = None;
        self.channel.exchange(
            |sequence| emit_timeouts_request(family, sequence),
            |answer| timeouts = timeouts.or_else(|| Timeouts::parse(answer.payload)),
        )?;
        timeouts.ok_or(Errno::EINVAL)
    }

    /// The whole table.
    pub fn dump(&mut self) -> Result<Vec<(Service, Vec<DestState>)>, Errno> {
        let family = self.family;
        let mut services = Vec::new();
        self.channel
            .exchange(
                |sequence| emit_service_dump(family, sequence),
                |answer| services.extend(Service::parse(answer.payload)),
            )
            .map_err(missing)?;

        let mut table = Vec::with_capacity(services.len());
        for service in services {
            let dests = self.dests(&service.id)?;
            table.push((service, dests));
        }
        Ok(table)
    }

    fn dests(&mut self, id: &ServiceId) -> Result<Vec<DestState>, Errno> {
        let family = self.family;
        let mut dests = Vec::new();
        self.channel
            .exchange(
                |sequence| emit_dest_dump(family, sequence, id),
                |answer| dests.extend(DestState::parse(answer.payload, id)),
            )
            .map_err(missing)?;
        Ok(dests)
    }
}

/// True when /proc says that the module is not loaded. To ask the kernel for a family that it does
/// not have makes it run modprobe while we wait (Linux 5.3); a child of ours does that better.
fn is_absent() -> bool {
    let network = Path::new("/proc/net");
    network.join("dev").exists() && !network.join("ip_vs").exists()
}

/// The kernel says ESRCH for a missing service and ENOENT for a missing destination.
fn missing(error: Errno) -> Errno {
    match error {
        Errno::ESRCH => Errno::ENOENT,
        error => error,
    }
}
