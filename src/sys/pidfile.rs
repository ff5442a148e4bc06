//! Pid files: who runs, and the lock that says whether it still does.
//!
//! The lock is a POSIX record lock: Linux 2.6.32 has it, and it conflicts with the locks that
//! keepalived takes, so that the two never run beside each other by accident. Such a lock belongs
//! to the process that took it and is not inherited by a child: lock after daemonising.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

use crate::errno::Errno;

/// A pid file with our number in it, removed when dropped.
///
/// While it is locked, this process must not open and close the same file by other means: closing
/// any descriptor of it gives the lock up.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why there is no pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another process holds the lock.
    Running,
    System(Errno),
}

impl PidFile {
    /// Locks the file and writes our number into it; what it said before does not matter.
    pub fn lock(path: &Path) -> Result<Self, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            let file = open(path).map_err(Refusal::System)?;
            take_lock(&file)?;
            // Between opening and locking the owner before us may have removed it: then the lock is
            // on a file without a name, which the next daemon would not find.
            if is_at(&file, path) {
                return Self::written(path, file).map_err(Refusal::System);
            }
        }
        Err(Refusal::System(Errno::EAGAIN))
    }

    /// Writes our number without a lock, for tools that read the files of keepalived's parts.
    pub fn write(path: &Path) -> Result<Self, Errno> {
        let file = open(path)?;
        Self::written(path, file)
    }

    fn written(path: &Path, mut file: File) -> Result<Self, Errno> {
        let number = format!("{}\n", nix::unistd::getpid());
        let done = file
            // The umask is made for secrets; a pid file is for everybody to read.
            .set_permissions(fs::Permissions::from_mode(MODE))
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(number.as_bytes()));
        let path = path.to_path_buf();
        let pid_file = Self { path, file };
        // On a failure the drop removes what would otherwise be an empty file.
        done.map(|()| pid_file).map_err(|error| Errno::of(&error))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have put another file there: that one is not ours.
        if is_at(&self.file, &self.path) {
            // It is gone already, or nobody can help it: the lock ends with us in any case.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a daemon holds this pid file. To be asked before daemonising, while the terminal can
/// still be told; the answer that counts is that of [`PidFile::lock`].
pub fn is_running(path: &Path) -> Result<bool, Errno> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OPEN_FLAGS)
        .open(path);
    match opened {
        Ok(file) => is_locked(&file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Errno::of(&error)),
    }
}

fn open(path: &Path) -> Result<File, Errno> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(OPEN_FLAGS)
        .open(path)
        .map_err(|error| Errno::of(&error))?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file.then_some(file).ok_or(Errno::EINVAL)
}

fn take_lock(file: &File) -> Result<(), Refusal> {
    match fcntl(file.as_fd(), FcntlArg::F_SETLK(&whole_file())) {
        Ok(_) => Ok(()),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Err(Refusal::Running),
        Err(error) => Err(Refusal::System(error.into())),
    }
}

fn is_locked(file: &File) -> Result<bool, Errno> {
    let mut lock = whole_file();
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// A write lock from the first octet to whatever will be the last.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: WRITE_LOCK,
        l_whence: FROM_START,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Whether this open file is the one that has this name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// Everybody may read it; init scripts of other users do.
const MODE: u32 = 0o644;
/// Not through a link, not waiting for a fifo.
const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
/// Each turn means that another daemon ended just then; twice is a coincidence, more is odd.
const ATTEMPTS_MAX: usize = 5;
/// The field of the lock is a short, the constants are not. Both values fit, they are 1 and 0.
#[expect(clippy::cast_possible_truncation, reason = "F_WRLCK is 1")]
const WRITE_LOCK: i16 = libc::F_WRLCK as i16;
#[expect(clippy::cast_possible_truncation, reason = "SEEK_SET is 0")]
const FROM_START: i16 = libc::SEEK_SET as i16;

// The lock between two processes is tested in tests/background.rs: within one there is none.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn the_file_holds_our_number_whatever_it_held_before_and_goes_with_us() {
        let scratch = Scratch::new();
        let path = scratch.join("pid");
        fs::write(&path, "123456789 stale\n").unwrap();
        let pid_file = PidFile::lock(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        drop(pid_file);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_not_ours_any_more_is_left_alone() {
        let scratch = Scratch::new();
        let path = scratch.join("pid");
        let pid_file = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(pid_file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn links_fifos_and_missing_directories_are_refused() {
        let scratch = Scratch::new();
        let [target, link, fifo] = ["to", "link", "fifo"].map(|name| scratch.join(name));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = PidFile::lock(&link).unwrap_err();
        assert_eq!(error, Refusal::System(Errno::new(libc::ELOOP)));
        assert!(!target.exists());
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(PidFile::lock(&fifo).is_err());
        let error = PidFile::lock(&scratch.join("none/pid")).unwrap_err();
        assert_eq!(error, Refusal::System(Errno::ENOENT));
        assert_eq!(is_running(&scratch.join("none/pid")), Ok(false));
    }
}
