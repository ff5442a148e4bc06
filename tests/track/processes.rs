//! Counts of processes, and how long a change must last.

use keepalived::config::lossless;
use keepalived::track::Condition::{Down, Up};
use keepalived::track::ProcessNews;

use crate::world::{SEC, World, command};

const TRACK: &str = "track_process { p }";

fn process(options: &str) -> String {
    format!("vrrp_track_process p {{\n process mysqld-very-long-name\n{options}\n}}")
}

fn is(world: &mut World, pid: u32, words: &[&str]) {
    world.process(ProcessNews::Is(&command(pid, words)));
}

/// Shows B.10 track_process.
#[test]
fn what_is_found_at_first_counts_at_once_and_later_changes_when_they_lasted() {
    let options = "quorum 2\n fork_delay 2\n terminate_delay 5";
    let mut world = World::new(&process(options), TRACK);
    let two = [1, 2].map(|pid| command(pid, &["/usr/bin/mysqld-very-long-name"]));
    world.process(ProcessNews::All(&two));
    assert_eq!(world.told(), [Up]);
    world.process(ProcessNews::Gone(1));
    world.run(4 * SEC);
    assert_eq!(world.told(), []);
    // Back in time: nothing has happened.
    is(&mut world, 3, &["mysqld-very-long-name"]);
    world.run(10 * SEC);
    assert_eq!(world.told(), []);
    world.process(ProcessNews::Gone(3));
    world.run(5 * SEC);
    assert_eq!(world.told(), [Down]);
    is(&mut world, 4, &["mysqld-very-long-name"]);
    world.run(SEC);
    assert_eq!(world.told(), []);
    world.run(SEC);
    assert_eq!(world.told(), [Up]);
}

/// The kernel keeps fifteen octets of a name, here two letters, four characters and a third of one.
#[test]
fn a_name_is_cut_where_the_kernel_cuts_it() {
    let name = "ab服务器程序";
    let mut kept = command(1, &[name]);
    kept.name = lossless::decode(&name.as_bytes()[..15]);
    let config = process("").replace("mysqld-very-long-name", name);
    let mut world = World::new(&config, TRACK);
    world.process(ProcessNews::All(&[kept]));
    assert_eq!(world.told(), [Up]);
}

#[test]
fn one_too_many_is_as_bad_as_one_too_few() {
    let mut world = World::new(&process("quorum_max 1"), TRACK);
    world.process(ProcessNews::All(&[command(1, &["mysqld-very-long-name"])]));
    assert_eq!(world.told(), [Up]);
    world.process(ProcessNews::Forked {
        parent: 1,
        child: 2,
    });
    assert_eq!(world.told(), [Down]);
    // The child becomes another program.
    is(&mut world, 2, &["sh"]);
    assert_eq!(world.told(), [Up]);
    world.process(ProcessNews::Forked {
        parent: 7,
        child: 8,
    });
    assert_eq!(world.told(), []);
}

#[test]
fn parameters_are_compared_as_wanted() {
    for (how, words, fits) in [
        ("", &["/bin/d", "-a", "-b"][..], true),
        ("", &["/bin/d", "-a"], false),
        ("", &["/bin/d", "-a", "-b", "-c"], false),
        ("param_match initial", &["/bin/d", "-a", "-b", "-c"], true),
        ("param_match initial", &["/bin/d", "-a", "-bc"], false),
        ("param_match partial", &["/bin/d", "-a", "-bc"], true),
        ("param_match partial", &["/bin/d", "-a", "c"], false),
        ("", &["/sbin/d", "-a", "-b"], false),
    ] {
        let text = format!("vrrp_track_process p {{\n process /bin/d -a -b\n {how}\n}}");
        let mut world = World::new(&text, TRACK);
        world.process(ProcessNews::All(&[command(1, words)]));
        assert_eq!(
            world.told(),
            [if fits { Up } else { Down }],
            "{how} {words:?}"
        );
    }
}

#[test]
fn where_nobody_tells_of_processes_they_are_looked_at_every_second() {
    let mut world = World::new(&process(""), TRACK);
    assert_eq!(world.wanted, ["WatchProcesses(true)", "ReadProcesses"]);
    world.run(3 * SEC);
    assert_eq!(world.wanted.len(), 5);
    world.process(ProcessNews::Told(true));
    world.wanted.clear();
    world.run(30 * SEC);
    assert_eq!(world.wanted, [""; 0]);
    world.process(ProcessNews::Told(false));
    world.run(2 * SEC);
    assert_eq!(world.wanted.len(), 3);
    world.reload("", "");
    world.wanted.clear();
    world.run(30 * SEC);
    assert_eq!(world.wanted, [""; 0]);
}
