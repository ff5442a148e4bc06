//! A server on many addresses that answers at once, and knows when it was asked.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};

/// All of them are this machine's.
pub(crate) const ADDRESSES: &str = "10.64.0.0/10";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Http,
}

pub(crate) struct Server {
    kind: Kind,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// When one address was asked.
#[derive(Clone, Default)]
struct Asked {
    times: Vec<Instant>,
}

/// How late the checks of one kind were.
pub(crate) struct Lateness {
    kind: Kind,
    checks: usize,
    late: Vec<Duration>,
}

impl Kind {
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Tcp => 80,
            Self::Http => 8080,
        }
    }
}

/// The address of a server of either kind.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    let low = ((number / PER_NETWORK) << 8) | (number % PER_NETWORK + 1);
    Ipv4Addr::from_bits(FIRST + low)
}

impl Server {
    pub(crate) fn start(kind: Kind, count: u32) -> Self {
        let asked = vec![Asked::default(); usize::try_from(count).unwrap()];
        let asked = Arc::new(Mutex::new(asked));
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, kind.port())).unwrap();
        listener.set_nonblocking(true).unwrap();
        // The library's 128 are too few for who looks so rarely.
        listen(&listener, Backlog::MAXALLOWABLE).unwrap();
        let list = Arc::clone(&asked);
        // To be woken up for each connection would take the time of the daemon that makes it.
        thread::spawn(move || {
            loop {
                while let Ok((connection, _)) = listener.accept() {
                    note(&connection, &list);
                    if kind == Kind::Http {
                        answer(connection);
                    }
                }
                thread::sleep(PAUSE);
            }
        });
        Self { kind, asked }
    }

    pub(crate) fn all_asked_twice(&self) -> bool {
        self.missing() == 0
    }

    pub(crate) fn missing(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| one.times.len() < 2).count()
    }

    /// But for the last time, with which the next one is compared.
    pub(crate) fn forget(&self) {
        for one in self.asked.lock().unwrap().iter_mut() {
            let last = one.times.pop();
            one.times.clear();
            one.times.extend(last);
        }
    }

    pub(crate) fn lateness(&self, period: Duration) -> Lateness {
        let asked = self.asked.lock().unwrap();
        let times = || asked.iter().map(|one| one.times.as_slice());
        let late = times().flat_map(|times| times.windows(2));
        let mut late: Vec<Duration> = late
            .map(|pair| (pair[1] - pair[0]).saturating_sub(period))
            .collect();
        // Who was not asked again at all is late, too.
        let now = Instant::now();
        let waiting = times().filter_map(|times| times.last());
        late.extend(
            waiting
                .map(|last| (now - *last).saturating_sub(period))
                .filter(|late| !late.is_zero()),
        );
        late.sort();
        Lateness {
            kind: self.kind,
            checks: times().map(|times| times.len() - 1).sum(),
            late,
        }
    }
}

fn note(connection: &TcpStream, asked: &Mutex<Vec<Asked>>) {
    let now = Instant::now();
    let Ok(IpAddr::V4(here)) = connection.local_addr().map(|here| here.ip()) else {
        return;
    };
    let low = here.to_bits() - FIRST;
    let number = (low >> 8) * PER_NETWORK + (low & 0xff) - 1;
    let mut asked = asked.lock().unwrap();
    asked[usize::try_from(number).unwrap()].times.push(now);
}

fn answer(mut connection: TcpStream) {
    let _ = connection.set_read_timeout(Some(PATIENCE));
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read(&mut part) {
            Ok(count) if count > 0 => request.extend(&part[..count]),
            _ => return,
        }
    }
    let page = [b'x'; PAGE];
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {PAGE}\r\n\r\n");
    let _ = connection.write_all(&[head.as_bytes(), &page].concat());
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind).to_lowercase();
        let at = |percent: usize| {
            let last = self.late.len().saturating_sub(1);
            let late = self.late.get(last * percent / 100).copied();
            late.unwrap_or_default().as_secs_f64() * 1000.0
        };
        write!(
            f,
            " {kind}_checks {} {kind}_late_median_ms {:.2} {kind}_late_p99_ms {:.2} \
             {kind}_late_worst_ms {:.2}",
            self.checks,
            at(50),
            at(99),
            at(100)
        )
    }
}

/// 10.64.0.0
const FIRST: u32 = 0x0a40_0000;
const PER_NETWORK: u32 = 250;
const PAUSE: Duration = Duration::from_millis(2);
/// With a daemon that connects and does not ask.
const PATIENCE: Duration = Duration::from_secs(1);
const PAGE: usize = 1000;
