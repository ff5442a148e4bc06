//! Sums that must come out: attempts and their times, weights and quorums, for many values each.

use keepalived::check::Event;
use keepalived::child::Exit;

use crate::world::{Backend, Move, World};

/// One server and one check, every two minutes.
fn one(check: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{
            delay_loop 120
            warmup 0
            protocol TCP
            real_server 10.0.0.2 80 {{
                {check}
            }}
        }}"
    )
}

/// Kinds of checks, what is good for them, and a silence that lasts as long as their time-out.
const SILENCES: &[(&str, Backend, Backend)] = &[
    ("TCP_CHECK", Backend::Accepting, Backend::Silent),
    (
        "HTTP_GET {\nurl {\npath /\n}",
        Backend::Talking(&[Move::Hear, Move::Say(b"HTTP/1.0 200 OK\r\n\r\n"), Move::End]),
        Backend::Accepting,
    ),
    (
        "UDP_CHECK {\nrequire_reply",
        Backend::Talking(&[Move::Hear, Move::Say(b"pong")]),
        Backend::Accepting,
    ),
];

/// Retry is the number of additional attempts; each may take its time-out, and they are
/// `delay_before_retry` apart from the end of one to the beginning of the next.
#[test]
fn a_server_that_falls_silent_is_down_after_all_its_attempts_and_not_before() {
    for (kind, good, silent) in SILENCES {
        for retry in 0..4_u32 {
            for (timeout, pause) in [(1, 1), (1, 7), (5, 2)] {
                let open = if kind.contains('{') { "" } else { " {" };
                let lines =
                    format!("connect_timeout {timeout}\nretry {retry}\ndelay_before_retry {pause}");
                let mut world = World::new();
                world.set("10.0.0.2:80", *good);
                world.reload(&one(&format!("{kind}{open}\n{lines}\n}}")));
                world.run(60.0);
                assert!(world.server("10.0.0.2:80").alive, "{kind}");
                world.set("10.0.0.2:80", *silent);
                world.forget();
                let lasts = f64::from((retry + 1) * timeout + retry * pause);
                // The first of them begins two minutes after the good one at 1.
                world.run(121.0 + lasts - 0.1 - world.seconds());
                let text = format!("{kind}: {lines}");
                assert!(world.server("10.0.0.2:80").alive, "{text}");
                assert_eq!(world.connects().len(), retry as usize + 1, "{text}");
                world.run(0.2);
                assert!(!world.server("10.0.0.2:80").alive, "{text}");
                // While it is down there is no retry.
                world.forget();
                world.run(119.0);
                assert_eq!(world.connects().len(), 0, "{text}");
                world.run(1.0);
                assert_eq!(world.connects().len(), 1, "{text}");
            }
        }
    }
}

/// Three servers of the weights 1, 2 and 3, each up while its file says 0.
fn three(quorum: u32, hysteresis: u32) -> String {
    let mut text = String::new();
    for name in NAMES {
        text += &format!("track_file {name} {{\nfile /run/{name}\n}}\n");
    }
    text += &format!(
        "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nquorum {quorum}\nhysteresis {hysteresis}\n"
    );
    for (number, name) in NAMES.iter().enumerate() {
        text += &format!(
            "real_server 10.0.0.{} 80 {{
                weight {}
                FILE_CHECK {{
                    track_file {name}
                    weight 0
                }}
            }}\n",
            number + 2,
            number + 1,
        );
    }
    text + "}\n"
}

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Gained when it is down and the weight reaches quorum plus hysteresis; lost when it is up and
/// there is no weight, or less than quorum minus hysteresis. Every quorum and hysteresis that three
/// servers can reach, through every step from one set of living servers to the next.
#[test]
fn a_quorum_is_gained_and_lost_at_its_edges_and_nowhere_else() {
    for quorum in 1..=6 {
        for hysteresis in (0..quorum).filter(|hysteresis| quorum + hysteresis <= 6) {
            let mut world = World::running(&three(quorum, hysteresis));
            let mut alive = [true; 3];
            let mut is_up = true;
            world.forget();
            for step in STEPS {
                alive[step] = !alive[step];
                let value = i64::from(!alive[step]);
                let name = NAMES[step];
                world.event(Event::File { name, value });
                let weight: u32 = (1..).zip(alive).filter(|all| all.1).map(|all| all.0).sum();
                let (least, most) = (quorum - hysteresis, quorum + hysteresis);
                let line = if is_up && (weight == 0 || weight < least) {
                    is_up = false;
                    Some(format!(
                        "Lost quorum {quorum}-{hysteresis}={least} > {weight} for"
                    ))
                } else if !is_up && weight >= most {
                    is_up = true;
                    Some(format!(
                        "Gained quorum {quorum}+{hysteresis}={most} <= {weight} for"
                    ))
                } else {
                    None
                };
                let told = world.lines();
                let told: Vec<&String> =
                    told.iter().filter(|line| line.contains("quorum")).collect();
                let as_wanted = match (&line, &told[..]) {
                    (Some(line), [told]) => told.contains(line.as_str()),
                    (None, []) => true,
                    _ => false,
                };
                assert!(
                    as_wanted,
                    "quorum {quorum}, hysteresis {hysteresis}, alive {alive:?}: {told:?}"
                );
            }
        }
    }
}

/// Which of three turns: through all eight sets and all ways between two of them.
const STEPS: [usize; 24] = [
    0, 1, 0, 2, 0, 1, 0, 2, 1, 2, 1, 0, 1, 2, 1, 0, 2, 0, 2, 1, 2, 0, 2, 1,
];

/// A server that is up with weight 0 is in the table and in no quorum.
#[test]
fn a_weight_of_zero_by_a_program_costs_the_quorum_and_not_the_server() {
    let mut world = World::new();
    world.reload(
        "virtual_server 10.0.0.1 80 {
            delay_loop 10
            warmup 0
            quorum 4
            protocol TCP
            real_server 10.0.0.2 80 {
                weight 5
                MISC_CHECK {
                    misc_path /usr/bin/probe
                    misc_dynamic
                    retry 0
                }
            }
        }",
    );
    let mut begun = 1.0;
    let mut codes = |world: &mut World, code: i32| {
        world.run(begun - world.seconds());
        world.forget();
        world.exit(Exit::Code(code));
        begun += 10.0;
    };
    codes(&mut world, 2);
    world.expect_lines(
        "1 Misc check for [[10.0.0.2]:tcp:80 VS [10.0.0.1]:tcp:80] by [/usr/bin/probe] succeeded.
        1 Changing weight from 5 to 0 for active service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80
        1 Lost quorum 4-0=4 > 0 for VS [10.0.0.1]:tcp:80",
    );
    world.expect_requests("1 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 0");
    codes(&mut world, 5);
    world.expect_requests("11 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 3");
    codes(&mut world, 6);
    world.expect_lines(
        "21 Changing weight from 3 to 4 for active service [10.0.0.2]:tcp:80 of VS [10.0.0.1]:tcp:80
        21 Gained quorum 4+0=4 <= 4 for VS [10.0.0.1]:tcp:80",
    );
    // What it added is taken back before the server goes, and the server comes with what is said.
    codes(&mut world, 1);
    world.expect_requests("31 -d -t 10.0.0.1:80 -r 10.0.0.2:80");
    codes(&mut world, 9);
    world.expect_requests("41 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 7");
    codes(&mut world, 0);
    world.expect_requests("51 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 5");
}

/// Two programs and a file change the weight of one server: their changes add up.
#[test]
fn several_checks_that_weigh_add_up() {
    let mut world = World::new();
    world.reload(
        "track_file load {
            file /run/load
        }
        virtual_server 10.0.0.1 80 {
            delay_loop 10
            warmup 0
            protocol TCP
            real_server 10.0.0.2 80 {
                weight 50
                MISC_CHECK {
                    misc_path /usr/bin/one
                    misc_dynamic
                    retry 0
                }
                FILE_CHECK {
                    track_file load
                    weight -2
                }
            }
        }",
    );
    let name = "load";
    let weight = |world: &World| world.server("10.0.0.2:80").weight;
    world.event(Event::File { name, value: 4 });
    assert_eq!(weight(&world), Some(42));
    world.run(1.0);
    world.exit(Exit::Code(62));
    assert_eq!(weight(&world), Some(52), "50, 10 more, 8 less");
    world.event(Event::File { name, value: 0 });
    assert_eq!(weight(&world), Some(60));
    // Out of the range of the kernel's weights, as they are told.
    world.event(Event::File { name, value: 1000 });
    assert_eq!(weight(&world), Some(0));
    world.event(Event::File { name, value: 1 });
    world.run(10.0);
    world.exit(Exit::Code(0));
    assert_eq!(weight(&world), Some(48));
}
