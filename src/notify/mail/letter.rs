//! A letter as it goes over the wire (RFC 5322), and the addresses on its envelope.

use crate::config::Octets;

/// One letter, without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// As in RFC 5322 3.3.
    pub(super) date: String,
    pub(super) subject: String,
    /// Its lines.
    pub(super) body: String,
}

/// The two ends of an envelope, and our name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) helo: String,
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

impl Letter {
    /// With the dot at its end.
    pub(super) fn octets(&self, envelope: &Envelope) -> Vec<u8> {
        let to: Vec<String> = envelope.to.iter().map(|to| mailbox(to)).collect();
        let mut text = format!(
            "Date: {}\r\nFrom: {}\r\nSubject: {}\r\nX-Mailer: Keepalived\r\nTo: {}\r\n\r\n",
            self.date,
            mailbox(&envelope.from),
            self.subject,
            to.join(",\r\n ")
        );
        for line in self.body.lines() {
            // RFC 5321 4.5.2: a line of one dot would end the letter.
            if line.starts_with('.') {
                text.push('.');
            }
            text.push_str(&plain(line));
            text.push_str("\r\n");
        }
        text.push_str("\r\n.\r\n");
        Octets::of(&text).0
    }
}

/// What stands in angle brackets, or else all of it.
pub(super) fn address_of(mailbox: &str) -> String {
    let (_, address) = parts(mailbox);
    plain(address)
}

/// A name in front of an address is quoted when it holds more than words (RFC 5322 3.2.3).
fn mailbox(text: &str) -> String {
    let (name, address) = parts(text);
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return plain(text);
    };
    if name.starts_with('"') || !name.contains(SPECIALS) {
        return plain(text);
    }
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    plain(&format!("\"{name}\" <{address}>"))
}

/// `Name <address>`; without brackets all of it is the address.
fn parts(mailbox: &str) -> (Option<&str>, &str) {
    let bracketed = mailbox
        .rsplit_once('<')
        .and_then(|(name, rest)| Some((name, rest.split_once('>')?.0)));
    match bracketed {
        Some((name, address)) => (Some(name), address.trim()),
        None => (None, mailbox.trim()),
    }
}

/// Nothing that would begin another line, whatever a name holds.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// What a name may not hold outside of quotes.
const SPECIALS: &[char] = &[
    '(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '.', '"',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(to: &[&str]) -> Envelope {
        Envelope {
            helo: "us".to_owned(),
            from: "ka@x.org".to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
        }
    }

    fn letter(body: &str) -> Letter {
        Letter {
            date: "Sat, 21 Nov 2026 09:42:06 +0000".to_owned(),
            subject: "[r] s".to_owned(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_letter_is_keepalived_s() {
        let octets = letter("=> x <=").octets(&envelope(&["a@x.org", "Bob <b@y.org>"]));
        let text = "Date: Sat, 21 Nov 2026 09:42:06 +0000\r\nFrom: ka@x.org\r\n\
            Subject: [r] s\r\nX-Mailer: Keepalived\r\nTo: a@x.org,\r\n Bob <b@y.org>\r\n\r\n\
            => x <=\r\n\r\n.\r\n";
        assert_eq!(String::from_utf8(octets).unwrap(), text);
    }

    #[test]
    fn a_dot_does_not_end_a_letter_and_a_name_begins_no_line() {
        let octets = letter(".\nx").octets(&envelope(&["a\r\nRCPT TO:<evil>"]));
        let text = String::from_utf8(octets).unwrap();
        assert!(text.ends_with("\r\n\r\n..\r\nx\r\n\r\n.\r\n"), "{text}");
        assert!(text.contains("To: \"a  RCPT TO:\" <evil>\r\n"), "{text}");
    }

    #[test]
    fn octets_that_are_no_text_go_out_as_they_came() {
        // So does a configuration store the octet 0xf6.
        let octets = letter("x").octets(&envelope(&["J\u{10fff6}rg <j@x.org>"]));
        let wanted = b"To: J\xf6rg <j@x.org>\r\n";
        assert!(octets.windows(wanted.len()).any(|some| some == wanted));
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (text, address, printed) in [
            ("a@x.org", "a@x.org", "a@x.org"),
            ("<a@x.org>", "a@x.org", "<a@x.org>"),
            ("Bob <b@y.org>", "b@y.org", "Bob <b@y.org>"),
            ("Bob B. <b@y.org>", "b@y.org", "\"Bob B.\" <b@y.org>"),
            ("B \"x\" <b@y.org>", "b@y.org", "\"B \\\"x\\\"\" <b@y.org>"),
            ("\"B.\" <b@y.org>", "b@y.org", "\"B.\" <b@y.org>"),
            ("a < b", "a < b", "a < b"),
        ] {
            assert_eq!(address_of(text), address);
            assert_eq!(mailbox(text), printed);
        }
    }
}
