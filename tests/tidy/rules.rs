//! The rules of the house. Each looks at one file and says what is wrong, as `path:line: words`.

use crate::source::{Source, is_word, line_of};

/// A room: which others it may import.
struct Room {
    name: &'static str,
    imports: &'static [&'static str],
    /// Decides, hence the same in every build: no `cfg` but for its own tests.
    core: bool,
}

const fn room(name: &'static str, imports: &'static [&'static str]) -> Room {
    Room {
        name,
        imports,
        core: false,
    }
}

const fn core(name: &'static str) -> Room {
    Room {
        name,
        imports: &[
            "addr", "child", "errno", "hash", "rand", "time", "wire", "config", "track", "notify",
        ],
        core: true,
    }
}

/// Who may import whom. A file in no room is an error, and so is an import from none.
const ROOMS: &[Room] = &[
    room("addr", &[]),
    room("child", &[]),
    room("errno", &[]),
    room("hash", &[]),
    room("rand", &[]),
    room("time", &["hash"]),
    room("wire", GROUND),
    room("config", GROUND),
    core("track"),
    core("notify"),
    core("vrrp"),
    core("check"),
    core("bfd"),
    core("supervise"),
    room(
        "journal",
        &[
            "addr", "child", "errno", "time", "wire", "config", "vrrp", "check",
        ],
    ),
    room("sys", &["addr", "child", "errno", "rand", "time", "wire"]),
    room(
        "daemon",
        &[
            "addr",
            "child",
            "errno",
            "rand",
            "time",
            "wire",
            "config",
            "track",
            "notify",
            "vrrp",
            "check",
            "bfd",
            "supervise",
            "journal",
            "sys",
        ],
    ),
    room("cli", &["config", "daemon"]),
    room("main", &["config", "daemon", "cli"]),
    room("lib", &[]),
];

const GROUND: &[&str] = &["addr", "child", "errno", "hash", "rand", "time"];

/// What tests at the bottom of a file may import on top: the seeded generator, and a place for
/// files.
const FOR_TESTS: &[&str] = &["rand", "sys::scratch"];

/// Files that are tests from the first line to the last, by the `cfg(test)` at their `mod` line.
const TEST_FILES: &[&str] = &["src/sys/scratch.rs"];

/// Which rooms may use a crate. Every dependency stands here: a new one is a decision.
const CRATES: &[(&str, &[&str])] = &[
    ("libc", &["sys"]),
    ("nix", &["sys"]),
    ("mio", &["sys", "daemon"]),
    ("dlmalloc", &["main"]),
    ("env_logger", &["daemon"]),
    ("pest", &["config"]),
    ("pest_derive", &["config"]),
    ("fancy_regex", &["config"]),
    ("rustls", &["sys"]),
    ("hmac", &["wire"]),
    ("md5", &["wire"]),
    ("sha2", &["wire"]),
    ("log", EVERYWHERE),
];

const EVERYWHERE: &[&str] = &["*"];

/// Paths that only some rooms may use; tests may use them all. The first row that
/// fits counts.
const PATHS: &[(&str, &[&str], &str)] = &[
    ("std::fs", &["sys"], "files are read and written in sys"),
    (
        "std::process::ExitCode",
        &["sys", "daemon", "cli", "main"],
        "the program's end is not yours",
    ),
    (
        "std::process::id",
        &["sys", "daemon"],
        "our number is for pid files and dumps",
    ),
    ("std::process", &["sys"], "processes are started in sys"),
    (
        "std::env",
        &["sys", "daemon", "cli", "main"],
        "the environment is read at the door",
    ),
    ("std::thread", &["sys"], "there is one thread"),
    ("std::time::Duration", EVERYWHERE, ""),
    (
        "std::time",
        &["sys"],
        "clocks are read in sys; cores are told what time it is",
    ),
    ("std::os::unix::net", &["sys"], "sockets are opened in sys"),
];

/// Words that only some rooms may use.
const WORDS: &[(&str, &[&str], &str)] = &[
    ("unsafe", &["sys"], "unsafe is for sys"),
    ("SystemTime", &["sys"], "clocks are read in sys"),
    ("TcpStream", &["sys"], "sockets are opened in sys"),
    ("TcpListener", &["sys"], "sockets are opened in sys"),
    ("UdpSocket", &["sys"], "sockets are opened in sys"),
    ("UnixStream", &["sys"], "sockets are opened in sys"),
    ("UnixListener", &["sys"], "sockets are opened in sys"),
    ("UnixDatagram", &["sys"], "sockets are opened in sys"),
    (
        "println!",
        &[],
        "panics when nobody reads; use write or log",
    ),
    (
        "eprintln",
        &[],
        "panics when nobody reads; use write or log",
    ),
    ("print!", &[], "panics when nobody reads; use write or log"),
    ("eprint!", &[], "panics when nobody reads; use write or log"),
];

/// Code that is wrong everywhere, tests included.
const NOWHERE: &[(&str, &str)] = &[
    ("dbg!", "a leftover"),
    ("todo!", "a leftover"),
    ("unimplemented!", "a leftover"),
    ("[allow(", "say expect, with a reason"),
    ("#[ignore", "a test runs or is not there"),
    ("fn get_", "the name without get_ says as much"),
    ("static mut", "state belongs to somebody"),
];

/// Marks of unfinished work. In two halves, or this file would have them.
const MARKERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

const LINE_MAX: usize = 100;
pub(crate) const FILE_LINES_MAX: usize = 900;

/// Everything that can be wrong with a Rust file.
pub(crate) fn rust(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.lines.iter().map(String::as_str).collect();
    let mut complaints = text(&source.path, &lines, &|line| source.is_data(line));
    for (at, line) in source.lines.iter().enumerate() {
        if line.contains('\t') {
            complaints.push(told(source, at, "a tab"));
        }
    }
    for &(code, why) in NOWHERE {
        for (at, _) in source.code.match_indices(code) {
            let line = line_of(&source.code, at);
            complaints.push(told(source, line, &format!("`{code}`: {why}")));
        }
    }
    if source.path.starts_with("src/") {
        complaints.extend(of_room(source));
    }
    complaints
}

/// Everything that can be wrong with any text written by hand. Lines of data keep their length.
pub(crate) fn text(path: &str, lines: &[&str], is_data: &dyn Fn(usize) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mut tell = |what: &str| complaints.push(format!("{path}:{}: {what}", at + 1));
        if line.ends_with([' ', '\t', '\r']) {
            tell("blanks at the end");
        }
        let is_link = line.contains("http://") || line.contains("https://");
        if line.chars().count() > LINE_MAX && !is_link && !is_data(at) {
            tell("longer than 100 columns");
        }
        for marker in MARKERS {
            if has_word(line, marker) {
                tell(&format!("`{marker}`: finish it, or write an issue"));
            }
        }
    }
    complaints
}

/// The manifest: every dependency has a comment that says what for, and a row in `CRATES`.
pub(crate) fn manifest(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut dependencies, mut explained) = (false, false);
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            dependencies = line.ends_with("dependencies]");
        }
        let is_entry = line.starts_with(|first: char| first.is_ascii_alphabetic());
        if dependencies && is_entry {
            let name = line.split([' ', '=', '.']).next().unwrap_or_default();
            let mut tell = |what: &str| {
                complaints.push(format!("Cargo.toml:{}: {name}: {what}", at + 1));
            };
            if !explained {
                tell("no comment says what for");
            }
            if !CRATES
                .iter()
                .any(|(known, _)| *known == name.replace('-', "_"))
            {
                tell("tests/tidy/rules.rs does not say who may use it");
            }
        }
        explained = line.starts_with('#');
    }
    complaints
}

fn of_room(source: &Source) -> Vec<String> {
    let modules = modules(&source.path);
    let Some(room) = ROOMS.iter().find(|room| room.name == modules[0]) else {
        return vec![told(
            source,
            0,
            &format!("`{}` is no room of the house", modules[0]),
        )];
    };
    let mut complaints = Vec::new();
    for (line, path) in source.paths() {
        let in_test = source.is_test(line) || TEST_FILES.contains(&source.path.as_str());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let import = import(room, &modules, &path, in_test);
        let outside = import.or_else(|| outside(room, &path, in_test));
        complaints.extend(outside.map(|what| told(source, line, &what)));
    }
    for (line, code) in source.code.lines().enumerate() {
        let in_test = source.is_test(line) || TEST_FILES.contains(&source.path.as_str());
        if code.contains(".unwrap()") && !in_test {
            complaints.push(told(
                source,
                line,
                "`unwrap` is for tests; `expect` says the invariant",
            ));
        }
        for &(word, rooms, why) in WORDS {
            let may = rooms.contains(&room.name) || (in_test && word != "unsafe");
            if has_word(code, word) && !may {
                complaints.push(told(source, line, &format!("`{word}`: {why}")));
            }
        }
        let is_cfg = has_word(code, "cfg") || has_word(code, "cfg_attr");
        if room.core && is_cfg && !source.is_test(line) {
            complaints.push(told(source, line, "a core is the same in every build"));
        }
    }
    complaints
}

/// What is wrong with a path to another room.
fn import(room: &Room, modules: &[&str], path: &[&str], in_test: bool) -> Option<String> {
    let wanted = match path {
        ["crate", wanted @ ..] => wanted,
        ["keepalived", wanted @ ..] if room.name == "main" => wanted,
        ["super", ..] => {
            let up = path.iter().take_while(|&&part| part == "super").count();
            let inside = up < modules.len() + usize::from(in_test);
            return (!inside).then(|| String::from("this way out of the room: write `crate::`"));
        }
        // Within a core, after `use crate::config`.
        ["config", part, ..] if room.core && !is_type(part) => {
            return Some(format!("cores use the types of config, not `{part}`"));
        }
        _ => return None,
    };
    let &[target, ref rest @ ..] = wanted else {
        return None;
    };
    if target == room.name {
        return None;
    }
    if !ROOMS.iter().any(|known| known.name == target) {
        return Some(format!("`{target}` is no room of the house"));
    }
    let door = wanted[..wanted.len().min(2)].join("::");
    let for_test = in_test && FOR_TESTS.iter().any(|&open| open == target || open == door);
    if !for_test && !room.imports.contains(&target) {
        return Some(format!("`{}` may not import `{target}`", room.name));
    }
    if room.core && target == "config" && rest.first().is_some_and(|part| !is_type(part)) {
        return Some(format!("cores use the types of config, not `{}`", rest[0]));
    }
    None
}

/// What is wrong with a path to a crate or the standard library.
fn outside(room: &Room, path: &[&str], in_test: bool) -> Option<String> {
    let may = |rooms: &[&str]| rooms == EVERYWHERE || rooms.contains(&room.name);
    if let Some((name, rooms)) = CRATES
        .iter()
        .find(|(name, _)| path[0] == *name && path.len() > 1)
    {
        return (!may(rooms)).then(|| format!("`{name}` is not for `{}`", room.name));
    }
    let path = path.join("::");
    let below = |rule: &str| path == rule || path.starts_with(&format!("{rule}::"));
    let (_, rooms, why) = PATHS.iter().find(|(rule, ..)| below(rule))?;
    (!may(rooms) && !in_test).then(|| format!("`{path}`: {why}"))
}

/// `src/check/probe/tcp.rs` is `check`, `probe`, `tcp`.
fn modules(path: &str) -> Vec<&str> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut modules: Vec<&str> = inside.split('/').collect();
    if modules.len() > 1 && modules.last() == Some(&"mod") {
        modules.pop();
    }
    modules
}

/// Types and constants begin with a capital; modules and functions do not.
fn is_type(part: &str) -> bool {
    part == "self" || part.starts_with(|first: char| first.is_ascii_uppercase())
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).map(|at| line.as_bytes()[at]);
        let after = line.as_bytes().get(at + word.len()).copied();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn told(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{}: {what}", source.path, line + 1)
}
