//! Checks of mail servers, name servers, datagrams and echoes.

use keepalived::errno::Errno;
use keepalived::wire::icmp::Echo;

use crate::world::{Backend, Move, World};
use Move::{Break, End, Hear, Pause, Say};

/// One server, this check.
fn one(check: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 25 {{
            delay_loop 10
            warmup 0
            protocol TCP
            real_server 10.0.0.2 25 {{
                {check}
            }}
        }}"
    )
}

/// What the first check, without retries, says of a peer that behaves so.
fn reason_of(check: &str, peer: Backend) -> Option<String> {
    let mut world = World::new();
    world.set("10.0.0.2:25", peer);
    world.reload(&one(check));
    world.run(8.0);
    let server = world.server("10.0.0.2:25");
    assert_eq!(server.alive, server.reasons.is_empty());
    let (_, reason) = server.reasons.first()?;
    Some(format!("{} {reason}", reason.number()))
}

const SMTP: &str = "SMTP_CHECK {
    connect_timeout 2
    retry 0
    helo_name check.example.org
}";

const FRIENDLY: Backend = Backend::Talking(&[
    Say(b"220-mail.example.org\r\n220 ready\r\n"),
    Hear,
    Say(b"250-mail.example.org\r\n250"),
    Pause(5),
    Say(b" fine\r\n"),
    Hear,
    Say(b"221 bye\r\n"),
    End,
]);

#[test]
fn a_mail_server_is_greeted_and_left_in_order() {
    let mut world = World::new();
    world.set("10.0.0.2:25", FRIENDLY);
    world.reload(&one(SMTP));
    world.run(2.0);
    assert_eq!(world.sent(), ["HELO check.example.org\r\n", "QUIT\r\n"]);
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:25
        0 Activating healthchecker for service [10.0.0.2]:tcp:25 for VS [10.0.0.1]:tcp:25
        1.005 Remote SMTP server [10.0.0.2]:tcp:25 succeed on service.",
    );
}

#[test]
fn every_misbehaviour_of_a_mail_server_has_its_reason() {
    let table: &[(&str, Backend, &str)] = &[
        ("refuses", Backend::Refusing, "1 connection refused"),
        ("is silent", Backend::Silent, "2 timed out in connect"),
        ("does not greet", Backend::Accepting, "40 no answer in time"),
        (
            "is full",
            Backend::Talking(&[Say(b"421 too busy\r\n"), End]),
            "50 greeting 421, expected 220",
        ),
        (
            "dislikes us",
            Backend::Talking(&[Say(b"220 x\r\n"), Hear, Say(b"550-no\r\n550 go away\r\n")]),
            "51 answer 550 to HELO, expected 250",
        ),
        (
            "closes at once",
            Backend::Talking(&[End]),
            "24 closed without an answer",
        ),
        (
            "closes after HELO",
            Backend::Talking(&[Say(b"220 x\r\n"), Hear, End]),
            "24 closed without an answer",
        ),
        (
            "resets after HELO",
            Backend::Talking(&[Say(b"220 x\r\n"), Hear, Break(Errno::ECONNRESET)]),
            "27 the answer broke off: Connection reset by peer",
        ),
        (
            "does not answer QUIT",
            Backend::Talking(&[Say(b"220 x\r\n"), Hear, Say(b"250 x\r\n"), Hear]),
            "40 no answer in time",
        ),
        (
            "is a web server",
            Backend::Talking(&[Say(b"HTTP/1.1 400 Bad Request\r\n\r\n")]),
            "52 the server does not speak SMTP",
        ),
        (
            "greets for ever",
            Backend::Talking(&[Say(b"220-and\r\n"), Move::Again]),
            "53 endless reply",
        ),
        (
            "has a line without end",
            Backend::Talking(&[Say(b"220 "), Say(&[b'x'; 8192])]),
            "53 endless reply",
        ),
    ];
    for (name, peer, expected) in table {
        let reason = reason_of(SMTP, *peer);
        assert_eq!(reason.as_deref(), Some(*expected), "a server that {name}");
    }
}

/// keepalived counts the attempts of a mail server afresh in each cycle, also the first one.
#[test]
fn a_mail_server_has_all_its_attempts_in_every_cycle() {
    let check = SMTP.replace("retry 0", "retry 2\ndelay_before_retry 1");
    let mut world = World::new();
    world.set("10.0.0.2:25", Backend::Refusing);
    world.reload(&one(&check));
    world.run(16.0);
    world.expect_connects(
        "1 10.0.0.2:25\n2 10.0.0.2:25\n3 10.0.0.2:25
        13 10.0.0.2:25\n14 10.0.0.2:25\n15 10.0.0.2:25",
    );
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:25
        0 Activating healthchecker for service [10.0.0.2]:tcp:25 for VS [10.0.0.1]:tcp:25
        3 SMTP_CHECK Could not connect to server [10.0.0.2]:25
        3 Removing service [10.0.0.2]:tcp:25 from VS [10.0.0.1]:tcp:25
        3 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:25",
    );
}

const DNS: &str = "DNS_CHECK {
    connect_timeout 2
    retry 0
    type A
    name www.example.org
}";

#[test]
fn a_name_server_is_asked_and_judged_by_its_code() {
    let mut world = World::new();
    world.set("10.0.0.2:25", Backend::Accepting);
    world.reload(&one(DNS));
    world.run(1.5);
    let query = world.sent_octets().remove(0);
    assert_eq!(query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        query[12..],
        *b"\x03www\x07example\x03org\x00\x00\x01\x00\x01"
    );
    let answer = |code: u8| {
        let mut answer = query.clone();
        (answer[2], answer[3]) = (0x81, 0x80 | code);
        answer
    };
    let mut foreign = answer(3);
    foreign[0] ^= 1;
    // Noise, somebody else's answer, the question itself: none of them counts.
    for noise in [&b"x"[..], &foreign, &query] {
        world.hear(noise);
        assert!(world.server("10.0.0.2:25").alive);
    }
    world.hear(&answer(3));
    world.expect_reasons(
        "1.5 [10.0.0.2]:tcp:25 by DNS_CHECK: reason 60, the answer is error 3 (no such name)",
    );
    world.run(10.1);
    let query = world.sent_octets().remove(0);
    let mut right = query;
    right[2] |= 0x80;
    world.hear(&right);
    assert!(world.server("10.0.0.2:25").alive);
    assert_eq!(
        reason_of(DNS, Backend::Accepting).unwrap(),
        "40 no answer in time"
    );
}

#[test]
fn silence_is_consent_of_a_datagram_server_unless_a_reply_is_required() {
    let check = |lines: &str| format!("UDP_CHECK {{\nconnect_timeout 2\nretry 0\n{lines}\n}}");
    let reply = Backend::Talking(&[Hear, Say(b"\x01\x2f\x03")]);
    let table = [
        ("", Backend::Accepting, None),
        ("", reply, None),
        ("", Backend::Refusing, Some("1 connection refused")),
        (
            "",
            Backend::Talking(&[Hear, Break(Errno::EHOSTUNREACH)]),
            Some("3 no way to the host"),
        ),
        (
            "require_reply",
            Backend::Accepting,
            Some("40 no answer in time"),
        ),
        ("require_reply", reply, None),
        ("require_reply 01 2x", reply, None),
        ("require_reply 01 3x", reply, Some("42 the reply differs")),
        ("require_reply 01 2f 03 04", reply, None),
        (
            "require_reply 01\nmin_reply_length 4",
            reply,
            Some("41 a reply of 3 octets"),
        ),
        (
            "require_reply 01\nmax_reply_length 2",
            reply,
            Some("41 a reply of 3 octets"),
        ),
        ("require_reply\nmax_reply_length 2", reply, None),
    ];
    for (lines, peer, expected) in table {
        let reason = reason_of(&check(lines), peer);
        assert_eq!(reason.as_deref(), expected, "{lines:?}");
    }
    let mut world = World::new();
    world.reload(&one(&check("")));
    world.run(1.0);
    assert_eq!(world.sent(), ["keepalived check - keepalived ch"]);
    let mut world = World::new();
    world.reload(&one(&check("payload 68 69")));
    world.run(1.0);
    assert_eq!(world.sent(), ["hi"]);
}

#[test]
fn only_our_own_echo_counts() {
    let mut world = World::new();
    world.reload(&one("PING_CHECK {\nconnect_timeout 2\nretry 0\n}"));
    world.run(1.5);
    let request = world.sent_octets().remove(0);
    assert_eq!((request[0], request.len()), (8, 136));
    let mut reply = request.clone();
    reply[0] = 0;
    let echo = Echo::parse_reply(&reply, keepalived::addr::Family::V4).unwrap();
    assert!(echo.data.starts_with(b"keepalived check - keepalived"));
    let mut other = reply.clone();
    other[7] ^= 1;
    world.forget();
    for noise in [&request, &other] {
        world.hear(noise);
        world.expect_lines("");
    }
    world.hear(&reply);
    world.expect_lines("1.5 ICMP connection to [10.0.0.2]:tcp:25 success.");
    world.run(15.0);
    world.expect_lines(
        "13.5 ICMP CHECK on service [10.0.0.2]:tcp:25 failed.
        13.5 Removing service [10.0.0.2]:tcp:25 from VS [10.0.0.1]:tcp:25
        13.5 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:25",
    );
}
