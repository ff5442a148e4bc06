//! The real binary, as a shell or a service manager calls it: words in, words and exit code out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keepalived::cli;
use keepalived::sys::pidfile::PidFile;

fn keepalived(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keepalived"))
        .args(arguments)
        .output()
        .expect("cargo has built the binary")
}

/// What a call must say on its two outputs and exit with.
#[track_caller]
fn expect(arguments: &[&str], code: i32, stdout: &str, stderr: &str) {
    let output = keepalived(arguments);
    let said = (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(
        said,
        (Some(code), String::from(stdout), String::from(stderr)),
        "keepalived {}",
        arguments.join(" ")
    );
}

#[test]
fn the_usage_goes_to_stderr_with_code_0() {
    expect(&["-h"], 0, "", &cli::usage());
    expect(&["-n", "--help", "-Z"], 0, "", &cli::usage());
}

/// Exporters and roles cut the version out of the first line.
#[test]
fn the_version_is_the_second_word_of_the_first_line() {
    for option in ["-v", "--version"] {
        let output = keepalived(&[option]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        let first = text.lines().next().unwrap();
        let start = format!("Keepalived v{} (", env!("CARGO_PKG_VERSION"));
        let date = first.strip_prefix(start.as_str()).unwrap();
        let shape: String = date
            .chars()
            .map(|c| if c.is_ascii_digit() { '9' } else { c })
            .collect();
        assert_eq!(shape, "99/99,9999)", "{first}");
        assert!(text.contains("\nRunning on Linux "), "{text}");
    }
}

#[test]
fn wrong_words_are_told_with_code_1() {
    expect(&["-Z"], 1, "", "Unknown option -Z\n");
    expect(
        &["-nlZ", "--zz"],
        1,
        "",
        "Unknown option -Z\nUnknown option --zz\n",
    );
    expect(&["-n", "-f"], 1, "", "Missing parameter for option -f\n");
}

#[test]
fn signals_have_the_numbers_that_keepalived_prints() {
    for (name, number) in [
        ("STOP", 15),
        ("RELOAD", 1),
        ("DATA", 10),
        ("STATS", 12),
        ("STATS_CLEAR", 63),
        ("JSON", 36),
    ] {
        expect(&["--signum", name], 0, &format!("{number}\n"), "");
    }
    expect(&["--signum=TERM"], 1, "", "Unknown sigfunc TERM\n");
}

#[test]
fn a_configuration_test_says_nothing_about_a_good_file_and_fails_for_a_bad_option() {
    let file = scratch("good.conf");
    std::fs::write(&file, "global_defs {\n    router_id LVS_1\n}\n").unwrap();
    let file = file.to_str().unwrap();
    expect(&["-t", "-f", file], 0, "", "");
    expect(
        &["-t", "-f", file, "more", "words"],
        0,
        "Unexpected argument(s): more words\n",
        "",
    );
    let complaint = "Invalid log facility 'foo'\n";
    expect(&["-t", "-f", file, "-S", "foo"], 5, "", complaint);
}

#[test]
fn a_configuration_test_appends_its_complaints_to_a_file() {
    let [file, report, link] = ["bad.conf", "report", "link"].map(scratch);
    std::fs::write(&file, "global_defs {\n    routre_id LVS_1\n}\n").unwrap();
    std::fs::write(&report, "before\n").unwrap();
    let file = file.to_str().unwrap();
    let test = format!("--config-test={}", report.display());
    let output = keepalived(&[&test, "-f", file]);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let text = std::fs::read_to_string(&report).unwrap();
    let (before, complaint) = text.split_once('\n').unwrap();
    assert_eq!(before, "before");
    assert!(
        complaint.contains("Line 2") && complaint.contains("router_id"),
        "{text}"
    );

    std::os::unix::fs::symlink(&report, &link).unwrap();
    let output = keepalived(&[&format!("-t{}", link.display()), "-f", file]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        std::fs::read_to_string(&report).unwrap(),
        text,
        "the link was followed"
    );
}

#[test]
fn problems_go_to_stdout_as_one_document_when_json_is_wanted() {
    let [file, report] = ["json.conf", "json"].map(scratch);
    std::fs::write(&file, "nonsense\n").unwrap();
    let file = file.to_str().unwrap();
    let document = format!(
        "[\n  {{\"severity\": \"error\", \"class\": \"text\", \"message\": \"unknown keyword \
         `nonsense`\", \"file\": \"{file}\", \"line\": 1, \"column\": 1, \"length\": 8, \"help\": \
         null, \"notes\": []}}\n]\n"
    );
    let test = ["-t", "--message-format=json", "-f", file];
    expect(&test, 5, &document, "");
    let words = "Unexpected argument(s): word\n";
    expect(&[&test[..], &["word"]].concat(), 5, &document, words);
    let into = format!("-t{}", report.display());
    expect(&[&into, "--message-format=json", "-f", file], 5, "", "");
    assert_eq!(std::fs::read_to_string(&report).unwrap(), document);
}

#[test]
fn a_printed_configuration_prints_to_itself_octet_by_octet() {
    let [file, printed] = ["print.conf", "printed.conf"].map(scratch);
    std::fs::write(&file, b"global_defs {\n router_id \xb1\xb1\n nonsense\n}\n").unwrap();
    let output = keepalived(&["--print-config", "-f", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "as -t");
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown keyword `nonsense`"));
    assert_eq!(output.stdout, b"global_defs {\n    router_id \xb1\xb1\n}\n");
    std::fs::write(&printed, &output.stdout).unwrap();
    let again = keepalived(&["--print-config", "-f", printed.to_str().unwrap()]);
    assert_eq!(
        (again.status.code(), again.stdout),
        (Some(0), output.stdout)
    );
    assert!(again.stderr.is_empty());
}

#[test]
fn a_comparison_exits_as_diff_does() {
    let [old, new, fatal] = ["old.conf", "new.conf", "fatal.conf"].map(scratch);
    std::fs::write(&old, "global_defs {\n router_id A\n}\n").unwrap();
    std::fs::write(&new, "global_defs {\n router_id B\n}\n").unwrap();
    std::fs::write(&fatal, "vrrp_instance V {\n}\n").unwrap();
    let [old, new, fatal] = [&old, &new, &fatal].map(|path| path.to_str().unwrap());
    expect(
        &["--diff", old, old],
        0,
        "nothing changes: 1 global_defs\n",
        "",
    );
    let changes = "global_defs changes:\n    router_id from A to B\neverything else is kept\n";
    expect(&["--diff", old, new], 1, changes, "");
    for (unusable, code) in [(fatal, 2), ("/nowhere.conf", 6)] {
        let output = keepalived(&["--diff", old, unusable]);
        assert_eq!(output.status.code(), Some(code));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

/// Init scripts start what may be running: that is no failure. This test is the daemon that runs.
/// One program that two users run: who may not is named, at the line that says so, and not at the
/// first one that names the program.
#[test]
fn a_script_that_its_user_may_not_reach_is_told_of_where_that_user_is_written() {
    let directory = scratch("unreachable-script");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let script = directory.join("notify.sh");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let file = directory.join("keepalived.conf");
    let (script, path) = (script.display(), file.display());
    let text = format!(
        "global_defs {{\ndynamic_interfaces\n}}\nvrrp_instance V {{\ninterface none0\n\
         virtual_router_id 1\nnotify_backup {script}\nnotify_master {script} nobody\n}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let output = keepalived(&["-t", "-f", &path.to_string()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains(&format!(
            "`{script}` cannot be run by \"nobody\": it may not pass"
        )),
        "{told}"
    );
    assert!(told.contains(&format!("{path}:8:1")), "{told}");
}

#[test]
fn a_second_daemon_says_so_and_exits_with_code_0() {
    let [file, pid] = ["second.conf", "second.pid"].map(scratch);
    std::fs::write(&file, "global_defs {\n}\n").unwrap();
    let held = PidFile::lock(&pid).unwrap();
    let (file, path) = (file.to_str().unwrap(), pid.to_str().unwrap());
    let output = keepalived(&["-f", file, "-p", path, "-n", "-l", "-G"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stderr).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.ends_with(": daemon is already running"), "{text}");
    drop(held);
    assert!(!pid.exists());
}

#[test]
fn a_comparison_tells_what_a_reload_would_do_or_that_it_would_refuse() {
    let service = "virtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
                   real_server 192.0.2.2 80 {\nweight 1\n}\n}\n";
    let checked = format!("global_defs {{\nreload_check_config\n}}\n{service}");
    let compare = |old: &str, new: &str| {
        let [one, other] = [("running.conf", old), ("edited.conf", new)].map(|(name, text)| {
            let path = scratch(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        });
        let output = keepalived(&["--diff", &one, &other]);
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let wrong = service.replace("weight 1", "nonsense");
    for (old, new, code, says) in [
        (service, service, 0, ""),
        (
            service,
            &service.replace("rr", "wrr"),
            1,
            "lb_algo from rr to wrr",
        ),
        (service, &wrong, 0, "unknown keyword `nonsense`"),
        (
            service,
            &format!("{service}}}"),
            2,
            "A reload would refuse the second file.",
        ),
        (
            &checked,
            &wrong,
            2,
            "A reload would refuse the second file.",
        ),
        (
            "global_defs {\nvrrp_version\n}\n",
            service,
            2,
            "The first file cannot run",
        ),
    ] {
        let (status, told) = compare(old, new);
        assert_eq!(status, Some(code), "{old}\n{new}\n{told}");
        assert!(told.contains(says), "{told}");
    }
}

/// The committed page against the table. UPDATE=1 writes it anew.
#[test]
fn the_manual_page_lists_the_options_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/keepalived.8");
    let page = std::fs::read_to_string(&path).unwrap();
    let begin = page.find(OPTIONS_BEGIN).unwrap() + OPTIONS_BEGIN.len();
    let end = page.find(OPTIONS_END).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        let updated = format!("{}{}{}", &page[..begin], cli::manual(), &page[end..]);
        std::fs::write(&path, updated).unwrap();
        return;
    }
    assert_eq!(
        &page[begin..end],
        cli::manual(),
        "UPDATE=1 cargo test --test cli"
    );
}

/// A name in a directory that cargo keeps for the files of this test.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    let _ = std::fs::create_dir_all(&directory);
    let path = directory.join(name);
    let _ = std::fs::remove_file(&path);
    path
}

const OPTIONS_BEGIN: &str =
    ".\\\" Options: from the table in src/cli/flags.rs; UPDATE=1 cargo test --test cli\n";
const OPTIONS_END: &str = ".\\\" End of options\n";
