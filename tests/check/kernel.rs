//! The kernel's IPVS table as the core sees it: requests in, the kernel's errors out.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use keepalived::addr::Family;
use keepalived::check::Reading;
use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::wire::ipvs::{
    Dest, DestState, Method, Request, Role, Service, ServiceId, SyncDaemon, Timeouts, Tunnel,
};

pub(crate) struct Kernel {
    /// The module is loaded.
    pub(crate) present: bool,
    pub(crate) table: BTreeMap<ServiceId, (Service, BTreeMap<SocketAddr, Dest>)>,
    /// Which sync daemons run.
    pub(crate) daemons: BTreeMap<Role, SyncDaemon>,
    pub(crate) timeouts: Timeouts,
    /// Open connections by destination.
    pub(crate) active: BTreeMap<SocketAddr, u32>,
    /// The scheduler whose module it has not.
    pub(crate) without: &'static str,
    /// It knows no tunnel but IP in IP, and says nothing of it.
    pub(crate) old_tunnels: bool,
    /// It knows no destination of another family than the service, and takes the first four octets
    /// for an address.
    pub(crate) old_families: bool,
    /// Requests answered "exists already" or "no such": nobody asks such a thing unless somebody
    /// else changes the table.
    pub(crate) surprises: Vec<String>,
    /// Refuse everything with this.
    pub(crate) refusing: Option<Errno>,
    /// Refuse one request in five.
    pub(crate) faults: Option<Rand>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            present: false,
            table: BTreeMap::new(),
            daemons: BTreeMap::new(),
            timeouts: Timeouts {
                tcp: 900,
                tcp_fin: 120,
                udp: 300,
            },
            active: BTreeMap::new(),
            without: "mh",
            old_tunnels: false,
            old_families: false,
            surprises: Vec::new(),
            refusing: None,
            faults: None,
        }
    }
}

impl Kernel {
    pub(crate) fn with_ipvs() -> Self {
        Self {
            present: true,
            ..Self::default()
        }
    }

    pub(crate) fn read(&self, id: ServiceId) -> Result<Reading, Errno> {
        if !self.present {
            return Err(Errno::ENOENT);
        }
        Ok(self.table.get(&id).map(|(service, dests)| {
            let dests = dests.values().map(|&dest| DestState {
                dest,
                active: self.active.get(&dest.address).copied().unwrap_or(0),
            });
            (service.clone(), dests.collect())
        }))
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
                self.scheduler(service)?;
                self.table
                    .insert(service.id, (service.clone(), BTreeMap::new()));
            }
            Request::SetService(service) => {
                self.dests(service.id)?;
                self.scheduler(service)?;
                self.table
                    .entry(service.id)
                    .and_modify(|entry| entry.0 = service.clone());
            }
            Request::DelService(id) => {
                self.table.remove(id).ok_or(Errno::ESRCH)?;
            }
            Request::NewDest(id, dest) => {
                let dests = self.dests(*id)?;
                if dests.contains_key(&dest.address) {
                    return Err(Errno::EEXIST);
                }
                let known = self.as_understood(*id, *dest);
                self.dests(*id)?.insert(known.address, known);
            }
            Request::SetDest(id, dest) => {
                let known = self.as_understood(*id, *dest);
                *self
                    .dests(*id)?
                    .get_mut(&dest.address)
                    .ok_or(Errno::ENOENT)? = known;
            }
            Request::DelDest(id, address) => {
                let dest = Dest::new(*address, Method::Route, 0);
                let known = self.as_understood(*id, dest).address;
                self.dests(*id)?.remove(&known).ok_or(Errno::ENOENT)?;
            }
            Request::NewDaemon(daemon) => {
                if self.daemons.contains_key(&daemon.role) {
                    return Err(Errno::EEXIST);
                }
                self.daemons.insert(daemon.role, daemon.clone());
            }
            Request::DelDaemon(role, _) => {
                self.daemons.remove(role).ok_or(Errno::ESRCH)?;
            }
            Request::SetTimeouts(timeouts) => self.timeouts = *timeouts,
        }
        Ok(())
    }

    fn scheduler(&self, service: &Service) -> Result<(), Errno> {
        if service.scheduler == self.without {
            return Err(Errno::ENOENT);
        }
        Ok(())
    }

    fn as_understood(&self, id: ServiceId, mut dest: Dest) -> Dest {
        if let (IpAddr::V6(ip), Family::V4, true) =
            (dest.address.ip(), id.family(), self.old_families)
        {
            let [a, b, c, d, ..] = ip.octets();
            dest.address.set_ip(IpAddr::from([a, b, c, d]));
        }
        let method = &mut dest.options.method;
        if let (Method::Tunnel(_), true) = (&*method, self.old_tunnels) {
            *method = Method::Tunnel(Tunnel::Ipip);
        }
        dest
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
        Request::NewDaemon(daemon) => {
            let word = role_word(daemon.role);
            let (interface, id) = (&daemon.interface, daemon.id);
            format!("--start-daemon {word} --mcast-interface {interface} --syncid {id}")
        }
        Request::DelDaemon(role, id) => {
            format!("--stop-daemon {} --syncid {id}", role_word(*role))
        }
        Request::SetTimeouts(all) => {
            format!("--set {} {} {}", all.tcp, all.tcp_fin, all.udp)
        }
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Backup => "backup",
    }
}

fn name(id: ServiceId) -> String {
    match id {
        ServiceId::Address { protocol, address } => {
            let option = match protocol {
                6 => "-t",
                17 => "-u",
                _ => "--sctp-service",
            };
            format!("{option} {address}")
        }
        ServiceId::Fwmark { mark, family } => {
            let inet6 = if family == Family::V6 { " -6" } else { "" };
            format!("-f {mark}{inet6}")
        }
    }
}

fn describe(service: &Service) -> String {
    let mut text = format!("{} -s {}", name(service.id), service.scheduler);
    if service.flags & 1 != 0 {
        text += &format!(" -p {}", service.timeout);
        let whole = if service.id.family() == Family::V4 {
            32
        } else {
            128
        };
        if service.prefix != whole {
            text += &format!(" -M {}", service.prefix);
        }
    }
    if service.flags & 4 != 0 {
        text += " -o";
    }
    for (flag, word) in [(0x8, "flag-1"), (0x10, "flag-2"), (0x20, "flag-3")] {
        if service.flags & flag != 0 {
            text += &format!(" -b {word}");
        }
    }
    if let Some(engine) = &service.engine {
        text += &format!(" --pe {engine}");
    }
    text
}

fn describe_dest(dest: &Dest) -> String {
    let Dest { address, options } = dest;
    let method = match options.method {
        Method::Masq => "-m",
        Method::Tunnel(_) => "-i",
        Method::Route | Method::Local => "-g",
    };
    let mut text = format!("-r {address} {method} -w {}", options.weight);
    match options.method {
        Method::Tunnel(Tunnel::Gue { port, .. }) => {
            text += &format!(" --tun-type gue --tun-port {port}");
        }
        Method::Tunnel(Tunnel::Gre { .. }) => text += " --tun-type gre",
        _ => {}
    }
    let (upper, lower) = (options.upper_threshold, options.lower_threshold);
    if upper != 0 || lower != 0 {
        text += &format!(" -x {upper} -y {lower}");
    }
    text
}
