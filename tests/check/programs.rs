//! Checks by programs and by files, and what they do to weights.

use keepalived::check::Event;
use keepalived::child::Exit;

use crate::world::World;

fn program(lines: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{
            delay_loop 10
            warmup 0
            lb_kind DR
            protocol TCP
            real_server 10.0.0.2 80 {{
                weight 5
                MISC_CHECK {{
                    misc_path \"/usr/bin/probe -x 1\"
                    misc_timeout 3
                    {lines}
                }}
            }}
        }}"
    )
}

const NAME: &str = "[[10.0.0.2]:tcp:80 VS [10.0.0.1]:tcp:80] by [/usr/bin/probe -x 1]";

#[test]
fn a_program_says_up_and_down_and_is_run_from_start_to_start() {
    let mut world = World::new();
    world.reload(&program("retry 1\ndelay_before_retry 2"));
    world.run(2.0);
    world.exit(Exit::Code(0));
    world.run(10.0);
    // Begun at 11, ended at 12.
    world.exit(Exit::Code(1));
    world.run(2.0);
    world.exit(Exit::Signal(9));
    world.expect_runs("1 /usr/bin/probe -x 1\n11 /usr/bin/probe -x 1\n13 /usr/bin/probe -x 1");
    world.expect_lines(&format!(
        "0 Gained quorum 1+0=1 <= 5 for VS [10.0.0.1]:tcp:80
        0 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        2 Misc check for {NAME} succeeded.
        14 Misc check for {NAME} failed after 1 retry (due to signal 9).
        14 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        14 Lost quorum 1-0=1 > 0 for VS [10.0.0.1]:tcp:80"
    ));
    world.expect_reasons("14 [10.0.0.2]:tcp:80 by MISC_CHECK: reason 71, died of signal 9");
    world.run(9.0);
    world.expect_runs("23 /usr/bin/probe -x 1");
}

#[test]
fn a_program_that_takes_too_long_is_asked_to_end_and_then_made_to() {
    let mut world = World::new();
    world.reload(&program(""));
    world.run(1.0);
    world.run(3.0);
    world.expect_kills("4 Ask");
    assert!(world.server("10.0.0.2:80").alive);
    world.run(2.0);
    world.expect_kills("6 Force");
    world.exit(Exit::Signal(9));
    world.expect_reasons("6 [10.0.0.2]:tcp:80 by MISC_CHECK: reason 72, the program took too long");
    assert!(!world.server("10.0.0.2:80").alive);
    // One that cannot even be killed is waited for no longer; its end finds nobody.
    world.run(5.0);
    world.run(8.0);
    world.expect_kills("14 Ask\n16 Force");
    world.exit(Exit::Code(0));
    assert!(!world.server("10.0.0.2:80").alive);
    world.stop();
}

/// The table of the seeds: 0 leaves the weight, 1 is down, from 2 on it is the weight plus 2.
#[test]
fn the_code_of_a_dynamic_check_is_a_weight() {
    let mut world = World::new();
    world.reload(&program("misc_dynamic"));
    let mut begun = 1.0;
    for (code, weight) in [
        (0, Some(5)),
        (2, Some(0)),
        (3, Some(1)),
        (255, Some(253)),
        (1, None),
        (12, Some(10)),
        (0, Some(5)),
    ] {
        world.run(begun - world.seconds());
        world.exit(Exit::Code(code));
        begun += 10.0;
        assert_eq!(world.server("10.0.0.2:80").weight, weight, "code {code}");
    }
    world.run(begun - world.seconds());
    world.exit(Exit::Code(22));
    world.forget();
    // Upstream forgets it when it reads its configuration again.
    world.reload(&program("misc_dynamic"));
    assert_eq!(world.server("10.0.0.2:80").weight, Some(20));
    world.expect_lines("");
    world.run(begun + 10.0 - world.seconds());
    world.exit(Exit::Code(7));
    let line = "Changing weight from 20 to 5 for active service [10.0.0.2]:tcp:80 of VS \
                [10.0.0.1]:tcp:80";
    world.expect_lines(&format!("{} {line}", world.seconds()));
}

#[test]
fn a_program_that_leaves_with_its_server_is_asked_to_end() {
    let mut world = World::new();
    world.reload(&program(""));
    world.run(1.0);
    world.stop();
}

fn file(weight: &str) -> String {
    format!(
        "track_file load {{
            file /run/load
        }}
        virtual_server 10.0.0.1 80 {{
            lb_kind DR
            protocol TCP
            real_server 10.0.0.2 80 {{
                weight 5
                FILE_CHECK {{
                    track_file load
                    weight {weight}
                }}
            }}
        }}"
    )
}

#[test]
fn a_file_says_up_down_and_weight() {
    let mut world = World::new();
    let name = "load";
    world.reload(&file("3"));
    world.event(Event::File { name, value: 2 });
    assert_eq!(world.server("10.0.0.2:80").weight, Some(11));
    world.event(Event::File { name, value: 0 });
    assert_eq!(world.server("10.0.0.2:80").weight, Some(5));
    world.event(Event::File { name, value: -1 });
    assert_eq!(world.server("10.0.0.2:80").weight, Some(2));
    world.event(Event::File {
        name,
        value: -2_147_483_647,
    });
    assert_eq!(world.server("10.0.0.2:80").weight, None);
    world.event(Event::File { name, value: 1 });
    assert_eq!(world.server("10.0.0.2:80").weight, Some(8));
    world.reload(&file("0"));
    assert_eq!(
        world.server("10.0.0.2:80").weight,
        None,
        "a number other than 0 is down"
    );
    world.event(Event::File { name, value: 0 });
    assert_eq!(world.server("10.0.0.2:80").weight, Some(5));
    world.reload(&file("0 reverse"));
    assert_eq!(world.server("10.0.0.2:80").weight, None);
}
