//! Settings of single interfaces under /proc/sys/net.

use std::fs;
use std::path::PathBuf;

use crate::addr::Family;
use crate::errno::Errno;

/// net.ipv4.conf.INTERFACE.NAME or net.ipv6.conf.INTERFACE.NAME.
pub fn read(family: Family, interface: &str, name: &str) -> Result<i32, Errno> {
    let path = path_of(family, interface, name)?;
    let text = fs::read_to_string(path).map_err(|error| Errno::of(&error))?;
    text.trim().parse().map_err(|_| Errno::EINVAL)
}

/// Does not write what is there already: some settings cost the kernel a walk over its tables.
pub fn write(family: Family, interface: &str, name: &str, value: i32) -> Result<(), Errno> {
    if read(family, interface, name)? == value {
        return Ok(());
    }
    let path = path_of(family, interface, name)?;
    fs::write(path, value.to_string()).map_err(|error| Errno::of(&error))
}

/// A name that would lead out of its directory is none of an interface.
fn path_of(family: Family, interface: &str, name: &str) -> Result<PathBuf, Errno> {
    if interface.contains('/') || matches!(interface, "" | "." | "..") {
        return Err(Errno::ENODEV);
    }
    let room = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    Ok([CONFIGURATION, room, "conf", interface, name]
        .iter()
        .collect())
}

const CONFIGURATION: &str = "/proc/sys/net";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_and_its_own_value_may_be_written() {
        let value = read(Family::V4, "lo", "forwarding").unwrap();
        assert!(matches!(value, 0 | 1), "{value}");
        assert_eq!(write(Family::V4, "lo", "forwarding", value), Ok(()));
    }

    #[test]
    fn what_does_not_exist_is_told_and_nothing_else_is_opened() {
        let gone = read(Family::V4, "no-such-0", "forwarding");
        assert_eq!(gone, Err(Errno::ENOENT));
        for name in ["", ".", "..", "a/b", "../../kernel"] {
            let refused = read(Family::V6, name, "forwarding");
            assert_eq!(refused, Err(Errno::ENODEV), "{name:?}");
        }
    }
}
