//! The transcript: what every router said and did, with times. Equal seeds give equal transcripts.

use std::cell::RefCell;
use std::net::IpAddr;

use keepalived::time::Instant;
use keepalived::vrrp::Effect;
use keepalived::wire::channel::Ear;
use keepalived::wire::nft::{self, Element};
use keepalived::wire::rtnl::{self, LinkRequest};
use keepalived::wire::sysctl;
use log::{Level, LevelFilter, Metadata, Record};

use crate::packets::Packet;

thread_local! {
    /// Log lines of the core that is being called on this thread.
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

impl log::Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// Lets `take_lines` see what the cores log from now on.
pub(crate) fn capture() {
    static CAPTURE: Capture = Capture;
    // A second test of the same process finds it installed.
    if log::set_logger(&CAPTURE).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Who writes nothing down needs to know of errors only.
pub(crate) fn errors_only() {
    capture();
    log::set_max_level(LevelFilter::Error);
}

/// What was logged since the last call.
pub(crate) fn take_lines() -> Vec<(Level, String)> {
    LINES.take()
}

#[derive(Default)]
pub(crate) struct Transcript {
    lines: Vec<(String, u32)>,
}

impl Transcript {
    pub(crate) fn note(&mut self, now: Instant, who: &str, what: &str) {
        let micros = now.as_nanos() / 1_000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let line = format!("{seconds:4}.{micros:06} {who} {what}");
        match self.lines.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => self.lines.push((line, 1)),
        }
    }

    pub(crate) fn text(&self) -> String {
        let line = |(line, count): &(String, u32)| match count {
            1 => format!("{line}\n"),
            _ => format!("{line} x{count}\n"),
        };
        self.lines.iter().map(line).collect()
    }
}

/// One effect in a few words; None for what is not worth a line.
pub(crate) fn describe(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Open {
            interface, channel, ..
        } => match channel.ear {
            Ear::Group(group) => format!("joins {group} on {interface}"),
            Ear::Own(source) => format!("listens to {source}"),
        },
        Effect::Buffer { octets, .. } => format!("lets {octets} octets wait"),
        Effect::Close(_) => "leaves the group".to_owned(),
        Effect::Advertise {
            to,
            from,
            ttl,
            packet,
            ..
        } => {
            let packet = Packet {
                from: *from,
                to: *to,
                ttl: *ttl,
                bytes: packet.clone(),
            };
            let advert = packet.advert();
            let (vrid, priority) = (advert.vrid(), advert.priority());
            format!("advert {from} > {to} vrid {vrid} priority {priority}")
        }
        Effect::Announce { frame, .. } => match frame.len() {
            42 => {
                let target: [u8; 4] = frame[38..42].try_into().expect("four octets");
                format!("gratuitous ARP for {}", IpAddr::from(target))
            }
            86 => {
                let target: [u8; 16] = frame[62..78].try_into().expect("sixteen octets");
                let router = if frame[58] & 0x80 == 0 {
                    ""
                } else {
                    " as a router"
                };
                format!(
                    "neighbour advertisement for {}{router}",
                    IpAddr::from(target)
                )
            }
            length => panic!("no announcement has {length} octets"),
        },
        Effect::Kernel(rtnl::Request::AddAddress(address)) => format!("+ {}", address.cidr),
        Effect::Kernel(rtnl::Request::RemoveAddress(address)) => format!("- {}", address.cidr),
        Effect::Kernel(rtnl::Request::Link(request)) => link(request),
        Effect::Setting(request) => setting(request),
        Effect::Seek(trace) => format!("seeks {}", trace.source),
        Effect::StopSeeking(trace) => format!("seeks {} no more", trace.source),
        Effect::AskLink(question) => format!("asks {} by {:?}", question.interface, question.way),
        Effect::Filter(request) => filter(request),
        Effect::Notify(news) => format!("tells {news}"),
        Effect::Kernel(rtnl::Request::AddRoute(route)) => format!("+ route {}", route.destination),
        Effect::Kernel(rtnl::Request::ReplaceRoute(route)) => {
            format!("= route {}", route.destination)
        }
        Effect::Kernel(rtnl::Request::RemoveRoute(route)) => {
            format!("- route {}", route.destination)
        }
        Effect::Kernel(rtnl::Request::AddRule(rule)) => format!("+ rule {}", rule.preference),
        Effect::Kernel(rtnl::Request::RemoveRule(rule)) => format!("- rule {}", rule.preference),
    })
}

fn link(request: &LinkRequest) -> String {
    match request {
        LinkRequest::Add(new) => format!("makes {} on {}", new.name, new.below.0),
        LinkRequest::Remove(index) => format!("removes link {}", index.0),
        LinkRequest::SetMac(index, mac) => format!("link {} becomes {mac}", index.0),
        LinkRequest::SetKind(index, kind) => format!("link {} becomes {kind:?}", index.0),
        LinkRequest::SetMaster(index, None) => format!("link {} is free", index.0),
        LinkRequest::SetMaster(index, Some(master)) => {
            format!("link {} is a port of {}", index.0, master.0)
        }
        LinkRequest::NoOwnAddress(index) => format!("link {} has no own address", index.0),
        LinkRequest::SwitchOn(index) => format!("link {} goes up", index.0),
    }
}

fn filter(request: &nft::Request) -> String {
    let list = |elements: &[Element]| {
        let shown = elements.iter().map(|element| match element {
            Element::Device { device, base } => format!("{} over {}", device.0, base.0),
            Element::Address { address, .. } => address.to_string(),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let family = request.table().family;
    match request {
        nft::Request::Install { elements, .. } => {
            format!("filters {family}: {}", list(elements))
        }
        nft::Request::Add(_, elements) => format!("filter {family} + {}", list(elements)),
        nft::Request::Remove(_, elements) => format!("filter {family} - {}", list(elements)),
        nft::Request::Uninstall(_) => format!("filters {family} no more"),
    }
}

fn setting(request: &sysctl::Request) -> String {
    match request {
        sysctl::Request::Read(setting) => format!("reads {setting}"),
        sysctl::Request::Write(setting, value) => format!("sets {setting} to {value}"),
        sysctl::Request::Borrow(setting, value) => format!("borrows {setting} for {value}"),
        sysctl::Request::Return(setting) => format!("returns {setting}"),
    }
}
