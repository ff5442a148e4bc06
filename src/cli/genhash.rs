//! The command line of `genhash`, which makes the digests that `HTTP_GET` compares with.
//!
//! It is this program by another name, or with `-T` or `--genhash` as its first option. The output
//! and the options are keepalived's.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use super::Answer;
use crate::daemon::genhash::Request;

/// What a word asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Option {
    Server,
    Port,
    Url,
    Ssl,
    Sni,
    Host,
    Protocol,
    Timeout,
    Mark,
    Verbose,
    Help,
}

/// Short name, long name, whether it takes an argument, and what it says.
const OPTIONS: &[(char, &str, bool, Option, &str)] = &[
    ('S', "use-ssl", false, Option::Ssl, "Connect with TLS."),
    (
        'I',
        "use-sni",
        false,
        Option::Sni,
        "Send the virtual host in the TLS handshake.",
    ),
    (
        's',
        "server",
        true,
        Option::Server,
        "Address of the server.",
    ),
    ('p', "port", true, Option::Port, "Its port."),
    ('u', "url", true, Option::Url, "Path of the page."),
    (
        'V',
        "use-virtualhost",
        true,
        Option::Host,
        "Host to ask for.",
    ),
    (
        'v',
        "verbose",
        false,
        Option::Verbose,
        "Show what is received.",
    ),
    ('h', "help", false, Option::Help, "Show this text."),
    (
        'm',
        "fwmark",
        true,
        Option::Mark,
        "Mark of the packets sent.",
    ),
    (
        'P',
        "protocol",
        true,
        Option::Protocol,
        "Version of HTTP: 1.0, 1.0c or 1.1; c asks the \
      server to close.",
    ),
    ('t', "timeout", true, Option::Timeout, "Seconds to wait."),
];

/// None when the command line is that of the daemon.
pub fn parse(words: &[OsString]) -> std::option::Option<Result<Request, Answer>> {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let name = words.first()?;
    let called = name.rsplit('/').next() == Some("genhash");
    let asked = words
        .get(1)
        .is_some_and(|word| word == "-T" || word == "--genhash");
    if called {
        return Some(read(words.get(1..).unwrap_or_default(), name));
    }
    let name = format!("{name} --genhash");
    asked.then(|| read(words.get(2..).unwrap_or_default(), &name))
}

fn read(words: &[String], name: &str) -> Result<Request, Answer> {
    let refuse = |message: String| Answer {
        stdout: String::new(),
        stderr: format!("{message}{}", usage(name)),
        exit_code: EXIT_USAGE,
    };
    let mut reader = Reader {
        words: words.iter(),
        draft: Draft::default(),
        unexpected: Vec::new(),
    };
    let read = reader.read();
    read.map_err(|message| {
        let line = if message.is_empty() {
            message
        } else {
            message + "\n"
        };
        refuse(line)
    })
}

struct Reader<'a> {
    words: std::slice::Iter<'a, String>,
    draft: Draft,
    unexpected: Vec<&'a str>,
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    server: std::option::Option<IpAddr>,
    port: std::option::Option<u16>,
    request: Request,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Request, String> {
        while let Some(word) = self.words.next() {
            if word == "--" {
                self.unexpected
                    .extend(self.words.by_ref().map(String::as_str));
            } else if let Some(long) = word.strip_prefix("--") {
                self.long(long)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                self.short(letters)?;
            } else {
                self.unexpected.push(word);
            }
        }
        if !self.unexpected.is_empty() {
            return Err(format!(
                "Unexpected argument(s): {}",
                self.unexpected.join(" ")
            ));
        }
        let Draft {
            server,
            port,
            request,
        } = std::mem::take(&mut self.draft);
        match (server, port) {
            (Some(server), Some(port)) if !request.path.is_empty() => Ok(Request {
                server: (server, port).into(),
                ..request
            }),
            _ => Err(String::new()),
        }
    }

    fn long(&mut self, text: &str) -> Result<(), String> {
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let mut fitting = OPTIONS
            .iter()
            .filter(|(_, long, ..)| long.starts_with(name));
        let exact = OPTIONS.iter().find(|(_, long, ..)| *long == name);
        let only = fitting.next().filter(|_| fitting.next().is_none());
        let Some((_, _, takes, option, _)) = exact.or(only) else {
            return Err(format!("Unknown option --{text}"));
        };
        match (takes, attached) {
            (true, Some(value)) => self.set(*option, value),
            (true, None) => self.next_word(*option, &format!("--{name}")),
            (false, None) => self.set(*option, ""),
            (false, Some(_)) => Err(format!("Unknown option --{text}")),
        }
    }

    fn short(&mut self, letters: &str) -> Result<(), String> {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let known = OPTIONS.iter().find(|(short, ..)| *short == letter);
            let Some((_, _, takes, option, _)) = known else {
                return Err(format!("Unknown option -{letter}"));
            };
            if !takes {
                self.set(*option, "")?;
                continue;
            }
            let attached = letters.as_str();
            return if attached.is_empty() {
                self.next_word(*option, &format!("-{letter}"))
            } else {
                self.set(*option, attached)
            };
        }
        Ok(())
    }

    fn next_word(&mut self, option: Option, name: &str) -> Result<(), String> {
        match self.words.next() {
            Some(value) => self.set(option, value),
            None => Err(format!("Missing parameter for option {name}")),
        }
    }

    fn set(&mut self, option: Option, value: &str) -> Result<(), String> {
        let Draft {
            server,
            port,
            request,
        } = &mut self.draft;
        match option {
            Option::Server => {
                let ip = value
                    .parse()
                    .map_err(|_| format!("server should be an IP, not {value}"))?;
                *server = Some(ip);
            }
            Option::Port => {
                let number = value.trim_start().parse();
                let number = number.ok().filter(|number| *number > 0);
                *port = Some(number.ok_or_else(|| format!("invalid port number '{value}'"))?);
            }
            Option::Url => request.path = value.to_owned(),
            Option::Ssl => request.tls = true,
            Option::Sni => request.name_in_handshake = true,
            Option::Host => request.host = Some(value.to_owned()),
            Option::Protocol => {
                (request.version_1_1, request.close) = match value {
                    "1.0" => (false, false),
                    "1.0c" | "1.0C" => (false, true),
                    "1.1" => (true, true),
                    _ => return Err(format!("invalid HTTP protocol version '{value}'")),
                };
            }
            Option::Timeout => {
                let seconds = seconds(value.trim_start());
                request.timeout = seconds.ok_or_else(|| format!("invalid timeout '{value}'"))?;
            }
            Option::Mark => {
                let mark = value.trim_start().parse();
                request.mark = mark.map_err(|_| format!("invalid fwmark '{value}'"))?;
            }
            Option::Verbose => request.verbose = true,
            Option::Help => return Err(String::new()),
        }
        Ok(())
    }
}

/// A number with or without a fraction. As good as for ever is what waits longer than keepalived
/// does when it is not told.
fn seconds(text: &str) -> std::option::Option<Duration> {
    let is_plain = text.chars().all(|c| matches!(c, '0'..='9' | '.' | '+'));
    let seconds = text.parse::<f64>().ok().filter(|_| is_plain)?;
    let most = Request::default().timeout;
    Some(Duration::from_secs_f64(seconds.min(most.as_secs_f64())))
}

fn usage(name: &str) -> String {
    let mut text = format!(
        "Usage: {name} COMMAND [OPTIONS]\nCommands:\n   -s server-address -p port -u url\n   \
         -S -s server-address -p port -u url\n   -h\n\nOptions:\n"
    );
    for (short, long, _, _, doc) in OPTIONS {
        text.push_str(&format!(
            "   {:<18}-{short}       {doc}\n",
            format!("--{long}")
        ));
    }
    text
}

const EXIT_USAGE: u8 = 1;
