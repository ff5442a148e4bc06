//! Asking an interface whether its cable is plugged, for drivers that do not tell the kernel: three
//! ways, as requests of ioctl(2).

/// How an interface is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The status register of its transceiver (IEEE 802.3 22.2.4.2), through the driver.
    Mii,
    /// The driver's own opinion: ETHTOOL_GLINK.
    Ethtool,
    /// The flags of the interface: IFF_RUNNING.
    Flags,
}

/// One question; the answer is whether there is a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub interface: String,
    pub way: Way,
}

impl Way {
    /// The one to try when a driver does not know this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Mii => Some(Self::Ethtool),
            Self::Ethtool => Some(Self::Flags),
            Self::Flags => None,
        }
    }
}
