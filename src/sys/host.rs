//! The machine we run on: its files, its interfaces, its names.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::SockaddrStorage;

use crate::addr::{Cidr, IfIndex};
use crate::child::Identity;
use crate::errno::Errno;

/// A regular file, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    pub bytes: Vec<u8>,
    /// One of the execute bits is set: a configuration file is not meant to be a program.
    pub executable: bool,
    /// Its group or others may read it or write to it: no place for a secret.
    pub exposed: bool,
}

/// Why a file was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    Directory,
    /// A fifo, a socket or a device.
    NotRegular,
    /// Longer than the limit, which it carries.
    TooLong(u64),
    System(Errno),
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("is a directory"),
            Self::NotRegular => f.write_str("is not a regular file"),
            Self::TooLong(limit) => write!(f, "is longer than {limit} octets"),
            Self::System(errno) => errno.fmt(f),
        }
    }
}

/// Reads a regular file of at most `limit` octets. Never waits for the other end of a fifo.
pub fn read_file(path: &Path, limit: u64) -> Result<FileContent, ReadError> {
    let system = |error: std::io::Error| ReadError::System(Errno::of(&error));
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(system)?;
    // What was opened is asked, not the path: that may mean something else by now.
    let metadata = file.metadata().map_err(system)?;
    check_kind(&metadata)?;

    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(system)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(ReadError::TooLong(limit));
    }
    let mode = metadata.permissions().mode();
    Ok(FileContent {
        bytes,
        executable: mode & EXECUTE_BITS != 0,
        exposed: mode & OTHERS_BITS != 0,
    })
}

fn check_kind(metadata: &Metadata) -> Result<(), ReadError> {
    if metadata.is_dir() {
        Err(ReadError::Directory)
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(ReadError::NotRegular)
    }
}

/// The names in a directory, at most `limit` of them, in no order.
pub fn names_in(directory: &Path, limit: usize) -> Result<Vec<OsString>, Errno> {
    let system = |error: std::io::Error| Errno::of(&error);
    let entries = fs::read_dir(directory).map_err(system)?;
    let names = entries
        .take(limit)
        .map(|entry| entry.map(|entry| entry.file_name()));
    names.collect::<Result<_, _>>().map_err(system)
}

/// Makes a directory that everybody may look into, whatever the umask; one that is there stays.
pub fn make_directory(path: &Path) -> Result<(), Errno> {
    let made = fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)));
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Errno::of(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The number of an interface of this network namespace. The kernel also answers to a label of an
/// address (`eth0:1`) and to an alternative name; everything else goes by the one name it tells.
pub fn interface_index(name: &str) -> Option<IfIndex> {
    let index = nix::net::if_::if_nametoindex(name).ok()?;
    let told = nix::net::if_::if_indextoname(index).ok()?;
    (told.as_bytes() == name.as_bytes()).then_some(IfIndex(index))
}

/// The addresses of an interface with the lengths of their networks.
pub fn networks(interface: &str) -> Vec<Cidr> {
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let ours = addresses.filter(|address| address.interface_name == interface);
    ours.filter_map(|ours| {
        let prefix = ip(ours.netmask.as_ref()?).map(|mask| match mask {
            IpAddr::V4(mask) => u32::from(mask).leading_ones(),
            IpAddr::V6(mask) => u128::from(mask).leading_ones(),
        });
        Cidr::new(ip(ours.address.as_ref()?)?, u8::try_from(prefix?).ok()?)
    })
    .collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
}

/// Whether the program of that name may be executed; None when there is no such file. A name
/// without `/` is looked up in PATH, where what is not executable does not count.
pub fn find_program(name: &OsStr) -> Option<bool> {
    if name.as_bytes().contains(&b'/') {
        return is_program(Path::new(name));
    }
    program_path(name).map(|_| true)
}

/// Where the program of that name is: one without `/` is looked up in PATH. A name with one is
/// taken as it is.
pub fn program_path(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let mut directories = program_directories().into_iter();
    directories.find_map(|directory| {
        let path = directory.join(name);
        (is_program(&path) == Some(true)).then_some(path)
    })
}

fn program_directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH");
    let path = path.unwrap_or_else(|| OsString::from(USUAL_PATH));
    std::env::split_paths(&path).collect()
}

fn is_program(path: &Path) -> Option<bool> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.is_file() && metadata.permissions().mode() & EXECUTE_BITS != 0)
}

/// Whether the machine knows the user. A number is one in any case.
pub fn user_exists(name: &str) -> bool {
    matches!(nix::unistd::User::from_name(name), Ok(Some(_))) || name.parse::<u32>().is_ok()
}

/// Whether the machine knows the group. A number is one in any case.
pub fn group_exists(name: &str) -> bool {
    matches!(nix::unistd::Group::from_name(name), Ok(Some(_))) || name.parse::<u32>().is_ok()
}

/// Whom a user, by name or by number, and maybe a group stand for. A number needs no entry in the
/// machine's lists. The error is the name that nobody knows.
pub fn identity(user: &str, group: Option<&str>, supplementary: bool) -> Result<Identity, String> {
    let entry = nix::unistd::User::from_name(user).ok().flatten();
    let (uid, primary) = match (&entry, user.parse()) {
        (Some(entry), _) => (entry.uid.as_raw(), entry.gid.as_raw()),
        (None, Ok(uid)) => (uid, primary_group(uid).unwrap_or(uid)),
        (None, Err(_)) => return Err(format!("user {user}")),
    };
    let gid = match group {
        None => primary,
        Some(name) => group_id(name).ok_or_else(|| format!("group {name}"))?,
    };
    let groups = match &entry {
        Some(entry) if supplementary => supplementary_groups(&entry.name, gid),
        _ => vec![gid],
    };
    Ok(Identity { uid, gid, groups })
}

/// As whom we run.
pub fn own_identity() -> Identity {
    Identity {
        uid: effective_uid(),
        gid: nix::unistd::getegid().as_raw(),
        groups: Vec::new(),
    }
}

fn primary_group(uid: u32) -> Option<u32> {
    let entry = nix::unistd::User::from_uid(uid.into()).ok().flatten()?;
    Some(entry.gid.as_raw())
}

fn group_id(name: &str) -> Option<u32> {
    let entry = nix::unistd::Group::from_name(name).ok().flatten();
    entry
        .map(|group| group.gid.as_raw())
        .or_else(|| name.parse().ok())
}

fn supplementary_groups(user: &str, gid: u32) -> Vec<u32> {
    let listed = CString::new(user).map(|user| nix::unistd::getgrouplist(&user, gid.into()));
    match listed {
        Ok(Ok(groups)) => groups.into_iter().map(|group| group.as_raw()).collect(),
        Ok(Err(_)) | Err(_) => vec![gid],
    }
}

/// What `uname -n` prints.
pub fn host_name() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| String::from("localhost"),
        |names| names.nodename().to_string_lossy().into_owned(),
    )
}

/// The name of this machine with its domain, as far as the machine knows it without asking anybody.
pub fn full_host_name() -> String {
    let name = host_name();
    let hosts = read_file(Path::new("/etc/hosts"), HOSTS_MAX);
    let text = hosts.map_or_else(|_| Vec::new(), |hosts| hosts.bytes);
    full_name(&name, &String::from_utf8_lossy(&text)).unwrap_or(name)
}

/// The first name of a line that has this one.
fn full_name(name: &str, hosts: &str) -> Option<String> {
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let mut names = lines.map(|line| line.split_whitespace().skip(1));
    let mut line = names.find(|names| names.clone().any(|known| known == name))?;
    line.next().map(str::to_owned)
}

/// Whom we run as; a user that the machine does not know by name is a number.
pub fn user_name() -> String {
    let uid = nix::unistd::geteuid();
    let entry = nix::unistd::User::from_uid(uid).ok().flatten();
    entry.map_or_else(|| uid.to_string(), |entry| entry.name)
}

/// The kernel with its release and version, as in `Linux 6.1.0-56-amd64 #1 SMP ...`.
pub fn kernel_line() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| String::from("Linux"),
        |names| {
            let [system, release, version] = [names.sysname(), names.release(), names.version()]
                .map(|name| name.to_string_lossy());
            format!("{system} {release} {version}")
        },
    )
}

/// 0 is root.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Where pid files live: `/run`, on older systems `/var/run`.
pub fn run_directory() -> &'static Path {
    first_directory(&["/run", "/var/run"])
}

/// The first that exists, or the last: then the attempt to write there will say what is wrong.
fn first_directory<'a>(paths: &[&'a str]) -> &'a Path {
    let mut last = Path::new("/");
    for &path in paths {
        last = Path::new(path);
        if last.is_dir() {
            break;
        }
    }
    last
}

const EXECUTE_BITS: u32 = 0o111;
/// What the group and others may read and write.
const OTHERS_BITS: u32 = 0o066;
/// Of a daemon that something starts without a PATH.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DIRECTORY_MODE: u32 = 0o755;
/// Of /etc/hosts; some list all the names they want nothing to do with.
const HOSTS_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_no_further() {
        let scratch = Scratch::new();
        let path = scratch.join("file");
        fs::write(&path, b"12345").unwrap();
        let content = read_file(&path, 5).unwrap();
        assert_eq!(content.bytes, b"12345");
        assert!(!content.executable);
        assert_eq!(read_file(&path, 4), Err(ReadError::TooLong(4)));
        fs::set_permissions(&path, Permissions::from_mode(0o744)).unwrap();
        assert!(read_file(&path, 5).unwrap().executable);
    }

    #[test]
    fn what_is_not_a_regular_file_is_told_and_never_waited_for() {
        let scratch = Scratch::new();
        assert_eq!(read_file(scratch.path(), 9), Err(ReadError::Directory));
        assert_eq!(
            read_file(Path::new("/dev/null"), 9),
            Err(ReadError::NotRegular)
        );
        assert_eq!(
            read_file(&scratch.join("none"), 9),
            Err(ReadError::System(Errno::ENOENT))
        );
        let fifo = scratch.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_file(&fifo, 9), Err(ReadError::NotRegular));
    }

    #[test]
    fn every_namespace_has_a_loopback_and_none_has_nonsense() {
        assert!(interface_index("lo").is_some());
        assert_eq!(interface_index("no-such-0"), None);
        assert_eq!(interface_index(""), None);
        assert_eq!(interface_index("a\0b"), None);
        assert_eq!(interface_index("lo:1"), None, "that is a label");
    }

    #[test]
    fn a_program_is_a_file_with_an_execute_bit() {
        let scratch = Scratch::new();
        let path = scratch.join("script");
        assert_eq!(find_program(path.as_os_str()), None);
        fs::write(&path, b"").unwrap();
        assert_eq!(find_program(path.as_os_str()), Some(false));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program(path.as_os_str()), Some(true));
        assert_eq!(find_program(scratch.path().as_os_str()), Some(false));
        assert_eq!(find_program(OsStr::new("sh")), Some(true));
        assert_eq!(find_program(OsStr::new("no-such-program")), None);
    }

    #[test]
    fn the_networks_of_the_loopback_are_told() {
        let loopback = Cidr::new([127, 0, 0, 1].into(), 8).unwrap();
        let networks = networks("lo");
        // In a namespace of its own the loopback may be down and bare.
        assert!(
            networks.is_empty() || networks.contains(&loopback),
            "{networks:?}"
        );
        assert_eq!(super::networks("no-such-0"), Vec::new());
    }

    #[test]
    fn every_machine_has_root_and_none_has_nonsense() {
        assert!(user_exists("root") && group_exists("root"));
        for name in ["no-such-name", "", "ro:ot", "a\0b"] {
            assert!(!user_exists(name) && !group_exists(name), "{name:?}");
        }
    }

    #[test]
    fn the_kernel_tells_its_name_and_release() {
        let line = kernel_line();
        assert!(line.starts_with("Linux "), "{line}");
        assert!(line.contains('#'), "{line}");
        assert!(!host_name().is_empty());
    }

    #[test]
    fn a_name_gets_its_domain_from_the_list_of_hosts() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.2 a.b a\n10.0.0.1 lb1.example.org lb1 x # y\n";
        assert_eq!(full_name("lb1", hosts).as_deref(), Some("lb1.example.org"));
        assert_eq!(full_name("x", hosts).as_deref(), Some("lb1.example.org"));
        for unknown in ["a", "y", "10.0.0.1"] {
            assert_eq!(full_name(unknown, hosts), None);
        }
        assert!(!full_host_name().is_empty() && !user_name().is_empty());
    }

    #[test]
    fn the_first_directory_that_exists_is_taken() {
        assert_eq!(first_directory(&["/no-such", "/"]), Path::new("/"));
        assert_eq!(first_directory(&["/", "/no-such"]), Path::new("/"));
        assert_eq!(first_directory(&["/no-such"]), Path::new("/no-such"));
    }
}
