//! The adverts that pass the switch, read from tcpdump's lines.

use std::fs;
use std::path::PathBuf;

use super::network::{Background, Host, seconds};
use super::wait::wait_until;

pub(crate) struct Capture {
    file: PathBuf,
    _tcpdump: Background,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Advert {
    /// Seconds since the epoch.
    pub(crate) time: f64,
    pub(crate) from: String,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
}

impl Capture {
    /// Listens to all that the switch floods.
    pub(crate) fn start(switch: &Host) -> Self {
        let file = switch.directory.join("adverts.txt");
        let words = ["tcpdump", "-i", "br0", "-n", "-l", "-tt", "ip proto 112"];
        let tcpdump = switch.spawn(&words, &file);
        let text = || fs::read_to_string(&file).unwrap_or_default();
        wait_until(seconds(5), "tcpdump listens", || {
            text().contains("listening on")
        });
        Self {
            file,
            _tcpdump: tcpdump,
        }
    }

    pub(crate) fn adverts(&self) -> Vec<Advert> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().filter_map(advert).collect()
    }

    /// The longest silence, in seconds, between two adverts of one sender for one router.
    pub(crate) fn longest_gap(&self, from: &str, vrid: u8) -> f64 {
        let times: Vec<f64> = self
            .adverts()
            .iter()
            .filter(|advert| advert.from == from && advert.vrid == vrid)
            .map(|advert| advert.time)
            .collect();
        assert!(
            times.len() > 1,
            "no two adverts of {from} for router {vrid}"
        );
        times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold(0.0, f64::max)
    }
}

/// `1732.25 IP 10.0.0.1 > 224.0.0.18: VRRPv2, Advertisement, vrid 51, prio 100, ...`
fn advert(line: &str) -> Option<Advert> {
    let mut words = line.split_whitespace();
    let time = words.next()?.parse().ok()?;
    let from = words.nth(1)?.to_owned();
    let number = |name: &str| -> Option<u8> {
        let (_, rest) = line.split_once(name)?;
        rest.split(',').next()?.trim().parse().ok()
    };
    Some(Advert {
        time,
        from,
        vrid: number("vrid ")?,
        priority: number("prio ")?,
    })
}
