//! Changes that others make: to files of a directory (inotify, Linux 2.6.13), and to the processes
//! of this machine (the process connector, or a look at /proc).

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::socket::check;
use crate::errno::Errno;
use crate::wire::connector::{self, ProcessEvent};

/// Watches directories.
#[derive(Debug)]
pub struct Directories(OwnedFd);

/// One directory that is watched; a number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryId(i32);

/// What happened in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file of that name was written, came or went.
    File(DirectoryId, OsString),
    /// The directory itself is gone; it is watched no longer.
    Gone(DirectoryId),
    /// More happened than the kernel remembers.
    Overflow,
}

/// Hears of processes.
#[derive(Debug)]
pub struct Connector(OwnedFd);

/// A process as it calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessName {
    pub pid: u32,
    pub name: Vec<u8>,
    pub words: Vec<Vec<u8>>,
}

impl Directories {
    pub fn open() -> Result<Self, Errno> {
        // SAFETY: no pointers are passed; the descriptor is new and nobody else's.
        unsafe {
            let number = check(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC))?;
            Ok(Self(OwnedFd::from_raw_fd(number)))
        }
    }

    pub fn add(&self, directory: &Path) -> Result<DirectoryId, Errno> {
        let name = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the name ends with a zero.
        let id = unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), name.as_ptr(), EVENTS) };
        check(id).map(DirectoryId)
    }

    pub fn remove(&self, directory: DirectoryId) {
        // It may have been removed by the kernel already.
        // SAFETY: no pointers are passed.
        unsafe { libc::inotify_rm_watch(self.0.as_raw_fd(), directory.0) };
    }

    /// The next changes; None when there are none.
    pub fn recv(&self) -> Result<Option<Vec<Change>>, Errno> {
        let mut buffer = [0; BUFFER];
        match nix::unistd::read(&self.0, &mut buffer) {
            Ok(length) => Ok(Some(changes(&buffer[..length]))),
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsRawFd for Directories {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// struct inotify_event: a watch, a mask, a cookie, a length, and a name padded with zeros.
fn changes(mut octets: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    while octets.len() >= EVENT_HEADER {
        let word = |at: usize| [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]];
        let directory = DirectoryId(i32::from_ne_bytes(word(0)));
        let mask = u32::from_ne_bytes(word(4));
        let length = u32::from_ne_bytes(word(12)) as usize;
        let rest = &octets[EVENT_HEADER..];
        let (name, rest) = rest.split_at(length.min(rest.len()));
        octets = rest;
        let end = name.iter().position(|octet| *octet == 0);
        let name = OsStr::from_bytes(&name[..end.unwrap_or(name.len())]);
        if mask & libc::IN_Q_OVERFLOW != 0 {
            changes.push(Change::Overflow);
        } else if mask & (libc::IN_IGNORED | libc::IN_MOVE_SELF) != 0 {
            changes.push(Change::Gone(directory));
        } else if !name.is_empty() {
            changes.push(Change::File(directory, name.to_owned()));
        }
    }
    changes
}

/// The first octets of a regular file; None when there is none. Never waits for the other end of a
/// pipe.
pub fn first_octets(path: &Path, count: u64) -> Option<Vec<u8>> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    let mut octets = Vec::new();
    file.take(count).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// Makes a file with this content; one that is there stays unless it is to be overwritten. A link
/// is not followed.
pub fn make_file(path: &Path, content: &[u8], overwrite: bool) -> Result<(), Errno> {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(FILE_MODE);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, content));
    match written {
        Err(error) if !overwrite && error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| Errno::of(&error)),
    }
}

impl Connector {
    /// Asks to be told; the answer comes as an event. It needs the first network namespace, and
    /// the right to administer it.
    pub fn open() -> Result<Self, Errno> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the address is live and as long as is said; the descriptor is new and nobody
        // else's.
        let socket = unsafe {
            let number = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_CONNECTOR);
            let socket = OwnedFd::from_raw_fd(check(number)?);
            let mut address: libc::sockaddr_nl = std::mem::zeroed();
            address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or(0);
            address.nl_groups = connector::GROUP;
            check(libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                ADDRESS_LENGTH,
            ))?;
            socket
        };
        nix::unistd::write(&socket, &connector::listen())?;
        Ok(Self(socket))
    }

    /// The next event; None when there is none. ENOBUFS: some were lost.
    pub fn recv(&self) -> Result<Option<ProcessEvent>, Errno> {
        loop {
            let mut buffer = [0; CONNECTOR_BUFFER];
            // SAFETY: the buffer and the address are live and as long as is said.
            let (length, from) = unsafe {
                let mut from: libc::sockaddr_nl = std::mem::zeroed();
                let mut from_length = ADDRESS_LENGTH;
                let length = libc::recvfrom(
                    self.0.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    0,
                    (&raw mut from).cast(),
                    &raw mut from_length,
                );
                (nix::errno::Errno::result(length), from.nl_pid)
            };
            match length {
                Ok(length) => {
                    let length = usize::try_from(length).unwrap_or(0);
                    // Anybody may send to a netlink socket; 0 is the kernel.
                    let event = connector::parse(&buffer[..length]).filter(|_| from == 0);
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsRawFd for Connector {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// False for the kernel's own file systems, whose files change without a word.
pub fn tells_of_changes(path: &Path) -> bool {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else {
        return true;
    };
    // SAFETY: the name ends with a zero, and all zeros is a valid value of the type.
    let (result, status) = unsafe {
        let result = libc::statfs(name.as_ptr(), status.as_mut_ptr());
        (result, status.assume_init())
    };
    // The type is signed here and unsigned there; all of them have 32 bits.
    let kind = u32::try_from(status.f_type & 0xffff_ffff).unwrap_or_default();
    result != 0 || !SILENT.contains(&kind)
}

/// All processes; those that end meanwhile are left out.
pub fn processes() -> Vec<ProcessName> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(process).collect()
}

/// One process; None when it is gone.
pub fn process(pid: u32) -> Option<ProcessName> {
    let directory = Path::new("/proc").join(pid.to_string());
    let name = fs::read(directory.join("comm")).ok()?;
    let line = fs::read(directory.join("cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    let words = line.split(|octet| *octet == 0).map(<[u8]>::to_vec);
    Some(ProcessName {
        pid,
        name: name.strip_suffix(b"\n").unwrap_or(&name).to_vec(),
        words: words.collect(),
    })
}

/// What counts as a change of a file, and as the end of its directory.
const EVENTS: u32 = libc::IN_CLOSE_WRITE
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;
/// sizeof(struct inotify_event) without the name.
const EVENT_HEADER: usize = 16;
/// Room for an event with the longest name, and for many with ordinary ones.
const BUFFER: usize = 4_096;
const CONNECTOR_BUFFER: usize = 256;
#[expect(
    clippy::cast_possible_truncation,
    reason = "twelve octets are not too many"
)]
const ADDRESS_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
const FILE_MODE: u32 = 0o644;

/// proc, sysfs, the two of control groups, debugfs, tracefs, securityfs, configfs.
const SILENT: [u32; 8] = [
    0x0000_9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn files_that_are_written_moved_and_deleted_are_told_of() {
        let scratch = Scratch::new();
        let directories = Directories::open().unwrap();
        let id = directories.add(scratch.path()).unwrap();
        assert_eq!(directories.recv(), Ok(None));
        let told = |name: &str| vec![Change::File(id, OsString::from(name))];
        let path = scratch.join("a");
        fs::write(&path, "1").unwrap();
        assert_eq!(directories.recv(), Ok(Some(told("a"))));
        fs::rename(&path, scratch.join("b")).unwrap();
        assert_eq!(
            directories.recv(),
            Ok(Some([told("a"), told("b")].concat()))
        );
        fs::remove_file(scratch.join("b")).unwrap();
        assert_eq!(directories.recv(), Ok(Some(told("b"))));
        fs::remove_dir(scratch.path()).unwrap();
        assert_eq!(directories.recv(), Ok(Some(vec![Change::Gone(id)])));
        assert_eq!(directories.add(scratch.path()), Err(Errno::ENOENT));
    }

    #[test]
    fn only_the_first_octets_of_a_regular_file_are_read() {
        let scratch = Scratch::new();
        let path = scratch.join("a");
        assert_eq!(first_octets(&path, 3), None);
        assert_eq!(first_octets(scratch.path(), 3), None);
        make_file(&path, b"12345", false).unwrap();
        assert_eq!(first_octets(&path, 3), Some(b"123".to_vec()));
        make_file(&path, b"7", false).unwrap();
        assert_eq!(first_octets(&path, 9), Some(b"12345".to_vec()));
        make_file(&path, b"7", true).unwrap();
        assert_eq!(first_octets(&path, 9), Some(b"7".to_vec()));
    }

    #[test]
    fn the_files_of_the_kernel_tell_of_no_changes() {
        let scratch = Scratch::new();
        assert!(tells_of_changes(scratch.path()));
        assert!(tells_of_changes(Path::new("/no/such/place")));
        assert!(!tells_of_changes(Path::new("/proc")));
        assert!(!tells_of_changes(Path::new("/proc/sys/kernel")));
    }

    #[test]
    fn this_process_is_among_all_with_its_name_and_words() {
        let pid = std::process::id();
        let all = processes();
        let own = all.iter().find(|process| process.pid == pid).unwrap();
        assert_eq!(Some(own), process(pid).as_ref());
        let program = std::env::args().next().unwrap();
        assert_eq!(own.words[0], program.into_bytes());
        assert!(!own.name.is_empty() && own.name.len() <= 15);
        assert_eq!(process(u32::MAX), None);
    }
}
