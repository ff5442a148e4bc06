//! Settings of the kernel's network, as they stand under `/proc/sys/net`: names and what is asked.

use std::fmt;

use crate::addr::Family;

/// One number that the kernel keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    pub family: Family,
    pub scope: Scope,
    pub name: &'static str,
}

/// What a setting holds for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole family: `net.ipv4.NAME`.
    Family,
    /// `conf.all`: combined with that of an interface in a way of each setting's own.
    All,
    /// `conf.default`: what new interfaces begin with.
    Default,
    /// An interface by name, which the kernel keeps free of slashes.
    Link(String),
}

/// What is asked of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The value comes back as an event; nothing comes of a setting that this kernel lacks.
    Read(Setting),
    /// Of an interface that goes away with us.
    Write(Setting, i32),
    /// The value before the first of these is remembered.
    Borrow(Setting, i32),
    /// What was borrowed gets the remembered value back.
    Return(Setting),
}

impl Setting {
    pub fn of_link(family: Family, link: &str, name: &'static str) -> Self {
        Self {
            family,
            scope: Scope::Link(link.to_owned()),
            name,
        }
    }

    /// Below `/proc/sys/net`.
    pub fn path(&self) -> String {
        self.joined("/")
    }

    fn joined(&self, separator: &str) -> String {
        let family = match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        let scope = match &self.scope {
            Scope::Family => return [family, self.name].join(separator),
            Scope::All => "all",
            Scope::Default => "default",
            Scope::Link(name) => name,
        };
        [family, "conf", scope, self.name].join(separator)
    }
}

impl Request {
    pub fn setting(&self) -> &Setting {
        match self {
            Self::Read(setting)
            | Self::Write(setting, _)
            | Self::Borrow(setting, _)
            | Self::Return(setting) => setting,
        }
    }
}

impl fmt::Display for Setting {
    /// As sysctl(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net.{}", self.joined("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_a_path_and_a_name() {
        let setting = Setting::of_link(Family::V4, "vrrp.51", "arp_ignore");
        assert_eq!(setting.path(), "ipv4/conf/vrrp.51/arp_ignore");
        assert_eq!(setting.to_string(), "net.ipv4.conf.vrrp.51.arp_ignore");
        let all = Setting {
            scope: Scope::All,
            ..setting.clone()
        };
        assert_eq!(all.path(), "ipv4/conf/all/arp_ignore");
        let of_family = Setting {
            scope: Scope::Family,
            name: "igmp_link_local_mcast_reports",
            ..setting
        };
        let name = "net.ipv4.igmp_link_local_mcast_reports";
        assert_eq!(of_family.to_string(), name);
    }
}
