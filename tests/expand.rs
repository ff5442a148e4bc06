//! Lines to lines, from outside: what definitions, conditions, sequences and includes make of a
//! text, told by the names of unknown keywords; and the same from an installed keepalived, where
//! there is one, with a list of the differences that are meant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keepalived::addr::Cidr;
use keepalived::config::{Host, Loaded, NoProgram, Place, Reading, Unreadable, load};
use keepalived::rand::Rand;

#[path = "expand/cases.rs"]
mod cases;
#[path = "config/stopwatch.rs"]
mod stopwatch;

use cases::{CASES, Theirs};
use stopwatch::Stopwatch;

/// A machine called lb1 whose files are in memory. A name that ends in `!` is that of a file with
/// an execute bit, one that ends in `/` that of a directory.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(name, text)| (String::from(*name), text.as_bytes().to_vec()));
        Self(files.collect())
    }

    fn load(&self, reading: &Reading) -> Loaded {
        load(Path::new("k.conf"), self, reading)
    }

    fn has_directory(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        path == "." || self.0.keys().any(|name| name.starts_with(&inside))
    }
}

impl Memory {
    /// True if a line of a file is as a place says it is, and long enough.
    fn has(&self, place: &Place) -> bool {
        let Some(bytes) = self.0.get(&place.file) else {
            return false;
        };
        let text = String::from_utf8_lossy(bytes);
        let line = text.split('\n').nth(place.line.saturating_sub(1));
        let line = line.unwrap_or_default().trim_end_matches('\r');
        let inside = place.column.saturating_sub(1) + place.length <= line.chars().count();
        place.text.is_empty() || (place.text == line && inside)
    }
}

impl Host for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        let path = path.to_str().unwrap_or_default();
        if self.0.contains_key(&format!("{path}!")) {
            return Err(Unreadable::Executable);
        }
        if self.has_directory(path) {
            return Err(Unreadable::Directory);
        }
        let missing = || Unreadable::System(std::io::ErrorKind::NotFound.into());
        self.0.get(path).cloned().ok_or_else(missing)
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<OsString>> {
        let directory = directory.to_str().unwrap_or_default();
        if !self.has_directory(directory) {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let inside = match directory {
            "." => String::new(),
            directory => format!("{directory}/"),
        };
        let names = self.0.keys().filter_map(|name| name.strip_prefix(&inside));
        let names = names.map(|name| name.split(['/', '!']).next().unwrap_or_default());
        Ok(names.map(OsString::from).collect())
    }

    fn working_directory(&self) -> PathBuf {
        PathBuf::from("/etc/keepalived")
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        (name == "SITE").then(|| OsString::from("west"))
    }

    fn host_name(&self) -> String {
        String::from("lb1.example.com")
    }

    fn interface_exists(&self, _: &str) -> bool {
        true
    }

    fn networks(&self, _: &str) -> Vec<Cidr> {
        Vec::new()
    }

    fn program(&self, _: &OsStr) -> Result<(), NoProgram> {
        Ok(())
    }

    fn user_exists(&self, _: &str) -> bool {
        true
    }

    fn group_exists(&self, _: &str) -> bool {
        true
    }
}

/// The words of all unknown keywords, in the order of the text.
fn unknown(loaded: &Loaded) -> Vec<String> {
    let messages = loaded.diagnostics.iter().map(|problem| &problem.message);
    let words = messages.filter_map(|message| message.strip_prefix("unknown keyword `"));
    words
        .map(|rest| rest.split('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_form_means_what_it_says() {
    let mut wrong = String::new();
    for case in CASES {
        let loaded = Memory::new(&[("k.conf", case.text)]).load(&Reading::default());
        let words = unknown(&loaded);
        if words != case.words {
            writeln!(wrong, "{}{words:?}, not {:?}\n", case.text, case.words).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// An installed keepalived that may be asked: that of the labs, if they have run here.
fn peer() -> Option<PathBuf> {
    let named = std::env::var_os("KEEPALIVED_PEER").map(PathBuf::from);
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let cached = home.join(".cache/keepalived-lab/keepalived.debian");
    named.or_else(|| cached.exists().then_some(cached))
}

#[test]
fn an_installed_keepalived_reads_the_same() {
    let Some(peer) = peer() else {
        // Straight to the terminal: a skipped test must be seen.
        let told = "tests/expand: no keepalived to compare with, see scripts/lab\n";
        let _ = std::io::stderr().write_all(told.as_bytes());
        return;
    };
    let scratch = Scratch::new();
    let mut wrong = String::new();
    for case in CASES {
        let expected = match case.theirs {
            Theirs::Same => case.words,
            Theirs::Words(words) => words,
            Theirs::Never => continue,
        };
        scratch.write("k.conf", case.text);
        let path = scratch.0.join("k.conf");
        let output = Command::new(&peer)
            .args(["-t", "-i", "lb1", "-f"])
            .arg(path)
            .env("SITE", "west")
            .output()
            .unwrap();
        // Each of its processes says it again.
        let mut words: Vec<(String, String)> = Vec::new();
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let number = line
                .split("Line ")
                .nth(1)
                .and_then(|rest| rest.split(')').next());
            let word = line.split("Unknown keyword '").nth(1);
            let word = word.and_then(|rest| rest.strip_suffix('\''));
            if let (Some(number), Some(word)) = (number, word.filter(|word| *word != "}")) {
                let said = (String::from(number), String::from(word));
                if !words.contains(&said) {
                    words.push(said);
                }
            }
        }
        let words: Vec<String> = words.into_iter().map(|(_, word)| word).collect();
        if words != expected {
            writeln!(wrong, "{}{words:?}, not {expected:?}\n", case.text).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What an include of each kind exits with, by what it meets and by the level of `include_check`.
#[test]
fn an_include_fails_as_its_checks_want() {
    let files = [
        ("conf/a.conf", ""),
        ("conf/run.conf!", ""),
        ("conf/sub/b.conf", ""),
    ];
    // Without letter, r, m, w, b, a.
    for (pattern, exits) in [
        ("conf/a.conf", [0, 0, 0, 0, 0, 0]),
        ("conf/*.none", [0, 0, 0, 6, 0, 6]),
        ("conf/none", [0, 0, 6, 6, 0, 6]),
        ("none/*", [0, 0, 6, 6, 0, 6]),
        ("conf/run.conf", [0, 6, 6, 6, 6, 6]),
        ("conf/sub", [0, 6, 6, 6, 6, 6]),
        ("conf/{a,none}.conf", [0, 0, 6, 6, 6, 6]),
        ("conf/{a,none*}.conf", [0, 0, 0, 6, 6, 6]),
        ("conf/r*.conf", [0, 6, 6, 6, 6, 6]),
    ] {
        for (letter, exit) in ["", "r", "m", "w", "b", "a"].into_iter().zip(exits) {
            let text = format!("include{letter} {pattern}\n");
            let level = match letter {
                "" => "-read -match",
                "r" => "read",
                "m" => "match",
                "w" => "wildcard_match +match",
                "b" => "brace_match",
                _ => "",
            };
            let level = format!("global_defs {{\ninclude_check {level}\n}}\ninclude {pattern}\n");
            for text in [text, level] {
                let mut files = files.to_vec();
                files.push(("k.conf", &text));
                let loaded = Memory::new(&files).load(&Reading::default());
                let shown = loaded.diagnostics.render(false);
                assert_eq!(loaded.diagnostics.exit_code(), exit, "{text}{shown}");
                assert_eq!(loaded.config.is_none(), exit == 6, "{text}");
                let all = Reading {
                    all_checks: true,
                    ..Reading::default()
                };
                let strictest = Memory::new(&files).load(&all).diagnostics.exit_code();
                assert_eq!(strictest, exits[5], "{text}");
            }
        }
    }
}

#[test]
fn the_id_of_the_command_line_comes_before_the_name_of_the_machine() {
    let files = Memory::new(&[(
        "k.conf",
        "@lb1 one\n@west two\n@^west three\n${_INSTANCE}\n",
    )]);
    let named = Reading {
        config_id: Some(String::from("west")),
        ..Reading::default()
    };
    assert_eq!(unknown(&files.load(&named)), ["two", "west"]);
    assert_eq!(
        unknown(&files.load(&Reading::default())),
        ["one", "three", "lb1"]
    );
}

#[test]
fn random_numbers_stay_within_their_bounds_and_follow_their_seed() {
    let files = Memory::new(&[("k.conf", "~SEQ(i, 1, 100) n${_RANDOM 1 6}\n")]);
    let draw = |seed| {
        unknown(&files.load(&Reading {
            seed,
            ..Reading::default()
        }))
    };
    let drawn = draw(1);
    assert_eq!(drawn.len(), 100);
    assert!(
        ["n1", "n2", "n3", "n4", "n5", "n6"]
            .iter()
            .all(|n| drawn.iter().any(|word| word == n))
    );
    assert!(
        drawn
            .iter()
            .all(|word| ("n1"..="n6").contains(&word.as_str()))
    );
    assert!(drawn == draw(1) && drawn != draw(2));
    let seeded = "global_defs {\nrandom_seed 5\n}\n~SEQ(i, 1, 9) n$_RANDOM\n";
    let seeded = Memory::new(&[("k.conf", seeded)]);
    let with = |seed| {
        unknown(&seeded.load(&Reading {
            seed,
            ..Reading::default()
        }))
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn an_included_problem_says_how_it_came_there() {
    let loaded = Memory::new(&[
        ("k.conf", "$A=wrong\n\ninclude d/a.conf\n"),
        ("d/a.conf", "include b.conf\n"),
        ("d/b.conf", "\n\n  ${A}\n"),
    ])
    .load(&Reading::default());
    let lines: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|problem| problem.line())
        .collect();
    let expected = "(d/b.conf: Line 3) unknown keyword `wrong` \
                    (in expansion of $A, defined here: k.conf line 1) \
                    (included here: d/a.conf line 1) (included here: k.conf line 3)";
    assert_eq!(lines, [expected]);
    let place = loaded
        .diagnostics
        .iter()
        .next()
        .unwrap()
        .place
        .clone()
        .unwrap();
    assert_eq!((place.column, place.length), (3, 4));
}

/// Far from what anything worse than linear would need, on any machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_grows_without_end_is_refused_soon() {
    let lines = "$L= \\\n $M \\\n $M\n$M= \\\n ~SEQ(i, 1, 100000) $N\n$N= \\\n \
                 ~SEQ(j, 1, 100000) LINE\n$L\n";
    let longer = lines.replace("LINE", &"x".repeat(900));
    let words = "$A0=xxxxxxxxxxxxxxxx\n$L=~SEQ(i, 1, 100000) ${A9}\n~SEQ(i, 1, 100000) ${A9}\n";
    let words = (1..10).fold(String::from(words), |text, n| {
        format!("$A{n}=${{A{0}}}${{A{0}}}\n{text}", n - 1)
    });
    let files = "include k.conf\ninclude a.conf\ninclude a.conf\n".repeat(200);
    for text in [lines, &longer, &words, &files] {
        let start = Stopwatch::start();
        let loaded = Memory::new(&[("k.conf", text), ("a.conf", &files)]).load(&Reading::default());
        let took = start.elapsed();
        assert!(took < SOON, "{took:?} for {}", &text[..40]);
        let messages: Vec<_> = loaded
            .diagnostics
            .iter()
            .map(|problem| &problem.message)
            .collect();
        let tells = |what: &str| messages.iter().any(|message| message.contains(what));
        assert!(
            tells("make more than") || tells("includes itself"),
            "{messages:?}"
        );
    }
}

#[test]
fn no_line_takes_much_more_than_linear_time() {
    for piece in [
        "$",
        "$A",
        "$A ",
        "${",
        "${A ",
        "${A} ",
        "$A-$B ",
        "\\#$A",
        "{include ",
        "{@lb1 ",
        "{$A=1",
        "{~SEQ(i, 1, 2) ",
        "{~LST(",
        "~SEQ(i, 1, 2) ",
        "@lb1 ",
        "~LST({i,",
        "${_ENV A} ",
    ] {
        let text = format!("$A=a\n{}\n", piece.repeat(16_000 / piece.len()));
        let start = Stopwatch::start();
        Memory::new(&[("k.conf", &text)]).load(&Reading::default());
        assert!(
            start.elapsed() < SOON,
            "{:?} for {piece:?}",
            start.elapsed()
        );
    }
}

/// Letters and words of the language.
const PIECES: &[&str] = &[
    "$",
    "${",
    "}",
    "{",
    "A",
    "B",
    "_RANDOM",
    "_ENV",
    "_PWD",
    "=",
    "\\\n",
    "\n",
    "\n",
    " ",
    " ",
    "~SEQ(",
    "~SEQx(",
    "~LST(",
    "~LST({",
    ",",
    ")",
    "1",
    "-",
    "0x",
    "@lb1 ",
    "@^lb1 ",
    "@x ",
    "include ",
    "includem ",
    "include_check ",
    "a.conf",
    "k.conf",
    "*",
    "d/",
    "[",
    "#",
    "!",
    "\"",
    "$A=",
    "$B=",
    "${A}",
    "${B}",
    "$A",
    "$M= \\\n",
    "$M\n",
    "~SEQ(A, 3) ",
    "路",
    "\t",
    "\r\n",
    "\\#",
    "vrrp_instance x {\n",
    "priority ",
    "virtual_ipaddress {\n",
];

/// Random texts from the letters of the language: whatever they say, reading them ends, every
/// problem points into a line that is there, and what it shows is what stands there.
#[test]
fn any_text_is_read_and_every_problem_points_to_where_it_is() {
    let mut rng = Rand::new(11);
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    for round in 0..3_000 {
        let mut text = || -> String {
            (0..below(60))
                .map(|_| PIECES[below(PIECES.len())])
                .collect()
        };
        let (main, a, b) = (text(), text(), text());
        let files = Memory::new(&[("k.conf", &main), ("a.conf", &a), ("d/b.conf", &b)]);
        let start = Stopwatch::start();
        let loaded = files.load(&Reading::default());
        assert!(start.elapsed() < SOON, "round {round}: {main:?}");
        for problem in loaded.diagnostics.iter() {
            let notes = problem.notes.iter().map(|note| &note.place);
            for place in problem.place.iter().chain(notes) {
                assert!(files.has(place), "round {round}: {place:?}\n{main}");
            }
        }
        loaded.diagnostics.render(false);
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("keepalived-expand-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What `keepalived -t` of this program says, run in this directory.
    fn test(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_keepalived"))
            .args(["-t", "-f", "k.conf"])
            .args(arguments)
            .env("SITE", "west")
            .current_dir(&self.0)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_program_includes_files_of_a_real_directory_and_takes_its_id_and_checks_from_the_options() {
    let scratch = Scratch::new();
    scratch.write(
        "k.conf",
        "include conf.d/*.conf\n@west a${_ENV SITE}\n@^west b\n",
    );
    scratch.write("conf.d/2.conf", "two\ninclude sub/*\n");
    scratch.write("conf.d/10.conf", "ten\n");
    scratch.write("conf.d/.hidden.conf", "hidden\n");
    scratch.write("conf.d/sub/in", "$_PWD\n");
    scratch.write("conf.d/run.conf", "run\n");
    let run = scratch.0.join("conf.d/run.conf");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let words = |said: &str| -> Vec<String> {
        let words = said
            .lines()
            .filter_map(|line| line.strip_prefix("error: unknown keyword `"));
        words
            .map(|rest| rest.trim_end_matches('`').to_owned())
            .collect()
    };
    let (code, said) = scratch.test(&["-i", "west"]);
    let directory = fs::canonicalize(&scratch.0).unwrap().join("conf.d/sub");
    // Files are told in the order of their names, and then the one that includes them.
    let expected = ["ten", "two", directory.to_str().unwrap(), "awest"];
    assert_eq!(
        (code, words(&said)),
        (Some(5), expected.map(String::from).to_vec()),
        "{said}"
    );
    assert!(
        said.contains("warning: cannot include conf.d/run.conf: it is executable"),
        "{said}"
    );
    let (code, said) = scratch.test(&["--config-id=east", "--all-config"]);
    assert_eq!(code, Some(6), "{said}");
    assert!(words(&said).contains(&String::from("b")), "{said}");
}
