//! What must hold for any text.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalived::addr::Cidr;
use keepalived::config::{AnyHost, Config, Host, Loaded, NoProgram, Reading, Unreadable};
use keepalived::config::{diff, load_bytes, load_text, print};

use crate::stopwatch::Stopwatch;

/// The limit, for 100 kB and an optimised build.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// A machine whose files are the text itself and two that open and close blocks.
struct Machine<'a>(&'a [u8]);

impl Host for Machine<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("fuzz.conf") => Ok(self.0.to_vec()),
            Some("open.conf") => Ok(b"vrrp_instance I {\n interface eth0\n$X=1\n".to_vec()),
            Some("close.conf") => Ok(b" virtual_router_id $X\n}\n".to_vec()),
            _ => Err(Unreadable::System(io::ErrorKind::NotFound.into())),
        }
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        let names = ["fuzz.conf", "open.conf", "close.conf"];
        Ok(names.map(OsString::from).to_vec())
    }

    fn working_directory(&self) -> PathBuf {
        PathBuf::from("/etc/keepalived")
    }

    fn variable(&self, _: &str) -> Option<OsString> {
        Some(OsString::from("a b"))
    }

    fn host_name(&self) -> String {
        "host.example.com".to_owned()
    }

    fn interface_exists(&self, name: &str) -> bool {
        name.starts_with("eth")
    }

    fn networks(&self, interface: &str) -> Vec<Cidr> {
        let own = Cidr::new([10, 0, 0, 1].into(), 24);
        own.filter(|_| interface == "eth0").into_iter().collect()
    }

    fn program(&self, name: &OsStr) -> Result<(), NoProgram> {
        match name.len() % 3 {
            0 => Err(NoProgram::Missing),
            1 => Err(NoProgram::NotExecutable),
            _ => Ok(()),
        }
    }

    fn user_exists(&self, name: &str) -> bool {
        name.len().is_multiple_of(2)
    }

    fn group_exists(&self, name: &str) -> bool {
        name.len().is_multiple_of(2)
    }
}

/// The configuration of a text, if it can be run.
pub(crate) fn read(text: &[u8]) -> Option<Config> {
    load_bytes("fuzz.conf", text, &Machine(text), &Reading::default()).config
}

pub(crate) fn check(text: &[u8], before: Option<&Config>) -> Result<Option<Config>, String> {
    let Loaded {
        config,
        diagnostics,
        ..
    } = quick("reading", || {
        load_bytes("fuzz.conf", text, &Machine(text), &Reading::default())
    })?;
    let rendered = diagnostics.render(true) + &diagnostics.json();
    let drives = |letter: char| letter.is_control() && !"\n\t\u{1b}".contains(letter);
    if rendered.contains(drives) {
        return Err("a problem holds a control character".to_owned());
    }
    let Some(config) = config else {
        let silent = diagnostics.exit_code() == 0;
        return if silent {
            Err("nothing to run, and no error".to_owned())
        } else {
            Ok(None)
        };
    };
    let printed = quick("printing", || print(&config))?;
    let again = quick("reading again", || load_text("printed", &printed, &AnyHost))?;
    let Some(again) = again.config else {
        let problems = again.diagnostics.render(false);
        return Err(format!("what is printed is refused: {problems}\n{printed}"));
    };
    if again != config {
        let other = print(&again);
        return Err(format!(
            "what is printed is another:\n{printed}\nand again:\n{other}"
        ));
    }
    let same = quick("comparing", || diff(&config, &again))?;
    if !same.is_empty() {
        return Err(format!("it differs from itself: {same}"));
    }
    if let Some(before) = before {
        let there = quick("comparing", || diff(before, &config))?;
        let back = quick("comparing", || diff(&config, before))?;
        if there.is_empty() != back.is_empty() {
            return Err(format!("one way there is\n{there}, the other\n{back}"));
        }
    }
    Ok(Some(config))
}

fn quick<T>(what: &str, step: impl FnOnce() -> T) -> Result<T, String> {
    let start = Stopwatch::start();
    let result = step();
    let took = start.elapsed();
    if took > SLOW {
        return Err(format!("{what} takes too long: {took:?}"));
    }
    Ok(result)
}
