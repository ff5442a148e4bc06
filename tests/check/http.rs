//! Checks of pages: what a server may answer, which page is asked for when, and how a server that
//! was down comes back.

use keepalived::errno::Errno;

use crate::world::{Backend, Move, World};
use Move::{Again, Break, End, Hear, Pause, Say};

/// One server, one check of pages with these lines.
fn pages(check: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{
            delay_loop 10
            warmup 0
            protocol TCP
            real_server 10.0.0.2 80 {{
                HTTP_GET {{
                    connect_timeout 2
                    delay_before_retry 1
                    {check}
                }}
            }}
        }}"
    )
}

const ONE: &str = "url {
        path /
        status_code 200
    }";

const OK: Backend = Backend::Talking(&[
    Hear,
    Say(b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n"),
    Say(b"hello"),
    End,
]);
const BUSY: Backend = Backend::Talking(&[Hear, Say(b"HTTP/1.0 503 Busy\r\n\r\n"), End]);

/// What the first check, without retries, says of a peer that behaves so.
fn reason_of(check: &str, peer: Backend) -> Option<String> {
    let mut world = World::new();
    world.set("10.0.0.2:80", peer);
    world.reload(&pages(check));
    world.run(30.0);
    let server = world.server("10.0.0.2:80");
    assert_eq!(server.alive, server.reasons.is_empty());
    let (keyword, reason) = server.reasons.first()?;
    assert_eq!(*keyword, "HTTP_GET");
    Some(format!("{} {reason}", reason.number()))
}

const LONG: &[u8] = &[b'a'; 10_000];

/// What a server does wrong, and what is said of it.
const MISBEHAVIOURS: &[(&str, Backend, &str)] = &[
    ("refuses", Backend::Refusing, "1 connection refused"),
    ("is silent", Backend::Silent, "2 timed out in connect"),
    (
        "accepts and says nothing",
        Backend::Accepting,
        "20 timed out before the first octet",
    ),
    (
        "closes at once",
        Backend::Talking(&[End]),
        "24 closed without an answer",
    ),
    (
        "closes when asked",
        Backend::Talking(&[Hear, End]),
        "24 closed without an answer",
    ),
    (
        "resets when asked",
        Backend::Talking(&[Hear, Break(Errno::ECONNRESET)]),
        "27 the answer broke off: Connection reset by peer",
    ),
    (
        "resets in the body",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.0 200 OK\r\n\r\nhe"),
            Break(Errno::ECONNRESET),
        ]),
        "27 the answer broke off: Connection reset by peer",
    ),
    (
        "stops in the status line",
        Backend::Talking(&[Hear, Say(b"HTTP/1.0 2")]),
        "21 timed out in the header",
    ),
    (
        "stops in the header",
        Backend::Talking(&[Hear, Say(b"HTTP/1.0 200 OK\r\nA: b\r\n")]),
        "21 timed out in the header",
    ),
    (
        "closes in the header",
        Backend::Talking(&[Hear, Say(b"HTTP/1.0 200 OK\r\nA: b\r\n"), End]),
        "25 closed within the header",
    ),
    (
        "keeps the connection open without a length",
        Backend::Talking(&[Hear, Say(b"HTTP/1.0 200 OK\r\n\r\nhello")]),
        "22 timed out in the body",
    ),
    (
        "announces more than it has",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        ]),
        "22 timed out in the body",
    ),
    (
        "drips its header",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.0 200 OK\r\n"),
            Say(b"A: b\r\n"),
            Pause(1900),
        ]),
        "21 timed out in the header",
    ),
    (
        "sends a header without end",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.0 200 OK\r\nA: "),
            Say(LONG),
            Say(LONG),
            Say(LONG),
            Say(LONG),
            Say(LONG),
            Say(LONG),
            Say(LONG),
        ]),
        "31 endless header",
    ),
    (
        "sends lines of header without end",
        Backend::Talking(&[Say(b"HTTP/1.0 200 OK\r\n"), Again]),
        "31 endless header",
    ),
    (
        "speaks another protocol",
        Backend::Talking(&[Say(b"220 mail.example.org ESMTP\r\n")]),
        "30 the answer is not HTTP",
    ),
    (
        "speaks TLS",
        Backend::Talking(&[Hear, Say(b"\x15\x03\x01\x00\x02\x02\x0a"), End]),
        "30 the answer is not HTTP",
    ),
    (
        "has a status of two digits",
        Backend::Talking(&[Hear, Say(b"HTTP/1.0 20 OK\r\n\r\n"), End]),
        "30 the answer is not HTTP",
    ),
    (
        "has a length that is no number",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.0 200 OK\r\nContent-Length: x\r\n\r\n"),
            End,
        ]),
        "32 content-length is no length",
    ),
    ("is busy", BUSY, "33 status 503, expected 200"),
    (
        "sends elsewhere",
        Backend::Talking(&[
            Hear,
            Say(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
            End,
        ]),
        "33 status 302 (a redirect), expected 200",
    ),
];

#[test]
fn every_misbehaviour_has_its_reason() {
    for (name, peer, expected) in MISBEHAVIOURS {
        let reason = reason_of(&format!("retry 0\n{ONE}"), *peer);
        assert_eq!(reason.as_deref(), Some(*expected), "a server that {name}");
    }
}

#[test]
fn what_keepalived_takes_for_an_error_and_is_none() {
    let table: &[(&str, Backend)] = &[
        ("as usual", OK),
        (
            "without a reason phrase",
            Backend::Talking(&[Hear, Say(b"HTTP/1.1 200\r\n\r\nhello"), End]),
        ),
        (
            "with bare line feeds",
            Backend::Talking(&[Hear, Say(b"HTTP/1.1 200 OK\nA: b\n\nhello"), End]),
        ),
        (
            "on a connection that stays open",
            Backend::Talking(&[
                Hear,
                Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ]),
        ),
        (
            "shorter than announced",
            Backend::Talking(&[
                Hear,
                Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
                End,
            ]),
        ),
        (
            "in more than 4095 octets of header",
            Backend::Talking(&[
                Hear,
                Say(b"HTTP/1.1 200 OK\r\nA: "),
                Say(&[b'a'; 9000]),
                Say(b"\r\n\r\nhello"),
                End,
            ]),
        ),
    ];
    for (name, peer) in table {
        let reason = reason_of(&format!("retry 0\n{ONE}"), *peer);
        assert_eq!(reason, None, "an answer {name}");
    }
}

/// An octet now and then is an answer that never ends: ten times the time-out is enough.
#[test]
fn a_server_that_drips_is_given_up() {
    const DRIP: Backend = Backend::Talking(&[Say(b"HTTP/1.0 200 OK\r\n\r\n"), Pause(1500), Again]);
    let mut world = World::new();
    world.set("10.0.0.2:80", DRIP);
    world.reload(&pages(&format!("retry 0\n{ONE}")));
    world.run(20.9);
    assert!(world.server("10.0.0.2:80").alive);
    world.run(0.2);
    world.expect_reasons(
        "21 [10.0.0.2]:tcp:80 by HTTP_GET: reason 23, the answer drips and does not end",
    );
}

#[test]
fn the_page_itself_is_judged() {
    let digest = "5d41402abc4b2a76b9719d911017c592"; // Of `hello`.
    let other = "7d793037a0760186574b0282f2f435e7";
    let table = [
        (format!("digest {digest}"), None),
        (
            format!("digest {other}"),
            Some(format!("34 digest differs, it is {digest}")),
        ),
        ("regex \"^h(.)\\\\1llo$\"".to_owned(), Some("35".to_owned())),
        ("regex \"(?<=he)l+o$\"".to_owned(), None),
        (
            "regex ell\nregex_no_match".to_owned(),
            Some("36 the regex matches and must not".to_owned()),
        ),
        ("regex xyz\nregex_no_match".to_owned(), None),
        ("regex HELLO\nregex_options caseless".to_owned(), None),
        ("regex llo\nregex_min_offset 2".to_owned(), None),
        (
            "regex llo\nregex_min_offset 3".to_owned(),
            Some("35".to_owned()),
        ),
        (
            "regex llo\nregex_max_offset 1".to_owned(),
            Some("35".to_owned()),
        ),
        (
            "status_code 100-199 201 300-599".to_owned(),
            Some("33".to_owned()),
        ),
        ("status_code 404 200".to_owned(), None),
    ];
    for (lines, expected) in table {
        let check = format!("retry 0\nurl {{\npath /\n{lines}\n}}");
        let reason = reason_of(&check, OK);
        match (&reason, &expected) {
            (Some(reason), Some(expected)) => {
                assert!(reason.starts_with(expected.as_str()), "{reason}")
            }
            _ => assert_eq!(reason, expected, "{lines}"),
        }
    }
    const CUT: Backend = Backend::Talking(&[
        Hear,
        Say(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
        End,
    ]);
    let check = format!("retry 0\nurl {{\npath /\ndigest {other}\n}}");
    let reason = reason_of(&check, CUT).unwrap();
    assert_eq!(reason, "26 closed after 5 of 9 octets of the body");
}

#[test]
fn the_request_is_what_keepalived_sends() {
    let mut world = World::new();
    world.set("10.0.0.2:80", OK);
    world.reload(&pages(
        "virtualhost check.example.org
        http_protocol 1.1
        url {
            path /a
            virtualhost page.example.org
        }
        url {
            path /b?c=d
        }",
    ));
    world.run(15.0);
    let head = "HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost:";
    let expected = [
        format!("GET /a {head} page.example.org\r\n\r\n"),
        format!("GET /b?c=d {head} check.example.org\r\n\r\n"),
    ];
    assert_eq!(world.sent(), expected);
    let mut world = World::new();
    world.set("10.0.0.2:80", OK);
    world.reload(&pages(ONE));
    world.run(1.0);
    let request = "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.2:80\r\n\r\n";
    assert_eq!(world.sent(), [request]);
}

const TWO: &str = "retry 1
    url {
        path /a
    }
    url {
        path /b
    }";

#[test]
fn a_server_comes_back_after_all_its_pages_were_right_again() {
    let mut world = World::new();
    world.set("10.0.0.2:80", OK);
    world.reload(&pages(TWO));
    world.run(15.0);
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80
        0 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        11 Remote Web server [10.0.0.2]:tcp:80 succeed on service.",
    );
    world.set("10.0.0.2:80", BUSY);
    world.run(10.0);
    world.set("10.0.0.2:80", OK);
    world.run(50.0);
    // /a at 21 and again at 22 takes it down; then both, ten seconds apart.
    world.expect_lines(
        "22 HTTP_CHECK on service [10.0.0.2]:tcp:80 failed after 1 retries.
        22 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        22 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80
        32 HTTP status code success to [10.0.0.2]:tcp:80 url(/a)
        42 HTTP status code success to [10.0.0.2]:tcp:80 url(/a)
        52 HTTP status code success to [10.0.0.2]:tcp:80 url(/b)
        52 Remote Web server [10.0.0.2]:tcp:80 succeed on service.
        52 Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80
        52 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80",
    );
}

/// Upstream tries a connection that is refused on the way back again and again without a pause.
#[test]
fn a_fast_recovery_is_fast_and_no_storm() {
    let mut world = World::new();
    world.set("10.0.0.2:80", OK);
    world.reload(&pages(&format!("fast_recovery\n{TWO}")));
    world.run(5.0);
    world.expect_connects("1 10.0.0.2:80\n1 10.0.0.2:80");
    world.set("10.0.0.2:80", BUSY);
    world.run(10.0);
    world.forget();
    world.set("10.0.0.2:80", OK);
    world.run(10.0);
    // All at once: the page that failed, then both of them.
    world.expect_connects("22 10.0.0.2:80\n22 10.0.0.2:80\n22 10.0.0.2:80");
    assert!(world.server("10.0.0.2:80").alive);
    // The way back is barred at its second step: one connection a second, as it is written.
    const SLOW: Backend =
        Backend::Talking(&[Hear, Pause(500), Say(b"HTTP/1.0 200 OK\r\n\r\n"), End]);
    world.set("10.0.0.2:80", BUSY);
    world.run(20.0);
    assert!(!world.server("10.0.0.2:80").alive);
    world.set("10.0.0.2:80", SLOW);
    world.forget();
    while world.sent().is_empty() {
        world.run(0.01);
    }
    world.set("10.0.0.2:80", Backend::Refusing);
    world.forget();
    world.run(3.8);
    assert_eq!(world.connects().len(), 4);
    world.set("10.0.0.2:80", OK);
    world.run(1.0);
    assert!(world.server("10.0.0.2:80").alive);
}

/// Found by `random`: the check of a server that refuses on its way back had no pause and no end.
#[test]
fn a_way_back_without_a_pause_between_attempts_is_no_storm() {
    let mut world = World::new();
    world.set("10.0.0.2:80", BUSY);
    world.reload(&pages(ONE).replace("delay_before_retry 1", "delay_before_retry 0"));
    world.run(5.0);
    assert!(!world.server("10.0.0.2:80").alive);
    world.set("10.0.0.2:80", OK);
    world.forget();
    while world.sent().is_empty() {
        world.run(0.01);
    }
    world.set("10.0.0.2:80", Backend::Refusing);
    world.forget();
    world.run(25.0);
    assert_eq!(world.connects().len(), 2, "one in ten seconds");
    world.set("10.0.0.2:80", OK);
    world.run(10.0);
    assert!(world.server("10.0.0.2:80").alive);
}

#[test]
fn single_failures_are_told_in_keepalived_s_words() {
    let check = format!("log_all_failures\nretry 2\n{ONE}");
    let mut world = World::new();
    world.set("10.0.0.2:80", OK);
    world.reload(&pages(&check));
    world.run(5.0);
    world.forget();
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(6.5);
    world.set("10.0.0.2:80", Backend::Accepting);
    world.run(2.0);
    world.set("10.0.0.2:80", BUSY);
    world.run(10.0);
    world.expect_lines(
        "11 Connection failed server [10.0.0.2]:tcp:80.
        14 Timeout WEB read server [10.0.0.2]:tcp:80.
        15 HTTP status code error to server [10.0.0.2]:tcp:80.
        15 HTTP_CHECK on service [10.0.0.2]:tcp:80 failed after 2 retries.
        15 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        15 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80",
    );
}
