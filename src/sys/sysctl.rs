//! The door to `/proc/sys/net`: reads and writes numbers, and remembers what was there before.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::errno::Errno;
use crate::wire::sysctl::{Request, Setting};

/// What was borrowed, with the value it had.
#[derive(Debug)]
pub struct Settings {
    root: PathBuf,
    remembered: BTreeMap<Setting, i32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::below(PathBuf::from("/proc/sys/net"))
    }
}

impl Settings {
    /// The settings of another tree, as a test has one.
    pub fn below(root: PathBuf) -> Self {
        Self {
            root,
            remembered: BTreeMap::new(),
        }
    }

    /// Does it; the answer is that of a `Read`. A setting that is not there is no error: kernels
    /// gained them over the years, and interfaces come and go.
    pub fn perform(&mut self, request: &Request) -> Result<Option<i32>, Errno> {
        match request {
            Request::Read(setting) => self.read(setting),
            Request::Write(setting, value) => self.write(setting, *value).map(|()| None),
            Request::Borrow(setting, value) => self.borrow(setting, *value).map(|()| None),
            Request::Return(setting) => match self.remembered.remove(setting) {
                Some(before) => self.write(setting, before).map(|()| None),
                None => Ok(None),
            },
        }
    }

    fn borrow(&mut self, setting: &Setting, value: i32) -> Result<(), Errno> {
        let Some(before) = self.read(setting)? else {
            return Ok(());
        };
        if before == value {
            return Ok(());
        }
        self.write(setting, value)?;
        self.remembered.entry(setting.clone()).or_insert(before);
        Ok(())
    }

    fn read(&self, setting: &Setting) -> Result<Option<i32>, Errno> {
        let text = match fs::read_to_string(self.path(setting)) {
            Ok(text) => text,
            Err(error) => return absent_is_none(Errno::of(&error)).map(|()| None),
        };
        text.trim().parse().map(Some).map_err(|_| Errno::EINVAL)
    }

    fn write(&self, setting: &Setting, value: i32) -> Result<(), Errno> {
        // Without O_CREAT: a file of that name in a test, or nothing at all.
        let file = fs::OpenOptions::new().write(true).open(self.path(setting));
        let mut file = match file {
            Ok(file) => file,
            Err(error) => return absent_is_none(Errno::of(&error)),
        };
        let written = std::io::Write::write_all(&mut file, format!("{value}\n").as_bytes());
        written.map_err(|error| Errno::of(&error))
    }

    fn path(&self, setting: &Setting) -> PathBuf {
        self.root.join(setting.path())
    }
}

fn absent_is_none(error: Errno) -> Result<(), Errno> {
    match error {
        Errno::ENOENT | Errno::ENOTDIR => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Family;
    use crate::sys::scratch::Scratch;

    fn setting(link: &str) -> Setting {
        Setting::of_link(Family::V4, link, "arp_ignore")
    }

    /// A tree with one interface, eth0.
    fn tree() -> (Scratch, Settings) {
        let scratch = Scratch::new();
        let root = scratch.join("net");
        fs::create_dir_all(root.join("ipv4/conf/eth0")).unwrap();
        fs::write(root.join("ipv4/conf/eth0/arp_ignore"), "2\n").unwrap();
        (scratch, Settings::below(root))
    }

    #[test]
    fn what_was_borrowed_twice_gets_its_first_value_back_once() {
        let (_scratch, mut settings) = tree();
        let eth0 = setting("eth0");
        let read = Request::Read(eth0.clone());
        for value in [1, 0] {
            let borrow = Request::Borrow(eth0.clone(), value);
            assert_eq!(settings.perform(&borrow), Ok(None));
            assert_eq!(settings.perform(&read), Ok(Some(value)));
        }
        let give_back = Request::Return(eth0.clone());
        assert_eq!(settings.perform(&give_back), Ok(None));
        assert_eq!(settings.perform(&read), Ok(Some(2)));
        settings.perform(&Request::Write(eth0, 7)).unwrap();
        assert_eq!(settings.perform(&give_back), Ok(None));
        assert_eq!(settings.perform(&read), Ok(Some(7)), "nothing is borrowed");
    }

    #[test]
    fn a_value_that_was_right_already_is_not_given_back_over_somebody_elses() {
        let (_scratch, mut settings) = tree();
        let eth0 = setting("eth0");
        settings.perform(&Request::Borrow(eth0.clone(), 2)).unwrap();
        settings.perform(&Request::Write(eth0.clone(), 8)).unwrap();
        settings.perform(&Request::Return(eth0.clone())).unwrap();
        assert_eq!(settings.perform(&Request::Read(eth0)), Ok(Some(8)));
    }

    #[test]
    fn a_kernel_without_the_setting_is_no_error() {
        let (_scratch, mut settings) = tree();
        let gone = setting("eth9");
        for request in [
            Request::Read(gone.clone()),
            Request::Write(gone.clone(), 1),
            Request::Borrow(gone.clone(), 1),
            Request::Return(gone),
        ] {
            assert_eq!(settings.perform(&request), Ok(None), "{request:?}");
        }
    }
}
