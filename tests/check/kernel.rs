//! The kernel's IPVS table as the core sees it: requests in, the kernel's errors out.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::wire::ipvs::{Dest, Method, Request, Service, ServiceId};

#[derive(Default)]
pub(crate) struct Kernel {
    /// The module is loaded.
    pub(crate) present: bool,
    pub(crate) table: BTreeMap<ServiceId, (Service, BTreeMap<SocketAddr, Dest>)>,
    /// Requests answered "exists already" or "no such": nobody asks such a thing unless somebody
    /// else changes the table.
    pub(crate) surprises: Vec<String>,
    /// Refuse everything with this.
    pub(crate) refusing: Option<Errno>,
    /// Refuse one request in five.
    pub(crate) faults: Option<Rand>,
}

impl Kernel {
    pub(crate) fn with_ipvs() -> Self {
        Self {
            present: true,
            ..Self::default()
        }
    }

    pub(crate) fn request(&mut self, request: &Request) -> Result<(), Errno> {
        if !self.present {
            return Err(Errno::ENOENT);
        }
        if let Some(error) = self.refusing {
            return Err(error);
        }
        if self.faults.as_mut().is_some_and(|rand| rand.chance(20)) {
            return Err(Errno::ENOMEM);
        }
        let answer = self.apply(request);
        if answer.is_err() {
            self.surprises.push(command(request));
        }
        answer
    }

    fn apply(&mut self, request: &Request) -> Result<(), Errno> {
        match request {
            Request::Flush => self.table.clear(),
            Request::NewService(service) => {
                if self.table.contains_key(&service.id) {
                    return Err(Errno::EEXIST);
                }
                scheduler(service)?;
                self.table
                    .insert(service.id, (service.clone(), BTreeMap::new()));
            }
            Request::SetService(service) => {
                let entry = self.table.get_mut(&service.id).ok_or(Errno::ESRCH)?;
                scheduler(service)?;
                entry.0 = service.clone();
            }
            Request::DelService(id) => {
                self.table.remove(id).ok_or(Errno::ESRCH)?;
            }
            Request::NewDest(id, dest) => {
                let dests = self.dests(*id)?;
                if dests.contains_key(&dest.address) {
                    return Err(Errno::EEXIST);
                }
                dests.insert(dest.address, *dest);
            }
            Request::SetDest(id, dest) => {
                *self
                    .dests(*id)?
                    .get_mut(&dest.address)
                    .ok_or(Errno::ENOENT)? = *dest;
            }
            Request::DelDest(id, address) => {
                self.dests(*id)?.remove(address).ok_or(Errno::ENOENT)?;
            }
        }
        Ok(())
    }

    fn dests(&mut self, id: ServiceId) -> Result<&mut BTreeMap<SocketAddr, Dest>, Errno> {
        Ok(&mut self.table.get_mut(&id).ok_or(Errno::ESRCH)?.1)
    }

    /// As `ipvsadm -Sn` prints it.
    pub(crate) fn show(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, (service, dests)) in &self.table {
            lines.push(command(&Request::NewService(service.clone())));
            for dest in dests.values() {
                lines.push(command(&Request::NewDest(*id, *dest)));
            }
        }
        lines
    }
}

/// A kernel without the module of one scheduler.
fn scheduler(service: &Service) -> Result<(), Errno> {
    if service.scheduler == "mh" {
        return Err(Errno::ENOENT);
    }
    Ok(())
}

/// A request as the ipvsadm command that does the same.
pub(crate) fn command(request: &Request) -> String {
    match request {
        Request::Flush => "-C".to_owned(),
        Request::NewService(service) => format!("-A {}", describe(service)),
        Request::SetService(service) => format!("-E {}", describe(service)),
        Request::DelService(id) => format!("-D {}", name(*id)),
        Request::NewDest(id, dest) => format!("-a {} {}", name(*id), describe_dest(dest)),
        Request::SetDest(id, dest) => format!("-e {} {}", name(*id), describe_dest(dest)),
        Request::DelDest(id, address) => format!("-d {} -r {address}", name(*id)),
    }
}

fn name(id: ServiceId) -> String {
    let option = if id.protocol == 6 { "-t" } else { "-u" };
    format!("{option} {}", id.address)
}

fn describe(service: &Service) -> String {
    let mut text = format!("{} -s {}", name(service.id), service.scheduler);
    if service.flags & 1 != 0 {
        text += &format!(" -p {}", service.timeout);
    }
    for (flag, word) in [(0x8, "flag-1"), (0x10, "flag-2"), (0x20, "flag-3")] {
        if service.flags & flag != 0 {
            text += &format!(" -b {word}");
        }
    }
    text
}

fn describe_dest(dest: &Dest) -> String {
    let method = match dest.method {
        Method::Masq => "-m",
        Method::Tunnel => "-i",
        Method::Route | Method::Local => "-g",
    };
    format!("-r {} {method} -w {}", dest.address, dest.weight)
}
