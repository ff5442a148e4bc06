//! Problems as one JSON document, for programs that read them (RFC 8259).
//!
//! An array with an object for each problem; every object has the same keys in the same order, and
//! what is not known is null. The document is ASCII but for letters that people write: what could
//! drive a terminal is escaped, and so is an octet that is not UTF-8. Such an octet is the
//! character U+10FF00 plus its value, in JSON a pair of `\u` escapes, so that nothing is lost.

use std::fmt::Write as _;

use super::diag::{Class, Diagnostic, Diagnostics, Place, Severity};
use super::lossless;

impl Diagnostics {
    /// Everything, for programs. Ends with a newline.
    pub fn json(&self) -> String {
        let mut out = String::from("[");
        let mut separator = "\n";
        for diagnostic in self.iter() {
            out.push_str(separator);
            diagnostic.json(&mut out);
            separator = ",\n";
        }
        out.push_str(if self.is_empty() { "]\n" } else { "\n]\n" });
        out
    }
}

impl Diagnostic {
    fn json(&self, out: &mut String) {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = write!(out, "  {{\"severity\": \"{severity}\", \"class\": \"");
        out.push_str(self.class.word());
        out.push_str("\", \"message\": ");
        string(&self.message, out);
        place(self.place.as_ref(), out);
        out.push_str(", \"help\": ");
        match &self.help {
            Some(help) => string(help, out),
            None => out.push_str("null"),
        }
        out.push_str(", \"notes\": [");
        for (index, note) in self.notes.iter().enumerate() {
            out.push_str(if index == 0 { "{" } else { ", {" });
            out.push_str("\"message\": ");
            string(&note.message, out);
            place(Some(&note.place), out);
            out.push('}');
        }
        out.push_str("]}");
    }
}

impl Class {
    /// Its name in JSON.
    const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Text => "text",
            Self::Braces => "braces",
            Self::Argument => "argument",
            Self::Include => "include",
            Self::Endless => "endless",
            Self::Security => "security",
        }
    }
}

/// `file`, `line`, `column`, `length`, with the comma before them.
fn place(place: Option<&Place>, out: &mut String) {
    let Some(place) = place else {
        out.push_str(", \"file\": null, \"line\": null, \"column\": null, \"length\": null");
        return;
    };
    out.push_str(", \"file\": ");
    string(&place.file, out);
    let _ = write!(
        out,
        ", \"line\": {}, \"column\": {}, \"length\": {}",
        place.line, place.column, place.length
    );
}

/// A string of JSON with its quotes (RFC 8259 7).
fn string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if character.is_control() || lossless::octet(character).is_some() => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        string(text, &mut out);
        out
    }

    #[test]
    fn a_string_is_escaped_where_it_must_be_and_nowhere_else() {
        assert_eq!(escaped("a \"b\" \\ c"), r#""a \"b\" \\ c""#);
        assert_eq!(
            escaped("\t\n\r\0\u{1b}[31m"),
            r#""\t\n\u000d\u0000\u001b[31m""#
        );
        assert_eq!(escaped("\u{7f}\u{9b}"), r#""\u007f\u009b""#);
        assert_eq!(escaped("主 é 🙂"), r#""主 é 🙂""#);
    }

    #[test]
    fn an_octet_that_is_no_text_is_a_pair_of_escapes() {
        assert_eq!(escaped(&lossless::decode(b"\xb1")), r#""\udbff\udfb1""#);
        assert_eq!(escaped(&lossless::decode(b"\xff")), r#""\udbff\udfff""#);
    }

    #[test]
    fn no_problem_is_an_empty_list() {
        assert_eq!(Diagnostics::default().json(), "[]\n");
    }
}
