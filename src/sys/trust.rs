//! Who may run a program, and who could put another in its place: every directory, every symbolic
//! link and the file itself, from the root on.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::host;
use crate::child::{Identity, Spot, Unfit};

/// What is wrong with a program that somebody is to run; nothing when it cannot be found, which
/// is told elsewhere. One without `/` in its name is looked up in PATH.
pub fn examine(program: &OsStr, identity: &Identity) -> Result<(), Unfit> {
    let Some(path) = host::program_path(program) else {
        return Ok(());
    };
    let path = std::path::absolute(&path).unwrap_or(path);
    let mut way = Way {
        identity,
        weak: None,
        at: PathBuf::from("/"),
        rest: components(&path),
        links: 0,
    };
    let Some(file) = way.walk()? else {
        return Ok(());
    };
    match way.weak {
        Some(spot) if runs_with_rights(&file, identity) => Err(Unfit::Weak(spot)),
        Some(_) | None => Ok(()),
    }
}

/// The way to a file.
#[derive(Debug)]
struct Way<'a> {
    identity: &'a Identity,
    /// The first place that others than root could change.
    weak: Option<Spot>,
    at: PathBuf,
    rest: VecDeque<OsString>,
    links: usize,
}

impl Way<'_> {
    /// The file at its end; None when there is none.
    fn walk(&mut self) -> Result<Option<Metadata>, Unfit> {
        let Ok(mut here) = fs::symlink_metadata("/") else {
            return Ok(None);
        };
        self.look_at(&here)?;
        while let Some(name) = self.rest.pop_front() {
            if name == ".." {
                self.at.pop();
                continue;
            }
            self.at.push(name);
            let Ok(next) = fs::symlink_metadata(&self.at) else {
                return Ok(None);
            };
            if next.is_symlink() {
                // Whoever owns a link in a sticky directory may have it lead elsewhere.
                if next.uid() != 0 {
                    self.note_weak(&next);
                }
                if !self.follow() {
                    return Ok(None);
                }
                continue;
            }
            self.look_at(&next)?;
            here = next;
        }
        Ok(here.is_file().then_some(here))
    }

    fn follow(&mut self) -> bool {
        self.links += 1;
        let Ok(target) = fs::read_link(&self.at) else {
            return false;
        };
        self.at.pop();
        if target.is_absolute() {
            self.at = PathBuf::from("/");
        }
        for name in components(&target).into_iter().rev() {
            self.rest.push_front(name);
        }
        self.links <= LINKS_MAX
    }

    fn look_at(&mut self, metadata: &Metadata) -> Result<(), Unfit> {
        if !may_execute(metadata, self.identity) {
            return Err(Unfit::Barred(self.spot(metadata)));
        }
        let mode = metadata.permissions().mode();
        let is_sticky = metadata.is_dir() && mode & libc::S_ISVTX != 0;
        let by_group = mode & libc::S_IWGRP != 0 && metadata.gid() != 0;
        let by_others = mode & libc::S_IWOTH != 0;
        if metadata.uid() != 0 || (!is_sticky && (by_group || by_others)) {
            self.note_weak(metadata);
        }
        Ok(())
    }

    fn note_weak(&mut self, metadata: &Metadata) {
        let spot = self.spot(metadata);
        self.weak.get_or_insert(spot);
    }

    fn spot(&self, metadata: &Metadata) -> Spot {
        Spot {
            path: self.at.clone(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.permissions().mode() & MODE_BITS,
            is_link: metadata.is_symlink(),
        }
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

/// The right to search a directory, or to execute a file. Root may search any directory, and
/// execute what anybody may.
fn may_execute(metadata: &Metadata, identity: &Identity) -> bool {
    let mode = metadata.permissions().mode();
    let is_member = || {
        let gid = metadata.gid();
        identity.gid == gid || identity.groups.contains(&gid)
    };
    let bit = if identity.uid == 0 {
        return metadata.is_dir() || mode & ANY_EXECUTE != 0;
    } else if identity.uid == metadata.uid() {
        libc::S_IXUSR
    } else if is_member() {
        libc::S_IXGRP
    } else {
        libc::S_IXOTH
    };
    mode & bit != 0
}

/// Whether it would run as root, or with the rights of its group.
fn runs_with_rights(file: &Metadata, identity: &Identity) -> bool {
    let mode = file.permissions().mode();
    let as_root = identity.uid == 0 || (file.uid() == 0 && mode & libc::S_ISUID != 0);
    let as_its_group = identity.gid == 0 || (file.gid() == 0 && mode & libc::S_ISGID != 0);
    as_root || as_its_group
}

const ANY_EXECUTE: u32 = 0o111;
/// All but the kind of the file.
const MODE_BITS: u32 = 0o7777;
/// As many as the kernel follows.
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    const ROOT: Identity = Identity {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
    };

    fn somebody() -> Identity {
        Identity {
            uid: 4711,
            gid: 4711,
            groups: Vec::new(),
        }
    }

    /// A script in a directory that everybody may search; None where we are not root.
    fn script(scratch: &Scratch, name: &str, mode: u32) -> Option<PathBuf> {
        let path = scratch.join(name);
        fs::write(&path, b"").unwrap();
        set_mode(&path, mode);
        set_mode(scratch.path(), 0o755);
        (host::effective_uid() == 0).then_some(path)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn own(path: &Path, uid: u32, gid: u32) {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
    }

    fn cure(path: &Path, identity: &Identity) -> Option<String> {
        let unfit = examine(path.as_os_str(), identity).err()?;
        let cure = unfit.cure();
        assert!(unfit.to_string().contains("mode "), "{unfit}");
        Some(cure.replace(path.parent().unwrap().to_str().unwrap(), "DIR"))
    }

    #[test]
    fn what_others_could_change_is_not_for_root() {
        let scratch = Scratch::new();
        let Some(path) = script(&scratch, "s", 0o755) else {
            return;
        };
        for (owner, mode, wanted) in [
            ((0, 0), 0o755, None),
            // The group of root may be trusted.
            ((0, 0), 0o775, None),
            ((0, 4711), 0o755, None),
            ((0, 4711), 0o775, Some("chmod g-w DIR/s")),
            ((0, 0), 0o757, Some("chmod o-w DIR/s")),
            ((4711, 4711), 0o755, Some("chown -h root DIR/s")),
            (
                (4711, 4711),
                0o777,
                Some("chown -h root DIR/s && chmod go-w DIR/s"),
            ),
        ] {
            own(&path, owner.0, owner.1);
            set_mode(&path, mode);
            assert_eq!(cure(&path, &ROOT).as_deref(), wanted, "{owner:?} {mode:o}");
            assert_eq!(cure(&path, &somebody()), None, "{owner:?} {mode:o}");
        }
        // Rights that come from the file count as those of the user.
        own(&path, 0, 0);
        set_mode(&path, 0o4757);
        assert_eq!(cure(&path, &somebody()).as_deref(), Some("chmod o-w DIR/s"));
    }

    #[test]
    fn every_directory_and_every_link_on_the_way_counts() {
        let scratch = Scratch::new();
        let Some(path) = script(&scratch, "s", 0o755) else {
            return;
        };
        set_mode(scratch.path(), 0o777);
        assert_eq!(cure(&path, &ROOT).as_deref(), Some("chmod o-w DIR"));
        set_mode(scratch.path(), 0o1777);
        assert_eq!(
            cure(&path, &ROOT),
            None,
            "nobody can replace what is root's"
        );
        set_mode(scratch.path(), 0o755);

        let open = scratch.join("open");
        fs::create_dir(&open).unwrap();
        let target = open.join("t");
        fs::write(&target, b"").unwrap();
        set_mode(&target, 0o755);
        set_mode(&open, 0o777);
        let link = scratch.join("link");
        std::os::unix::fs::symlink("nowhere/../open/../open/t", &link).unwrap();
        assert_eq!(examine(link.as_os_str(), &ROOT), Ok(()), "it leads nowhere");
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("open/../open/t", &link).unwrap();
        assert_eq!(cure(&link, &ROOT).as_deref(), Some("chmod o-w DIR/open"));
        set_mode(&open, 0o755);
        assert_eq!(cure(&link, &ROOT), None);
        own(&link, 4711, 0);
        assert_eq!(
            cure(&link, &ROOT).as_deref(),
            Some("chown -h root DIR/link")
        );

        let circle = scratch.join("circle");
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        assert_eq!(examine(circle.as_os_str(), &ROOT), Ok(()));
    }

    #[test]
    fn who_may_not_search_or_execute_is_told_where() {
        let scratch = Scratch::new();
        let Some(path) = script(&scratch, "s", 0o644) else {
            return;
        };
        assert_eq!(cure(&path, &ROOT).as_deref(), Some("chmod a+x DIR/s"));
        set_mode(&path, 0o750);
        assert_eq!(cure(&path, &somebody()).as_deref(), Some("chmod a+x DIR/s"));
        let member = Identity {
            groups: vec![0],
            ..somebody()
        };
        assert_eq!(cure(&path, &member), None);
        own(&path, 0, 4711);
        assert_eq!(cure(&path, &somebody()), None);
        own(&path, 4711, 0);
        assert_eq!(cure(&path, &somebody()), None);
        set_mode(scratch.path(), 0o700);
        assert_eq!(cure(&path, &somebody()).as_deref(), Some("chmod a+x DIR"));
    }
}
