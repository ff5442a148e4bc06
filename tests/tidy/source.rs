//! Rust text as the rules need it: without comments and strings, cut into paths, tests known.

use std::ops::Range;

/// A source file, prepared.
pub(crate) struct Source {
    /// Below the top of the repository, as in `src/wire/vrrp.rs`.
    pub(crate) path: String,
    /// Every line as it stands.
    pub(crate) lines: Vec<String>,
    /// The text with comments, strings and character literals blanked out; lines keep their places.
    pub(crate) code: String,
    /// The lines, counted from zero, of items that only exist in tests.
    pub(crate) tests: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank_out(text);
        Self {
            path: path.into(),
            lines: text.lines().map(String::from).collect(),
            tests: test_items(&code),
            code,
        }
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// Nothing but string: an inner line of a transcript or a page, or a message of its own.
    pub(crate) fn is_data(&self, line: usize) -> bool {
        let code = self.code.lines().nth(line).unwrap_or_default();
        code.trim().is_empty() && !self.lines[line].trim_start().starts_with("//")
    }

    /// All paths of the code with their lines, those of a `use` group one by one:
    /// `use std::{fs, net::TcpStream}` gives `std::fs` and `std::net::TcpStream`.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut scanner = Scanner {
            text: self.code.as_bytes(),
            at: 0,
            line: 0,
            found: Vec::new(),
        };
        scanner.scan();
        scanner.found
    }
}

/// Walks over the code and collects paths.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    found: Vec<(usize, Vec<String>)>,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while self.at < self.text.len() {
            if is_word(self.text[self.at]) {
                self.path(&[]);
            } else {
                self.step();
            }
        }
    }

    /// Reads `a::b::{c, d::e}` from where we are.
    fn path(&mut self, prefix: &[String]) {
        let (line, mut path) = (self.line, prefix.to_vec());
        loop {
            path.push(self.word());
            if !self.text[self.at..].starts_with(b"::") {
                break;
            }
            self.at += 2;
            match self.text.get(self.at) {
                Some(b'{') => return self.group(&path),
                Some(&byte) if is_word(byte) => {}
                // A star, a turbofish: the path as far as it is plain.
                Some(_) | None => break,
            }
        }
        self.found.push((line, path));
    }

    fn group(&mut self, prefix: &[String]) {
        self.step();
        while let Some(&byte) = self.text.get(self.at) {
            if byte == b'}' {
                self.step();
                return;
            }
            if is_word(byte) {
                self.path(prefix);
                self.skip_alias();
            } else {
                self.step();
            }
        }
    }

    /// In a group, ` as name` is no path.
    fn skip_alias(&mut self) {
        if self.text[self.at..].starts_with(b" as ") {
            self.at += b" as ".len();
            self.word();
        }
    }

    fn word(&mut self) -> String {
        let from = self.at;
        while self.text.get(self.at).is_some_and(|&byte| is_word(byte)) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[from..self.at]).into_owned()
    }

    fn step(&mut self) {
        self.line += usize::from(self.text[self.at] == b'\n');
        self.at += 1;
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Replaces everything in comments, strings and character literals by blanks.
fn blank_out(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = literal_length(bytes, at);
        for &byte in &bytes[at..at + length.max(1)] {
            let kept = byte == b'\n' || (length == 0 && byte.is_ascii());
            code.push(if kept { char::from(byte) } else { ' ' });
        }
        at += length.max(1);
    }
    code
}

/// How long the comment, string or character literal is that begins here; zero if none does.
fn literal_length(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let within_word = at > 0 && is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        return until(rest, b"\n");
    }
    if rest.starts_with(b"/*") {
        return until(rest, b"*/") + 2;
    }
    if rest.starts_with(b"\"") {
        return quoted(rest, b'"');
    }
    if !within_word && (rest[0] == b'r' || rest.starts_with(b"br")) {
        let marks = &rest[usize::from(rest[0] == b'b') + 1..];
        let hashes = marks.iter().take_while(|&&byte| byte == b'#').count();
        if marks.get(hashes) == Some(&b'"') {
            let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let head = rest.len() - marks.len() + hashes + 1;
            return head + until(&rest[head..], &closing) + closing.len();
        }
    }
    // A quote that another follows within a character is a literal; otherwise it is a lifetime.
    if rest.starts_with(b"'\\") {
        return quoted(rest, b'\'');
    }
    let width = rest.get(1).map_or(0, |&first| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    });
    if rest[0] == b'\'' && rest.get(1 + width) == Some(&b'\'') {
        return 2 + width;
    }
    0
}

/// Up to `mark`, or to the end.
fn until(bytes: &[u8], mark: &[u8]) -> usize {
    bytes
        .windows(mark.len())
        .position(|window| window == mark)
        .unwrap_or_else(|| bytes.len().saturating_sub(mark.len()))
}

/// A literal with escapes, both quotes included.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += 1 + usize::from(bytes[at] == b'\\');
    }
    (at + 1).min(bytes.len())
}

/// The lines of every item under `#[cfg(test)]`, braces and all.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(found) = code[from..].find(CFG_TEST) {
        let begin = from + found;
        let end = begin + item_length(&code[begin..]);
        items.push(line_of(code, begin)..line_of(code, end) + 1);
        from = end;
    }
    items
}

/// Up to the semicolon, or to the brace that closes the first one.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|&byte| byte == b'\n').count()
}

const CFG_TEST: &str = "#[cfg(test)]";
