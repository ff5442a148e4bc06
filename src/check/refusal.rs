//! What is said when IPVS refuses a request: keepalived's line, and not too often.
//!
//! The names and numbers are those of the old socket options of IPVS, as log watchers know them.

use std::fmt;
use std::time::Duration;

use log::error;

use crate::addr::Family;
use crate::errno::Errno;
use crate::time::Instant;
use crate::wire::ipvs::{Request, ServiceId};

/// A kernel that refuses one entry refuses ten thousand: only so many lines are written in a
/// while, the rest is counted.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    since: Instant,
    written: u32,
    withheld: u32,
}

impl Complaints {
    pub(super) fn write(&mut self, now: Instant, request: &Request, errno: Errno) {
        if self.written > 0 && now.since(self.since) >= WINDOW {
            self.written = 0;
        }
        if self.written >= LINES_MAX {
            self.withheld += 1;
            return;
        }
        if self.written == 0 {
            self.since = now;
        }
        self.written += 1;
        if self.withheld > 0 {
            error!("IPVS: {} further errors were not logged", self.withheld);
            self.withheld = 0;
        }
        error!("{}", Line { request, errno });
    }
}

/// One refusal in keepalived's words.
struct Line<'a> {
    request: &'a Request,
    errno: Errno,
}

impl Line<'_> {
    fn command(&self) -> (&'static str, u32) {
        match self.request {
            Request::NewService(_) => ("ADD", 1154),
            Request::SetService(_) => ("EDIT", 1155),
            Request::DelService(_) => ("DEL", 1156),
            Request::Flush => ("FLUSH", 1157),
            Request::NewDest(..) => ("ADDDEST", 1159),
            Request::DelDest(..) => ("DELDEST", 1160),
            Request::SetDest(..) => ("EDITDEST", 1161),
            Request::SetTimeouts(_) => ("TIMEOUT", 1162),
            Request::NewDaemon(_) => ("STARTDAEMON", 1163),
            Request::DelDaemon(..) => ("STOPDAEMON", 1164),
        }
    }

    /// What the error means for this request; None: what it means for anything.
    fn text(&self) -> Option<&'static str> {
        let text = match (self.request, self.errno) {
            (Request::NewService(_), Errno::EEXIST) => "Service already exists",
            (Request::NewDest(..), Errno::EEXIST) => "Destination already exists",
            (Request::NewService(_) | Request::SetService(_), Errno::ENOENT) => {
                "Scheduler or persistence engine not found"
            }
            (Request::SetDest(..) | Request::DelDest(..), Errno::ENOENT) => "No such destination",
            (Request::NewDaemon(_), Errno::EEXIST) => "Daemon has already run",
            (Request::DelDaemon(..), Errno::ESRCH | Errno::ENOENT) => "No daemon is running",
            (_, Errno::ESRCH) => "No such service",
            (_, Errno::EPERM) => "Permission denied (you must be root)",
            (_, Errno::EINVAL) => {
                "Invalid operation.  Possibly wrong module version, address not unicast, ..."
            }
            (_, Errno::ENOPROTOOPT) => "Protocol not available",
            (_, Errno::ENOMEM) => "Memory allocation problem",
            (_, Errno::EOPNOTSUPP) => "Operation not supported with IPv6",
            (_, Errno::EAFNOSUPPORT) => "Operation not supported with specified address family",
            (_, Errno::EMSGSIZE) => "Module is wrong version",
            _ => return None,
        };
        Some(text)
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = self.command();
        let errno = self.errno;
        write!(f, "IPVS cmd IP_VS_SO_SET_{name}({number}) error: ")?;
        match self.text() {
            Some(text) => f.write_str(text)?,
            None => write!(f, "{errno}")?,
        }
        write!(f, "({})", errno.number())?;
        match self.request {
            Request::Flush
            | Request::NewDaemon(_)
            | Request::DelDaemon(..)
            | Request::SetTimeouts(_) => Ok(()),
            Request::NewService(service) | Request::SetService(service) => {
                write!(f, " ({})", Where(service.id))
            }
            Request::DelService(id) => write!(f, " ({})", Where(*id)),
            Request::NewDest(id, dest) | Request::SetDest(id, dest) => {
                write!(f, " ({} -> {})", Where(*id), dest.address)
            }
            Request::DelDest(id, address) => write!(f, " ({} -> {address})", Where(*id)),
        }
    }
}

/// A service in these lines: `192.168.200.254:tcp:80`, `Fwm 9`.
pub(super) struct Where(pub(super) ServiceId);

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceId::Address { protocol, address } => {
                let protocol = match protocol {
                    6 => "tcp",
                    17 => "udp",
                    132 => "sctp",
                    _ => "?",
                };
                if address.is_ipv6() {
                    write!(f, "[{}]:{protocol}:{}", address.ip(), address.port())
                } else {
                    write!(f, "{}:{protocol}:{}", address.ip(), address.port())
                }
            }
            ServiceId::Fwmark { mark, family } => {
                let inet6 = if family == Family::V6 { " inet6" } else { "" };
                write!(f, "Fwm {mark}{inet6}")
            }
        }
    }
}

const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ipvs::{Dest, Method, Service};

    #[test]
    fn a_refusal_is_told_in_the_words_of_keepalived() {
        let id = |protocol, address: &str| ServiceId::Address {
            protocol,
            address: address.parse().unwrap(),
        };
        let service = Service {
            id: id(17, "[fd00::1]:53"),
            scheduler: "mh".to_owned(),
            flags: 0,
            timeout: 0,
            prefix: 128,
            engine: None,
        };
        let dest = Dest::new("192.168.200.2:80".parse().unwrap(), Method::Route, 1);
        let mark = ServiceId::Fwmark {
            mark: 9,
            family: Family::V6,
        };
        let web = id(6, "192.168.200.254:80");
        for (request, errno, line) in [
            (
                Request::NewService(service),
                Errno::ENOENT,
                "ADD(1154) error: Scheduler or persistence engine not found(2) ([fd00::1]:udp:53)",
            ),
            (
                Request::NewDest(web, dest),
                Errno::EEXIST,
                "ADDDEST(1159) error: Destination already exists(17) \
                 (192.168.200.254:tcp:80 -> 192.168.200.2:80)",
            ),
            (
                Request::DelService(web),
                Errno::ENODEV,
                "DEL(1156) error: No such device(19) (192.168.200.254:tcp:80)",
            ),
            (
                Request::DelService(mark),
                Errno::ENODEV,
                "DEL(1156) error: No such device(19) (Fwm 9 inet6)",
            ),
            (
                Request::Flush,
                Errno::EPERM,
                "FLUSH(1157) error: Permission denied (you must be root)(1)",
            ),
        ] {
            let request = &request;
            let told = Line { request, errno }.to_string();
            assert_eq!(told, format!("IPVS cmd IP_VS_SO_SET_{line}"));
        }
    }
}
