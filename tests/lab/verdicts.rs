//! The servers of `misbehaving/table.txt` checked by ours and by Debian's keepalived at the same
//! time: what happens to each in the table of either, and in which order. Where the two differ, the
//! table says why.

use std::fmt::Write as _;
use std::fs::File;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::tables::shown;
use super::wait::{note, stays_so, wait_until};
use crate::misbehaving::{Farm, Phase, Place, Row, Table, Verdict};

crate::scenarios!(Ipvs, misbehaving_servers_are_judged_as_by_debians);

/// A keepalived with a table of its own.
struct Director<'a> {
    make: Make,
    host: Host,
    table: &'a Table,
    place: &'a Place,
    daemon: Option<Daemon>,
}

fn misbehaving_servers_are_judged_as_by_debians() {
    let mut lab = Lab::new();
    let servers = lab.host("servers", "10.1.0.2/16");
    servers.ip(&["address", "add", "10.1.0.9/16", "dev", "eth0"]);
    let place = Place {
        address: [10, 1, 0, 2].into(),
        elsewhere: [10, 1, 0, 9].into(),
        vanishing: [10, 1, 8],
        device: "eth0".to_owned(),
        enter: format!("ip netns exec {}", servers.namespace()),
        directory: servers.directory.clone(),
    };
    let mut table = Table::read();
    // What is missing on the way is missing on the director.
    table
        .rows
        .retain(|row| !row.is_about_the_way() && !row.is_loud());
    let farm = open(&servers, &place, &table);
    let mut directors = [(Make::Ours, "ours"), (Make::Debian, "debian")].map(|(make, name)| {
        let address = format!("10.1.0.{}/16", 21 + make as u8);
        let host = lab.host(name, &address);
        Director::new(make, host, &servers, &table, &place)
    });
    for director in &mut directors {
        director.start();
    }
    let wait = |limit: u64, what: &str, phase: Phase| {
        let took = wait_until(seconds(limit), what, || {
            directors.iter().all(|director| director.is_right(phase))
        });
        note(&format!("{what} after {took:.1?}"));
    };
    wait(40, "every server is in the table", Phase::Good);
    thread::sleep(3 * PERIOD);
    farm.tell(Phase::Bad);
    wait(120, "the table shows who misbehaves", Phase::Bad);
    stays_so(3 * PERIOD, "the verdicts stay", || {
        directors
            .iter()
            .all(|director| director.is_right(Phase::Bad))
    });
    farm.tell(Phase::GoodAgain);
    wait(90, "every server is back", Phase::GoodAgain);
    let faults: Vec<String> = directors.iter().flat_map(Director::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for director in &mut directors {
        director.daemon.take().expect("it was started").stop();
    }
}

/// Its threads live in the namespace of their host.
fn open(host: &Host, place: &Place, table: &Table) -> Farm {
    let namespace = File::open(format!("/run/netns/{}", host.namespace()));
    let namespace = namespace.expect("the host has a namespace");
    let (opened, farm) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("we are root");
            let farm = Farm::open(place, table);
            opened.send(farm).expect("somebody waits for it");
        });
    });
    farm.recv().expect("it opens")
}

impl<'a> Director<'a> {
    fn new(make: Make, host: Host, servers: &Host, table: &'a Table, place: &'a Place) -> Self {
        let link = servers.ip(&["-o", "link", "show", "eth0"]);
        let mac = link.split("link/ether ").nth(1);
        let mac = mac.and_then(|rest| rest.split(' ').next());
        let mac = mac.expect("a veth has an address");
        for (number, row) in table.rows.iter().enumerate() {
            let address = place.address_of(number, row).ip();
            if address != place.address {
                let address = address.to_string();
                let neighbour = ["neighbour", "add", &address, "lladdr", mac];
                host.ip(&[&neighbour[..], &["dev", "eth0", "nud", "permanent"]].concat());
            }
        }
        Self {
            make,
            host,
            table,
            place,
            daemon: None,
        }
    }

    fn start(&mut self) {
        let mut text = "global_defs {\n    script_user root\n}\n".to_owned();
        for number in self.numbers() {
            let row = &self.table.rows[number];
            let check = self.table.check(row);
            if let Some(name) = self.place.file_of(number, check) {
                let path = self.place.directory.join(&name);
                let path = path.display();
                writeln!(text, "track_file {name} {{\n    file {path}\n}}").expect("a string");
            }
            let address = self.place.address_of(number, row);
            let (ip, port, period) = (address.ip(), address.port(), PERIOD.as_secs());
            let check = self.place.text(number, check, TIMEOUT);
            write!(
                text,
                "virtual_server {} 80 {{
    delay_loop {period}
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server {ip} {port} {{
{check}
    }}
}}
",
                service(number)
            )
            .expect("a string takes any text");
        }
        self.daemon = Some(Daemon::start_make(self.make, &self.host, &text));
    }

    /// The servers that it checks.
    fn numbers(&self) -> Vec<usize> {
        let all = self.table.rows.iter().enumerate();
        let mine =
            all.filter(|(_, row)| self.make == Make::Ours || !self.table.check(row).ours_alone);
        mine.map(|(number, _)| number).collect()
    }

    fn verdict(&self, row: &Row) -> Verdict {
        match self.make {
            Make::Ours => row.verdict,
            Make::Debian => row.theirs(),
        }
    }

    /// What ipvsadm shows of a server; nothing when it is not there.
    fn destination(&self, number: usize, phase: Phase) -> Option<String> {
        let row = &self.table.rows[number];
        let weight = match self.verdict(row) {
            _ if phase != Phase::Bad => 1,
            Verdict::Up => 1,
            Verdict::Weight(weight) => weight,
            Verdict::Down { .. } => return None,
        };
        let address = self.place.address_of(number, row);
        let service = service(number);
        Some(format!("-a -t {service}:80 -r {address} -m -w {weight}"))
    }

    /// The destinations that are in the table and should not be there, and those that are missing.
    fn odd(&self, phase: Phase) -> Vec<String> {
        let there = shown(&self.host, "ipvsadm -Sn");
        let there = there.lines().filter(|line| line.starts_with("-a "));
        let mut odd: Vec<String> = there.map(str::to_owned).collect();
        for number in self.numbers() {
            let Some(wanted) = self.destination(number, phase) else {
                continue;
            };
            match odd.iter().position(|line| *line == wanted) {
                Some(at) => drop(odd.swap_remove(at)),
                None => odd.push(format!("missing: {wanted}")),
            }
        }
        odd
    }

    fn is_right(&self, phase: Phase) -> bool {
        let odd = self.odd(phase);
        let log = self.host.directory.join("odd.log");
        std::fs::write(log, odd.join("\n")).expect("the directory is writable");
        odd.is_empty()
    }

    /// Servers that went and came otherwise than once each, or at all.
    fn faults(&self) -> Vec<String> {
        let log = self.daemon.as_ref().expect("it was started").log();
        let faults = self.numbers().into_iter().filter_map(|number| {
            let row = &self.table.rows[number];
            let address = self.place.address_of(number, row);
            let tag = format!(" service [{}]:tcp:{} ", address.ip(), address.port());
            let lines = log.lines().filter(|line| line.contains(&tag));
            let turns: Vec<&str> = lines
                .filter_map(|line| {
                    ["Removing", "Adding"]
                        .into_iter()
                        .find(|w| line.contains(w))
                })
                .collect();
            let wanted: &[&str] = match self.verdict(row) {
                Verdict::Down { .. } => &["Removing", "Adding"],
                Verdict::Up | Verdict::Weight(_) => &[],
            };
            (turns != wanted).then(|| {
                let (make, check, name) = (self.make, &row.check, &row.name);
                format!("{make:?}: {check}: {name}: {turns:?}")
            })
        });
        faults.collect()
    }
}

/// The address of the service that a server stands behind, alone.
fn service(number: usize) -> String {
    format!("10.9.{}.{}", number / 250, number % 250 + 1)
}

/// Of most checks, on a machine that is slow.
const TIMEOUT: Duration = Duration::from_secs(6);
const PERIOD: Duration = Duration::from_secs(5);
