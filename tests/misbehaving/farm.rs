//! Where the servers stand: one network namespace, each server on a port of its own.
//!
//! A server turns bad right after it has done a good one: no attempt sees half of each.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::behaviour::{Answer, Step};
use super::table::{Check, Row, Table};
use super::talk::talk;

/// Addresses and files of a farm.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where most of them stand.
    pub(crate) address: IpAddr,
    /// Where answers from elsewhere come from.
    pub(crate) elsewhere: IpAddr,
    /// The network of addresses that vanish: one for each of them, the last octet is free.
    pub(crate) vanishing: [u8; 3],
    /// The device that has these while they are there.
    pub(crate) device: String,
    /// The words before a command that make it run in the namespace; none: threads are there.
    pub(crate) enter: String,
    /// Certificates, programs and files.
    pub(crate) directory: PathBuf,
}

/// What the servers are told to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Good,
    Bad,
    GoodAgain,
}

/// All servers of a table.
pub(crate) struct Farm(Vec<Arc<Server>>);

struct Server {
    /// Where it is checked.
    address: SocketAddr,
    good: Vec<Step>,
    bad: Vec<Step>,
    place: Place,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// When it turned bad.
    turned: Option<Instant>,
    good_ones: usize,
    bad_ones: usize,
}

impl Place {
    /// The address of a server that vanishes.
    fn vanishing(&self, number: usize) -> IpAddr {
        let [a, b, c] = self.vanishing;
        let last = u8::try_from(number % 250).expect("a remainder") + 1;
        IpAddr::from([a, b, c, last])
    }

    /// Of a server with this number in the table.
    pub(crate) fn address_of(&self, number: usize, row: &Row) -> SocketAddr {
        let own = [Step::Vanish, Step::NoWay];
        let address = match row.bad[0] {
            ref step if own.contains(step) => self.vanishing(number),
            _ => self.address,
        };
        let port = u16::try_from(number).expect("few servers") + FIRST_PORT;
        SocketAddr::new(address, port)
    }

    /// The check of a row as in the configuration file, with everything filled in.
    pub(crate) fn text(&self, number: usize, check: &Check, timeout: Duration) -> String {
        let path = |name: &str| self.directory.join(name).display().to_string();
        check
            .text
            .replace("$timeout", &timeout.as_secs().to_string())
            .replace("$short", &(timeout / 2).as_secs().to_string())
            .replace("$directory", &self.directory.display().to_string())
            .replace("$program", &path(&program(number)))
            .replace("$file", &file(number))
    }

    /// The name of the file that a check looks at.
    pub(crate) fn file_of(&self, number: usize, check: &Check) -> Option<String> {
        check.text.contains("$file").then(|| file(number))
    }
}

impl Farm {
    /// To be called by a thread in the namespace of the farm.
    pub(crate) fn open(place: &Place, table: &Table) -> Self {
        for (name, text) in PEMS {
            fs::write(place.directory.join(name), text).expect("the directory is writable");
        }
        let servers = table.rows.iter().enumerate().map(|(number, row)| {
            let server = Arc::new(Server {
                address: place.address_of(number, row),
                good: table.check(row).good.clone(),
                bad: row.bad.clone(),
                place: place.clone(),
                state: Mutex::default(),
                told: Condvar::new(),
            });
            server.open(number);
            server
        });
        Self(servers.collect())
    }

    pub(crate) fn tell(&self, phase: Phase) {
        for server in &self.0 {
            server.tell(phase);
        }
    }

    /// When a server turned bad.
    pub(crate) fn turned(&self, number: usize) -> Option<Instant> {
        self.0[number].state().turned
    }

    /// How many times a server was good, and how many times bad, as far as it knows.
    pub(crate) fn counts(&self, number: usize) -> (usize, usize) {
        let state = self.0[number].state();
        (state.good_ones, state.bad_ones)
    }

    /// It was bad, and is asked again: what it did has been judged. Programs and files have no say.
    pub(crate) fn survived(&self, number: usize) -> bool {
        let server = &self.0[number];
        match server.good[0] {
            Step::Run(_) | Step::File(_) => server.state().turned.is_some(),
            _ => server.state().bad_ones > 1,
        }
    }
}

impl Server {
    fn open(self: &Arc<Self>, number: usize) {
        if [Step::Vanish, Step::NoWay].contains(&self.bad[0]) {
            self.address("add");
        }
        let server = Arc::clone(self);
        match &self.good[0] {
            Step::Run(_) => self.write_program(number),
            Step::File(text) => self.write(&file(number), text),
            // The kernel answers.
            Step::Nobody => {}
            Step::Answer(_) => {
                let socket = UdpSocket::bind(self.address).expect("the port is free");
                thread::spawn(move || server.answer_for_ever(socket));
            }
            _ => {
                let listener = TcpListener::bind(self.address).expect("the port is free");
                thread::spawn(move || server.serve_for_ever(listener));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn tell(&self, phase: Phase) {
        self.state().phase = phase;
        self.told.notify_all();
        let number = usize::from(self.address.port() - FIRST_PORT);
        let mark = self.place.directory.join(format!("bad-{number}"));
        match (&self.good[0], phase) {
            (Step::Run(_), _) if self.bad[0] == Step::Forbid => {
                if phase == Phase::Bad {
                    self.turn();
                    self.permit(number, 0o644);
                } else {
                    self.permit(number, 0o755);
                }
            }
            (Step::Run(_), Phase::Bad) => {
                self.turn();
                fs::write(mark, "").expect("the directory is writable");
            }
            (Step::Run(_), _) => fs::remove_file(mark).expect("it was bad"),
            (Step::File(text), Phase::GoodAgain) => self.write(&file(number), text),
            (Step::File(_), _) => {
                let Step::File(text) = &self.bad[0] else {
                    panic!("a file that says nothing")
                };
                self.turn();
                self.write(&file(number), text);
            }
            // Nobody listens there who could turn by himself.
            (Step::Nobody, Phase::Bad) => self.turn(),
            _ => {}
        }
        if phase == Phase::GoodAgain {
            match self.bad[0] {
                Step::Vanish => self.address("add"),
                Step::NoWay => {
                    self.ip(&format!("route del unreachable {}/32", self.address.ip()));
                    self.address("add");
                }
                _ => {}
            }
        }
    }

    /// It becomes bad.
    fn turn(&self) {
        self.state().turned = Some(Instant::now());
        match self.bad[0] {
            Step::Vanish => self.address("del"),
            Step::NoWay => {
                self.ip(&format!("route add unreachable {}/32", self.address.ip()));
                self.address("del");
            }
            _ => {}
        }
    }

    fn address(&self, how: &str) {
        let (address, device) = (self.address.ip(), &self.place.device);
        self.ip(&format!("address {how} {address}/32 dev {device}"));
    }

    fn ip(&self, words: &str) {
        let enter = self.place.enter.split_whitespace();
        let words: Vec<&str> = enter.chain(["ip"]).chain(words.split(' ')).collect();
        let status = Command::new(words[0]).args(&words[1..]).status();
        assert!(status.is_ok_and(|status| status.success()), "{words:?}");
    }

    /// Whether the next one is to be a bad one.
    fn is_bad(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Bad && state.turned.is_some()
    }

    /// One was served.
    fn served(&self, bad: bool) {
        let mut state = self.state();
        let count = if bad {
            &mut state.bad_ones
        } else {
            &mut state.good_ones
        };
        *count += 1;
        let turns = state.phase == Phase::Bad && state.turned.is_none();
        drop(state);
        if turns {
            self.turn();
        }
    }

    fn wait_for_better_times(&self) {
        let state = self.state();
        let waiting = self.told.wait_while(state, |s| s.phase == Phase::Bad);
        drop(waiting.expect("nobody panics with it"));
    }

    fn serve_for_ever(self: Arc<Self>, mut listener: TcpListener) {
        loop {
            if self.is_bad() && self.bad[0] == Step::Nobody {
                drop(listener);
                self.wait_for_better_times();
                listener = TcpListener::bind(self.address).expect("the port is free");
            }
            let Ok((socket, _)) = listener.accept() else {
                continue;
            };
            // A good one is waited for: the next one may be bad.
            if self.is_bad() {
                let server = Arc::clone(&self);
                thread::spawn(move || {
                    server.served(true);
                    talk(socket, &server.bad, &server.place.directory);
                });
            } else {
                talk(socket, &self.good, &self.place.directory);
                self.served(false);
            }
        }
    }

    fn answer_for_ever(self: Arc<Self>, mut socket: UdpSocket) {
        let mut buffer = [0; 2048];
        loop {
            if self.is_bad() && self.bad[0] == Step::Nobody {
                drop(socket);
                self.wait_for_better_times();
                socket = UdpSocket::bind(self.address).expect("the port is free");
            }
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let bad = self.is_bad();
            let steps = if bad { &self.bad } else { &self.good };
            for step in steps {
                if let Step::Answer(answer) = step {
                    let _ = self.answer(&socket, from, &buffer[..length], answer);
                }
            }
            self.served(bad);
        }
    }

    fn answer(
        &self,
        socket: &UdpSocket,
        to: SocketAddr,
        query: &[u8],
        answer: &Answer,
    ) -> io::Result<()> {
        let mut reply = query.to_vec();
        if reply.len() >= HEADER {
            reply[2] |= 0x80;
        }
        match answer {
            Answer::Silence => return Ok(()),
            Answer::Octets(octets) => reply.clone_from(octets),
            Answer::Code(code) => reply[3] = *code,
            Answer::OtherId => reply[1] ^= 0xff,
            // The first letter of the name.
            Answer::OtherQuestion => reply[HEADER + 1] ^= 0x01,
            Answer::Truncated => reply[2] |= 0x02,
            Answer::Query => reply = query.to_vec(),
            Answer::Part(length) => reply.truncate(*length),
            Answer::FromElsewhere => {
                let other = UdpSocket::bind((self.place.elsewhere, 0))?;
                return other.send_to(&reply, to).map(drop);
            }
        }
        socket.send_to(&reply, to).map(drop)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.place.directory.join(name);
        fs::write(path, text).expect("the directory is writable");
    }

    fn write_program(&self, number: usize) {
        let words = |step: &Step| match step {
            Step::Run(words) => words.clone(),
            _ => "exit 99".to_owned(),
        };
        let mark = self.place.directory.join(format!("bad-{number}"));
        let text = format!(
            "#!/bin/sh\nif [ -e {} ]; then\n{}\nelse\n{}\nfi\n",
            mark.display(),
            words(&self.bad[0]),
            words(&self.good[0]),
        );
        self.write(&program(number), &text);
        self.permit(number, 0o755);
    }

    fn permit(&self, number: usize, mode: u32) {
        let path = self.place.directory.join(program(number));
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
}

fn program(number: usize) -> String {
    format!("program-{number}")
}

fn file(number: usize) -> String {
    format!("file-{number}")
}

/// Certificates that vouch for themselves, good for a hundred years but for one; made with openssl.
const PEMS: [(&str, &str); 7] = [
    ("good.pem", include_str!("good.pem")),
    ("good.key", include_str!("good.key")),
    ("expired.pem", include_str!("expired.pem")),
    ("expired.key", include_str!("expired.key")),
    ("other.pem", include_str!("other.pem")),
    ("other.key", include_str!("other.key")),
    (
        "all.pem",
        concat!(
            include_str!("good.pem"),
            include_str!("expired.pem"),
            include_str!("other.pem")
        ),
    ),
];

/// Of the server with number 0.
const FIRST_PORT: u16 = 2000;
/// Octets of a query before its question.
const HEADER: usize = 12;
