//! A switch and hosts, each a network namespace, joined by cables that can be pulled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// One network; everything in it is gone when it is dropped, after a panic too.
pub(crate) struct Lab {
    /// Begins the names of all namespaces: process id and a number, so that runs do not collide.
    tag: String,
    switch: String,
    directory: PathBuf,
    hosts: Vec<Host>,
}

/// A machine with `lo` and `eth0`. A clone is another handle on the same machine.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    namespace: String,
    switch: String,
    port: String,
    /// Files of this host: configurations, logs, pid files.
    pub(crate) directory: PathBuf,
}

/// A program that runs as long as this value lives.
pub(crate) struct Background(Child);

impl Lab {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{PREFIX}{}-{number}", std::process::id());
        let switch = format!("{tag}-switch");
        let directory = std::env::temp_dir().join(&tag);
        fs::create_dir_all(&directory).expect("the temporary directory is writable");
        let lab = Self {
            tag,
            switch,
            directory,
            hosts: Vec::new(),
        };
        ip(&["netns", "add", &lab.switch]);
        // Without snooping the switch floods multicast, as the cheapest real one does.
        let bridge = [
            "type",
            "bridge",
            "mcast_snooping",
            "0",
            "forward_delay",
            "0",
        ];
        ip(&[&["-n", &lab.switch, "link", "add", "br0"], &bridge[..]].concat());
        ip(&["-n", &lab.switch, "link", "set", "br0", "up"]);
        lab
    }

    /// Plugs in a host whose `eth0` has `address`, such as `192.168.16.21/24`.
    pub(crate) fn host(&mut self, name: &str, address: &str) -> Host {
        let host = Host {
            name: name.to_owned(),
            namespace: format!("{}-{name}", self.tag),
            switch: self.switch.clone(),
            port: format!("to-{name}"),
            directory: self.directory.join(name),
        };
        fs::create_dir_all(&host.directory).expect("the temporary directory is writable");
        ip(&["netns", "add", &host.namespace]);
        self.hosts.push(host.clone());
        let (near, far) = (
            ["link", "add", "eth0", "netns"],
            ["type", "veth", "peer", "name"],
        );
        ip(&[
            &near,
            &[&*host.namespace][..],
            &far,
            &[&host.port, "netns", &host.switch],
        ]
        .concat());
        ip(&[
            "-n",
            &self.switch,
            "link",
            "set",
            &host.port,
            "master",
            "br0",
            "up",
        ]);
        host.ip(&["link", "set", "lo", "up"]);
        host.ip(&["address", "add", address, "brd", "+", "dev", "eth0"]);
        host.ip(&["link", "set", "eth0", "up"]);
        host
    }

    /// Gives a host an `eth1` on a second switch, which is made for the first of them.
    pub(crate) fn second_cable(&self, host: &Host, address: &str) {
        let (status, _) = self.switch().try_run(&["ip", "link", "show", "br1"]);
        if status != Some(0) {
            let bridge = ["type", "bridge", "mcast_snooping", "0"];
            ip(&[&["-n", &self.switch, "link", "add", "br1"], &bridge[..]].concat());
            ip(&["-n", &self.switch, "link", "set", "br1", "up"]);
        }
        let port = host.second_port();
        let (near, far) = (
            ["link", "add", "eth1", "type", "veth", "peer", "name"],
            &port,
        );
        let there = ["netns", self.switch.as_str()];
        host.ip(&[&near[..], &[far.as_str()], &there].concat());
        let set = ["-n", &self.switch, "link", "set", &port];
        ip(&[&set[..], &["master", "br1", "up"]].concat());
        host.ip(&["address", "add", address, "brd", "+", "dev", "eth1"]);
        host.ip(&["link", "set", "eth1", "up"]);
    }

    /// A host that is plugged in already.
    pub(crate) fn existing(&self, name: &str) -> Host {
        let mut hosts = self.hosts.iter();
        let host = hosts.find(|host| host.name == name);
        host.expect("a host of that name").clone()
    }

    /// The namespace in which the whole traffic of the network can be seen on `br0`.
    pub(crate) fn switch(&self) -> Host {
        Host {
            name: "switch".to_owned(),
            namespace: self.switch.clone(),
            switch: self.switch.clone(),
            port: "br0".to_owned(),
            directory: self.directory.clone(),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hosts.iter().for_each(Host::print_logs);
        }
        for host in &self.hosts {
            remove_namespace(&host.namespace);
        }
        remove_namespace(&self.switch);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Host {
    /// The name of its network namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Takes the cable out: both ends lose their carrier.
    pub(crate) fn pull_cable(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.port, "down"]);
    }

    pub(crate) fn plug_cable(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.port, "up"]);
    }

    pub(crate) fn pull_second_cable(&self) {
        ip(&[
            "-n",
            &self.switch,
            "link",
            "set",
            &self.second_port(),
            "down",
        ]);
    }

    pub(crate) fn plug_second_cable(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.second_port(), "up"]);
    }

    fn second_port(&self) -> String {
        format!("in-{}", self.name)
    }

    /// The switch goes mad: the link stays up, but nothing gets through.
    pub(crate) fn isolate(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.port, "nomaster"]);
    }

    pub(crate) fn rejoin(&self) {
        ip(&[
            "-n",
            &self.switch,
            "link",
            "set",
            &self.port,
            "master",
            "br0",
        ]);
    }

    /// The IPv4 addresses of `eth0` as `ip` prints them: `192.168.16.20/32 scope global eth0`.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.addresses_on("eth0", "inet")
    }

    /// Those of a family, `inet` or `inet6`.
    fn addresses_on(&self, device: &str, family: &str) -> Vec<String> {
        let text = self.ip(&["-f", family, "-o", "address", "show", "dev", device]);
        let before = format!(" {family} ");
        text.lines()
            .filter_map(|line| line.split_once(&before))
            .map(|(_, rest)| rest.split('\\').next().unwrap_or(rest).trim().to_owned())
            .collect()
    }

    /// Whether `eth0` has the address, given without its prefix length.
    pub(crate) fn has(&self, address: &str) -> bool {
        self.has_on("eth0", address)
    }

    pub(crate) fn has_on(&self, device: &str, address: &str) -> bool {
        let wanted = format!("{address}/");
        let family = if address.contains(':') {
            "inet6"
        } else {
            "inet"
        };
        self.addresses_on(device, family)
            .iter()
            .any(|line| line.starts_with(&wanted))
    }

    /// Whether any interface has the address, given without its prefix length.
    pub(crate) fn owns(&self, address: &str) -> bool {
        let text = self.ip(&["-o", "address", "show"]);
        let (v4, v6) = (format!(" inet {address}/"), format!(" inet6 {address}/"));
        text.lines()
            .any(|line| line.contains(&v4) || line.contains(&v6))
    }

    /// Every address is certain: duplicate address detection is over.
    pub(crate) fn is_settled(&self) -> bool {
        !self.ip(&["address", "show"]).contains("tentative")
    }

    /// Runs `ip` for this host and returns what it prints; panics if it fails.
    pub(crate) fn ip(&self, arguments: &[&str]) -> String {
        ip(&[&["-n", &self.namespace], arguments].concat())
    }

    /// Runs a program on this host and returns what it prints; panics if it fails.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        output(self.command(words), words)
    }

    /// The same for a program that may fail: its exit status with all it printed.
    pub(crate) fn try_run(&self, words: &[&str]) -> (Option<i32>, String) {
        let result = self.command(words).output().expect("ip is installed");
        let text = [result.stdout, result.stderr].concat();
        (
            result.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// A program that runs in the background, its output in the file `log`.
    pub(crate) fn spawn(&self, words: &[&str], log: &Path) -> Background {
        let file = fs::File::create(log).expect("the host's directory is writable");
        let errors = file.try_clone().expect("a descriptor is free");
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        Background(command.spawn().expect("ip is installed"))
    }

    /// `ip netns exec` becomes the program: the child's process id is the program's.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).args(words);
        command
    }

    /// All that programs wrote on this host, for who wants to know why a scenario failed.
    fn print_logs(&self) {
        let files = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|extension| extension == "log") {
                let bytes = fs::read(&path).unwrap_or_default();
                let name = path.file_stem().unwrap_or_default().display();
                let text = String::from_utf8_lossy(&bytes);
                eprintln!("-- {name} on {} --\n{text}", self.name);
            }
        }
    }

    /// Writes a file of this host and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, text).expect("the host's directory is writable");
        path
    }
}

impl Background {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn is_root() -> bool {
    fs::read_to_string("/proc/self/status")
        .is_ok_and(|text| text.lines().any(|line| line.starts_with("Uid:\t0\t")))
}

/// Namespaces of a run that was killed stay behind; they are known by the dead process id.
pub(crate) fn remove_leftovers() {
    let list = ip(&["netns", "list"]);
    for name in list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove_namespace(name);
        }
    }
}

/// Sends a signal by name, such as `TERM`.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cannot send {name} to {pid}"
    );
}

/// Whether a process exists and is not only waiting to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Daemons that left their parent are ended too: a namespace lives as long as a process in it.
fn remove_namespace(name: &str) {
    if let Ok(result) = Command::new("ip").args(["netns", "pids", name]).output() {
        for pid in String::from_utf8_lossy(&result.stdout).split_whitespace() {
            // It may have ended by itself meanwhile, which is as good.
            let kill = Command::new("kill").args(["-KILL", pid]).output();
            drop(kill);
        }
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).status();
}

fn ip(arguments: &[&str]) -> String {
    let mut command = Command::new("ip");
    command.args(arguments);
    output(command, arguments)
}

fn output(mut command: Command, words: &[&str]) -> String {
    let result = command.output().expect("ip is installed");
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(
        result.status.success(),
        "{words:?}: {}: {errors}",
        result.status
    );
    String::from_utf8_lossy(&result.stdout).into_owned()
}

const PREFIX: &str = "kalab";
