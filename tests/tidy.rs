//! The rules of the house as a test: who imports whom, what is banned where, how text looks.
//!
//! The rules are in `tidy/rules.rs`; every exemption is a line in one of its tables.

use std::io::Write as _;
use std::path::{Path, PathBuf};

#[path = "tidy/citation.rs"]
mod citation;
#[path = "tidy/mutants.rs"]
mod mutants;
#[path = "tidy/rfc.rs"]
mod rfc;
#[path = "tidy/rows.rs"]
mod rows;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use source::Source;

#[test]
fn the_house_is_tidy() {
    let mut complaints = rules::manifest(&read(Path::new("Cargo.toml")));
    for path in files(&["src", "tests"], &["rs"]) {
        let text = read(&path);
        let source = Source::new(&path.to_string_lossy(), &text);
        complaints.extend(rules::rust(&source));
        if source.lines.len() > rules::FILE_LINES_MAX {
            // Straight to the terminal: a talk, not a failure.
            let told = format!("{}: {} lines\n", source.path, source.lines.len());
            let _ = std::io::stderr().write_all(told.as_bytes());
        }
    }
    for path in files(&["grammar", "scripts"], &[]) {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        complaints.extend(rules::text(&path.to_string_lossy(), &lines, &|_| false));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// `scripts/mutants` takes an hour; whether it can be run is known at once.
#[test]
fn every_mistake_made_on_purpose_fits_the_sources() {
    let diffs = files(&["tests/mutants"], &["diff"]);
    assert!(diffs.len() >= 10, "{} mistakes", diffs.len());
    for path in diffs {
        let misfits = mutants::misfits(&read(&path), &|source| read(Path::new(source)));
        assert_eq!(misfits, [""; 0], "{}", path.display());
    }
}

#[test]
fn a_mistake_that_does_not_fit_is_told() {
    let diff =
        "Why.\n\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n@@ -9 +9 @@\n-nine\n";
    let read = |_: &str| "zero\none\ntwo\n".to_owned();
    assert_eq!(mutants::misfits(diff, &read), ["nine\n"]);
}

/// What the RFC asks of a virtual router step by step is in the core, and a test says so.
#[test]
fn every_step_of_the_state_machine_is_cited_by_the_core_and_by_a_test() {
    for place in ["src/vrrp", "tests"] {
        assert_eq!(rfc::not_cited(&comments_in(place)), [""; 0], "{place}");
    }
}

/// What keepalived does, row by row, is shown by a test, and so is every trap of who builds it
/// anew.
#[test]
fn every_row_of_behaviour_is_shown_by_a_test() {
    assert_eq!(rows::not_cited(&comments_in("tests")), [""; 0]);
}

#[test]
fn a_row_counts_as_cited_only_by_all_its_words() {
    let comments = ["It shows B.2\n owner, B.9 rounds of frames, F.12.".to_owned()];
    let left = rows::not_cited(&comments);
    for (row, is_left) in [
        ("B.2 owner", false),
        ("F.12", false),
        ("B.9 rounds", true),
        ("F.1", true),
    ] {
        assert_eq!(left.iter().any(|one| one == row), is_left, "{row}");
    }
}

#[test]
fn a_step_counts_as_cited_only_beside_the_name_of_the_rfc() {
    let cited = "// RFC 5798 6.4.1 (100,\n// 105): a start.\nlet a = 110;\n\n// It is 120 long.\n";
    let left = rfc::not_cited(&citation::comments(cited));
    for (step, is_left) in [("100", false), ("105", false), ("110", true), ("120", true)] {
        assert_eq!(left.iter().any(|one| one.contains(step)), is_left, "{step}");
    }
}

/// Bad texts, each with the words of the complaint that it must draw: the rules can fail.
#[test]
fn every_rule_finds_what_it_is_there_for() {
    for &(path, text, expected) in BAD {
        let complaints = rules::rust(&Source::new(path, text));
        let found = complaints
            .iter()
            .any(|complaint| complaint.contains(expected));
        assert!(found, "{path}: {text}\n{complaints:?}");
    }
    let long = rules::text("README.md", &["x".repeat(101).as_str()], &|_| false);
    assert_eq!(long, ["README.md:1: longer than 100 columns"]);
    let bare = rules::manifest("[dependencies]\n# Why.\nlog = \"1\"\n\nlibc = \"1\"\n");
    assert_eq!(bare, ["Cargo.toml:5: libc: no comment says what for"]);
    let unknown = rules::manifest("[dev-dependencies]\n# Why.\nserde = \"1\"\n");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
}

#[test]
fn no_rule_complains_about_what_is_right() {
    for &(path, text) in GOOD {
        let complaints = rules::rust(&Source::new(path, text));
        assert!(complaints.is_empty(), "{path}: {text}\n{complaints:?}");
    }
    let data = format!("const A: &str = \"\n{}\n\";\n", "x".repeat(101));
    let complaints = rules::rust(&Source::new("tests/a.rs", &data));
    assert_eq!(complaints, [""; 0], "the inner lines of a string are data");
    let link = format!("https://example.org/{}", "x".repeat(101));
    assert_eq!(
        rules::text("README.md", &[link.as_str()], &|_| false),
        [""; 0]
    );
    let explained = "[dependencies]\n# Why.\npest = \"2\"\n[lints]\nserde = 1\n";
    assert_eq!(rules::manifest(explained), [""; 0]);
}

/// All files below these directories, of these kinds (of any, when none is named), in order.
fn files(directories: &[&str], extensions: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<PathBuf> = directories.iter().map(PathBuf::from).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory of ours can be read");
            waiting.extend(entries.map(|entry| entry.expect("and each entry").path()));
            continue;
        }
        let extension = path.extension().unwrap_or_default();
        if extensions.is_empty() || extensions.iter().any(|&wanted| extension == wanted) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The comments of the Rust below a directory. The lists of what is to be cited are no citation.
fn comments_in(place: &str) -> Vec<String> {
    let lists = ["tidy/rfc.rs", "tidy/rows.rs", "tidy.rs"];
    let paths = files(&[place], &["rs"]).into_iter();
    let paths = paths.filter(|path| !lists.iter().any(|list| path.ends_with(list)));
    paths
        .flat_map(|path| citation::comments(&read(&path)))
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where it stands, what is written, what the complaint must say.
const BAD: &[(&str, &str, &str)] = &[
    (
        "src/vrrp/a.rs",
        "use crate::check::Core;",
        "may not import `check`",
    ),
    (
        "src/vrrp/a.rs",
        "fn f() { crate::sys::clock::now() }",
        "may not import `sys`",
    ),
    (
        "src/check/a.rs",
        "use crate::{time::Instant,\n sys::tcp};",
        ":2: `check` may not",
    ),
    (
        "src/vrrp/a.rs",
        "use crate::config::tree::Word;",
        "not `tree`",
    ),
    (
        "src/vrrp/a.rs",
        "use crate::config;\nfn f() { config::load() }",
        ":2: cores use",
    ),
    (
        "src/sys/a.rs",
        "use crate::config::Config;",
        "may not import `config`",
    ),
    (
        "src/wire/a/b.rs",
        "use super::super::super::sys::tcp;",
        "write `crate::`",
    ),
    (
        "src/time.rs",
        "use crate::addr::Cidr;",
        "may not import `addr`",
    ),
    ("src/attic/a.rs", "", "`attic` is no room"),
    ("src/util.rs", "", "`util` is no room"),
    (
        "src/daemon/a.rs",
        "use crate::attic::A;",
        "`attic` is no room",
    ),
    (
        "src/main.rs",
        "use keepalived::sys::tcp;",
        "may not import `sys`",
    ),
    ("src/vrrp/a.rs", "use mio::Poll;", "`mio` is not for `vrrp`"),
    (
        "src/daemon/a.rs",
        "const A: i32 = libc::AF_INET;",
        "`libc` is not for `daemon`",
    ),
    (
        "src/daemon/a.rs",
        "use std::{fmt, fs::File};",
        "`std::fs::File`",
    ),
    (
        "src/config/a.rs",
        "use std::time::Instant;",
        "`std::time::Instant`",
    ),
    ("src/check/a.rs", "use std::time;", "`std::time`"),
    (
        "src/check/a.rs",
        "use std::net::{IpAddr, TcpStream};",
        "`TcpStream`",
    ),
    (
        "src/check/a.rs",
        "let a = std::env::var(x);",
        "`std::env::var`",
    ),
    (
        "src/vrrp/a.rs",
        "use std::process::Command;",
        "`std::process::Command`",
    ),
    ("src/daemon/a.rs", "unsafe { f() }", "`unsafe`"),
    (
        "src/daemon/a.rs",
        "#[cfg(test)]\nmod t { fn f() { unsafe {} } }",
        ":2: `unsafe`",
    ),
    (
        "src/wire/a.rs",
        "let a = b.unwrap();",
        "`unwrap` is for tests",
    ),
    (
        "src/wire/a.rs",
        "#[cfg(test)]\nmod t {}\nlet a = b.unwrap();",
        ":3: `unwrap`",
    ),
    ("src/cli.rs", "println!();", "`println!`"),
    (
        "src/vrrp/a.rs",
        "#[cfg(feature = \"x\")]\nfn f() {}",
        "same in every build",
    ),
    ("src/wire/a.rs", "#[allow(dead_code)]", "say expect"),
    ("tests/a.rs", "#![allow(dead_code)]", "say expect"),
    ("src/wire/a.rs", "fn get_a() {}", "without get_"),
    ("src/wire/a.rs", concat!("// TO", "DO: more"), "finish it"),
    ("tests/a.rs", "fn f() { dbg!(1); }", "a leftover"),
    ("src/wire/a.rs", "fn f() {} ", "blanks at the end"),
    ("src/wire/a.rs", "\tfn f() {}", "a tab"),
];

/// Where it stands, what is written.
const GOOD: &[(&str, &str)] = &[
    (
        "src/vrrp/a.rs",
        "use crate::config::{self, Config};\nuse crate::wire::{ip, vrrp};",
    ),
    (
        "src/vrrp/a.rs",
        "// unsafe, std::fs, println!, crate::sys\n/* x.unwrap() */",
    ),
    (
        "src/vrrp/a.rs",
        "const A: &str = \"unsafe std::fs\"; const B: &str = r#\"\"unsafe\"#;",
    ),
    (
        "src/vrrp/a.rs",
        "#[cfg(test)]\nmod tests {\n use std::fs;\n fn f() { x.unwrap() }\n}",
    ),
    (
        "src/vrrp/a.rs",
        "fn f<'a>(a: &'a str) -> char { '\"' }\nlet b: &'static str = \"unsafe\";",
    ),
    (
        "src/vrrp/a.rs",
        "use std::net::{IpAddr, SocketAddr};\nuse std::time::Duration;",
    ),
    (
        "src/time.rs",
        "#[cfg(test)]\nmod tests { use super::*; use crate::rand::Rand; }",
    ),
    ("src/check/probe/tcp.rs", "use super::super::Core;"),
    (
        "src/sys/a.rs",
        "use nix::unistd::fork;\nunsafe { libc::getpid() }",
    ),
    (
        "src/main.rs",
        "use std::process::ExitCode;\nuse keepalived::cli;",
    ),
];
