//! How long is a segment without a master, or with two? A fault at a time, a hundred times each at
//! a moment that a seed chooses, and what the middle, the unluckiest and the very worst of them
//! saw: a table, kept in `split.txt`. `UPDATE=1 cargo test --test sim split` writes it anew.
//!
//! Three routers of version 2, an advert a second. Who runs and is awake counts. The bounds of the
//! protocol: a backup of priority 100 believes the master dead after a Master_Down_Interval of
//! 3.609 s (RFC 3768 6.1), or a Skew_Time of 0.609 s after a goodbye.

use std::fmt::Write as _;
use std::time::Duration;

use keepalived::rand::Rand;

use crate::kernel::ETH0;
use crate::lan::{Id, Lan, MS, SEC, Split, Weather};

const SEEDS: u64 = 100;
/// Long enough for everything that a fault leads to.
const AFTERMATH: Duration = Duration::from_secs(20);

struct Segment {
    lan: Lan,
    /// 150, the master.
    first: Id,
    /// 100, who takes over.
    second: Id,
}

type Fault = fn(&mut Segment);

const FAULTS: [(&str, Fault); 15] = [
    ("the master stops", |segment| {
        segment.lan.stop(segment.first)
    }),
    ("the master's process is killed", |segment| {
        segment.lan.kill(segment.first)
    }),
    ("the master loses its cable", |segment| {
        segment.lan.unplug(segment.first)
    }),
    (
        "the master is cut off, and stops before it is back",
        |segment| {
            segment.lan.cut(segment.first);
            segment.lan.stop(segment.first);
        },
    ),
    ("the master was cut off for 10 s and is back", |segment| {
        segment.lan.cut(segment.first);
        segment.lan.run(10 * SEC);
        segment.forget();
        segment.lan.heal(segment.first);
    }),
    ("the master sleeps for 2 s", |segment| {
        segment.lan.stall(segment.first, 2 * SEC)
    }),
    ("the master sleeps for 10 s", |segment| {
        segment.lan.stall(segment.first, 10 * SEC)
    }),
    ("the backup sleeps for 10 s", |segment| {
        segment.lan.stall(segment.second, 10 * SEC)
    }),
    ("a stronger router starts", |segment| {
        segment.lan.router("new", &conf(200));
    }),
    ("the master is configured weaker", |segment| {
        segment.lan.reload(segment.first, &conf(50));
    }),
    ("the backup hears nothing for 5 s", |segment| {
        segment.lan.deafen(segment.second, ETH0);
        segment.lan.run(5 * SEC);
        segment.lan.heal(segment.second);
    }),
    ("10 of 100 packets are lost", |segment| segment.lose(10)),
    ("30 of 100 packets are lost", |segment| segment.lose(30)),
    ("50 of 100 packets are lost", |segment| segment.lose(50)),
    (
        "packets take up to 1 s and overtake each other",
        |segment| {
            segment.lan.weather.delay_max = SEC;
        },
    ),
];

impl Segment {
    fn steady(seed: u64) -> Self {
        let mut rand = Rand::new(seed);
        let mut lan = Lan::silent(seed);
        let [first, second, _] = [150, 100, 50].map(|priority| {
            lan.run(rand.up_to(SEC));
            lan.router("r", &conf(priority))
        });
        lan.run(15 * SEC + rand.up_to(SEC));
        let mut segment = Self { lan, first, second };
        segment.forget();
        segment
    }

    fn forget(&mut self) {
        self.lan.split = Split::default();
    }

    fn lose(&mut self, loss: u64) {
        self.lan.weather = Weather {
            loss,
            ..Weather::CALM
        };
    }
}

fn conf(priority: u8) -> String {
    format!(
        "vrrp_instance VI {{
            interface eth0
            state BACKUP
            virtual_router_id 7
            priority {priority}
            virtual_ipaddress {{
                10.0.0.100
            }}
        }}"
    )
}

#[test]
fn the_time_without_a_master_and_with_several_is_what_the_table_says() {
    let mut table = format!(
        "{:52}{:>24}{:>24}\n{:52}{:>24}{:>24}\n",
        "milliseconds",
        "without a master",
        "with several",
        "",
        "p50    p99    max",
        "p50    p99    max",
    );
    for (name, fault) in FAULTS {
        let splits = (0..SEEDS).map(|seed| {
            let mut segment = Segment::steady(seed);
            fault(&mut segment);
            segment.lan.run(AFTERMATH);
            segment.lan.split
        });
        let (without, several): (Vec<_>, Vec<_>) =
            splits.map(|split| (split.without, split.several)).unzip();
        let (without, several) = (spread(without), spread(several));
        writeln!(table, "{name:52}{without}{several}").expect("a string takes it");
    }
    let path = format!("{}/tests/sim/split.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &table).expect("the table can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(table, kept, "UPDATE=1 rewrites it");
}

/// Three columns of a row.
fn spread(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_nanos() / MS.as_nanos();
    format!("   {:7}{:7}{:7}", at(50), at(99), at(100))
}
