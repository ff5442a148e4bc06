//! The real binary against real sockets: small servers, good and bad ones, in a network namespace
//! of their own. What a check says of each is read in the log. Needs root, openssl and no IPVS.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail it the same way as its own lines"
)]

#[path = "probes/daemon.rs"]
mod daemon;
#[path = "probes/genhash.rs"]
mod genhash;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "sys/namespace.rs"]
mod namespace;
#[path = "probes/servers.rs"]
mod servers;
#[path = "probes/tls.rs"]
mod tls;

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use daemon::{Check, Daemon};
use namespace::Namespace;
use servers::{Behaviour, datagrams, hear_line, hear_request, linger, repeat, say, serve};

const MOMENT: Duration = Duration::from_millis(20);

/// A server of one behaviour, and what the check says of it.
type Row = (&'static str, Behaviour, &'static str);

fn answer(mut connection: TcpStream, text: &[u8]) {
    hear_request(&mut connection);
    say(&mut connection, text);
}

fn open_end(mut connection: TcpStream, text: &[u8]) {
    hear_request(&mut connection);
    say(&mut connection, text);
    linger(connection);
}

/// What can go wrong with a page, and what must not count as wrong.
const PAGES: &[Row] = &[
    (
        "is fine",
        |c| answer(c, b"HTTP/1.0 200 OK\r\n\r\nhello"),
        "",
    ),
    (
        "keeps the connection",
        |c| open_end(c, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        "",
    ),
    (
        "has no reason phrase",
        |c| answer(c, b"HTTP/1.1 200\r\n\r\nhello"),
        "",
    ),
    (
        "has no body",
        |c| open_end(c, b"HTTP/1.1 204 No Content\r\n\r\n"),
        "",
    ),
    (
        "closes when asked",
        |mut c| hear_request(&mut c),
        "reason 24,",
    ),
    ("listens and is mute", linger, "reason 20,"),
    (
        "stops in the status line",
        |c| open_end(c, b"HTTP/1"),
        "reason 21,",
    ),
    (
        "stops in the header",
        |c| open_end(c, b"HTTP/1.0 200 OK\r\nA: b"),
        "reason 21,",
    ),
    (
        "stops in the body",
        |c| open_end(c, b"HTTP/1.0 200 OK\r\n\r\nhel"),
        "reason 22,",
    ),
    (
        "closes in the header",
        |c| answer(c, b"HTTP/1.0 200 OK\r\nA: b"),
        "reason 25,",
    ),
    (
        "is busy",
        |c| answer(c, b"HTTP/1.0 503 Busy\r\n\r\n"),
        "reason 33, status 503, expected 200-299",
    ),
    (
        "redirects",
        |c| answer(c, b"HTTP/1.0 301 Moved\r\nLocation: /x\r\n\r\n"),
        "(a redirect)",
    ),
    (
        "greets as a mail server",
        |mut c| {
            say(&mut c, b"220 x\r\n");
            linger(c)
        },
        "reason 30,",
    ),
    (
        "sends a bad length",
        |c| answer(c, b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"),
        "reason 32,",
    ),
    (
        "has an endless header",
        |mut c| {
            hear_request(&mut c);
            say(&mut c, b"HTTP/1.0 200 OK\r\n");
            repeat(
                &mut c,
                &[&b"A: "[..], &[b'x'; 900], b"\r\n"].concat(),
                Duration::ZERO,
            );
        },
        "reason 31,",
    ),
    (
        "has an endless line",
        |mut c| {
            hear_request(&mut c);
            repeat(
                &mut c,
                b"HTTP/1.0 200 OK aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Duration::ZERO,
            );
        },
        "reason 31,",
    ),
    (
        "drips",
        |mut c| {
            hear_request(&mut c);
            say(&mut c, b"HTTP/1.0 200 OK\r\n\r\n");
            repeat(&mut c, b".", Duration::from_millis(200));
        },
        "reason 23,",
    ),
    (
        "floods",
        |mut c| {
            hear_request(&mut c);
            say(&mut c, b"HTTP/1.0 200 OK\r\n\r\n");
            repeat(&mut c, &[b'.'; 65_536], MOMENT);
        },
        "reason 23,",
    ),
    (
        "sends a huge chunk",
        |mut c| {
            hear_request(&mut c);
            say(
                &mut c,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            );
            linger(c);
        },
        "reason 22,",
    ),
    (
        "answers before it is asked and closes",
        |mut c| {
            say(&mut c, b"HTTP/1.0 200 OK\r\n\r\nhello");
            hear_request(&mut c);
        },
        "",
    ),
    (
        "sends every octet alone",
        |mut c| {
            hear_request(&mut c);
            for octet in b"HTTP/1.0 200 OK\r\n\r\nhello" {
                say(&mut c, &[*octet]);
                thread::sleep(Duration::from_millis(1));
            }
        },
        "",
    ),
];

#[test]
fn every_web_server_gets_its_verdict_and_its_reason() {
    let _namespace = Namespace::enter_new();
    let mut checks = Vec::new();
    for (number, (_, behave, _)) in PAGES.iter().enumerate() {
        serve(&format!("127.0.0.1:{}", 8000 + number), *behave);
        checks.push(Check::new(
            &format!("127.0.0.1 {}", 8000 + number),
            "HTTP_GET {
                connect_timeout 0.5
                retry 0
                url {
                    path /
                }
            }",
        ));
    }
    // And one where nobody listens.
    checks.push(Check::new(
        "127.0.0.1 7999",
        "HTTP_GET {\nretry 0\nurl {\npath /\n}\n}",
    ));
    let daemon = Daemon::start("pages", "", "TCP", &checks);
    for (number, (name, _, reason)) in PAGES.iter().enumerate() {
        println!("a server that {name}");
        let server = format!("[127.0.0.1]:tcp:{}", 8000 + number);
        if reason.is_empty() {
            daemon.expect_once(&format!("Remote Web server {server} succeed on service."));
            assert!(
                !daemon.log().contains(&format!("Removing service {server}")),
                "{name}"
            );
            continue;
        }
        daemon.expect_once(&format!("HTTP_CHECK on service {server} failed."));
        daemon.expect_once(&format!("Removing service {server} from VS"));
        let log = daemon.log();
        let start = format!("Check of service {server} by HTTP_GET: ");
        let line = log
            .lines()
            .find(|line| line.contains(&start))
            .unwrap_or_default();
        assert!(line.contains(reason), "a server that {name}: {line}");
    }
    daemon.expect_once("[127.0.0.1]:tcp:7999 by HTTP_GET: reason 1, connection refused");
}

#[test]
fn a_mail_server_a_name_server_and_datagrams_are_judged() {
    let _namespace = Namespace::enter_new();
    serve("127.0.0.1:25", |mut c| {
        say(&mut c, b"220-mail.example.org\r\n220 ready\r\n");
        hear_line(&mut c);
        say(&mut c, b"250 fine\r\n");
        hear_line(&mut c);
        say(&mut c, b"221 bye\r\n");
    });
    serve("127.0.0.1:26", |mut c| say(&mut c, b"421 too busy\r\n"));
    serve("127.0.0.1:27", |mut c| {
        repeat(&mut c, b"220-and\r\n", Duration::ZERO)
    });
    datagrams("127.0.0.1:53", |query| Some(dns_answer(query, 0)));
    datagrams("127.0.0.1:54", |query| Some(dns_answer(query, 3)));
    datagrams("127.0.0.1:55", |_| None);
    let smtp = "SMTP_CHECK {\nconnect_timeout 1\nretry 0\n}";
    let dns = "alpha\nDNS_CHECK {\nconnect_timeout 0.5\nretry 0\n}";
    let udp = "UDP_CHECK {\nconnect_timeout 0.5\nretry 0\n}";
    let required = "UDP_CHECK {\nconnect_timeout 0.5\nretry 0\nrequire_reply\n}";
    let checks = [
        Check::new("127.0.0.1 25", smtp),
        Check::new("127.0.0.1 26", smtp),
        Check::new("127.0.0.1 27", smtp),
        Check::new("127.0.0.1 53", dns),
        Check::new("127.0.0.1 54", &dns.replace("alpha", "")),
        Check::new("127.0.0.1 55", &dns.replace("alpha", "")),
        Check::new("127.0.0.1 56", udp),
        Check::new("127.0.0.1 55", udp),
        Check::new("127.0.0.1 55", required),
    ];
    let daemon = Daemon::start("others", "", "TCP", &checks);
    for line in [
        "Remote SMTP server [127.0.0.1]:tcp:25 succeed on service.",
        "SMTP_CHECK Bad greeting banner from server [127.0.0.1]:26",
        "[127.0.0.1]:tcp:26 by SMTP_CHECK: reason 50, greeting 421, expected 220",
        "[127.0.0.1]:tcp:27 by SMTP_CHECK: reason 53, endless reply",
        "Adding service [127.0.0.1]:tcp:53 to VS",
        "DNS_CHECK ([127.0.0.1]:tcp:54) read error occurred. (rcode = 3)",
        "DNS_CHECK ([127.0.0.1]:tcp:55) read timeout from socket",
        "[127.0.0.1]:tcp:56 by UDP_CHECK: reason 1, connection refused",
        "UDP connection to [127.0.0.1]:tcp:55 success.",
        "[127.0.0.1]:tcp:55 by UDP_CHECK: reason 40, no answer in time",
    ] {
        daemon.expect_once(line);
    }
}

fn dns_answer(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = code;
    answer
}

#[test]
fn echoes_come_back_from_hosts_that_are_there() {
    let _namespace = Namespace::enter_new();
    namespace::run("ip link add eth0 type veth peer name eth1");
    namespace::run("ip link set eth1 up");
    namespace::run("ip link set eth0 up");
    namespace::run("ip address add 10.0.0.1/24 dev eth0");
    namespace::run("ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent");
    let check = "PING_CHECK {\nconnect_timeout 0.5\nretry 0\n}";
    let daemon = Daemon::start(
        "echoes",
        "",
        "TCP",
        &[
            Check::new("127.0.0.1 80", check),
            Check::new("10.0.0.9 80", check),
        ],
    );
    daemon.expect_once("ICMP connection to [127.0.0.1]:tcp:80 success.");
    daemon.expect_once("ICMP CHECK on service [10.0.0.9]:tcp:80 failed.");
    daemon.expect_once("[10.0.0.9]:tcp:80 by PING_CHECK: reason 40, no answer in time");
}

#[test]
fn programs_and_files_have_their_say() {
    let _namespace = Namespace::enter_new();
    let folder = std::env::temp_dir().join(format!("probes-{}-files", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let load = folder.join("load");
    std::fs::write(&load, "4\n").unwrap();
    let marks = folder.join("marks");
    std::fs::create_dir_all(&marks).unwrap();
    let head = format!(
        "global_defs {{\nscript_user root\n}}\ntrack_file load {{\nfile {}\n}}",
        load.display()
    );
    let misc =
        |command: &str| format!("MISC_CHECK {{\nmisc_path \"{command}\"\nmisc_timeout 1\n}}");
    let pid = marks.join("pid");
    let checks = [
        Check::new("10.0.0.1 80", &misc("/bin/true")),
        Check::new("10.0.0.2 80", &misc("/bin/sh -c 'exit 3'")),
        Check::new(
            "10.0.0.3 80",
            &misc(&format!(
                "/bin/sh -c 'echo $$ >{}; sleep 60'",
                pid.display()
            )),
        ),
        Check::new(
            "10.0.0.4 80",
            &misc("/bin/sh -c 'exit 9'").replace("{\n", "{\nmisc_dynamic\n"),
        ),
        Check::new("10.0.0.5 80", "FILE_CHECK {\ntrack_file load\nweight 2\n}"),
        Check::new("10.0.0.6 80", "FILE_CHECK {\ntrack_file load\nweight 0\n}"),
    ];
    let daemon = Daemon::start("programs", &head, "TCP", &checks);
    for line in [
        "[/bin/true] succeeded.",
        "failed with retry disabled (exited with status 3).",
        "[10.0.0.2]:tcp:80 by MISC_CHECK: reason 70, exited with status 3",
        "timed out with retry disabled.",
        "Changing weight from 1 to 7 for active service [10.0.0.4]:tcp:80",
        "Changing weight from 1 to 9 for active service [10.0.0.5]:tcp:80",
        "[10.0.0.6]:tcp:80 by FILE_CHECK: reason 80, the file says 4",
    ] {
        daemon.expect_once(line);
    }
    // The shell and what it had started are gone, group and all.
    let number = std::fs::read_to_string(&pid).unwrap();
    namespace::eventually("the group has ended", || {
        let shell = std::path::Path::new("/proc").join(number.trim());
        (!shell.exists() || daemon.log().matches("timed out").count() > 1).then_some(())
    });
    // As an editor does it, and as a shell does it.
    let other = folder.join("load.new");
    std::fs::write(&other, "0").unwrap();
    std::fs::rename(&other, &load).unwrap();
    daemon.expect_once("Adding service [10.0.0.6]:tcp:80 to VS");
    daemon.expect_once("Changing weight from 9 to 1 for active service [10.0.0.5]:tcp:80");
    std::fs::write(&load, "1").unwrap();
    daemon.expect_once("Changing weight from 1 to 3 for active service [10.0.0.5]:tcp:80");
    std::fs::remove_file(&load).unwrap();
    daemon.expect_once("Changing weight from 3 to 1 for active service [10.0.0.5]:tcp:80");
    let _ = std::fs::remove_dir_all(&folder);
}
