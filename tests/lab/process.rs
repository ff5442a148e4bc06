//! The process: detaching, pid files, syslog, exit status, a panic.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::capture::Capture;
use super::daemon::{Daemon, Make, PID_FILES, foreground, pid_options};
use super::network::{self, Host, Lab, seconds};
use super::wait::wait_until;

crate::scenarios!(
    Namespaces,
    a_second_start_says_so_and_is_no_failure,
    the_daemon_detaches_and_writes_to_syslog,
    a_syslog_that_is_stuck_does_not_stop_the_daemon,
    a_panic_leaves_no_address_and_says_goodbye,
    descriptors_are_as_many_as_the_system_allows_and_scripts_have_their_own_limit,
    the_daemon_works_in_the_namespace_it_is_told,
    a_reload_that_cannot_be_used_changes_nothing,
    a_reload_check_refuses_whatever_is_wrong,
    a_stop_that_is_told_to_leaves_the_address_and_says_nothing,
    every_configuration_of_the_seeds_passes_the_test,
);

const CONFIG: &str = "
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.168.16.20
    }
}
";
const VIP: &str = "192.168.16.20";

/// Shows F.29.
fn a_second_start_says_so_and_is_no_failure() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let first = Daemon::start(&host, CONFIG);
    wait_until(seconds(6), "it is master", || host.has(VIP));

    let config = host.write("second.conf", CONFIG);
    let words = foreground(&Make::Ours.program(), &config, &host);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, text) = host.try_run(&words);
    assert!(text.contains("daemon is already running"), "{text}");
    assert_eq!(status, Some(0), "{text}");

    assert!(host.has(VIP), "the first one is not disturbed");
    first.stop();
}

fn a_reload_that_cannot_be_used_changes_nothing() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let daemon = Daemon::start(&host, CONFIG);
    wait_until(seconds(6), "it is master", || host.has(VIP));
    let other = CONFIG.replace(VIP, "192.168.16.30");
    let bad = [
        other.replace("virtual_ipaddress {", "virtual_ipaddress"),
        other.clone() + "}",
        other.replace("router_id 51", "router_id"),
        other.replace("router_id 51", "router_id 0"),
        other.replace("eth0", "eth9"),
        String::new(),
        "! Cut short\n".to_owned(),
        format!("{other}global_defs {{\ninclude_check\n}}\ninclude nowhere.conf\n"),
    ];
    for (number, text) in bad.iter().enumerate() {
        daemon.rewrite(text);
        daemon.signal("HUP");
        wait_until(seconds(2), "the new file is refused", || {
            daemon.logged("keeping the old one") == number + 1
        });
        assert!(host.has(VIP) && !host.has("192.168.16.30"), "{text}");
    }

    // Anything else is as at the start: told, and the rest is used.
    daemon.rewrite(&other.replace("advert_int 1", "advert_int x\n    nonsense"));
    daemon.signal("HUP");
    wait_until(seconds(2), "the new address is there", || {
        host.has("192.168.16.30") && !host.has(VIP)
    });
    daemon.stop();
}

fn a_reload_check_refuses_whatever_is_wrong() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let told = host.write("told", "");
    let check = format!(
        "global_defs {{\n    reload_check_config {}\n}}\n",
        told.display()
    );
    let good = check.clone() + CONFIG;
    let bad = good.replace("priority 100", "priority 100\n    nonsense");

    let config = host.write("bad.conf", &bad);
    let words = foreground(&Make::Ours.program(), &config, &host);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, text) = host.try_run(&words);
    assert_eq!(status, Some(2), "{text}");

    let daemon = Daemon::start(&host, &good);
    wait_until(seconds(6), "it is master", || host.has(VIP));
    daemon.rewrite(&bad.replace(VIP, "192.168.16.30"));
    daemon.signal("HUP");
    wait_until(seconds(2), "the new file is refused", || {
        daemon.logged("New config failed validation, see") == 1
    });
    assert!(host.has(VIP) && !host.has("192.168.16.30"));
    let details = fs::read_to_string(&told).expect("the host made the file");
    assert!(details.contains("unknown keyword `nonsense`"), "{details}");
    daemon.stop();
}

/// A hundred trackers whose host does not answer are a hundred connections.
fn descriptors_are_as_many_as_the_system_allows_and_scripts_have_their_own_limit() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let (mut scripts, mut names) = (String::new(), String::new());
    for number in 1..=100 {
        scripts += &format!(
            "vrrp_script s{number} {{\n track_tcp 192.168.16.{} 80\n timeout 5\n weight 1\n}}\n",
            100 + number
        );
        names += &format!("s{number}\n");
    }
    let seen = host.write("seen", "");
    let script = host.write("limit.sh", &format!("ulimit -n >{}\n", seen.display()));
    let tracked = format!(
        "track_script {{\n{names}}}\nnotify_master \"/bin/sh {}\"\n",
        { script.display() }
    );
    let config = CONFIG.replace("advert_int 1", &format!("advert_int 1\n{tracked}"));
    let config = host.write("many.conf", &(scripts + &config));
    let mut words = vec!["sh", "-c", "ulimit -Sn 64; exec \"$0\" \"$@\""];
    let call = foreground(&Make::Ours.program(), &config, &host);
    words.extend(call.iter().map(String::as_str));
    let log = host.directory.join("many.log");
    let mut daemon = host.spawn(&words, &log);
    wait_until(seconds(8), "the script has run", || {
        fs::read_to_string(&seen).is_ok_and(|text| text == "64\n")
    });
    let text = fs::read_to_string(&log).expect("it was made for the daemon");
    assert!(!text.contains("Too many open files"), "{text}");
    network::signal(daemon.pid(), "TERM");
    let ended = daemon.child().wait().expect("it is our child");
    assert!(ended.success(), "{ended}");
}

fn the_daemon_works_in_the_namespace_it_is_told() {
    let mut lab = Lab::new();
    let here = lab.host("here", "192.168.16.21/24");
    let there = lab.host("there", "192.168.16.22/24");
    let daemon = Daemon::start_with(Make::Ours, &here, CONFIG, &["-s", there.namespace()]);
    wait_until(seconds(6), "it is master there", || there.has(VIP));
    assert!(
        !here.has(VIP),
        "the namespace it was started in is left alone"
    );
    daemon.stop();
    assert!(!there.has(VIP), "a stopped daemon leaves no address");
}

/// Shows F.35.
fn a_stop_that_is_told_to_leaves_the_address_and_says_nothing() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let mut daemon = Daemon::start_with(Make::Ours, &host, CONFIG, &["-V", "--ignore-sigint"]);
    wait_until(seconds(6), "it is master", || host.has(VIP));
    daemon.signal("INT");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(daemon.logged("Stopping"), 0, "SIGINT is ignored");
    daemon.ask_to_stop();
    assert!(daemon.stopped().success());
    assert!(host.has(VIP), "-V leaves the address");
    assert_eq!(daemon.logged("sent 0 priority"), 0);
}

/// Shows F.30.
fn the_daemon_detaches_and_writes_to_syslog() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let syslog = Syslog::listen(&host).read_on();
    let pid = start_detached(&host, &["-D", "-d", "-S", "0"]);
    let process = Path::new("/proc").join(pid.to_string());
    assert_eq!(
        fs::read_link(process.join("cwd")).expect("it lives"),
        Path::new("/")
    );
    let input = fs::read_link(process.join("fd/0")).expect("it lives");
    assert!(
        input.ends_with("null"),
        "standard input is {}",
        input.display()
    );

    wait_until(seconds(6), "it is master", || host.has(VIP));
    let lines = || syslog.lock().expect("the reader does not panic").clone();
    wait_until(seconds(2), "the transition is in syslog", || {
        lines()
            .iter()
            .any(|line| line.contains("(VI_1) Entering MASTER STATE"))
    });
    let lines = lines();
    for line in &lines {
        // local0 is facility 16; its eight severities begin at 128.
        let priority = line
            .trim_start_matches('<')
            .split('>')
            .next()
            .and_then(|n| n.parse().ok());
        assert!(
            priority.is_some_and(|n: u16| (128..136).contains(&n)),
            "not local0: {line}"
        );
    }
    for (ident, text) in [
        ("Keepalived", "Starting Keepalived"),
        ("Keepalived_vrrp", "(VI_1) Entering MASTER STATE"),
        // -d lists the configuration.
        ("Keepalived_vrrp", "VRRP Instance = VI_1"),
    ] {
        let said = |line: &String| line.contains(&format!(" {ident}[")) && line.contains(text);
        assert!(
            lines.iter().any(said),
            "{ident} does not say {text:?}: {lines:#?}"
        );
    }

    let pid_file = host.directory.join(PID_FILES[0]);
    let mode = fs::metadata(&pid_file).map(|file| file.permissions().mode() & 0o777);
    assert_eq!(mode.ok(), Some(0o644), "everybody may read a pid file");

    network::signal(pid, "TERM");
    wait_until(seconds(5), "the process has ended", || {
        !network::is_alive(pid)
    });
    assert!(!host.has(VIP), "a stopped daemon leaves no address");
    assert!(!pid_file.exists(), "a stopped daemon leaves no pid file");
}

fn a_syslog_that_is_stuck_does_not_stop_the_daemon() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    // The socket takes a handful of lines, and nobody reads them.
    let _syslog = Syslog::listen(&host);
    let pid = start_detached(&host, &["-D", "-d"]);
    wait_until(seconds(6), "it is master", || host.has(VIP));
    network::signal(pid, "TERM");
    wait_until(seconds(5), "the process has ended", || {
        !network::is_alive(pid)
    });
    assert!(!host.has(VIP), "a stopped daemon leaves no address");
}

/// Starts the daemon as an init script does, and returns the process id from its pid file.
fn start_detached(host: &Host, options: &[&str]) -> u32 {
    let config = host.write("keepalived.conf", CONFIG);
    let program = Make::Ours.program();
    let pid_options = pid_options(host);
    let mut words = vec![program.as_str(), "-f", config.to_str().expect("UTF-8")];
    words.extend(options);
    words.extend(pid_options.iter().map(String::as_str));
    let words = Syslog::around(&words, host);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = host.command(&words);
    let status = command
        .stdin(Stdio::null())
        .status()
        .expect("ip is installed");
    assert!(status.success(), "the starting process ends well: {status}");

    let mut pid = 0;
    wait_until(seconds(2), "the pid file names a process", || {
        let text = fs::read_to_string(host.directory.join(PID_FILES[0])).unwrap_or_default();
        pid = text.trim().parse().unwrap_or(0);
        pid != 0 && network::is_alive(pid)
    });
    pid
}

fn a_panic_leaves_no_address_and_says_goodbye() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let mut daemon = Daemon::start_with(Make::Ours, &host, CONFIG, &["--debug=panic"]);
    wait_until(seconds(6), "it is master", || host.has(VIP));
    let capture = Capture::start(&lab.switch());

    daemon.signal("USR2");
    assert_eq!(daemon.stopped().code(), Some(70), "EX_SOFTWARE");
    assert!(!host.has(VIP), "no address is left behind");
    let farewell = || capture.adverts().iter().any(|advert| advert.priority == 0);
    wait_until(seconds(1), "priority 0 was sent", farewell);
    // Where it happened, for the report.
    daemon.wait_for_line("asked to panic");
    daemon.wait_for_line("src/");
}

fn every_configuration_of_the_seeds_passes_the_test() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let program = Make::Ours.program();
    for (name, text) in super::cluster::SEEDS {
        let config = host.write(name, text);
        let config = config.to_str().expect("UTF-8");
        let (status, text) = host.try_run(&[&program, "-t", "-f", config]);
        assert_eq!(status, Some(0), "{name}: {text}");
    }
}

/// A syslog of our own, on the host's `/dev/log`.
struct Syslog(UnixDatagram);

impl Syslog {
    fn listen(host: &Host) -> Self {
        let directory = host.directory.join("dev");
        let directory_name = directory.to_str().expect("UTF-8");
        fs::create_dir(&directory).expect("the host's directory is writable");
        host.run(&[
            "cp",
            "-a",
            "/dev/null",
            "/dev/zero",
            "/dev/urandom",
            directory_name,
        ]);
        Self(UnixDatagram::bind(directory.join("log")).expect("the path is free"))
    }

    /// The words that run a command with our directory as its `/dev`; `ip netns exec` gave it
    /// mounts of its own already.
    fn around(words: &[&str], host: &Host) -> Vec<String> {
        let script = "mount --bind \"$0/dev\" /dev && exec \"$@\"";
        let directory = host.directory.display().to_string();
        let shell = ["sh", "-c", script, &directory];
        shell
            .iter()
            .chain(words)
            .map(|&word| word.to_owned())
            .collect()
    }

    /// Reads all that comes; the lines are in the returned list.
    fn read_on(self) -> Arc<Mutex<Vec<String>>> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&lines);
        // Ends with the test program: nobody closes the socket.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = self.0.recv(&mut buffer) {
                let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
                list.lock().expect("nobody panics with it").push(line);
            }
        });
        lines
    }
}
