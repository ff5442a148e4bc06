//! Network namespaces, by the names that ip(8) gives them.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::socket::check;
use crate::errno::Errno;

/// Moves the process into a named network namespace. ENOENT: there is none of that name; ENOSYS:
/// the kernel is older than 3.0.
pub fn enter(name: &OsStr) -> Result<(), Errno> {
    // A name with a slash would be a path to somewhere else.
    if Path::new(name).file_name() != Some(name) {
        return Err(Errno::EINVAL);
    }
    let mut outcome = Err(Errno::ENOENT);
    for directory in DIRECTORIES {
        match File::open(Path::new(directory).join(name)) {
            Ok(namespace) => return join(&namespace),
            Err(error) => outcome = Err(Errno::of(&error)),
        }
    }
    outcome
}

/// Does something in another namespace and comes back: what is opened there stays there. The
/// empty name is the namespace of the machine's first process.
pub fn within<T>(name: &str, act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let open = |path: &str| File::open(path).map_err(|error| Errno::of(&error));
    let here = open("/proc/self/ns/net")?;
    if name.is_empty() {
        join(&open("/proc/1/ns/net")?)?;
    } else {
        enter(OsStr::new(name))?;
    }
    let outcome = act();
    join(&here)?;
    outcome
}

fn join(namespace: &File) -> Result<(), Errno> {
    // SAFETY: the call takes a descriptor, which is open, and a flag. By number, because the C
    // library of an old system may lack the function.
    let result =
        unsafe { libc::syscall(libc::SYS_setns, namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    check(if result == 0 { 0 } else { -1 }).map(drop)
}

/// Where ip(8) keeps them, of today and of old.
const DIRECTORIES: [&str; 2] = ["/run/netns", "/var/run/netns"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_of_a_namespace_is_refused() {
        for name in ["", ".", "..", "a/b", "/proc/1/ns/net"] {
            assert_eq!(enter(OsStr::new(name)), Err(Errno::EINVAL), "{name:?}");
        }
        assert_eq!(
            enter(OsStr::new("there-is-no-such-one")),
            Err(Errno::ENOENT)
        );
    }
}
