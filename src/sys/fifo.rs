//! A named pipe to write lines to. Opened for both directions, so that it needs no reader to be
//! open and survives one that leaves; never waited for.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, Mode, SFlag};

use super::socket::check;
use crate::errno::Errno;

/// Taken away again when it is dropped, if it was made here.
#[derive(Debug)]
pub struct Fifo {
    descriptor: OwnedFd,
    path: PathBuf,
    made: bool,
}

/// Why a pipe is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Something else has its name.
    NotAPipe,
    /// It belongs to somebody else, who could read what is not meant for them.
    OtherOwner(u32),
    System(Errno),
}

impl Fifo {
    /// Opens the pipe of that name, or makes one that only its owner may use.
    pub fn open(path: &Path, owner: Option<(u32, u32)>) -> Result<Self, Refusal> {
        let system = |errno: nix::errno::Errno| Refusal::System(errno.into());
        let made = match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) => true,
            Err(nix::errno::Errno::EEXIST) => false,
            Err(errno) => return Err(system(errno)),
        };
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Refusal::System(Errno::EINVAL))?;
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // SAFETY: the name ends with a zero; the descriptor is new and nobody else's.
        let descriptor = unsafe {
            let number = check(libc::open(name.as_ptr(), flags)).map_err(Refusal::System)?;
            OwnedFd::from_raw_fd(number)
        };
        let fifo = Self {
            descriptor,
            path: path.to_owned(),
            made,
        };
        // What was opened is asked, not the name: that may mean something else by now.
        let status = nix::sys::stat::fstat(&fifo.descriptor).map_err(system)?;
        if status.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFIFO.bits() {
            return Err(Refusal::NotAPipe);
        }
        fifo.belong_to(owner, &status)?;
        Ok(fifo)
    }

    fn belong_to(&self, owner: Option<(u32, u32)>, status: &FileStat) -> Result<(), Refusal> {
        let Some((uid, gid)) = owner else {
            return Ok(());
        };
        if self.made {
            let (uid, gid) = (Some(uid.into()), Some(gid.into()));
            return nix::unistd::fchown(&self.descriptor, uid, gid)
                .map_err(|errno| Refusal::System(errno.into()));
        }
        if status.st_uid == uid {
            Ok(())
        } else {
            Err(Refusal::OtherOwner(status.st_uid))
        }
    }

    /// Writes a line whole; EAGAIN when there is no room for it now.
    pub fn write(&self, line: &[u8]) -> Result<(), Errno> {
        nix::unistd::write(&self.descriptor, line)?;
        Ok(())
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if self.made {
            // It may have been taken away by somebody else.
            let _ = nix::unistd::unlink(&self.path);
        }
    }
}

impl AsRawFd for Fifo {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_pipe_without_a_reader_takes_lines_until_it_is_full_and_never_waits() {
        let scratch = Scratch::new();
        let path = scratch.join("full");
        let fifo = Fifo::open(&path, None).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let mut written = 0;
        while fifo.write(b"INSTANCE \"V\" MASTER 100\n").is_ok() {
            written += 1;
        }
        assert!(written > 1_000, "{written}");
        assert_eq!(fifo.write(&[b'x'; 64]), Err(Errno::EAGAIN));
        drop(fifo);
        assert!(!path.exists());
    }

    #[test]
    fn a_pipe_that_was_there_stays_and_what_is_none_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.join("there");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        drop(Fifo::open(&path, None).unwrap());
        assert!(path.exists());
        let owner = fs::metadata(&path).unwrap().uid();
        assert!(Fifo::open(&path, Some((owner, 0))).is_ok());
        let other = Fifo::open(&path, Some((owner + 1, 0)));
        assert_eq!(other.err(), Some(Refusal::OtherOwner(owner)));
        fs::remove_file(&path).unwrap();

        fs::write(&path, "").unwrap();
        assert_eq!(Fifo::open(&path, None).err(), Some(Refusal::NotAPipe));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            Fifo::open(Path::new("/no/such/place"), None),
            Err(Refusal::System(Errno::ENOENT))
        ));
    }
}
