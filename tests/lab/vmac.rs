//! Addresses on a macvlan with the virtual router's hardware address: what clients see of it, and
//! what is on the machine, beside Debian's keepalived.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::daemon::{Daemon, Make};
use super::network::{Background, Host, Lab, seconds};
use super::wait::{note, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    our_master_and_their_backup_with_vmacs,
    their_master_and_our_backup_with_vmacs,
    our_master_without_and_their_backup_with_a_vmac,
    the_device_is_the_one_debians_keepalived_makes,
    a_device_that_somebody_deletes_is_made_again_and_the_master_stays,
    a_device_of_before_a_crash_is_taken_over_without_its_addresses,
    a_device_on_another_interface_is_in_the_way_and_goes,
);

const CONFIG: &str = "
global_defs {
    router_id lab
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority PRIORITY
    advert_int 1
    LAYER
    virtual_ipaddress {
        192.168.16.20
        192.168.16.30/24
    }
}
";
const VIP: &str = "192.168.16.20";
/// 00:00:5e:00:01 and the number of the router.
const MAC: &str = "00:00:5e:00:01:33";

fn config(priority: u8, layer: &str) -> String {
    let text = CONFIG.replace("PRIORITY", &priority.to_string());
    text.replace("LAYER", layer)
}

fn our_master_and_their_backup_with_vmacs() {
    play([(Make::Ours, "use_vmac"), (Make::Debian, "use_vmac")]);
}

fn their_master_and_our_backup_with_vmacs() {
    play([(Make::Debian, "use_vmac"), (Make::Ours, "use_vmac")]);
}

fn our_master_without_and_their_backup_with_a_vmac() {
    play([(Make::Ours, ""), (Make::Debian, "use_vmac")]);
}

/// The first is the higher one. A client pings the address all the time.
fn play([(master, above), (backup, below)]: [(Make, &str); 2]) {
    let mut lab = Lab::new();
    let high = lab.host("high", "192.168.16.21/24");
    let low = lab.host("low", "192.168.16.22/24");
    let client = lab.host("client", "192.168.16.90/24");
    for server in [&high, &low] {
        know(server, &client);
    }
    let backup = Daemon::start_make(backup, &low, &config(100, below));
    let first = Daemon::start_make(master, &high, &config(150, above));
    wait_until(seconds(6), "the higher one is master", || {
        high.owns(VIP) && !low.owns(VIP)
    });
    let pings = Pings::start(&client);
    stays_so(seconds(3), "one master", || {
        high.owns(VIP) && !low.owns(VIP)
    });

    first.ask_to_stop();
    let took = wait_until(
        Duration::from_millis(610),
        "the lower one took over",
        || low.owns(VIP),
    );
    note(&format!("taken over after {took:.2?}"));
    let first_log = first.log();
    first.stop();
    stays_so(seconds(2), "one master", || {
        low.owns(VIP) && !high.owns(VIP)
    });

    let second = Daemon::start_make(master, &high, &config(150, above));
    wait_until(seconds(6), "the higher one preempts", || {
        high.owns(VIP) && !low.owns(VIP)
    });
    stays_so(seconds(2), "one master", || {
        high.owns(VIP) && !low.owns(VIP)
    });

    second.kill();
    let took = wait_until(Duration::from_millis(3610), "the lower one noticed", || {
        low.owns(VIP)
    });
    note(&format!("after a crash taken over after {took:.2?}"));
    let (macs, lost) = pings.end();
    note(&format!("{lost} pings of ten a second lost"));
    if above == below {
        assert_eq!(macs, BTreeSet::from([MAC.to_owned()]), "who has {VIP}");
        // A graceful change is below a second, a crash takes three intervals and the skew.
        assert!(lost < 60, "{lost} pings lost");
    }
    for log in [first_log, backup.log()] {
        let complaint = |line: &&str| {
            ["invalid", "mismatch", "rror"]
                .iter()
                .any(|w| line.contains(w))
        };
        assert_eq!(log.lines().find(complaint), None, "a complaint in\n{log}");
    }
}

/// Tells a server the client's hardware address for good. If it asked for it before it answers a
/// packet to the virtual address, the kernel would ask from that address, but with the hardware
/// address of eth0, and the client would believe it: with Debian's keepalived as with ours.
fn know(server: &Host, client: &Host) {
    let link = client.ip(&["-o", "link", "show", "dev", "eth0"]);
    let (_, mac) = link.split_once("link/ether ").expect("it is a cable");
    let mac = mac.split(' ').next().unwrap_or_default();
    let entry = ["neighbour", "replace", CLIENT, "lladdr", mac, "dev", "eth0"];
    server.ip(&entry);
}

const CLIENT: &str = "192.168.16.90";

/// Ten pings a second, and a look at the client's neighbour table as often.
struct Pings {
    client: Host,
    process: Background,
    watcher: thread::JoinHandle<BTreeSet<String>>,
    stop: Arc<AtomicBool>,
}

impl Pings {
    fn start(client: &Host) -> Self {
        let log = client.directory.join("ping.out");
        let process = client.spawn(&["busybox", "ping", "-i", "0.1", VIP], &log);
        let stop = Arc::new(AtomicBool::new(false));
        let (client, told) = (client.clone(), Arc::clone(&stop));
        let watched = client.clone();
        let watcher = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                seen.extend(neighbour(&watched));
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        Self {
            client,
            process,
            watcher,
            stop,
        }
    }

    /// The hardware addresses that VIP had, and how many answers never came.
    fn end(self) -> (BTreeSet<String>, usize) {
        wait_until(seconds(2), "the address answers", || {
            let sent = self.client.directory.join("ping.out");
            fs::read_to_string(sent).is_ok_and(|text| text.lines().count() > 10)
        });
        thread::sleep(seconds(1));
        self.stop.store(true, Ordering::Relaxed);
        let macs = self.watcher.join().expect("it only looks");
        drop(self.process);
        let text = fs::read_to_string(self.client.directory.join("ping.out"));
        let text = text.expect("ping wrote it");
        let numbers: BTreeSet<usize> = text
            .lines()
            .filter_map(|line| line.split_once("seq="))
            .filter_map(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .collect();
        let last = numbers.last().copied().unwrap_or(0);
        (macs, last + 1 - numbers.len())
    }
}

/// The hardware address that a host knows VIP by.
fn neighbour(host: &Host) -> Option<String> {
    let text = host.ip(&["neighbour", "show", VIP, "dev", "eth0"]);
    let (_, rest) = text.split_once("lladdr ")?;
    Some(rest.split(' ').next()?.to_owned())
}

/// Interface, addresses, routes and settings as far as a device may change them.
fn picture(host: &Host) -> String {
    let link = host.ip(&["-d", "link", "show", "dev", "vrrp.51"]);
    let (_, link) = link.split_once(": ").expect("a number comes first");
    let addresses = host.ip(&["-o", "address", "show", "dev", "vrrp.51"]);
    let addresses = addresses.lines().filter_map(|line| line.split_once(": "));
    let addresses: Vec<&str> = addresses.map(|(_, address)| address).collect();
    let routes = host.ip(&["route", "show", "table", "all", "dev", "vrrp.51"]);
    format!("{link}{}\n{routes}{}", addresses.join("\n"), settings(host))
}

fn settings(host: &Host) -> String {
    let script = "cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf/vrrp.51 2>/dev/null | \
                  grep -v _secret | sort";
    host.run(&["sh", "-c", script])
}

fn the_device_is_the_one_debians_keepalived_makes() {
    // The filter of reverse paths on, as distributions have it: it has to be moved away.
    for reverse_path in ["0", "1"] {
        let pictures = [Make::Debian, Make::Ours].map(|make| {
            let mut lab = Lab::new();
            let host = lab.host("alone", "192.168.16.21/24");
            host.run(&["sh", "-c", &format!("echo {reverse_path} >{RP_FILTER}")]);
            let before = settings(&host);
            let daemon = Daemon::start_make(make, &host, &config(150, "use_vmac"));
            wait_until(seconds(6), "it is master", || host.owns(VIP));
            let picture = picture(&host);
            daemon.stop();
            if make == Make::Ours {
                assert_eq!(before, settings(&host), "everything is given back");
            }
            let links = host.ip(&["link", "show"]);
            assert!(!links.contains("vrrp.51"), "{links}");
            picture
        });
        let [theirs, ours] = pictures;
        assert!(theirs.contains("macvlan mode private"), "{theirs}");
        assert_eq!(ours, theirs);
    }
}

const RP_FILTER: &str = "/proc/sys/net/ipv4/conf/all/rp_filter";

fn a_device_that_somebody_deletes_is_made_again_and_the_master_stays() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let client = lab.host("client", "192.168.16.90/24");
    know(&host, &client);
    let daemon = Daemon::start(&host, &config(150, "use_vmac"));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    let pings = Pings::start(&client);
    thread::sleep(seconds(1));
    for _ in 0..3 {
        host.ip(&["link", "delete", "vrrp.51"]);
        let took = wait_until(Duration::from_millis(1100), "the address is back", || {
            host.owns(VIP)
        });
        note(&format!("back after {took:.2?}"));
        thread::sleep(Duration::from_millis(1100));
    }
    let (macs, lost) = pings.end();
    assert_eq!(macs, BTreeSet::from([MAC.to_owned()]));
    note(&format!("{lost} pings of ten a second lost"));
    assert_eq!(daemon.logged("Entering"), 2, "BACKUP and MASTER, once each");
    host.ip(&["link", "set", "vrrp.51", "down"]);
    daemon.wait_for_line("entering FAULT state (interface vrrp.51 down)");
    host.ip(&["link", "set", "vrrp.51", "up"]);
    wait_until(seconds(6), "it is master again", || host.owns(VIP));
    // And what it is on top of.
    host.ip(&["link", "delete", "eth0"]);
    daemon.wait_for_line("entering FAULT state (interface eth0 does not exist)");
    daemon.stop();
}

fn a_device_of_before_a_crash_is_taken_over_without_its_addresses() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    let daemon = Daemon::start(&host, &config(150, "use_vmac"));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    let number = |host: &Host| {
        let text = host.ip(&["-o", "link", "show", "dev", "vrrp.51"]);
        text.split(':').next().unwrap_or_default().to_owned()
    };
    let before = number(&host);
    daemon.kill();
    assert!(host.owns(VIP));

    let daemon = Daemon::start(&host, &config(150, "use_vmac"));
    daemon.wait_for_line("Entering BACKUP STATE (init)");
    wait_until(seconds(1), "a backup has no address", || !host.owns(VIP));
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    assert_eq!(number(&host), before, "the very device");
    daemon.stop();
    assert!(!host.ip(&["link", "show"]).contains("vrrp.51"));
}

fn a_device_on_another_interface_is_in_the_way_and_goes() {
    let mut lab = Lab::new();
    let host = lab.host("alone", "192.168.16.21/24");
    host.ip(&[
        "link", "add", "eth9", "type", "veth", "peer", "name", "far9",
    ]);
    let wrong = [
        "link", "add", "link", "eth9", "name", "vrrp.51", "type", "macvlan",
    ];
    host.ip(&wrong);
    let daemon = Daemon::start(&host, &config(150, "use_vmac"));
    daemon.wait_for_line("Removing old VMAC interface vrrp.51 due to conflicting interface");
    wait_until(seconds(6), "it is master", || host.owns(VIP));
    let text = host.ip(&["-d", "link", "show", "dev", "vrrp.51"]);
    assert!(
        text.contains("vrrp.51@eth0") && text.contains("mode private"),
        "{text}"
    );
    assert!(text.contains(MAC), "{text}");
    daemon.stop();

    // Another program's device of that name is left alone.
    host.ip(&[
        "link", "add", "vrrp.51", "type", "veth", "peer", "name", "far8",
    ]);
    let named = config(150, "use_vmac vrrp.51");
    let daemon = Daemon::start(&host, &named);
    daemon.wait_for_line("interface vrrp.51 is there and of another kind");
    daemon.wait_for_line("Entering FAULT STATE (init)");
    host.ip(&["link", "delete", "vrrp.51"]);
    wait_until(seconds(9), "it is master", || host.owns(VIP));
    daemon.stop();
}
