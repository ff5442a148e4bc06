//! The configuration room from outside: every file of `tests/config` gives exactly the canonical
//! text and the diagnostics that lie beside it. `UPDATE=1 cargo test --test config` rewrites them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalived::addr::Cidr;
use keepalived::config::{AnyHost, Host, Loaded, NoProgram, Reading, Severity, Unreadable};
use keepalived::config::{load, load_bytes, load_text, lossless, manual, print};
use keepalived::rand::Rand;

#[path = "config/keywords.rs"]
mod keywords;
#[path = "config/stopwatch.rs"]
mod stopwatch;

use stopwatch::Stopwatch;

/// A machine with the interfaces the seeds' directors have, and the files of `tests/config`.
struct Director;

impl Host for Director {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        let path = folder().join(path);
        if path.is_dir() {
            return Err(Unreadable::Directory);
        }
        fs::read(path).map_err(Unreadable::System)
    }

    fn read_secret(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        match path.to_str().unwrap() {
            "/etc/keepalived/key" => Ok(b"hex:000102030405060708090a0b0c0d0e0f\
                101112131415161718191a1b1c1d1e1f\n"
                .to_vec()),
            "/etc/keepalived/exposed" => Err(Unreadable::Exposed),
            _ => Err(Unreadable::System(std::io::ErrorKind::NotFound.into())),
        }
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<OsString>> {
        let entries = fs::read_dir(folder().join(directory))?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn working_directory(&self) -> PathBuf {
        PathBuf::from("/etc/keepalived")
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        (name == "DATACENTRE").then(|| OsString::from("west #1"))
    }

    fn host_name(&self) -> String {
        String::from("lb1.example.com")
    }

    fn interface_exists(&self, name: &str) -> bool {
        ["lo", "eth0", "eth1", "eth2"].contains(&name)
    }

    fn networks(&self, interface: &str) -> Vec<Cidr> {
        let own = Cidr::new([192, 0, 2, 200].into(), 24);
        own.filter(|_| interface == "eth0").into_iter().collect()
    }

    fn program(&self, name: &OsStr) -> Result<(), NoProgram> {
        match name.to_str() {
            Some(name) if name.contains("no-such") => Err(NoProgram::Missing),
            Some(name) if name.contains("not-executable") => Err(NoProgram::NotExecutable),
            _ => Ok(()),
        }
    }

    fn user_exists(&self, name: &str) -> bool {
        name != "no-such-user"
    }

    fn group_exists(&self, name: &str) -> bool {
        name != "no-such-group"
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// All configurations of the folder, in order.
fn configurations() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [folder(), folder().join("seeds")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Loaded {
    let name = path.file_name().unwrap().to_str().unwrap();
    load_bytes(
        name,
        &fs::read(path).unwrap(),
        &Director,
        &Reading::default(),
    )
}

/// What lies beside a configuration.
fn expected(loaded: &Loaded) -> (&'static str, Vec<u8>) {
    let diagnostics = &loaded.diagnostics;
    let mut text = String::new();
    writeln!(text, "exit {}\n", diagnostics.exit_code()).unwrap();
    if !diagnostics.is_empty() {
        text.push_str(&diagnostics.render(false));
    }
    match &loaded.config {
        Some(config) => text.push_str(&print(config)),
        None => text.push_str("nothing to run\n"),
    }
    let extension = if loaded.diagnostics.has_errors() {
        "err"
    } else {
        "ok"
    };
    (extension, lossless::encode(&text))
}

#[test]
fn every_configuration_gives_what_lies_beside_it() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for path in configurations() {
        let (extension, expected) = expected(&read(&path));
        let beside = path.with_extension(extension);
        if update {
            for old in ["ok", "err"] {
                let _ = fs::remove_file(path.with_extension(old));
            }
            fs::write(&beside, expected).unwrap();
        } else if fs::read(&beside).unwrap_or_default() != expected {
            let shown = String::from_utf8_lossy(&expected);
            writeln!(wrong, "{} should be:\n{shown}", beside.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn printing_and_reading_again_gives_the_same_configuration() {
    for path in configurations() {
        let Some(config) = read(&path).config else {
            continue;
        };
        let printed = print(&config);
        let again = load_text("printed", &printed, &Director);
        assert_eq!(
            again.config.as_ref(),
            Some(&config),
            "{}:\n{printed}",
            path.display()
        );
        assert_eq!(print(&config), print(&again.config.unwrap()));
    }
}

#[test]
fn every_configuration_of_the_seeds_is_clean() {
    for path in configurations() {
        if path.parent() == Some(&folder().join("seeds")) {
            let loaded = read(&path);
            let shown = loaded.diagnostics.render(false);
            assert_eq!(
                loaded.diagnostics.exit_code(),
                0,
                "{}: {shown}",
                path.display()
            );
            assert!(loaded.config.is_some());
        }
    }
}

#[test]
fn the_manual_page_is_that_of_the_keyword_tables() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/keepalived.conf.5");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, manual()).unwrap();
    }
    let committed = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        committed == manual(),
        "man/keepalived.conf.5 is old: run UPDATE=1 cargo test"
    );
}

/// A text of a test, read on a machine that has every interface.
fn text(text: &str) -> Loaded {
    load_text("test.conf", text, &AnyHost)
}

#[test]
fn a_damaged_configuration_never_breaks_the_reader_and_still_prints_to_itself() {
    let seeds: Vec<Vec<u8>> = configurations()
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mut rng = Rand::new(20);
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    for round in 0..500 {
        let mut bytes = seeds[below(seeds.len())].clone();
        for _ in 0..=below(4) {
            let at = below(bytes.len() + 1);
            let end = (at + below(40)).min(bytes.len());
            match below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, b"{}\"#!\\\n \0\xb1"[below(10)]),
                2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
                _ => bytes.truncate(bytes.len().saturating_sub(below(20))),
            }
        }
        let Some(config) = load_bytes("damaged", &bytes, &AnyHost, &Reading::default()).config
        else {
            continue;
        };
        let printed = print(&config);
        let again = text(&printed).config;
        assert_eq!(again, Some(config), "round {round}: {printed}");
    }
}

#[test]
fn no_text_takes_more_than_linear_time_or_much_stack() {
    // Far from what anything worse than linear would need, on any machine.
    const SOON: Duration = Duration::from_secs(10);
    let service = "virtual_server 10.0.0.1 80 {\n  real_server 10.0.0.2 80 {\n  }\n}\n";
    for piece in [
        "{",
        "}",
        "\"",
        "\\",
        "a ",
        "a{",
        "a\n",
        "\t\n",
        "\"a\"",
        "#",
        "｛",
        "global_defs {",
        service,
    ] {
        let repeated = piece.repeat(100_000 / piece.len());
        let start = Stopwatch::start();
        let loaded = text(&repeated);
        let took = start.elapsed();
        assert!(
            took < SOON,
            "{took:?} for {} octets of {piece:?}",
            repeated.len()
        );
        assert!(loaded.diagnostics.iter().count() <= 200);
    }
}

#[test]
fn values_keep_the_octets_they_were_written_with() {
    let loaded = load_bytes(
        "gbk.conf",
        b"global_defs {\n router_id \xb1\xb1\xbe\xa9 # \xcc\xec\n}\n\
          vrrp_instance V {\n interface eth0\n virtual_router_id 1\n authentication {\n\
          auth_type PASS\n auth_pass \xc3\xdc\xc2\xeb\n}\n virtual_ipaddress {\n 10.0.0.1\n}\n}\n",
        &AnyHost,
        &Reading::default(),
    );
    assert_eq!(
        loaded.diagnostics.exit_code(),
        0,
        "{}",
        loaded.diagnostics.render(false)
    );
    let config = loaded.config.unwrap();
    let router_id = config.global.router_id.clone().unwrap();
    assert_eq!(lossless::encode(&router_id), b"\xb1\xb1\xbe\xa9");
    let password = keepalived::config::Authentication::Pass(*b"\xc3\xdc\xc2\xeb\0\0\0\0");
    assert!(config.instances[0].authentication == password);
}

#[test]
fn an_instance_guards_the_service_whose_address_it_carries() {
    let loaded = text(
        "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n
             virtual_ipaddress {\n 10.0.0.1/24\n}\n}\n
         vrrp_instance B {\n interface eth0\n virtual_router_id 2\n
             virtual_ipaddress {\n 10.0.0.2\n}\n}\n
         virtual_server 10.0.0.1 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n
             real_server 10.0.0.9 80 {\n}\n}\n",
    );
    let guards: Vec<bool> = loaded
        .config
        .unwrap()
        .instances
        .iter()
        .map(|instance| instance.guards_service)
        .collect();
    assert_eq!(guards, [true, false]);
}

#[test]
fn a_problem_fits_on_one_line_of_a_log() {
    let loaded = text("vrrp_instance V {\n    priorty 3\n    priority 3\n}\n");
    let lines: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|problem| problem.line())
        .collect();
    assert!(
        lines.contains(&String::from(
            "(test.conf: Line 2) unknown keyword `priorty` in `vrrp_instance` \
             (did you mean `priority`?)"
        )),
        "{lines:#?}"
    );
    assert!(
        loaded
            .diagnostics
            .iter()
            .all(|problem| problem.severity == Severity::Error)
    );
}

#[test]
fn colour_is_used_only_when_asked_for() {
    let loaded = text("nonsense\n");
    assert!(!loaded.diagnostics.render(false).contains('\x1b'));
    assert!(
        loaded
            .diagnostics
            .render(true)
            .contains("\x1b[1;31merror\x1b[0m")
    );
}

/// A machine with one file that is like this.
struct OneFile(fn() -> Result<Vec<u8>, Unreadable>);

impl Host for OneFile {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        match path.to_str() {
            Some("here.conf") => self.0(),
            _ => AnyHost.read(path),
        }
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<OsString>> {
        AnyHost.list(directory)
    }

    fn working_directory(&self) -> PathBuf {
        AnyHost.working_directory()
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        AnyHost.variable(name)
    }

    fn host_name(&self) -> String {
        AnyHost.host_name()
    }

    fn interface_exists(&self, name: &str) -> bool {
        AnyHost.interface_exists(name)
    }

    fn networks(&self, interface: &str) -> Vec<Cidr> {
        AnyHost.networks(interface)
    }

    fn program(&self, name: &OsStr) -> Result<(), NoProgram> {
        AnyHost.program(name)
    }

    fn user_exists(&self, name: &str) -> bool {
        AnyHost.user_exists(name)
    }

    fn group_exists(&self, name: &str) -> bool {
        AnyHost.group_exists(name)
    }
}

#[test]
fn what_is_not_a_readable_configuration_file_is_refused_with_4_and_6() {
    let reading = Reading::default();
    for (path, file) in [
        ("missing.conf", OneFile(|| Ok(Vec::new()))),
        ("here.conf", OneFile(|| Err(Unreadable::Executable))),
        ("here.conf", OneFile(|| Err(Unreadable::Directory))),
        ("here.conf", OneFile(|| Err(Unreadable::NotRegular))),
        ("here.conf", OneFile(|| Ok(b"\xff\xfeg\0l\0".to_vec()))),
        ("here.conf", OneFile(|| Ok(vec![b'\n'; (16 << 20) + 1]))),
    ] {
        let loaded = load(Path::new(path), &file, &reading);
        assert!(loaded.config.is_none());
        assert_eq!(loaded.diagnostics.exit_code(), 4, "{path}");
        assert_eq!(loaded.diagnostics.refusal_code(), 6, "{path}");
        assert_eq!(loaded.diagnostics.iter().count(), 1);
    }
    let file = OneFile(|| Ok(b"global_defs {\n}\n".to_vec()));
    let loaded = load(Path::new("here.conf"), &file, &reading);
    assert!(loaded.config.is_some());
    assert_eq!(loaded.diagnostics.exit_code(), 0);
}
