//! `genhash`, by its own name and by `keepalived --genhash`: the octets of its output.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use crate::namespace::Namespace;
use crate::servers::{hear_request, say, serve};

fn genhash(words: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_keepalived");
    let mut command = Command::new(program);
    command.arg("--genhash").args(words.split_whitespace());
    command.output().unwrap()
}

#[track_caller]
fn says(words: &str, stdout: &str, stderr: &str, code: i32) {
    let output = genhash(words);
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{words}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with(stderr), "{words}: {told}");
    assert_eq!(told.is_empty(), stderr.is_empty(), "{words}: {told}");
    assert_eq!(output.status.code(), Some(code), "{words}");
}

const HELLO: &str = "b1946ac92492d2347c6235b4d2611184\n";

#[test]
fn the_digest_of_a_page_is_said_and_nothing_else() {
    let _namespace = Namespace::enter_new();
    for here in ["127.0.0.1:80", "[::1]:80"] {
        serve(here, |mut c| {
            hear_request(&mut c);
            say(&mut c, b"HTTP/1.0 200 OK\r\n\r\nhello\n");
        });
    }
    serve("127.0.0.1:81", |mut c| {
        hear_request(&mut c);
        say(
            &mut c,
            b"HTTP/1.0 404 Not Found\r\nContent-Length: 6\r\n\r\nhello\nand more",
        );
    });
    serve("127.0.0.1:82", |mut c| hear_request(&mut c));
    says("-s 127.0.0.1 -p 80 -u /", HELLO, "", 0);
    says(
        "--server=::1 --port 80 --url / -P 1.1 -V www.example.org",
        HELLO,
        "",
        0,
    );
    says("-s127.0.0.1 -p81 -u/x", HELLO, "", 0);
    says(
        "-s 127.0.0.1 -p 82 -u /",
        "",
        "no data received from remote webserver\n",
        0,
    );
    says("-s 127.0.0.1 -p 83 -u /", "Connection failed\n", "", 0);
    says(
        "-s 10.9.9.9 -p 80 -u /",
        "HTTP_CHECK - network unreachable\n",
        "",
        0,
    );
    says("-s ::1 -p 80 -u / -t 5000 --", HELLO, "", 0);

    let link = std::env::temp_dir().join(format!("probes-{}", std::process::id()));
    std::fs::create_dir_all(&link).unwrap();
    let name = link.join("genhash");
    symlink(env!("CARGO_BIN_EXE_keepalived"), &name).unwrap();
    let by_name = Command::new(&name)
        .args(["-s", "::1", "-p", "80", "-u", "/"])
        .output();
    assert_eq!(by_name.unwrap().stdout, HELLO.as_bytes());
    std::fs::remove_dir_all(&link).unwrap();
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let usage = "Usage: ";
    says("", "", usage, 1);
    says("-h", "", usage, 1);
    says("-s 127.0.0.1 -p 80", "", usage, 1);
    says(
        "-s x -p 80 -u /",
        "",
        "server should be an IP, not x\nUsage: ",
        1,
    );
    says(
        "-s 127.0.0.1 -p 99999 -u /",
        "",
        "invalid port number '99999'\nUsage: ",
        1,
    );
    says("-s 127.0.0.1 -Q", "", "Unknown option -Q\nUsage: ", 1);
    says("-u / -s", "", "Missing parameter for option -s\nUsage: ", 1);
    says(
        "-s ::1 -p 80 -u / x y",
        "",
        "Unexpected argument(s): x y\nUsage: ",
        1,
    );
    says(
        "-s ::1 -p 80 -u / -P 2",
        "",
        "invalid HTTP protocol version '2'\nUsage: ",
        1,
    );
    says(
        "-s ::1 -p 80 -u / -t 1e1",
        "",
        "invalid timeout '1e1'\nUsage: ",
        1,
    );
    says(
        "-s ::1 -p 80 -u / -- -v",
        "",
        "Unexpected argument(s): -v\nUsage: ",
        1,
    );
    says("-s", "", "Missing parameter for option -s\nUsage: ", 1);
}

#[test]
fn on_demand_everything_is_shown() {
    let _namespace = Namespace::enter_new();
    serve("127.0.0.1:80", |mut c| {
        hear_request(&mut c);
        say(&mut c, b"HTTP/1.0 200 OK\r\nA: bcdefgh\r\n\r\nhello\n");
    });
    let output = genhash("-s 127.0.0.1 -p 80 -u /a -v");
    let text = String::from_utf8(output.stdout).unwrap();
    let (shown, time) = text.rsplit_once("\n\n").unwrap();
    let expected = [
        "-----------------------[    HTTP Header Buffer    ]-----------------------",
        "0000  48 54 54 50 2f 31 2e 30 - 20 32 30 30 20 4f 4b 0d   HTTP/1.0 200 OK.",
        "0016  0a 41 3a 20 62 63 64 65 - 66 67 68 0d 0a 0d 0a      .A: bcdefgh.... ",
        "-----------------------[ HTTP Header Ascii Buffer ]-----------------------",
        "HTTP/1.0 200 OK\r",
        "A: bcdefgh\r",
        "\r",
        "",
        "-----------------------[        HTML Buffer        ]-----------------------",
        "0000  68 65 6c 6c 6f 0a       -                           hello.          ",
        "",
        "-----------------------[    HTML hash resulting    ]-----------------------",
        "0000  b1 94 6a c9 24 92 d2 34 - 7c 62 35 b4 d2 61 11 84   ..j.$..4|b5..a..",
        "-----------------------[ HTML hash final resulting ]-----------------------",
        "b1946ac92492d2347c6235b4d2611184",
    ];
    assert_eq!(shown, expected.join("\n"));
    assert!(
        time.starts_with("Global response time for [/a] = "),
        "{time}"
    );
    assert!(time.ends_with(" usecs\n"), "{time}");
}
