//! Files that others read while we write the next one: complete or not there, never half.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes beside the place and renames over it, mode 0600. A name that somebody else prepared in a
/// shared directory is not followed: the file beside it must be new.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = create(beside).and_then(|mut file| file.write_all(text.as_bytes()));
    let renamed = written.and_then(|()| fs::rename(beside, path));
    if renamed.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(beside);
    }
    renamed
}

/// Adds to a file that everybody may read, made when it is not there; a link is not followed.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?
        .write_all(text.as_bytes())
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_dump_replaces_the_last_one_and_leaves_nothing_beside_it() {
        let directory = Scratch::new();
        let path = directory.join("keepalived.data");
        for text in ["first", "second"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        drop(directory);
        assert!(write(&path, "nowhere").is_err());
    }
}
