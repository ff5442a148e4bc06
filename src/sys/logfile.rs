//! Files to append log lines to, and the console as another such file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::errno::Errno;

/// A log file. Every line is one write, so that lines of several writers do not mix.
#[derive(Debug)]
pub struct LogFile(File);

impl LogFile {
    /// Never follows a link that somebody may have laid in /tmp, never waits for a fifo's reader.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        Self::open_as(path, 0o644)
    }

    /// The same of one with secrets in it: a new one is for its owner only.
    pub fn open_secret(path: &Path) -> Result<Self, Errno> {
        Self::open_as(path, 0o600)
    }

    fn open_as(path: &Path, mode: u32) -> Result<Self, Errno> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(mode)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|error| Errno::of(&error))?;
        let metadata = file.metadata().map_err(|error| Errno::of(&error))?;
        if !metadata.is_file() {
            return Err(Errno::EINVAL);
        }
        Ok(Self(file))
    }

    /// Appends whole lines.
    pub fn write(&mut self, lines: &str) -> Result<(), Errno> {
        let written = self.0.write_all(lines.as_bytes());
        written.map_err(|error| Errno::of(&error))
    }

    /// Appends a line. A full disk loses it: there is nowhere else to say so.
    pub fn append(&mut self, line: &str) {
        let _ = self.0.write_all(format!("{line}\n").as_bytes());
    }
}

/// Whether stderr takes a line now: a stopped terminal or a full pipe shall not stop us.
pub fn console_has_room() -> bool {
    let stderr = std::io::stderr();
    let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut room, PollTimeout::ZERO);
    ready.is_ok_and(|count| count > 0)
        && room[0]
            .revents()
            .is_some_and(|events| events == PollFlags::POLLOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn lines_are_appended_to_what_is_there() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        std::fs::write(&path, "before\n").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.append("one");
        file.append("two");
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "before\none\ntwo\n"
        );
    }

    #[test]
    fn links_and_fifos_are_refused() {
        let scratch = Scratch::new();
        let [target, link, fifo] = ["to", "link", "fifo"].map(|name| scratch.join(name));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(LogFile::open(&link).unwrap_err().number(), libc::ELOOP);
        assert!(!target.exists());
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(LogFile::open(&fifo).is_err());
    }
}
