//! Notify scripts and pipes with a real daemon: what they are told, beside Debian's keepalived; a
//! thousand transitions in a row; scripts that behave badly; ten thousand of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::capture::Capture;
use super::daemon::{Daemon, Make};
use super::network::{self, Host, Lab, seconds};
use super::wait::{note, slack, stays_so, wait_until};

crate::scenarios!(
    Namespaces,
    scripts_and_pipes_are_told_what_debians_keepalived_tells_them,
    a_thousand_transitions_are_told_of_in_their_order,
    scripts_that_behave_badly_hold_nobody_up,
    ten_thousand_scripts_leave_nothing_behind,
);

/// Writes down what it was called with and what it finds, in one piece.
const WITNESS: &str = r#"#!/bin/sh
text="called"
for word; do text="$text [$word]"; done
text="$text
environment $(tr '\0' '\n' </proc/$$/environ | sort | tr '\n' ' ')
directory $(readlink /proc/$$/cwd) umask $(umask) user $(id -u):$(id -g)
$(grep -E '^(SigBlk|SigIgn|SigCgt|Groups)' /proc/$$/status)
$(grep -E 'open files|processes|locked|realtime' /proc/$$/limits)
leader $(cut -d' ' -f5 /proc/$$/stat | sed "s/^$$\$/yes/") scheduled $(cut -d' ' -f40,41 /proc/$$/stat)
descriptors $(for fd in /proc/$$/fd/*; do
    case "${fd##*/} $(readlink "$fd")" in
        # Its own text, and the pipe by which it hears of this, one end of which it just closed.
        *" $0" | [3-9]" pipe:"* | [3-9]" ") ;;
        *) printf '%s ' "${fd##*/}" ;;
    esac
done)"
printf '%s\n\n' "$text" >>"DIR/$(basename "$0").seen"
"#;

const GLOBAL: &str = "
global_defs {
    router_id lab
    enable_script_security
    script_user root
    notify_fifo DIR/fifo
}
vrrp_sync_group G {
    group {
        V1
        V2
    }
    notify_master DIR/group-state
    notify_backup DIR/group-state
    notify_fault DIR/group-state
    notify DIR/group-any
}
";
const INSTANCE: &str = "
vrrp_instance NAME {
    interface DEVICE
    virtual_router_id NUMBER
    priority 100
    nopreempt
    notify_master \"DIR/NAME-state 'two words' master\"
    notify_backup \"DIR/NAME-state '' backup\"
    notify_fault \"DIR/NAME-state fault\"
    notify_stop \"DIR/NAME-state stop\"
    notify \"DIR/NAME-any first\"
    virtual_ipaddress {
        192.168.16.NUMBER
    }
}
";

fn scripts_and_pipes_are_told_what_debians_keepalived_tells_them() {
    let (mut theirs, mut ours) = (story(Make::Debian), story(Make::Ours));
    for calls in theirs.values_mut() {
        calls
            .iter_mut()
            .for_each(|call| drop(take_descriptors(call)));
    }
    for call in ours.values_mut().flatten() {
        let descriptors = take_descriptors(call);
        assert!(
            ["", " 0 1 2 "].contains(&descriptors.as_str()),
            "{descriptors}"
        );
    }
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    for (script, calls) in &theirs {
        for (ours, theirs) in ours[script].iter().zip(calls) {
            let mut lines = ours.lines().zip(theirs.lines());
            let other = lines.find(|(ours, theirs)| ours != theirs);
            assert!(other.is_none(), "{script}: ours, then theirs: {other:#?}");
        }
        assert_eq!(
            ours[script].len(),
            calls.len(),
            "{script}: {:?}",
            ours[script]
        );
    }
    let calls: usize = theirs.values().map(Vec::len).sum();
    note(&format!(
        "{calls} calls and lines, equal with all they found"
    ));
}

/// Cuts off what a script said about its descriptors: theirs has more than it should.
fn take_descriptors(call: &mut String) -> String {
    let at = call.find("\ndescriptors");
    let end = at.map_or_else(String::new, |at| call.split_off(at));
    end.trim_start_matches("\ndescriptors").to_owned()
}

/// What each script saw, call by call, and the lines of the pipe about each subject.
fn story(make: Make) -> BTreeMap<String, Vec<String>> {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    lab.second_cable(&host, "192.168.17.21/24");
    let directory = host.directory.display().to_string();
    let here = |text: &str| text.replace("DIR", &directory);
    for name in ["group-state", "group-any"] {
        executable(&host, name, &here(WITNESS));
    }
    let mut config = here(GLOBAL);
    for (name, device, number) in [
        ("V1", "eth0", "51"),
        ("V2", "eth1", "52"),
        ("V3", "eth1", "53"),
    ] {
        for kind in ["state", "any"] {
            executable(&host, &format!("{name}-{kind}"), &here(WITNESS));
        }
        let text = here(INSTANCE).replace("NAME", name);
        config += &text.replace("DEVICE", device).replace("NUMBER", number);
    }
    let daemon = Daemon::start_make(make, &host, &config);
    let fifo = host.directory.join("fifo");
    wait_until(seconds(4), "the pipe is there", || fifo.exists());
    let _reader = host.spawn(
        &["cat", &fifo.display().to_string()],
        &host.directory.join("lines"),
    );
    let owns_all = |wanted: bool| {
        let mut all = ["eth0", "eth1", "eth1"].iter().zip(51..);
        all.all(|(device, last)| host.has_on(device, &format!("192.168.16.{last}")) == wanted)
    };
    let seen = |file: &str| fs::read_to_string(host.directory.join(file)).unwrap_or_default();
    let calls = |count: usize| {
        wait_until(seconds(8), "all scripts have run", || {
            let files = [
                "V1-any.seen",
                "V2-any.seen",
                "V3-any.seen",
                "group-any.seen",
            ];
            files
                .iter()
                .all(|file| seen(file).matches("called").count() >= count)
        });
    };
    wait_until(seconds(8), "it is master", || owns_all(true));
    calls(2);
    host.pull_second_cable();
    wait_until(seconds(5), "it has stepped back", || owns_all(false));
    calls(3);
    host.plug_second_cable();
    wait_until(seconds(9), "it is master again", || owns_all(true));
    calls(5);
    daemon.stop();
    wait_until(seconds(3), "the pipe is read", || {
        seen("lines").matches("STOP").count() >= 3
    });

    told(&host)
}

/// What all scripts and the reader of the pipe wrote down.
fn told(host: &Host) -> BTreeMap<String, Vec<String>> {
    let directory = host.directory.display().to_string();
    let seen = |file: &str| fs::read_to_string(host.directory.join(file)).unwrap_or_default();
    let mut told = BTreeMap::new();
    for entry in fs::read_dir(&host.directory).expect("it is our directory") {
        let name = entry.expect("nobody takes it away").file_name();
        let name = name.to_string_lossy().into_owned();
        if name.ends_with(".seen") {
            let text = seen(&name).replace(&directory, "DIR");
            // Those of the stop have a second, which is short on a busy machine.
            let of_the_stop =
                |call: &str| ["[stop]", "[STOP]"].iter().any(|word| call.contains(word));
            let calls = text
                .split("\n\n")
                .filter(|call| !call.is_empty() && !of_the_stop(call));
            told.insert(name, calls.map(str::to_owned).collect::<Vec<_>>());
        }
    }
    for line in seen("lines").lines() {
        let whom = line.split('"').nth(1).expect("a name stands in quotes");
        told.entry(format!("pipe {whom}"))
            .or_default()
            .push(line.to_owned());
    }
    told
}

fn executable(host: &Host, name: &str, text: &str) -> String {
    let path = host.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is our file");
    path.display().to_string()
}

/// An instance whose state follows a file, and one that stays master meanwhile.
const FLAPPING: &str = "
global_defs {
    enable_script_security
    script_user root
    notify_fifo DIR/fifo
}
track_file mood {
    file DIR/mood
}
vrrp_instance V {
    interface eth0
    virtual_router_id 51
    track_file {
        mood weight 1
    }
    notify DIR/told
    virtual_ipaddress {
        192.168.16.51
    }
}
vrrp_instance STEADY {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress {
        192.168.16.52
    }
}
";

fn a_thousand_transitions_are_told_of_in_their_order() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let directory = host.directory.display().to_string();
    executable(
        &host,
        "told",
        &format!("#!/bin/sh\necho \"$3\" >>{directory}/states\n"),
    );
    let mood = host.write("mood", "0\n");
    let daemon = Daemon::start(&host, &FLAPPING.replace("DIR", &directory));
    let fifo = host.directory.join("fifo");
    wait_until(seconds(4), "the pipe is there", || fifo.exists());
    let lines = host.directory.join("lines");
    let _reader = host.spawn(&["cat", &fifo.display().to_string()], &lines);
    wait_until(seconds(6), "they are master", || {
        host.has("192.168.16.51") && host.has("192.168.16.52")
    });
    let capture = Capture::start(&lab.switch());

    let states = |file: &Path, word: usize| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let about_it = text.lines().filter(|line| !line.contains("STEADY"));
        let states = about_it.filter_map(|line| line.split(' ').nth(word).map(str::to_owned));
        states.collect::<Vec<_>>()
    };
    let in_pipe = || states(&lines, 2);
    // Two files that are moved into place: the daemon never sees a half-written one.
    for turn in 0.. {
        let text = if turn % 2 == 0 { "-254\n" } else { "0\n" };
        let next = host.write("next", text);
        fs::rename(next, &mood).expect("it is our directory");
        thread::sleep(Duration::from_millis(2));
        if turn % 100 == 0 && in_pipe().len() >= 1_000 {
            break;
        }
        assert!(turn < 20_000, "{} transitions only", in_pipe().len());
    }
    let told = host.directory.join("states");
    wait_until(seconds(60), "all scripts have run", || {
        states(&told, 0).len() >= in_pipe().len()
    });
    assert_eq!(
        states(&told, 0),
        in_pipe(),
        "scripts and pipe tell the same story"
    );
    note(&format!("{} transitions", in_pipe().len()));
    let gap = capture.longest_gap("192.168.16.21", 52);
    assert!(gap < 1.0 + slack().as_secs_f64(), "no advert for {gap} s");
    daemon.stop();
}

/// One instance for each kind of bad behaviour.
const BAD: &str = "
global_defs {
    enable_script_security
    script_user root
    notify_timeout 1
}
vrrp_instance NAME {
    interface eth0
    virtual_router_id NUMBER
    notify_backup \"DIR/NAME\"
    notify_master \"DIR/done NAME\"
    virtual_ipaddress {
        192.168.16.NUMBER
    }
}
";
const SCRIPTS: [(&str, &str); 6] = [
    ("hangs", "echo $$ >DIR/hangs.pid\nexec sleep 1000"),
    (
        "deaf",
        "echo $$ >DIR/deaf.pid\ntrap '' TERM\nwhile :; do sleep 1; done",
    ),
    (
        "forks",
        "for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done\nsleep 1 | cat",
    ),
    (
        "floods",
        "head -c 30000000 /dev/zero\nhead -c 30000000 /dev/zero | tr '\\0' '\\n' >&2",
    ),
    ("fails", "echo too bad\nexit 3"),
    ("shebang", ""),
];

fn scripts_that_behave_badly_hold_nobody_up() {
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let directory = host.directory.display().to_string();
    let done = format!("#!/bin/sh\necho $1 >>{directory}/done.seen\n");
    executable(&host, "done", &done);
    let (globals, instance) = BAD.split_at(BAD.find("vrrp_instance").expect("it is there"));
    let mut config = globals.to_owned();
    for ((name, text), number) in SCRIPTS.iter().zip(51..) {
        let start = if *name == "shebang" {
            ""
        } else {
            "#!/bin/sh\n"
        };
        executable(
            &host,
            name,
            &format!("{start}{}\n", text.replace("DIR", &directory)),
        );
        let text = instance.replace("NAME", name).replace("DIR", &directory);
        config += &text.replace("NUMBER", &format!("{number}"));
    }
    // This one is there when the configuration is read, and gone when it is to run.
    config = config.replace("done fails", "gone");
    let gone = executable(&host, "gone", &done);

    let mut daemon = Daemon::start(&host, &config);
    daemon.wait_for_line("Startup complete");
    fs::remove_file(gone).expect("it was just written");
    let capture = Capture::start(&lab.switch());
    let all_master = || (51..57).all(|last| host.has(&format!("192.168.16.{last}")));
    wait_until(seconds(8), "all are master", all_master);
    let told = || fs::read_to_string(host.directory.join("done.seen")).unwrap_or_default();
    let others = ["hangs", "deaf", "forks", "floods", "shebang"];
    wait_until(seconds(10), "whoever hangs is overtaken", || {
        others.iter().all(|name| told().contains(name))
    });
    for line in [
        "(hangs) notify script",
        "takes too long, the next does not wait for it",
        "Error exec-ing command",
        "(fails) notify script",
        "exited with status 3",
        "fails: too bad",
        "prints more than 50 lines",
    ] {
        daemon.wait_for_line(line);
    }
    stays_so(seconds(2), "all stay master", all_master);
    for number in 51..57 {
        let gap = capture.longest_gap("192.168.16.21", number);
        assert!(gap < 1.0 + slack().as_secs_f64(), "no advert for {gap} s");
    }
    let pid = |name: &str| -> u32 {
        let text = fs::read_to_string(host.directory.join(format!("{name}.pid")));
        text.expect("it wrote it").trim().parse().expect("a number")
    };
    let still_there = [pid("hangs"), pid("deaf")];
    assert!(still_there.iter().all(|&pid| network::is_alive(pid)));
    assert!(zombies(&daemon).is_empty(), "{:?}", zombies(&daemon));

    let start = std::time::Instant::now();
    daemon.ask_to_stop();
    assert!(daemon.stopped().success());
    let took = start.elapsed();
    assert!(took < seconds(2) + slack(), "the stop took {took:?}");
    assert!(still_there.iter().all(|&pid| !network::is_alive(pid)));
    let left = lab.switch().run(&["ip", "netns", "pids", host.namespace()]);
    assert_eq!(
        left.split_whitespace().count(),
        0,
        "somebody is left: {left}"
    );
}

/// Children of the daemon that have ended and were not waited for.
fn zombies(daemon: &Daemon) -> Vec<String> {
    let stats = children(daemon);
    stats
        .into_iter()
        .filter(|stat| stat.contains(") Z "))
        .collect()
}

fn children(daemon: &Daemon) -> Vec<String> {
    let parent = format!(" {} ", daemon.pid());
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let ours = stats.filter(|stat| {
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        // The state has one letter, the parent stands behind it.
        fields
            .get(2..)
            .is_some_and(|rest| rest.starts_with(&parent))
    });
    ours.collect()
}

const BUSY: &str = "
vrrp_script NAME {
    script \"/bin/busybox sh -c 'printf x >>DIR/NAME.runs'\"
    interval 0.01
    timeout 5
}
";

fn ten_thousand_scripts_leave_nothing_behind() {
    const SCRIPTS_AT_ONCE: usize = 8;
    let mut lab = Lab::new();
    let host = lab.host("router", "192.168.16.21/24");
    let directory = host.directory.display().to_string();
    let names: Vec<String> = (0..SCRIPTS_AT_ONCE)
        .map(|number| format!("s{number}"))
        .collect();
    let mut config = "global_defs {\n enable_script_security\n script_user root\n}\n".to_owned();
    for name in &names {
        config += &BUSY.replace("NAME", name).replace("DIR", &directory);
    }
    let instance = FLAPPING.split_at(FLAPPING.find("vrrp_instance STEADY").expect("it is there"));
    let tracks = format!("track_script {{\n{}\n}}\n    virtual_ip", names.join("\n"));
    config += &instance.1.replace("virtual_ip", &tracks);
    let daemon = Daemon::start(&host, &config);
    let runs = || -> u64 {
        let sizes = names
            .iter()
            .filter_map(|name| fs::metadata(host.directory.join(format!("{name}.runs"))).ok());
        sizes.map(|file| file.len()).sum()
    };
    let resident = || -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
        let text = text.expect("it is alive");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number of kB")
    };
    wait_until(seconds(60), "a thousand scripts have run", || {
        runs() >= 1_000
    });
    let (before, descriptors) = (resident(), descriptors(&daemon));
    wait_until(seconds(240), "ten thousand scripts have run", || {
        runs() >= 10_000
    });
    let after = resident();
    assert!(host.has("192.168.16.52"), "it is master all the time");
    assert!(
        after <= before + 200,
        "{before} kB after 1,000 scripts, {after} kB after 10,000"
    );
    // Those that have just ended are waited for in a moment.
    wait_until(seconds(2), "nobody is left unwaited for", || {
        zombies(&daemon).is_empty()
    });
    let most = descriptors + 2 * SCRIPTS_AT_ONCE;
    wait_until(seconds(2), "descriptors are closed again", || {
        self::descriptors(&daemon) <= most
    });
    note(&format!(
        "{} scripts, {before} kB resident, then {after} kB",
        runs()
    ));
    daemon.stop();
}

fn descriptors(daemon: &Daemon) -> usize {
    let list = fs::read_dir(format!("/proc/{}/fd", daemon.pid()));
    list.expect("it is alive").count()
}
