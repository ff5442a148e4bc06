//! Two routers of one number that both claim to own the addresses: a mistake of somebody, which is
//! told, and from which the one with the higher address recovers by giving way.

use std::net::IpAddr;
use std::time::Duration;

use log::{info, warn};

use super::Alarm;
use super::accept::Advert;
use super::instance::{Context, Instance, Told};
use super::track::OWNER;

/// What is known of another owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rivalry {
    #[default]
    Nobody,
    /// It was heard, and after so many adverts of ours it must have heard us.
    Heard { adverts: u8, interval: Duration },
    /// It has heard us: another word of it now, and we give way.
    Watched,
    /// We gave way to it, and claim a little less until it is gone.
    Conceded(IpAddr),
}

impl Instance {
    /// A master of priority 255 hears another one whose address is lower: it should give way. True
    /// when it does not, and this one has to.
    pub(super) fn concedes_to(&mut self, rival: &Advert, cx: &mut Context<'_>) -> bool {
        self.tell_of_rival(rival.source);
        match self.rivalry {
            Rivalry::Nobody => {
                let theirs = rival.interval.unwrap_or(self.config.advert_interval);
                self.rivalry = Rivalry::Heard {
                    adverts: ADVERTS_HEARD,
                    interval: theirs.max(self.config.advert_interval),
                };
                false
            }
            Rivalry::Heard { .. } | Rivalry::Conceded(_) => false,
            Rivalry::Watched => {
                warn!(
                    "({self}) {} is still advertising as address owner, please resolve - \
                     reducing our priority",
                    rival.source
                );
                self.rivalry = Rivalry::Conceded(rival.source);
                self.weigh(cx);
                true
            }
        }
    }

    pub(super) fn tell_of_rival(&mut self, rival: IpAddr) {
        if self.tell_once(Told::Rival) {
            warn!(
                "({self}) CONFIGURATION ERROR: local instance and {rival} are both configured as \
                 address owner, please resolve"
            );
        }
    }

    /// An advert of ours left.
    pub(super) fn count_for_rival(&mut self, cx: &mut Context<'_>) {
        let Rivalry::Heard { adverts, interval } = &mut self.rivalry else {
            return;
        };
        *adverts -= 1;
        if *adverts == 0 {
            let patience = interval.saturating_mul(6) / 5;
            self.rivalry = Rivalry::Watched;
            self.set(Alarm::Rival, patience, cx);
        }
    }

    /// Nothing was heard of it since.
    pub(super) fn forget_rival(&mut self) {
        if self.rivalry == Rivalry::Watched {
            info!("({self}): rogue address owner appears to have stopped advertising");
            self.rivalry = Rivalry::Nobody;
        }
    }

    /// A backup that gave way hears of somebody else, or of somebody who claims less.
    pub(super) fn reclaim_from(&mut self, heard: &Advert, cx: &mut Context<'_>) {
        if let Rivalry::Conceded(rival) = self.rivalry
            && (heard.priority != OWNER || heard.source != rival)
        {
            self.reclaim("received advert with lower priority", cx);
        }
    }

    pub(super) fn reclaim(&mut self, because: &str, cx: &mut Context<'_>) {
        if matches!(self.rivalry, Rivalry::Conceded(_)) {
            info!("({self}) Restoring our priority to 255 since {because}");
            self.rivalry = Rivalry::Nobody;
            self.weigh(cx);
        }
    }

    /// Who leaves MASTER has no rival there any more; a concession outlives it.
    pub(super) fn part_with_rival(&mut self) {
        if !matches!(self.rivalry, Rivalry::Conceded(_)) {
            self.rivalry = Rivalry::Nobody;
        }
    }
}

/// One may be lost, or have crossed the other's.
const ADVERTS_HEARD: u8 = 2;
