//! The real binary against real sockets: small servers, good and bad ones, in a network namespace
//! of their own. What a check says of each is read in the log. Needs root, openssl and no IPVS.
//! What servers can do wrong is in `misbehaving/table.txt`.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail it the same way as its own lines"
)]

#[path = "probes/daemon.rs"]
mod daemon;
#[path = "probes/genhash.rs"]
mod genhash;
#[expect(dead_code, reason = "the virtual machine needs more of it")]
mod misbehaving;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "sys/namespace.rs"]
mod namespace;
#[path = "probes/servers.rs"]
mod servers;
#[path = "probes/share.rs"]
mod share;
#[path = "probes/tls.rs"]
mod tls;
#[path = "probes/verdicts.rs"]
mod verdicts;

use daemon::{Check, Daemon};
use namespace::Namespace;

#[test]
fn programs_and_files_have_their_say() {
    let _namespace = Namespace::enter_new();
    let folder = std::env::temp_dir().join(format!("probes-{}-files", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let load = folder.join("load");
    std::fs::write(&load, "4\n").unwrap();
    let marks = folder.join("marks");
    std::fs::create_dir_all(&marks).unwrap();
    let head = format!(
        "global_defs {{\nscript_user root\n}}\ntrack_file load {{\nfile {}\n}}",
        load.display()
    );
    let misc =
        |command: &str| format!("MISC_CHECK {{\nmisc_path \"{command}\"\nmisc_timeout 1\n}}");
    let pid = marks.join("pid");
    let checks = [
        Check::new("10.0.0.1 80", &misc("/bin/true")),
        Check::new("10.0.0.2 80", &misc("/bin/sh -c 'exit 3'")),
        Check::new(
            "10.0.0.3 80",
            &misc(&format!(
                "/bin/sh -c 'echo $$ >{}; sleep 60'",
                pid.display()
            )),
        ),
        Check::new(
            "10.0.0.4 80",
            &misc("/bin/sh -c 'exit 9'").replace("{\n", "{\nmisc_dynamic\n"),
        ),
        Check::new("10.0.0.5 80", "FILE_CHECK {\ntrack_file load\nweight 2\n}"),
        Check::new("10.0.0.6 80", "FILE_CHECK {\ntrack_file load\nweight 0\n}"),
    ];
    let daemon = Daemon::start("programs", &head, "TCP", &checks);
    for line in [
        "[/bin/true] succeeded.",
        "failed with retry disabled (exited with status 3).",
        "[10.0.0.2]:tcp:80 by MISC_CHECK: reason 70, exited with status 3",
        "timed out with retry disabled.",
        "Changing weight from 1 to 7 for active service [10.0.0.4]:tcp:80",
        "Changing weight from 1 to 9 for active service [10.0.0.5]:tcp:80",
        "[10.0.0.6]:tcp:80 by FILE_CHECK: reason 80, the file says 4",
    ] {
        daemon.expect_once(line);
    }
    // The shell and what it had started are gone, group and all.
    let number = std::fs::read_to_string(&pid).unwrap();
    namespace::eventually("the group has ended", || {
        let shell = std::path::Path::new("/proc").join(number.trim());
        (!shell.exists() || daemon.log().matches("timed out").count() > 1).then_some(())
    });
    // As an editor does it, and as a shell does it.
    let other = folder.join("load.new");
    std::fs::write(&other, "0").unwrap();
    std::fs::rename(&other, &load).unwrap();
    daemon.expect_once("Adding service [10.0.0.6]:tcp:80 to VS");
    daemon.expect_once("Changing weight from 9 to 1 for active service [10.0.0.5]:tcp:80");
    std::fs::write(&load, "1").unwrap();
    daemon.expect_once("Changing weight from 1 to 3 for active service [10.0.0.5]:tcp:80");
    std::fs::remove_file(&load).unwrap();
    daemon.expect_once("Changing weight from 3 to 1 for active service [10.0.0.5]:tcp:80");
    let _ = std::fs::remove_dir_all(&folder);
}
