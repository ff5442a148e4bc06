//! Error numbers of the kernel as values, so that the cores can decide on them without `libc`.

use std::fmt;
use std::io;

/// An error number as the kernel returned it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

impl Errno {
    pub const EPERM: Self = Self(1);
    pub const ENOENT: Self = Self(2);
    pub const ESRCH: Self = Self(3);
    pub const EINTR: Self = Self(4);
    pub const EAGAIN: Self = Self(11);
    pub const ENOMEM: Self = Self(12);
    pub const EACCES: Self = Self(13);
    pub const EEXIST: Self = Self(17);
    pub const ENODEV: Self = Self(19);
    pub const ENOTDIR: Self = Self(20);
    pub const EINVAL: Self = Self(22);
    pub const EFBIG: Self = Self(27);
    pub const EMSGSIZE: Self = Self(90);
    pub const ENOPROTOOPT: Self = Self(92);
    pub const EOPNOTSUPP: Self = Self(95);
    pub const EAFNOSUPPORT: Self = Self(97);
    pub const EADDRNOTAVAIL: Self = Self(99);
    pub const ENETDOWN: Self = Self(100);
    pub const ENETUNREACH: Self = Self(101);
    pub const ECONNABORTED: Self = Self(103);
    pub const ECONNRESET: Self = Self(104);
    pub const ENOBUFS: Self = Self(105);
    pub const ETIMEDOUT: Self = Self(110);
    pub const ECONNREFUSED: Self = Self(111);
    pub const EHOSTDOWN: Self = Self(112);
    pub const EHOSTUNREACH: Self = Self(113);
    pub const EINPROGRESS: Self = Self(115);

    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> i32 {
        self.0
    }

    /// The number inside an I/O error; errors that are not the kernel's count as EINVAL.
    pub fn of(error: &io::Error) -> Self {
        error.raw_os_error().map_or(Self::EINVAL, Self)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

impl std::error::Error for Errno {}

impl fmt::Display for Errno {
    /// The words of strerror(3), without the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        // The standard library appends " (os error N)".
        f.write_str(
            text.rsplit_once(" (os error")
                .map_or(text.as_str(), |(words, _)| words),
        )
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_prints_as_strerror_does() {
        assert_eq!(Errno::EEXIST.to_string(), "File exists");
        assert_eq!(Errno::of(&Errno::ENODEV.into()), Errno::ENODEV);
    }
}
