//! The keepalived that is measured: ours or Debian's, all of its processes.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::server::{Kind, address};

/// Ended when dropped.
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
}

/// In kilobytes, of all processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// With their share of what is mapped by others, too; pages of the program are among it.
    pub(crate) pss: u64,
    /// What they have alone.
    pub(crate) private: u64,
}

/// So many servers of each kind, a hundred in a service.
pub(crate) fn config(counts: [u32; 2], every: u32) -> String {
    let mut text = String::new();
    let mut services = 0;
    let checks = [
        (Kind::Tcp, "TCP_CHECK {\n"),
        (
            Kind::Http,
            "HTTP_GET {\nurl {\npath /\nstatus_code 200\n}\n",
        ),
    ];
    for ((kind, check), count) in checks.into_iter().zip(counts) {
        for number in 0..count {
            if number % PER_SERVICE == 0 {
                let (high, low) = (services / 250, services % 250 + 1);
                services += 1;
                let _ = writeln!(text, "virtual_server 10.0.{high}.{low} 80 {{");
                let _ = write!(text, "delay_loop {every}\nlb_algo rr\nlb_kind NAT\n");
                text += "protocol TCP\n";
            }
            let (address, port) = (address(number), kind.port());
            let _ = write!(text, "real_server {address} {port} {{\n{check}");
            text += "connect_timeout 3\nretry 3\n}\n}\n";
            if number % PER_SERVICE == PER_SERVICE - 1 || number == count - 1 {
                text += "}\n";
            }
        }
    }
    text
}

impl Daemon {
    pub(crate) fn start(program: &str, config: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("rate-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("keepalived.conf"), config).unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let path = |file: &str| directory.join(file);
        let child = Command::new(program)
            .args(["-n", "-l", "-f"])
            .arg(path("keepalived.conf"))
            .arg("-p")
            .arg(path("main.pid"))
            .arg("-c")
            .arg(path("checkers.pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, directory }
    }

    /// What all of its processes have used: of their own, and in the kernel.
    pub(crate) fn processor_time(&self) -> [Duration; 2] {
        let processes = self.processes();
        [0, 1].map(|part| {
            let ticks = processes.iter().map(|&pid| stat(pid).ticks[part]);
            Duration::from_millis(ticks.sum::<u64>() * 10)
        })
    }

    pub(crate) fn descriptors(&self) -> usize {
        let counts = self.processes().into_iter().map(|pid| {
            let entries = fs::read_dir(format!("/proc/{pid}/fd"));
            entries.map_or(0, Iterator::count)
        });
        counts.sum()
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut all = Memory::default();
        for pid in self.processes() {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
            let text = text.unwrap_or_default();
            let of = |name: &str| -> u64 {
                let lines = text.lines().filter_map(|line| line.strip_prefix(name));
                let numbers = lines.filter_map(|rest| rest.split_whitespace().next());
                numbers
                    .filter_map(|number| number.parse::<u64>().ok())
                    .sum()
            };
            all.pss += of("Pss:");
            all.private += of("Private_Clean:") + of("Private_Dirty:");
        }
        all
    }

    /// It and its children.
    fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = |pid: &u32| *pid == self.child.id() || stat(*pid).parent == self.child.id();
        pids.filter(ours).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Two things that /proc says of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Stat {
    parent: u32,
    /// In the program, in the kernel.
    ticks: [u64; 2],
}

fn stat(pid: u32) -> Stat {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, fields)) = text.rsplit_once(") ") else {
        return Stat::default();
    };
    let fields: Vec<u64> = fields
        .split(' ')
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    Stat {
        parent: fields
            .get(1)
            .map_or(0, |&parent| parent.try_into().unwrap()),
        ticks: [11, 12].map(|at| fields.get(at).copied().unwrap_or_default()),
    }
}

const PER_SERVICE: u32 = 100;
