//! `linkbeat_interfaces` and `linkbeat_use_polling`: interfaces that are asked every second whether
//! there is a link, since their drivers do not tell the kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use log::{info, warn};

use super::network::Network;
use super::{Effect, Timer};
use crate::config::{Config, LinkbeatMethod};
use crate::errno::Errno;
use crate::time::{Instant, Timers};
use crate::wire::linkbeat::{Question, Way};
use crate::wire::rtnl::{Link, Notice};

/// The interfaces that are asked, by name.
#[derive(Debug, Default)]
pub(super) struct Linkbeats {
    asked: BTreeMap<String, Beat>,
}

#[derive(Debug)]
struct Beat {
    /// None: no way works, the kernel is believed.
    way: Option<Way>,
    /// The configuration says which way.
    is_fixed: bool,
    /// The last answer.
    carrier: Option<bool>,
}

impl Linkbeats {
    /// What was found out of an interface stays, unless it is to be asked another way.
    pub(super) fn reconfigure(
        &mut self,
        now: Instant,
        config: &Config,
        timers: &mut Timers<Timer>,
    ) {
        let mut known = std::mem::take(&mut self.asked);
        for (name, wanted) in wanted(config) {
            let beat = known
                .remove(&name)
                .filter(|beat| beat.is_fixed == wanted.is_some())
                .filter(|beat| wanted.is_none() || beat.way == wanted);
            let beat = beat.unwrap_or_else(|| Beat {
                way: Some(wanted.unwrap_or(Way::Mii)),
                is_fixed: wanted.is_some(),
                carrier: None,
            });
            self.asked.insert(name, beat);
        }
        if self.asked.is_empty() {
            timers.cancel(Timer::Linkbeat);
        } else {
            timers.set(Timer::Linkbeat, now);
        }
    }

    /// Asks all that are there.
    pub(super) fn on_time(
        &self,
        now: Instant,
        network: &Network,
        timers: &mut Timers<Timer>,
        out: &mut Vec<Effect>,
    ) {
        timers.set(Timer::Linkbeat, now + INTERVAL);
        for (name, beat) in &self.asked {
            if let Some(way) = beat.way.filter(|_| network.named(name).is_some()) {
                let interface = name.clone();
                out.push(Effect::AskLink(Question { interface, way }));
            }
        }
    }

    /// An answer; what is to be believed of the interface now, if that is new.
    pub(super) fn on_answer(
        &mut self,
        question: &Question,
        answer: Result<bool, Errno>,
        network: &Network,
        out: &mut Vec<Effect>,
    ) -> Option<Notice> {
        let name = &question.interface;
        let beat = self.asked.get_mut(name)?;
        if beat.way != Some(question.way) {
            return None;
        }
        let link = network.named(name)?;
        let carrier = match answer {
            Ok(carrier) => carrier,
            Err(Errno::ENODEV) => return None,
            Err(error) => {
                beat.way = question.way.next().filter(|_| !beat.is_fixed);
                beat.carrier = None;
                if let Some(way) = beat.way {
                    let interface = name.clone();
                    out.push(Effect::AskLink(Question { interface, way }));
                } else {
                    warn!("cannot ask {name} for its link, the kernel is believed: {error}");
                }
                return None;
            }
        };
        if beat.carrier.replace(carrier) == Some(carrier) {
            return None;
        }
        let running = link.up && carrier;
        if running == link.running {
            return None;
        }
        info!(
            "Linkbeat reports {name} {}",
            if running { "up" } else { "down" }
        );
        Some(Notice::Link(Link {
            running,
            ..link.clone()
        }))
    }

    /// How an interface is asked.
    pub(super) fn way(&self, name: &str) -> Option<Way> {
        self.asked.get(name)?.way
    }

    /// What the kernel tells of a link that is asked counts but for the cable.
    pub(super) fn overrule(&self, mut link: Link) -> Link {
        let beat = self.asked.get(&link.name);
        if let Some(carrier) = beat.and_then(|beat| beat.carrier) {
            link.running = link.up && carrier;
        }
        link
    }
}

/// The interfaces to be asked, each with the way that the configuration says.
fn wanted(config: &Config) -> BTreeMap<String, Option<Way>> {
    let all = config.global.namespace.poll_links;
    let instances = config.instances.iter();
    let of_instances = instances
        .filter(|instance| (all || instance.poll_link) && !instance.interface.is_empty())
        .map(|instance| (instance.interface.clone(), None));
    let named = config.links.linkbeats.iter();
    let named = named.map(|line| (line.interface.clone(), line.method.map(way)));
    of_instances.chain(named).collect()
}

fn way(method: LinkbeatMethod) -> Way {
    match method {
        LinkbeatMethod::Mii => Way::Mii,
        LinkbeatMethod::Ethtool => Way::Ethtool,
        LinkbeatMethod::Ioctl => Way::Flags,
    }
}

/// As keepalived asks.
const INTERVAL: Duration = Duration::from_secs(1);
