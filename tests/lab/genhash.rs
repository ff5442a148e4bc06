//! `genhash`, ours and Debian's, on the pages of one nginx: both say the same, and what they say is
//! what a check wants.

use std::fmt::Write as _;
use std::process::Output;

use keepalived::wire::md5::Md5;

use super::daemon::{Daemon, Make};
use super::network::{self, Background, Host, Lab};
use super::real;
use super::wait::wait_until;

crate::scenarios!(
    Namespaces,
    genhash_says_of_every_page_what_debians_does,
    a_digest_of_genhash_is_what_the_check_wants,
);

const SERVERS: &str = "
server {
    listen 80 default_server;
    listen [::]:80 default_server;
    root .;
    location = /parts { ssi on; ssi_types *; }
    location = /nothing { return 204; }
    location = /moved { return 301 /index.html; }
    location = /busy { return 503; }
    location = /cut { return 444; }
    location = /asked {
        return 200 \"$request|$http_host|$http_connection|$http_user_agent|$http_accept\";
    }
}
server {
    listen 80;
    listen [::]:80;
    server_name www.example.org;
    root www;
}
server {
    listen 443 ssl default_server;
    listen [::]:443 ssl default_server;
    ssl_certificate other.pem;
    ssl_certificate_key other.key;
    root .;
}
server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name www.example.org;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    root www;
}
server {
    listen 444 ssl;
    ssl_protocols TLSv1.2;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    root .;
}
server {
    listen 445 ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    if ($ssl_server_name != www.example.org) { return 200 nobody; }
    root www;
}
";

/// What both say.
#[derive(Clone, Copy)]
enum Says {
    /// The digest of this page.
    Page(&'static str),
    /// A digest, of a page that nginx makes up.
    Digest,
    /// This on the standard output, and success all the same.
    Error(&'static str),
    /// This on the standard error alone, and success.
    Nothing(&'static str),
    /// This on the standard error alone, and failure; without words it is the usage.
    Refused(&'static str),
}
use Says::{Digest, Error, Nothing, Page, Refused};

const INDEX: &str = "hello\n";
const WWW: &str = "the page of www.example.org\n";
const PARTS: &str = "one <!--# include virtual=\"/index.html\" --> two\n";
const PARTS_AS_SENT: &str = "one hello\n two\n";
/// Three megabytes of it are the large page.
const LARGE: &str = "0123456789ab";
const TIMES: usize = 262_144;

/// Words of a command line, behind `keepalived --genhash`.
const COMMANDS: &[(&str, Says)] = &[
    // The page, as plain as guides have always had it.
    ("-s 10.1.0.2 -p 80 -u /", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u /index.html", Page(INDEX)),
    ("--server 10.1.0.2 --port 80 --url /index.html", Page(INDEX)),
    ("--server=10.1.0.2 --port=80 --url=/", Page(INDEX)),
    ("-s10.1.0.2 -p80 -u/", Page(INDEX)),
    ("-u / -p 080 -s 10.1.0.9 -s 10.1.0.2 --", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u /large", Page(LARGE)),
    ("-s 10.1.0.2 -p 80 -u /none", Page("")),
    ("-s 10.1.0.2 -p 80 -u /nothing", Page("")),
    ("-s 10.1.0.2 -p 80 -u /not/there", Digest),
    ("-s 10.1.0.2 -p 80 -u /moved", Digest),
    ("-s 10.1.0.2 -p 80 -u /busy", Digest),
    ("-s 10.1.0.2 -p 80 -u index.html", Digest),
    ("-s 10.1.0.2 -p 443 -u /", Digest),
    // Versions of the protocol. The page of parts comes in chunks to who speaks 1.1.
    ("-s 10.1.0.2 -p 80 -u / -P 1.0", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / -P 1.0c", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / --protocol=1.0C", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / -P 1.1", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u /large -P 1.1", Page(LARGE)),
    ("-s 10.1.0.2 -p 80 -u /none -P 1.1", Page("")),
    ("-s 10.1.0.2 -p 80 -u /nothing -P 1.1", Page("")),
    ("-s 10.1.0.2 -p 80 -u /parts", Page(PARTS_AS_SENT)),
    ("-s 10.1.0.2 -p 80 -u /parts -P 1.0c", Page(PARTS_AS_SENT)),
    ("-s 10.1.0.2 -p 80 -u /parts -P 1.1", Digest),
    // What is asked is the same to the letter.
    ("-s 10.1.0.2 -p 80 -u /asked", Digest),
    ("-s 10.1.0.2 -p 80 -u /asked -P 1.0c", Digest),
    ("-s 10.1.0.2 -p 80 -u /asked -P 1.1", Digest),
    ("-s 10.1.0.2 -p 80 -u /asked -V a.name -P 1.1", Digest),
    ("-s fd00::2 -p 80 -u /asked", Digest),
    // Hosts.
    ("-s 10.1.0.2 -p 80 -u / -V www.example.org", Page(WWW)),
    (
        "-s 10.1.0.2 -p 80 -u / -V www.example.org -P 1.1",
        Page(WWW),
    ),
    ("-s 10.1.0.2 -p 80 -u / -V www.example.org:80", Page(WWW)),
    ("-s 10.1.0.2 -p 80 -u / --use-v=www.example.org", Page(WWW)),
    ("-s 10.1.0.2 -p 80 -u / -V nobody", Page(INDEX)),
    // TLS; the name is in the handshake on demand only.
    ("-S -s 10.1.0.2 -p 443 -u /", Page(INDEX)),
    ("-S -s 10.1.0.2 -p 443 -u / -V www.example.org", Page(WWW)),
    ("-SI -s 10.1.0.2 -p 443 -u / -V www.example.org", Page(WWW)),
    ("-S -I -s 10.1.0.2 -p 443 -u /", Page(INDEX)),
    ("-Ss 10.1.0.2 -p 444 -u /", Page(INDEX)),
    ("-S -s 10.1.0.2 -p 444 -u /large", Page(LARGE)),
    (
        "-S -s 10.1.0.2 -p 445 -u / -V www.example.org",
        Page("nobody"),
    ),
    (
        "--use-ssl --use-sni --server 10.1.0.2 --port 445 --url / -V www.example.org",
        Page(WWW),
    ),
    ("-SI -s fd00::2 -p 443 -u / -V www.example.org", Page(WWW)),
    (
        "-S -s 10.1.0.2 -p 80 -u /",
        Error("SSL handshake/communication error connecting to"),
    ),
    // IPv6, which has no brackets.
    ("-s fd00::2 -p 80 -u /", Page(INDEX)),
    ("-s fd00::2 -p 80 -u /parts -P 1.0", Page(PARTS_AS_SENT)),
    ("-s fd00::2 -p 80 -u / -V www.example.org", Page(WWW)),
    ("-s FD00:0::2 -p 80 -u /", Page(INDEX)),
    ("-s ::ffff:10.1.0.2 -p 80 -u /", Page(INDEX)),
    (
        "-s [fd00::2] -p 80 -u /",
        Refused("server should be an IP, not [fd00::2]"),
    ),
    ("-s fd00::2 -p 81 -u /", Error("Connection failed")),
    // Only packets of this mark find a way there.
    (
        "-s 10.5.0.2 -p 80 -u /",
        Error("HTTP_CHECK - network unreachable"),
    ),
    ("-s 10.5.0.2 -p 80 -u / -m 7", Page(INDEX)),
    ("-S -s 10.5.0.2 -p 443 -u / --fwmark=7", Page(INDEX)),
    (
        "-s 10.5.0.2 -p 80 -u / -m 8",
        Error("HTTP_CHECK - network unreachable"),
    ),
    // Nobody answers, or not with a page.
    ("-s 10.1.0.2 -p 81 -u /", Error("Connection failed")),
    ("-S -s 10.1.0.2 -p 81 -u /", Error("Connection failed")),
    (
        "-s fd01::2 -p 80 -u /",
        Error("HTTP_CHECK - network unreachable"),
    ),
    ("-s 10.1.0.9 -p 80 -u / -t 1", Error("Timeout connecting")),
    (
        "-s 10.1.0.2 -p 80 -u /cut",
        Nothing("no data received from remote webserver"),
    ),
    // Patience.
    ("-s 10.1.0.2 -p 80 -u / -t 5", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / --timeout=+5", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / -t 5000", Page(INDEX)),
    ("-s 10.1.0.2 -p 80 -u / -t 99999999999", Page(INDEX)),
    // What cannot be meant.
    ("", Refused("")),
    ("-h", Refused("")),
    ("--help", Refused("")),
    ("-v", Refused("")),
    ("-s 10.1.0.2 -p 80", Refused("")),
    ("-s 10.1.0.2 -u /", Refused("")),
    ("-p 80 -u /", Refused("")),
    ("-hs 10.1.0.2 -p 80 -u /", Refused("")),
    ("-s", Refused("Missing parameter for option -s")),
    (
        "-s 10.1.0.2 -p 80 -u",
        Refused("Missing parameter for option -u"),
    ),
    ("words", Refused("Unexpected argument(s): words")),
    (
        "-s 10.1.0.2 -p 80 -u / two words",
        Refused("Unexpected argument(s): two words"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -- -v",
        Refused("Unexpected argument(s): -v"),
    ),
    (
        "-s node -p 80 -u /",
        Refused("server should be an IP, not node"),
    ),
    (
        "-s 10.1.2 -p 80 -u /",
        Refused("server should be an IP, not 10.1.2"),
    ),
    (
        "--server= -p 80 -u /",
        Refused("server should be an IP, not "),
    ),
    ("-s 10.1.0.2 -p 0 -u /", Refused("invalid port number '0'")),
    (
        "-s 10.1.0.2 -p 65536 -u /",
        Refused("invalid port number '65536'"),
    ),
    (
        "-s 10.1.0.2 -p -1 -u /",
        Refused("invalid port number '-1'"),
    ),
    (
        "-s 10.1.0.2 -p http -u /",
        Refused("invalid port number 'http'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -P 2",
        Refused("invalid HTTP protocol version '2'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -m 0x7",
        Refused("invalid fwmark '0x7'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -m -7",
        Refused("invalid fwmark '-7'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -t x",
        Refused("invalid timeout 'x'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -t -3",
        Refused("invalid timeout '-3'"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / -t 1e1",
        Refused("invalid timeout '1e1'"),
    ),
    ("-s 10.1.0.2 -p 80 -u / -Q", Refused("Unknown option -Q")),
    (
        "-s 10.1.0.2 -p 80 -u / --use-s",
        Refused("Unknown option --use-s"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / --use-ssl=yes",
        Refused("Unknown option --use-ssl=yes"),
    ),
    // Until 2.2.2 they chose the algorithm and named the version. Nobody chooses MD5 any more: it
    // is what one gets without.
    (
        "-s 10.1.0.2 -p 80 -u / -H md5",
        Refused("Unknown option -H"),
    ),
    (
        "-s 10.1.0.2 -p 80 -u / --hash md5",
        Refused("Unknown option --hash"),
    ),
    ("-r", Refused("Unknown option -r")),
];

/// What ours and Debian's say where it is not the same, and why not.
const DIFFERENT: &[(&[&str], Says, Says)] = &[
    // Half a second is a time, too.
    (
        &["-s", "10.1.0.2", "-p", "80", "-u", "/", "-t", "0.5"],
        Page(INDEX),
        Refused("invalid timeout '0.5'"),
    ),
    // Nothing can be done in no time: it makes the connection and notices after that.
    (
        &["-s", "10.1.0.2", "-p", "80", "-u", "/", "-t", "0"],
        Error("Timeout connecting"),
        Error("Timeout WEB write"),
    ),
    // Its request has no page, and what it hashes is nginx's complaint.
    (
        &["-s", "10.1.0.2", "-p", "80", "-u", ""],
        Refused(""),
        Digest,
    ),
    // It takes these for 0.
    (
        &["-s", "10.1.0.2", "-p", "80", "-u", "/", "-m", "4294967296"],
        Refused("invalid fwmark '4294967296'"),
        Page(INDEX),
    ),
    (
        &["-s", "10.1.0.2", "-p", "80", "-u", "/", "-m", ""],
        Refused("invalid fwmark ''"),
        Page(INDEX),
    ),
];

/// nginx on one host, and who asks it on another.
struct Scene {
    server: Background,
    node: Host,
    director: Host,
    _lab: Lab,
}

impl Scene {
    fn begin() -> Self {
        let mut lab = Lab::new();
        let node = lab.host("node", "10.1.0.2/16");
        let director = lab.host("director", "10.1.0.21/16");
        for (host, address) in [(&node, "fd00::2/64"), (&director, "fd00::21/64")] {
            host.ip(&["address", "add", address, "dev", "eth0", "nodad"]);
        }
        node.ip(&["address", "add", "10.5.0.2/32", "dev", "lo"]);
        let way = "route add 10.5.0.2 via 10.1.0.2 table 7";
        let rule = "rule add fwmark 7 lookup 7";
        // Nobody has this address, and nobody has to find that out.
        let silent = "neighbor add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0";
        for line in [way, rule, silent] {
            director.ip(&line.split(' ').collect::<Vec<_>>());
        }
        let www = node.directory.join("www");
        std::fs::create_dir(www).expect("the host's directory is writable");
        node.write("nginx.conf", &real::nginx_conf(SERVERS));
        node.write("index.html", INDEX);
        node.write("www/index.html", WWW);
        node.write("none", "");
        node.write("parts", PARTS);
        node.write("large", &LARGE.repeat(TIMES));
        for name in ["good.pem", "good.key", "other.pem", "other.key"] {
            node.write(name, &real::pem(name));
        }
        let server = real::start(&node, &real::nginx(&node.directory.display().to_string()));
        let scene = Self {
            server,
            node,
            director,
            _lab: lab,
        };
        wait_until(network::seconds(10), "nginx is there", || {
            let output = scene.genhash(Make::Ours, &words("-s 10.1.0.2 -p 80 -u /"));
            output.stdout.starts_with(b"b1946ac9")
        });
        scene
    }

    fn genhash(&self, make: Make, words: &[&str]) -> Output {
        let program = make.program();
        let all = [&[program.as_str(), "--genhash"], words].concat();
        self.director.command(&all).output().expect("ip is there")
    }

    /// The digest that ours makes, as somebody would copy it from the terminal.
    fn digest(&self, command: &str) -> String {
        let output = self.genhash(Make::Ours, &words(command));
        let text = String::from_utf8(output.stdout).expect("a digest is plain text");
        text.trim_end().to_owned()
    }

    /// Gives what was on the standard output.
    #[track_caller]
    fn expect(&self, make: Make, words: &[&str], says: Says) -> String {
        let output = self.genhash(make, words);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let what = format!("{make:?} {words:?}: {stdout}{stderr}");
        let code = i32::from(matches!(says, Refused(_)));
        assert_eq!(output.status.code(), Some(code), "{what}");
        let first = stderr.lines().next().unwrap_or_default();
        let (stdout_right, wanted) = match says {
            Page(text) => (*stdout == format!("{}\n", md5(text)), ""),
            Digest => (is_digest(&stdout), ""),
            Error(text) => (*stdout == format!("{text}\n"), ""),
            Nothing(text) | Refused(text) => (stdout.is_empty(), text),
        };
        assert!(stdout_right, "{what}");
        if matches!(says, Refused("")) {
            assert!(first.starts_with("Usage: "), "{what}");
        } else {
            assert_eq!(first, wanted, "{what}");
        }
        stdout.into_owned()
    }
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

fn md5(page: &str) -> String {
    let page = if page == LARGE {
        page.repeat(TIMES)
    } else {
        page.to_owned()
    };
    let mut digest = Md5::new();
    digest.update(page.as_bytes());
    let octets = digest.finish().into_iter();
    octets.fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").expect("a string takes any text");
        hex
    })
}

fn is_digest(line: &str) -> bool {
    let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    line.len() == 33 && line.ends_with('\n') && line.trim_end().chars().all(hex)
}

/// Standard output, exit code and what is complained of.
fn genhash_says_of_every_page_what_debians_does() {
    let scene = Scene::begin();
    for &(command, says) in COMMANDS {
        let words = words(command);
        let both = [Make::Ours, Make::Debian].map(|make| scene.expect(make, &words, says));
        // Digests of pages that nginx makes up, too.
        assert_eq!(both[0], both[1], "{command}");
    }
    for &(words, ours, debians) in DIFFERENT {
        scene.expect(Make::Ours, words, ours);
        scene.expect(Make::Debian, words, debians);
    }
    for command in [
        "-v -s 10.1.0.2 -p 80 -u /",
        "--verbose -s fd00::2 -p 80 -u /parts -P 1.1",
        "-v -S -s 10.1.0.2 -p 444 -u /busy",
    ] {
        // The header has the time in it.
        wait_until(network::seconds(10), command, || {
            let shown = [Make::Ours, Make::Debian].map(|make| {
                let output = scene.genhash(make, &words(command));
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let page = text
                    .rsplit_once("\nGlobal response time for [")
                    .map(|t| t.0.to_owned());
                page.expect("the time that it took stands at the end")
            });
            shown[0] == shown[1]
        });
    }

    // The kernel takes connections of a server that hangs.
    network::signal(scene.server.pid(), "STOP");
    for (command, says) in [
        ("-s 10.1.0.2 -p 80 -u / -t 1", "Timeout WEB read"),
        ("-S -s 10.1.0.2 -p 443 -u / -t 1", "Timeout connecting"),
    ] {
        scene.expect(Make::Ours, &words(command), Error(says));
        scene.expect(Make::Debian, &words(command), Error(says));
    }
    network::signal(scene.server.pid(), "CONT");
}

/// A check, and how genhash is asked for the same page.
struct Check {
    address: &'static str,
    port: u16,
    keyword: &'static str,
    /// Of the check, and of its URL.
    lines: [&'static str; 2],
    path: &'static str,
    options: &'static str,
}

const PLAIN: Check = Check {
    address: "10.1.0.2",
    port: 80,
    keyword: "HTTP_GET",
    lines: [""; 2],
    path: "/",
    options: "-u /",
};

const CHECKS: [Check; 10] = [
    PLAIN,
    Check {
        path: "/large",
        options: "-u /large",
        ..PLAIN
    },
    Check {
        lines: ["", "status_code 404"],
        path: "/no",
        options: "-u /no",
        ..PLAIN
    },
    Check {
        path: "/parts",
        options: "-u /parts",
        ..PLAIN
    },
    Check {
        lines: ["http_protocol 1.1", ""],
        path: "/parts",
        options: "-u /parts -P 1.1",
        ..PLAIN
    },
    Check {
        lines: ["", "virtualhost www.example.org"],
        options: "-u / -V www.example.org",
        ..PLAIN
    },
    Check {
        address: "fd00::2",
        path: "/asked",
        options: "-u /asked",
        ..PLAIN
    },
    Check {
        port: 444,
        keyword: "SSL_GET",
        options: "-S -u /",
        ..PLAIN
    },
    Check {
        port: 445,
        keyword: "SSL_GET",
        lines: ["enable_sni", "virtualhost www.example.org"],
        options: "-SI -u / -V www.example.org",
        ..PLAIN
    },
    Check {
        address: "10.5.0.2",
        lines: ["fwmark 7", ""],
        options: "-u / -m 7",
        ..PLAIN
    },
];

impl Check {
    fn service(&self, number: usize, digest: &str) -> String {
        let Self {
            address,
            port,
            keyword,
            lines: [of_check, of_url],
            path,
            ..
        } = self;
        let network = if address.contains(':') {
            "fd00::9:"
        } else {
            "10.9.0."
        };
        format!(
            "virtual_server {network}{number} 80 {{
                delay_loop 1
                warmup 0
                alpha
                protocol TCP
                real_server {address} {port} {{
                    {keyword} {{
                        connect_timeout 2
                        retry 0
                        {of_check}
                        url {{
                            path {path}
                            digest {digest}
                            {of_url}
                        }}
                    }}
                }}
            }}\n"
        )
    }
}

/// Checks with what genhash says of the pages pass; when a page changes its checks fail, until the
/// digest is made anew.
fn a_digest_of_genhash_is_what_the_check_wants() {
    let scene = Scene::begin();
    let config = || {
        let checks = CHECKS.iter().enumerate();
        let services = checks.map(|(number, check)| {
            let (address, port, options) = (check.address, check.port, check.options);
            let digest = scene.digest(&format!("-s {address} -p {port} {options}"));
            check.service(number + 1, &digest)
        });
        services.collect::<String>()
    };
    let first = config();
    let daemon = Daemon::start(&scene.director, &first);
    wait_until(network::seconds(15), "every check has passed", || {
        daemon.logged("Adding service") == CHECKS.len()
    });
    assert_eq!(daemon.logged("reason"), 0, "{}", daemon.log());

    scene.node.write("www/index.html", "another page");
    wait_until(network::seconds(15), "two of the checks fail", || {
        daemon.logged("Removing service") == 2
    });
    assert_eq!(daemon.logged("reason 34, "), 2, "{}", daemon.log());
    let second = config();
    assert_ne!(first, second);
    daemon.rewrite(&second);
    daemon.signal("HUP");
    wait_until(network::seconds(15), "all pass again", || {
        daemon.logged("Adding service") == CHECKS.len() + 2
    });
    assert_eq!(daemon.logged("Removing service"), 2);
    daemon.stop();
}
