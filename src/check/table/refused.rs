//! What the kernel's refusal of a request means for the table.

use std::net::SocketAddr;

use crate::errno::Errno;
use crate::wire::ipvs::{Request, ServiceId};

use super::slot::Found;

/// A service (without an address) or one of its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Subject {
    pub(super) id: ServiceId,
    pub(super) address: Option<SocketAddr>,
}

pub(super) enum Refusal {
    /// It is gone already.
    AsWanted,
    /// It is there already, whoever made it, with a content that may be another.
    Exists,
    /// It is not there: somebody deleted it.
    Missing,
    /// The service is not there, and so none of its destinations.
    ServiceMissing,
    /// The request was not carried out.
    NotDone(Found),
}

impl Refusal {
    pub(super) fn of(request: &Request, error: Errno) -> Self {
        // The kernel says ESRCH for a service and ENOENT for a destination that it has not; libnl
        // makes ENOENT of both, and older kernels are not trusted to be consistent either.
        let missing = error == Errno::ENOENT || error == Errno::ESRCH;
        match request {
            Request::NewService(_) | Request::NewDest(..) if error == Errno::EEXIST => Self::Exists,
            Request::DelService(_) if missing => Self::AsWanted,
            Request::DelDest(..) if error == Errno::ENOENT => Self::AsWanted,
            Request::SetDest(..) if error == Errno::ENOENT => Self::Missing,
            Request::NewDest(..) | Request::SetDest(..) | Request::DelDest(..) if missing => {
                Self::ServiceMissing
            }
            // ENOENT is a scheduler that the kernel has not.
            Request::SetService(_) if error == Errno::ESRCH => Self::ServiceMissing,
            Request::Flush
            | Request::NewService(_)
            | Request::NewDest(..)
            | Request::NewDaemon(_)
            | Request::DelDaemon(..)
            | Request::SetTimeouts(_) => Self::NotDone(Found::Unclear),
            Request::SetService(_)
            | Request::DelService(_)
            | Request::SetDest(..)
            | Request::DelDest(..) => Self::NotDone(Found::There),
        }
    }
}

impl Subject {
    /// None for a request about no single entry.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let (id, address) = match request {
            Request::Flush
            | Request::NewDaemon(_)
            | Request::DelDaemon(..)
            | Request::SetTimeouts(_) => return None,
            Request::NewService(service) | Request::SetService(service) => (service.id, None),
            Request::DelService(id) => (*id, None),
            Request::NewDest(id, dest) | Request::SetDest(id, dest) => (*id, Some(dest.address)),
            Request::DelDest(id, address) => (*id, Some(*address)),
        };
        Some(Self { id, address })
    }
}
