//! A configuration as canonical text. Reading it gives the same configuration again, so defaults
//! and inherited values are written out where they ended up.

mod check;
mod checker;
mod global;
mod route;
mod statics;
mod track;
mod vrrp;

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::value::print_seconds;
use super::{Config, Route, Rule};

/// Text under construction, with its depth of blocks.
#[derive(Default)]
struct Printer {
    out: String,
    depth: usize,
}

/// A line of `virtual_routes` or `static_routes`.
pub fn route_line(route: &Route) -> String {
    route::route_line(route)
}

/// A line of `virtual_rules` or `static_rules`.
pub fn rule_line(rule: &Rule) -> String {
    route::rule_line(rule)
}

/// The canonical text of a configuration, passwords included. Octets that are not UTF-8 are in
/// their lossless form; `lossless::encode` makes them octets again.
pub fn print(config: &Config) -> String {
    let mut printer = Printer::default();
    printer.global(&config.global);
    printer.links(&config.links);
    printer.statics(&config.statics);
    // Before those that name them.
    printer.watched(config);
    for group in &config.sync_groups {
        printer.sync_group(group);
    }
    for instance in &config.instances {
        printer.instance(instance, config);
    }
    if let Some(ssl) = &config.ssl {
        printer.ssl(ssl);
    }
    for group in &config.virtual_server_groups {
        printer.virtual_server_group(group);
    }
    for server in &config.virtual_servers {
        printer.virtual_server(server);
    }
    printer.out
}

impl Printer {
    fn open(&mut self, head: impl Display) {
        self.line(format_args!("{head} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn line(&mut self, text: impl Display) {
        let indent = self.depth * 4;
        writeln!(self.out, "{:indent$}{text}", "").expect("a string takes any text");
    }

    fn word(&mut self, keyword: &str, value: impl Display) {
        self.line(format_args!("{keyword} {value}"));
    }

    fn maybe(&mut self, keyword: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.word(keyword, value);
        }
    }

    fn seconds(&mut self, keyword: &str, value: Duration) {
        self.word(keyword, print_seconds(value));
    }

    fn flag(&mut self, keyword: &str, set: bool) {
        if set {
            self.line(keyword);
        }
    }
}

/// A word, in quotes when it would not be one without. A word never holds a quote itself.
pub(super) fn quoted(word: &str) -> impl Display {
    // What would make other lines of its line, if it came first.
    let directs = word.starts_with(['@', '~']) || word.starts_with("include");
    // A `$NAME` that came out of quotes would be one to replace at the end of a bare word.
    let plain = !word.is_empty()
        && !directs
        && word
            .chars()
            .all(|letter| !letter.is_whitespace() && !"{}｛｝#!$\\".contains(letter));
    let quote = if plain { "" } else { "\"" };
    format!("{quote}{word}{quote}")
}
