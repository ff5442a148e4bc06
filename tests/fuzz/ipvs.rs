//! An IPVS that lies: answers of generic netlink that nobody would give, read as those of the
//! kernel are, and what they mean told to the check core.

use keepalived::check::Reading;
use keepalived::errno::Errno;
use keepalived::rand::Rand;
use keepalived::wire::ipvs::{self, DestState, Service, ServiceId, Timeouts};
use keepalived::wire::netlink::{Draft, Messages};

use crate::adverts::bend;
use crate::answers::index;

/// How deep attributes are nested.
const DEPTH: u32 = 3;
/// The numbers of attributes and commands end before this one.
const NUMBERS: u64 = 0x14;
const DESTS_MAX: u64 = 5;
/// Refusals, the known and the unknown.
const ERRORS: [Errno; 7] = [
    Errno::ENOMEM,
    Errno::EEXIST,
    Errno::ENOENT,
    Errno::ESRCH,
    Errno::EINVAL,
    Errno::EPERM,
    Errno::new(4_095),
];

#[derive(Debug)]
pub(crate) struct Liar {
    rand: Rand,
    /// Requests as they are: a service and a destination are written as they are told.
    truths: Vec<Vec<u8>>,
    /// Answers that meant something.
    pub(crate) believed: u64,
}

impl Liar {
    pub(crate) fn new(rand: Rand, truths: Vec<Vec<u8>>) -> Self {
        Self {
            rand,
            truths,
            believed: 0,
        }
    }

    pub(crate) fn version(&mut self) -> Result<u32, Errno> {
        let payload = self.payload();
        let _ = ipvs::parse_family(&payload);
        if self.rand.chance(60) {
            return Ok(0x01_0201);
        }
        ipvs::parse_info(&payload).ok_or(Errno::EINVAL)
    }

    pub(crate) fn timeouts(&mut self) -> Result<Timeouts, Errno> {
        Timeouts::parse(&self.payload()).ok_or(Errno::EINVAL)
    }

    pub(crate) fn reading(&mut self, id: &ServiceId) -> Result<Reading, Errno> {
        match self.rand.below(4) {
            0 => return Ok(None),
            1 => return Err(self.error()),
            _ => {}
        }
        let Some(service) = Service::parse(&self.payload()) else {
            return Err(Errno::EINVAL);
        };
        self.believed += 1;
        let dests = (0..self.rand.below(DESTS_MAX))
            .filter_map(|_| DestState::parse(&self.payload(), id))
            .collect();
        // Most often it answers what it was asked for.
        let service = if self.rand.chance(80) {
            Service { id: *id, ..service }
        } else {
            service
        };
        Ok(Some((service, dests)))
    }

    /// None: it does what it is asked to.
    pub(crate) fn refusal(&mut self) -> Option<Errno> {
        self.rand.chance(30).then(|| self.error())
    }

    fn error(&mut self) -> Errno {
        ERRORS[index(&mut self.rand, ERRORS.len())]
    }

    /// A truth, a bent one, or attributes of any kind.
    fn payload(&mut self) -> Vec<u8> {
        let rand = &mut self.rand;
        let datagram = if self.truths.is_empty() || rand.chance(30) {
            let command = u8::try_from(rand.below(NUMBERS)).unwrap();
            let mut draft = Draft::new(0, 0, 0, &[command, 1, 0, 0]);
            attributes(&mut draft, DEPTH, rand);
            draft.finish()
        } else {
            let one = &self.truths[index(rand, self.truths.len())];
            let other = &self.truths[index(rand, self.truths.len())];
            if rand.chance(40) {
                one.clone()
            } else {
                bend(one, other, rand)
            }
        };
        let payload = Messages::new(&datagram)
            .next()
            .map(|message| message.payload);
        payload.unwrap_or_default().to_vec()
    }
}

fn attributes(draft: &mut Draft, depth: u32, rand: &mut Rand) {
    for _ in 0..rand.below(12) {
        let kind = u16::try_from(rand.below(NUMBERS)).unwrap();
        if depth > 0 && rand.chance(30) {
            draft.nested(kind, |nest| attributes(nest, depth - 1, rand));
            continue;
        }
        let length = [0, 1, 2, 4, 4, 8, 16, 64][index(rand, 8)];
        let value: Vec<u8> = (0..length)
            .map(|_| rand.next_u64().to_be_bytes()[7])
            .collect();
        draft.attribute(kind, &value);
    }
}
