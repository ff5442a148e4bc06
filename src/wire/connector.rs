//! The process connector: the kernel tells of every process that begins and ends (Linux 2.6.15,
//! `linux/connector.h`, `linux/cn_proc.h`).

/// What happened to a process. Threads are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    Forked {
        parent: u32,
        child: u32,
    },
    /// It has become another program, or has given itself another name.
    Changed(u32),
    Ended(u32),
    /// The answer to `listen`; 0 when it was granted.
    Answer(u32),
}

/// CN_IDX_PROC: the multicast group of processes.
pub const GROUP: u32 = 1;

/// The message that asks to be told, with its netlink header.
///
/// ```text
///  0               4               8              12              16
/// +---------------+-------+-------+---------------+---------------+
/// |    length     | type  | flags |   sequence    |     port      |  nlmsghdr
/// +---------------+-------+-------+---------------+---------------+
/// |     index     |     value     |   sequence    |      ack      |  cn_msg
/// +-------+-------+---------------+---------------+---------------+
/// | length| flags |   operation   |
/// +-------+-------+---------------+
/// ```
pub fn listen() -> Vec<u8> {
    let length = HEADER + MESSAGE + OPERATION;
    let mut octets = Vec::with_capacity(length);
    let length = u32::try_from(length).expect("forty octets");
    octets.extend(length.to_ne_bytes());
    octets.extend(NLMSG_DONE.to_ne_bytes());
    octets.extend([0; 10]);
    octets.extend(GROUP.to_ne_bytes());
    octets.extend(CN_VAL_PROC.to_ne_bytes());
    octets.extend([0; 8]);
    let operation = u16::try_from(OPERATION).expect("four octets");
    octets.extend(operation.to_ne_bytes());
    octets.extend([0; 2]);
    octets.extend(PROC_CN_MCAST_LISTEN.to_ne_bytes());
    octets
}

/// The event of a datagram; None for what is not about a process, or not whole.
pub fn parse(datagram: &[u8]) -> Option<ProcessEvent> {
    let event = datagram.get(HEADER + MESSAGE..)?;
    let word = |at: usize| word_at(event, at);
    // Behind the kind stand a processor and a time.
    let data = |number: usize| word(16 + 4 * number);
    Some(match word(0)? {
        PROC_EVENT_NONE => ProcessEvent::Answer(data(0)?),
        PROC_EVENT_FORK => {
            let (parent, thread, child) = (data(1)?, data(2)?, data(3)?);
            (thread == child).then_some(ProcessEvent::Forked { parent, child })?
        }
        PROC_EVENT_EXEC | PROC_EVENT_COMM => {
            let (thread, process) = (data(0)?, data(1)?);
            (thread == process).then_some(ProcessEvent::Changed(process))?
        }
        PROC_EVENT_EXIT => {
            let (thread, process) = (data(0)?, data(1)?);
            (thread == process).then_some(ProcessEvent::Ended(process))?
        }
        _ => return None,
    })
}

fn word_at(octets: &[u8], at: usize) -> Option<u32> {
    let word = octets.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(word))
}

const HEADER: usize = 16;
const MESSAGE: usize = 20;
const OPERATION: usize = 4;
const NLMSG_DONE: u16 = 3;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_FORK: u32 = 0x0000_0001;
const PROC_EVENT_EXEC: u32 = 0x0000_0002;
const PROC_EVENT_COMM: u32 = 0x0000_0200;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(words: &[u32]) -> Vec<u8> {
        let (kind, data) = words.split_first().unwrap();
        let mut octets = vec![0; HEADER + MESSAGE];
        octets.extend(kind.to_ne_bytes());
        octets.extend([0; 12]);
        octets.extend(data.iter().flat_map(|word| word.to_ne_bytes()));
        octets
    }

    #[test]
    fn processes_are_told_of_and_threads_are_not() {
        for (words, expected) in [
            (&[0, 0][..], Some(ProcessEvent::Answer(0))),
            (
                &[1, 7, 7, 9, 9],
                Some(ProcessEvent::Forked {
                    parent: 7,
                    child: 9,
                }),
            ),
            (&[1, 7, 7, 9, 7], None),
            (&[2, 9, 9], Some(ProcessEvent::Changed(9))),
            (&[0x200, 9, 9], Some(ProcessEvent::Changed(9))),
            (&[0x200, 10, 9], None),
            (&[0x8000_0000, 9, 9], Some(ProcessEvent::Ended(9))),
            (&[0x8000_0000, 10, 9], None),
            (&[0x40, 9, 9], None),
            (&[1, 7, 7], None),
        ] {
            assert_eq!(parse(&event(words)), expected, "{words:?}");
        }
        for length in 0..60 {
            let _ = parse(&vec![0xff; length]);
        }
    }

    #[test]
    fn the_request_is_forty_octets_and_says_so() {
        let octets = listen();
        assert_eq!(octets.len(), 40);
        assert_eq!(word_at(&octets, 0), Some(40));
        assert_eq!(word_at(&octets, 16), Some(GROUP));
        assert_eq!(word_at(&octets, 36), Some(PROC_CN_MCAST_LISTEN));
    }
}
