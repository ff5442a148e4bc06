//! Every server of `misbehaving/table.txt`, all at once: its verdict, the number of the reason, how
//! many attempts it took and how long.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Check, Daemon};
use crate::misbehaving::{Farm, Phase, Place, Row, Table, Verdict};
use crate::namespace::{Namespace, run};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The servers, what checks them, and when what was first seen in its log.
struct Trial {
    table: Table,
    place: Place,
    farm: Farm,
    daemon: Daemon,
    seen: BTreeMap<usize, Instant>,
}

#[test]
fn every_server_gets_its_verdict_for_its_reason_after_so_many_attempts() {
    let _namespace = Namespace::enter_new();
    let directory = std::env::temp_dir().join(format!("probes-{}-verdicts", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let folder = Folder(directory);
    let mut trial = Trial::begin(&folder);
    assert!(trial.table.rows.len() > 100, "the table is read");
    trial.wait("each was good once", Trial::was_good);
    trial.farm.tell(Phase::Bad);
    trial.wait("each has its verdict", Trial::is_judged);
    trial.farm.tell(Phase::GoodAgain);
    trial.wait("all are up again", Trial::is_back);
    let faults: Vec<String> = (0..trial.table.rows.len())
        .filter_map(|number| trial.fault(number))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

impl Trial {
    fn begin(folder: &Folder) -> Self {
        // Where packets to an address that has gone go to.
        run("ip link add eth0 type veth peer name eth1");
        run("ip link set eth1 up");
        run("ip link set eth0 up arp off");
        run("ip address add 10.8.0.254/24 dev eth0");
        let place = Place {
            address: [127, 0, 0, 1].into(),
            elsewhere: [127, 0, 0, 2].into(),
            vanishing: [10, 8, 0],
            device: "lo".to_owned(),
            enter: String::new(),
            directory: folder.0.clone(),
        };
        let table = Table::read();
        let farm = Farm::open(&place, &table);
        let mut head = "global_defs {\nscript_user root\n}\n".to_owned();
        let checks: Vec<Check> = table
            .rows
            .iter()
            .enumerate()
            .map(|(number, row)| {
                let check = table.check(row);
                if let Some(name) = place.file_of(number, check) {
                    let path = place.directory.join(&name);
                    writeln!(head, "track_file {name} {{\nfile {}\n}}", path.display()).unwrap();
                }
                let address = place.address_of(number, row);
                Check::new(
                    &format!("{} {}", address.ip(), address.port()),
                    &place.text(number, check, TIMEOUT),
                )
            })
            .collect();
        let daemon = Daemon::start("verdicts", &head, "TCP", &checks);
        Self {
            table,
            place,
            farm,
            daemon,
            seen: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn wait(&mut self, what: &str, holds: fn(&mut Self, usize, &[&str]) -> bool) {
        let start = Instant::now();
        loop {
            let log = self.daemon.log();
            let lines: Vec<Vec<&str>> = self.lines_of_each(&log);
            let rows = 0..self.table.rows.len();
            let late: Vec<usize> = rows
                .filter(|number| !holds(self, *number, &lines[*number]))
                .collect();
            if late.is_empty() {
                return;
            }
            if start.elapsed() > LIMIT {
                let texts = late.iter().map(|number| {
                    let Row { check, name, .. } = &self.table.rows[*number];
                    format!("{check}: {name}\n    {}", lines[*number].join("\n    "))
                });
                let texts: Vec<String> = texts.collect();
                panic!("not so, {what}:\n{}", texts.join("\n"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The lines about each server.
    fn lines_of_each<'a>(&self, log: &'a str) -> Vec<Vec<&'a str>> {
        let mut all = vec![Vec::new(); self.table.rows.len()];
        let places = self.table.rows.iter().enumerate();
        let places: BTreeMap<String, usize> = places
            .map(|(number, row)| (self.tag(number, row), number))
            .collect();
        for line in log.lines() {
            let tag = line.split_inclusive("]:tcp:").collect::<Vec<_>>();
            let Some([before, after]) = tag.first_chunk() else {
                continue;
            };
            let Some(begin) = before.rfind('[') else {
                continue;
            };
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let tag = format!("{}{}", &before[begin..], &after[..digits]);
            if let Some(number) = places.get(&tag) {
                all[*number].push(line);
            }
        }
        all
    }

    fn tag(&self, number: usize, row: &Row) -> String {
        let address = self.place.address_of(number, row);
        format!("[{}]:tcp:{}", address.ip(), address.port())
    }

    fn was_good(&mut self, number: usize, lines: &[&str]) -> bool {
        self.farm.counts(number).0 > 0
            || lines.iter().any(|line| line.contains("succe"))
            || self.table.rows[number].check.contains("file")
    }

    fn is_judged(&mut self, number: usize, lines: &[&str]) -> bool {
        let words = match self.table.rows[number].verdict {
            // One attempt has been survived when there is another.
            Verdict::Up => return self.farm.survived(number),
            Verdict::Weight(_) => "Changing weight",
            Verdict::Down { .. } => REMOVED,
        };
        let seen = lines.iter().any(|line| line.contains(words));
        if seen {
            self.seen.entry(number).or_insert_with(Instant::now);
        }
        seen
    }

    fn is_back(&mut self, number: usize, lines: &[&str]) -> bool {
        let words = match self.table.rows[number].verdict {
            Verdict::Up => return true,
            Verdict::Weight(_) => "to 1 for active service",
            Verdict::Down { .. } => ADDED,
        };
        lines.iter().any(|line| line.contains(words))
    }

    /// What is not as the table says.
    fn fault(&self, number: usize) -> Option<String> {
        let row = &self.table.rows[number];
        let log = self.daemon.log();
        let lines = self.lines_of_each(&log).swap_remove(number);
        let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
        let mut faults = Vec::new();
        match row.verdict {
            Verdict::Up if count(REMOVED) > 0 => faults.push("it is up".to_owned()),
            Verdict::Up => {}
            Verdict::Weight(weight) => {
                let words = format!("Changing weight from 1 to {weight} for");
                if count(&words) != 1 || count(REMOVED) > 0 {
                    faults.push(words);
                }
            }
            Verdict::Down { reason, lasts } => {
                if (count(REMOVED), count(ADDED)) != (1, 1) {
                    faults.push("it is down once and up again".to_owned());
                }
                faults.extend(self.wrong_attempts(number, reason, &lines));
                faults.extend(self.wrong_time(number, lasts));
            }
        }
        let Row { check, name, .. } = row;
        let text = lines.join("\n    ");
        (!faults.is_empty()).then(|| format!("{check}: {name}: {}\n    {text}", faults.join("; ")))
    }

    /// Up to the verdict every attempt has failed for the same reason, and there were as many as
    /// may be.
    fn wrong_attempts(&self, number: usize, reason: Option<u16>, lines: &[&str]) -> Option<String> {
        let row = &self.table.rows[number];
        let reason = reason.expect("the table names it");
        let wanted = self.table.check(row).retries() + 1;
        let end = lines.iter().position(|line| line.contains(REMOVED))?;
        let words = format!(": reason {reason}, ");
        let told = lines[..end]
            .iter()
            .filter(|line| line.contains(": reason "));
        let (right, wrong): (Vec<&str>, Vec<&str>) = told.partition(|line| line.contains(&words));
        let as_wanted = right.len() == wanted as usize && wrong.is_empty();
        (!as_wanted).then(|| format!("{wanted} attempts fail for reason {reason}"))
    }

    /// From the last good answer to the verdict.
    fn wrong_time(&self, number: usize, lasts: f64) -> Option<String> {
        let check = self.table.check(&self.table.rows[number]);
        let retries = check.retries();
        let seconds = |keyword| {
            check
                .value(keyword)
                .and_then(|text| text.parse::<f64>().ok())
        };
        let is_short = check.value("connect_timeout ") == Some("$short");
        let timeout = TIMEOUT.as_secs_f64() / if is_short { 2.0 } else { 1.0 };
        let pause = seconds("delay_before_retry ").unwrap_or_default();
        let wanted = f64::from(retries + 1) * lasts * timeout + f64::from(retries) * pause;
        let took = *self.seen.get(&number)? - self.farm.turned(number)?;
        let took = took.as_secs_f64();
        let right = (wanted..wanted + PATIENCE).contains(&took);
        (!right).then(|| format!("it takes {wanted} s, and took {took:.1} s"))
    }
}

const REMOVED: &str = "Removing service ";
const ADDED: &str = "Adding service ";
/// Of most checks: long enough for a machine that is very busy.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A period of the check, and what a busy machine may add to it, in seconds.
const PATIENCE: f64 = 15.0;
const LIMIT: Duration = Duration::from_secs(60);
