//! What programs and operators are told about configurations: `NAME.conf` gives the problems in
//! `NAME.json`; `NAME.old.conf` and `NAME.new.conf` give the changes in `NAME.diff`.
//! `UPDATE=1 cargo test --test inspect` rewrites them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use keepalived::config::{AnyHost, Loaded, diff, load_text, lossless};

/// The files of `tests/inspect` whose names end so, without that end.
fn names(end: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inspect");
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some(PathBuf::from(path.to_str()?.strip_suffix(end)?)))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

fn read(path: &Path) -> Loaded {
    let text = lossless::decode(&fs::read(path).unwrap());
    load_text(path.file_name().unwrap().to_str().unwrap(), &text, &AnyHost)
}

/// Collects what is not as it should be.
#[derive(Default)]
struct Golden(String);

impl Golden {
    fn expect(&mut self, path: &Path, text: &str) {
        if std::env::var_os("UPDATE").is_some() {
            fs::write(path, text).unwrap();
        } else if fs::read_to_string(path).unwrap_or_default() != text {
            writeln!(self.0, "{} should be:\n{text}", path.display()).unwrap();
        }
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        assert!(self.0.is_empty(), "{}", self.0);
    }
}

#[test]
fn programs_are_told_every_problem_as_json() {
    let mut golden = Golden::default();
    let names = names(".conf").into_iter();
    for name in names.filter(|name| name.extension().is_none()) {
        let loaded = read(&name.with_extension("conf"));
        golden.expect(&name.with_extension("json"), &loaded.diagnostics.json());
    }
}

#[test]
fn operators_are_told_what_a_reload_would_do() {
    let mut golden = Golden::default();
    for name in names(".old.conf") {
        let [old, new] = ["old.conf", "new.conf"].map(|end| {
            let loaded = read(&name.with_extension(end));
            let problems = loaded.diagnostics.render(false);
            loaded.config.unwrap_or_else(|| panic!("{problems}"))
        });
        golden.expect(&name.with_extension("diff"), &diff(&old, &new).to_string());
        assert!(diff(&old, &old).is_empty() && diff(&new, &new).is_empty());
    }
}
