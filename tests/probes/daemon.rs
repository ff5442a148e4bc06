//! keepalived in the foreground with one virtual server, and its log.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::namespace::eventually;

/// A real server with one check.
pub(crate) struct Check {
    pub(crate) address: String,
    /// As in the configuration file, with its braces.
    pub(crate) text: String,
}

/// Ended when dropped.
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
}

impl Check {
    pub(crate) fn new(address: &str, text: &str) -> Self {
        Self {
            address: address.to_owned(),
            text: text.to_owned(),
        }
    }
}

impl Daemon {
    /// Each of the checks in a service of its own, with a period of a second.
    pub(crate) fn start(name: &str, head: &str, protocol: &str, checks: &[Check]) -> Self {
        let mut text = format!("{head}\n");
        for (number, check) in checks.iter().enumerate() {
            let Check {
                address,
                text: lines,
            } = check;
            writeln!(
                text,
                "virtual_server 10.9.{}.{} 80 {{
                    delay_loop 1
                    warmup 0
                    protocol {protocol}
                    real_server {address} {{
                        {lines}
                    }}
                }}",
                number / 250,
                number % 250 + 1,
            )
            .unwrap();
        }
        let directory = std::env::temp_dir().join(format!("probes-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("keepalived.conf"), text).unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let path = |file: &str| directory.join(file);
        let child = Command::new(env!("CARGO_BIN_EXE_keepalived"))
            .args(["-n", "-l", "-D", "-G", "-C", "-f"])
            .arg(path("keepalived.conf"))
            .arg("-p")
            .arg(path("main.pid"))
            .arg("-c")
            .arg(path("checkers.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, directory }
    }

    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log has this text so many times.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str, times: usize) {
        let seen = std::panic::catch_unwind(|| {
            eventually(text, || {
                (self.log().matches(text).count() >= times).then_some(())
            });
        });
        assert!(seen.is_ok(), "no {text:?} in\n{}", self.log());
    }

    pub(crate) fn expect_once(&self, text: &str) {
        self.expect(text, 1);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
