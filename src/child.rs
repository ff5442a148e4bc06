//! Programs that run beside us, in the words that the cores and `sys` have in common.

use std::fmt;
use std::path::PathBuf;

/// One run of a program. Given out once and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself. 127: the program could not be started.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// What is sent to a program and to all it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// SIGTERM: please end.
    Ask,
    /// SIGKILL.
    Force,
}

/// Whom a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

impl Exit {
    pub const SUCCESS: Self = Self::Code(0);
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => write!(f, "died of signal {signal}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Why a program is not fit to be run by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be reached or executed.
    Barred(Spot),
    /// It would run as root, and others could put something else in its place.
    Weak(Spot),
}

/// A place on the way to a program, the program itself included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub path: PathBuf,
    pub uid: u32,
    pub gid: u32,
    /// As in `chmod`.
    pub mode: u32,
    /// A symbolic link, whose mode says nothing.
    pub is_link: bool,
}

impl Unfit {
    /// The command that would put it right.
    pub fn cure(&self) -> String {
        match self {
            Self::Barred(spot) => format!("chmod a+x {}", spot.path.display()),
            Self::Weak(spot) => {
                let Spot {
                    path,
                    uid,
                    gid,
                    mode,
                    is_link,
                } = spot;
                let path = path.display();
                let owner = if *uid == 0 {
                    None
                } else {
                    Some(format!("chown -h root {path}"))
                };
                let others = !is_link && mode & 0o002 != 0;
                let group = !is_link && mode & 0o020 != 0 && *gid != 0;
                let whose = match (group, others) {
                    (false, false) => "",
                    (true, false) => "g",
                    (false, true) => "o",
                    (true, true) => "go",
                };
                let bits = (!whose.is_empty()).then(|| format!("chmod {whose}-w {path}"));
                owner
                    .into_iter()
                    .chain(bits)
                    .collect::<Vec<_>>()
                    .join(" && ")
            }
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Barred(spot) => write!(f, "it may not pass {spot}"),
            Self::Weak(spot) => write!(f, "others than root could change {spot}"),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            uid,
            gid,
            mode,
            ..
        } = self;
        write!(f, "{} (owner {uid}:{gid}, mode {mode:04o})", path.display())
    }
}
