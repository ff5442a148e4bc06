//! Files that hold a number.

use keepalived::track::Condition::Value;

use crate::world::{SEC, World};

const FILE: &str = "track_file f {\n file /tmp/f\n init_file 7 overwrite\n}";
const TRACK: &str = "track_file { f }";

/// Shows B.10 track_file, B.10 init_file.
#[test]
fn a_file_is_made_then_watched_and_its_number_is_told_when_it_changes() {
    let mut world = World::new(FILE, TRACK);
    assert_eq!(
        world.wanted,
        [
            r#"MakeFile { path: "/tmp/f", value: 7, overwrite: true }"#,
            r#"WatchFile { path: "/tmp/f" }"#
        ]
    );
    world.file("/tmp/f", Some("7\n"));
    world.file("/tmp/f", Some("7\n"));
    assert_eq!(world.told(), [Value(7)]);
    world.file("/tmp/f", Some("99999999999"));
    assert_eq!(world.told(), [], "nonsense changes nothing");
    world.file("/tmp/f", None);
    assert_eq!(world.told(), [Value(0)], "no file is no number");
}

#[test]
fn two_names_of_one_file_are_one_watch_and_two_conditions() {
    let both = "track_file f {\n file /tmp/f\n}\ntrack_file g {\n file /tmp/f\n}";
    let mut world = World::new(both, "track_file {\n f\n g\n}");
    assert_eq!(world.wanted.len(), 1);
    world.file("/tmp/f", Some("-3"));
    assert_eq!(world.told(), [Value(-3), Value(-3)]);
}

#[test]
fn a_directory_that_is_not_there_is_looked_for() {
    let mut world = World::new(FILE, TRACK);
    world.wanted.clear();
    world.unwatched("/tmp/f");
    assert_eq!(world.told(), [Value(0)]);
    world.run(SEC);
    assert_eq!(world.wanted, [r#"WatchFile { path: "/tmp/f" }"#]);
    world.file("/tmp/f", Some("5"));
    assert_eq!(world.told(), [Value(5)]);
    world.run(10 * SEC);
    assert_eq!(world.wanted.len(), 1);
}

#[test]
fn a_reload_makes_nothing_anew_and_forgets_what_is_gone() {
    let mut world = World::new(FILE, TRACK);
    world.file("/tmp/f", Some("5"));
    world.wanted.clear();
    world.reload(FILE, TRACK);
    assert_eq!(world.wanted, [""; 0]);
    world.reload(FILE, "");
    assert_eq!(world.wanted, [r#"ForgetFile { path: "/tmp/f" }"#]);
}
