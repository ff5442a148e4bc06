//! Mails: what is written about, what is said to the server, and what becomes of letters that the
//! server does not take.

use std::net::SocketAddr;
use std::time::Duration;

use keepalived::errno::Errno;
use keepalived::notify::{Line, Notice, Order, State, Why};

use crate::world::{SEC, World};

const GLOBAL: &str = "global_defs {
    router_id r1
    notification_email {
        a@x.org
        \"Bob B. <b@y.org>\"
    }
    notification_email_from ka@x.org
    smtp_server 10.0.0.25
    smtp_helo_name us
    smtp_alert
    EXTRA
}
";
const INSTANCE: &str = "vrrp_instance NAME {
    interface eth0
    virtual_router_id NUMBER
    virtual_ipaddress {
        10.0.0.1
    }
}
";
const SERVICE: &str = "virtual_server 10.0.0.9 80 {
    protocol TCP
    real_server 10.0.0.2 80 {
        TCP_CHECK {
        }
    }
    real_server 10.0.0.3 80 {
        smtp_alert off
        TCP_CHECK {
        }
    }
}
";

fn global(extra: &str) -> String {
    GLOBAL.replace("EXTRA", extra)
}

fn instances(names: &[&str]) -> String {
    let texts = names.iter().zip(1..).map(|(name, number)| {
        let text = INSTANCE.replace("NAME", name);
        text.replace("NUMBER", &number.to_string())
    });
    texts.collect()
}

/// A mail server that takes everything, unless it is told what to answer.
struct Server {
    /// All that was said, command by command.
    heard: Vec<String>,
    /// Answers other than the usual, by how the command begins. Used once.
    answers: Vec<(&'static str, &'static str)>,
    connections: usize,
}

impl Server {
    fn new() -> Self {
        Self {
            heard: Vec::new(),
            answers: Vec::new(),
            connections: 0,
        }
    }

    /// Goes on until the line is quiet.
    fn serve(&mut self, world: &mut World) {
        while !world.mail.is_empty() {
            match world.mail.remove(0) {
                Order::Dial { to } => {
                    assert_eq!(to, SocketAddr::from(([10, 0, 0, 25], 25)));
                    self.connections += 1;
                    world.line(Line::Connected);
                    self.answer(world, "connect", "220-hello\r\n220 you");
                }
                Order::Say(octets) => {
                    let text = String::from_utf8(octets).unwrap();
                    let usual = match &text[..4] {
                        "DATA" => "354 go on",
                        "QUIT" => "221 bye",
                        _ => "250 fine",
                    };
                    self.answer(world, &text, usual);
                    self.heard.push(text);
                }
                Order::HangUp => {}
                Order::Resolve { .. } => panic!("an address is no name"),
            }
        }
    }

    fn answer(&mut self, world: &mut World, command: &str, usual: &str) {
        let known = self.answers.iter();
        let at = known
            .clone()
            .position(|(start, _)| command.starts_with(start));
        let answer = at.map_or(usual, |at| self.answers.remove(at).1);
        match answer {
            "close" => world.line(Line::Closed),
            "silence" => {}
            _ => world.line(Line::Received(format!("{answer}\r\n").as_bytes())),
        }
    }

    /// Subjects and bodies of the letters.
    fn letters(&self) -> Vec<(&str, &str)> {
        let letters = self.heard.iter().filter_map(|text| {
            let (_, subject) = text.split_once("Subject: [r1] ")?;
            let (subject, _) = subject.split_once("\r\n")?;
            let (_, body) = text.split_once("\r\n\r\n")?;
            Some((subject, body.strip_suffix("\r\n\r\n.\r\n")?))
        });
        letters.collect()
    }
}

#[test]
fn the_dialogue_is_keepalived_s() {
    let mut world = World::new(&(global("") + &instances(&["V"])));
    let mut server = Server::new();
    world.instance("V", State::Master, 100);
    server.serve(&mut world);
    let letter = "Date: second 0\r\nFrom: ka@x.org\r\n\
        Subject: [r1] VRRP Instance V - Entering MASTER state\r\nX-Mailer: Keepalived\r\n\
        To: a@x.org,\r\n \"Bob B.\" <b@y.org>\r\n\r\n\
        => VRRP Instance is now owning VRRP VIPs <=\r\n\r\n.\r\n";
    let dialogue = [
        "HELO us\r\n",
        "MAIL FROM:<ka@x.org>\r\n",
        "RCPT TO:<a@x.org>\r\n",
        "RCPT TO:<b@y.org>\r\n",
        "DATA\r\n",
        letter,
        "QUIT\r\n",
    ];
    assert_eq!(server.heard, dialogue);
    assert!(world.is_idle());
}

#[test]
fn letters_tell_of_transitions_once() {
    let group = "vrrp_sync_group G {\n group {\n V\n }\n}\n";
    let mut world = World::new(&(global("") + &instances(&["V"]) + group));
    let mut server = Server::new();
    world.group("G", State::Master);
    for state in [
        State::Backup,
        State::Master,
        State::Master,
        State::MasterPriority,
        State::Fault,
        State::Stop,
    ] {
        world.instance("V", state, 100);
    }
    world.group("G", State::Stop);
    server.serve(&mut world);
    let letters = [
        (
            "VRRP Group G - Entering MASTER state",
            "=> All VRRP group instances are now in MASTER state <=",
        ),
        (
            "VRRP Instance V - Entering BACKUP state",
            "=> VRRP Instance is no longer owning VRRP VIPs <=",
        ),
        (
            "VRRP Instance V - Entering MASTER state",
            "=> VRRP Instance is now owning VRRP VIPs <=",
        ),
        (
            "VRRP Instance V - Entering FAULT state",
            "=> VRRP Instance is no longer owning VRRP VIPs <=",
        ),
        ("VRRP Instance V - Stopping", "=> VRRP Instance stopping <="),
        (
            "VRRP Group G - Stopping",
            "=> All VRRP group instances are now stopping <=",
        ),
    ];
    assert_eq!(server.letters(), letters);
    assert_eq!(server.connections, 1, "one connection for a burst");
}

#[test]
fn a_reload_tells_of_who_left_and_remembers_who_stayed() {
    let mut world = World::new(&(global("") + &instances(&["V", "W"])));
    let mut server = Server::new();
    world.instance("V", State::Master, 100);
    world.instance("W", State::Master, 100);
    world.reload(&(global("") + &instances(&["V"])));
    world.instance("W", State::Deleted, 100);
    world.instance("V", State::Master, 100);
    server.serve(&mut world);
    let letters = server.letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(letters[2].0, "VRRP Instance W - Entering FAULT state");

    world.reload(&(global("smtp_alert_vrrp off") + &instances(&["V"])));
    world.reloaded();
    world.instance("V", State::Backup, 100);
    assert!(world.mail.is_empty(), "nobody wants to know");
    let without_faults = global("no_email_faults") + &instances(&["V"]);
    world.reload(&without_faults);
    world.instance("V", State::Fault, 100);
    assert!(world.mail.is_empty(), "no letters on faults");
    world.instance("V", State::Backup, 100);
    assert!(!world.mail.is_empty());
}

#[test]
fn letters_tell_of_servers_and_quorums() {
    let mut world = World::new(&(global("") + SERVICE));
    let mut server = Server::new();
    let loaded = keepalived::config::load_text("x", SERVICE, &keepalived::config::AnyHost);
    let service = loaded.config.unwrap().virtual_servers[0].key.clone();
    let check = |last, turned| Notice::Check {
        service: service.clone(),
        server: SocketAddr::from(([10, 0, 0, last], 80)),
        words: "TCP CHECK failed on service".to_owned(),
        up: false,
        turned,
    };
    let quorum = Notice::Service {
        service: service.clone(),
        up: false,
        why: Why::Quorum {
            quorum: 2,
            hysteresis: 1,
            threshold: 1,
            weight: 0,
            configured: false,
        },
    };
    let removed = Notice::Server {
        service: service.clone(),
        server: SocketAddr::from(([10, 0, 0, 2], 80)),
        up: false,
        why: Why::Removed,
    };
    for notice in [check(2, false), check(3, true), quorum, removed] {
        world.notice(notice);
    }
    server.serve(&mut world);
    let down = "Realserver [10.0.0.2]:tcp:80 of virtual server [10.0.0.9]:tcp:80 - DOWN";
    let letters = [
        (down, "=> TCP CHECK failed on service <="),
        (
            "Virtualserver [10.0.0.9]:tcp:80 - DOWN",
            "=> Lost quorum 2+1=1 <= 0 <=",
        ),
        (down, "=> Removing <="),
    ];
    assert_eq!(server.letters(), letters);

    world.reload(&(global("no_checker_emails") + SERVICE));
    world.notice(check(2, false));
    assert!(world.mail.is_empty(), "the server did not change");
    world.notice(check(2, true));
    assert!(!world.mail.is_empty());
}

#[test]
fn what_the_server_never_takes_is_given_up_and_the_rest_goes_on() {
    let mut world = World::new(&(global("") + &instances(&["V", "W"])));
    let mut server = Server::new();
    server.answers = vec![("RCPT TO:<b@y", "550 who?"), ("MAIL", "553 no")];
    world.instance("V", State::Master, 100);
    world.instance("W", State::Master, 100);
    server.serve(&mut world);
    // The first letter was refused with its sender; the second one lost a recipient.
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, "VRRP Instance W - Entering MASTER state");
    assert_eq!(server.connections, 2);
    assert!(world.is_idle());
}

#[test]
fn a_server_that_is_busy_is_tried_again_for_an_hour() {
    for trouble in ["421 later", "close", "silence", "SSH-2.0-x", "554 go away"] {
        let mut world = World::new(&(global("") + &instances(&["V"])));
        let mut server = Server::new();
        server.answers = vec![("connect", trouble); 2];
        world.instance("V", State::Master, 100);
        for _ in 0..3 {
            server.serve(&mut world);
            world.run(45 * SEC);
        }
        assert_eq!(server.letters().len(), 1, "{trouble}");
        assert!(world.is_idle());

        server.answers = vec![("connect", trouble); 1000];
        world.instance("V", State::Backup, 100);
        for _ in 0..100 {
            server.serve(&mut world);
            world.run(60 * SEC);
        }
        assert!(world.is_idle(), "{trouble}: given up");
        assert!(server.connections < 30, "{}", server.connections);
    }
}

#[test]
fn a_name_is_asked_for_and_each_of_its_addresses_is_tried() {
    let named = global("").replace("10.0.0.25", "mail.x.org 2525");
    let mut world = World::new(&(named + &instances(&["V"])));
    world.instance("V", State::Master, 100);
    let host = "mail.x.org".to_owned();
    assert_eq!(world.mail, [Order::Resolve { host }]);
    let addresses = ["2001:db8::1", "10.0.0.2"].map(|address| address.parse().unwrap());
    world.mail.clear();
    world.line(Line::Resolved(&addresses));
    let dial = |ip| Order::Dial {
        to: SocketAddr::new(ip, 2525),
    };
    assert_eq!(world.mail, [dial(addresses[0])]);
    world.mail.clear();
    world.line(Line::Failed(Errno::ENETUNREACH));
    assert_eq!(world.mail, [Order::HangUp, dial(addresses[1])]);
    world.mail.clear();
    world.line(Line::Failed(Errno::ECONNREFUSED));
    assert_eq!(world.mail, [Order::HangUp]);
    world.mail.clear();
    world.run(5 * SEC);
    assert_eq!(
        world.mail.len(),
        1,
        "it is asked for again: {:?}",
        world.mail
    );
    world.line(Line::Resolved(&[]));
    world.run(4_000 * SEC);
    assert!(world.is_idle());
}

#[test]
fn a_storm_is_one_letter() {
    let names: Vec<String> = (1..=200).map(|number| format!("V{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = global("smtp_alert_limit 10") + &instances(&names);
    let mut world = World::new(&text);
    let mut server = Server::new();
    for name in &names {
        world.instance(name, State::Master, 100);
    }
    server.serve(&mut world);
    assert_eq!(server.letters().len(), 10);
    world.run(59 * SEC);
    server.serve(&mut world);
    assert_eq!(server.letters().len(), 10);
    world.run(2 * SEC);
    server.serve(&mut world);
    let letters = server.letters();
    assert_eq!(letters.len(), 11);
    let (subject, body) = letters[10];
    assert_eq!(subject, "190 notifications");
    assert_eq!(body.lines().count(), 190);
    let last = "second 0 [r1] VRRP Instance V200 - Entering MASTER state";
    assert!(body.ends_with(last), "{body}");

    // The next minute has its own share.
    world.instance("V1", State::Backup, 100);
    server.serve(&mut world);
    assert_eq!(server.letters().len(), 12);
}

#[test]
fn what_waits_is_bounded_and_a_stop_waits_for_a_moment() {
    let names: Vec<String> = (1..=255).map(|number| format!("V{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&(global("smtp_alert_limit 0") + &instances(&names)));
    for state in [State::Master, State::Backup, State::Master] {
        for name in &names {
            world.instance(name, state, 100);
        }
    }
    let mut server = Server::new();
    server.serve(&mut world);
    assert_eq!(server.letters().len(), 256);

    world.instance("V1", State::Stop, 100);
    world.stop();
    assert!(!world.is_idle(), "the last letter is under way");
    server.serve(&mut world);
    assert!(world.is_idle());
    assert_eq!(server.letters()[256].0, "VRRP Instance V1 - Stopping");

    world.instance("V2", State::Stop, 100);
    world.run(Duration::from_millis(1_200));
    assert!(
        world.is_idle(),
        "a server that does not answer holds nobody up"
    );
}
