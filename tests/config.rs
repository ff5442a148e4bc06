//! The configuration room from outside: every file of `tests/config` gives exactly the canonical
//! text and the diagnostics that lie beside it. `UPDATE=1 cargo test --test config` rewrites them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use keepalived::config::{AnyHost, FileKind, Host, Loaded, lossless};
use keepalived::config::{load_bytes, load_text, manual, print};

/// A machine with the interfaces the seeds' directors have.
struct Director;

impl Host for Director {
    fn file_kind(&self, _: &Path) -> std::io::Result<FileKind> {
        Ok(FileKind::Regular)
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn interface_exists(&self, name: &str) -> bool {
        ["lo", "eth0", "eth1", "eth2"].contains(&name)
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
    load_bytes(name, &fs::read(path).unwrap(), &Director)
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
        let again = load_text("printed", &printed, &AnyHost);
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
