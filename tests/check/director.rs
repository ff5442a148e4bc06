//! Life with a table that others change, that refuses, or that is not there.

use keepalived::check::Event;
use keepalived::errno::Errno;
use keepalived::wire::ipvs::{Dest, Method, Request, Service, ServiceId};

use crate::kernel::Kernel;
use crate::world::{Backend, Modprobe, World};

const PAIR: &str = "
    virtual_server 10.0.0.1 80 {
        delay_loop 5
        warmup 0
        lb_algo rr
        lb_kind DR
        protocol TCP
        real_server 10.0.0.2 80 {
            weight 3
            TCP_CHECK {
                retry 0
            }
        }
        real_server 10.0.0.3 80 {
            weight 3
            TCP_CHECK {
                retry 0
            }
        }
    }
";

const PAIR_TABLE: &str = "
    -A -t 10.0.0.1:80 -s rr
    -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3
    -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3
";

fn id() -> ServiceId {
    ServiceId::Address {
        protocol: 6,
        address: "10.0.0.1:80".parse().unwrap(),
    }
}

fn leftovers() -> Kernel {
    let mut kernel = Kernel::with_ipvs();
    let service = Service {
        id: id(),
        scheduler: "wlc".to_owned(),
        flags: 0,
        timeout: 0,
        prefix: 32,
        engine: None,
    };
    kernel.request(&Request::NewService(service)).unwrap();
    let dest = Dest::new("10.0.0.3:80".parse().unwrap(), Method::Masq, 0);
    kernel.request(&Request::NewDest(id(), dest)).unwrap();
    kernel
}

#[test]
fn what_is_left_in_the_table_is_adopted_at_start() {
    let mut world = World::with(leftovers(), 1);
    world.reload(PAIR);
    world.expect_table(PAIR_TABLE);
    world.expect_requests(
        "0 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3
        0 -e -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3
        0 -E -t 10.0.0.1:80 -s rr",
    );
    assert_eq!(world.kernel.surprises, [""; 0]);
    assert_eq!(world.searches(), 1, "nothing is left to be retried");
}

#[test]
fn after_a_crash_what_is_right_is_not_touched_and_what_is_left_over_goes() {
    let mut before = World::running(PAIR);
    before.run(2.0);
    let mut kernel = std::mem::take(&mut before.kernel);
    let stale = Dest::new("10.0.0.9:80".parse().unwrap(), Method::Route, 1);
    kernel.request(&Request::NewDest(id(), stale)).unwrap();
    let mut world = World::with(kernel, 1);
    world.reload(PAIR);
    world.expect_requests("0 -d -t 10.0.0.1:80 -r 10.0.0.9:80");
    assert_eq!(world.operations, Some(1));
    let lines = world.lines();
    assert!(
        lines[3].contains("10.0.0.1:tcp:80 -> 10.0.0.9:80 is left from before"),
        "{lines:?}"
    );
    world.expect_table(PAIR_TABLE);
}

#[test]
fn a_service_of_somebody_else_is_none_of_our_business() {
    let mut kernel = Kernel::with_ipvs();
    let foreign = ServiceId::Address {
        protocol: 17,
        address: "10.0.0.1:80".parse().unwrap(),
    };
    let service = Service {
        id: foreign,
        scheduler: "wlc".to_owned(),
        flags: 0,
        timeout: 0,
        prefix: 32,
        engine: None,
    };
    kernel.request(&Request::NewService(service)).unwrap();
    let mut world = World::with(kernel, 1);
    world.reload(PAIR);
    world.run(100.0);
    world.stop();
    world.expect_table("-A -u 10.0.0.1:80 -s wlc");
}

#[test]
fn entries_that_somebody_deletes_come_back() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    let dests = &mut world.kernel.table.get_mut(&id()).unwrap().1;
    dests.remove(&"10.0.0.2:80".parse().unwrap());
    world.run(10.0);
    world.expect_lines(
        "10 IPVS: 10.0.0.1:tcp:80 -> 10.0.0.2:80 was deleted by somebody else, making it again",
    );
    world.expect_requests("10 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3");
    world.kernel.table.clear();
    world.run(10.0);
    world.expect_lines("20 IPVS: 10.0.0.1:tcp:80 was deleted by somebody else, making it again");
    world.expect_table(PAIR_TABLE);
    assert_eq!(world.kernel.surprises, [""; 0]);
}

#[test]
fn what_was_done_by_hand_is_told_once_and_left_alone() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    // The everyday drain, and a server on trial.
    let dests = &mut world.kernel.table.get_mut(&id()).unwrap().1;
    dests
        .get_mut(&"10.0.0.2:80".parse().unwrap())
        .unwrap()
        .options
        .weight = 0;
    let trial = Dest::new("10.0.0.9:80".parse().unwrap(), Method::Route, 1);
    world
        .kernel
        .request(&Request::NewDest(id(), trial))
        .unwrap();
    world.run(50.0);
    world.expect_lines(
        "10 IPVS: 10.0.0.1:tcp:80 -> 10.0.0.2:80 has weight 0 in place of 3, set by somebody \
        else, leaving it
        10 IPVS: 10.0.0.1:tcp:80 -> 10.0.0.9:80 was added by somebody else, leaving it",
    );
    world.reload(PAIR);
    assert_eq!(world.operations, Some(0));
    world.expect_requests("");
    // A wish of ours that concerns it counts again.
    world.reload(&PAIR.replacen("weight 3", "weight 5", 1));
    world.expect_requests("52 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 5");
}

#[test]
fn the_table_is_flushed_before_the_first_entry_and_never_at_a_reload() {
    let flushing = format!("global_defs {{\nlvs_flush\n}}\n{PAIR}");
    let mut world = World::with(leftovers(), 1);
    world.reload(&flushing);
    world.reload(&flushing);
    world.expect_requests(
        "0 -C
        0 -A -t 10.0.0.1:80 -s rr
        0 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3
        0 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3",
    );
}

#[test]
fn an_entry_deleted_behind_our_back_is_made_again_when_it_is_touched() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    let dests = &mut world.kernel.table.get_mut(&id()).unwrap().1;
    dests.remove(&"10.0.0.2:80".parse().unwrap());
    world.reload(&PAIR.replace("weight 3", "weight 4"));
    world.expect_requests(
        "2 -e -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 4
        2 -e -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 4
        2 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 4",
    );
    world.expect_table(&PAIR_TABLE.replace("-w 3", "-w 4"));
    // A destination that is to go and has gone is as it was wanted.
    let dests = &mut world.kernel.table.get_mut(&id()).unwrap().1;
    dests.remove(&"10.0.0.2:80".parse().unwrap());
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(5.0);
    world.expect_requests("6 -d -t 10.0.0.1:80 -r 10.0.0.2:80");
}

#[test]
fn a_service_deleted_behind_our_back_is_made_again_with_all_its_servers() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    world.kernel.table.clear();
    world.set("10.0.0.3:80", Backend::Refusing);
    world.run(5.0);
    world.expect_requests(
        "6 -d -t 10.0.0.1:80 -r 10.0.0.3:80
        6 -A -t 10.0.0.1:80 -s rr
        6 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3",
    );
    assert_eq!(world.searches(), 1);
}

#[test]
fn a_missing_ipvs_is_told_once_and_programmed_when_it_appears() {
    let mut world = World::with(Kernel::default(), 1);
    world.set("10.0.0.2:80", Backend::Refusing);
    world.reload(PAIR);
    assert_eq!(world.directing, Some(false));
    assert_eq!(world.searches(), 2, "before and after loading the module");
    world.expect_lines(
        "0 Gained quorum 1+0=1 <= 6 for VS [10.0.0.1]:tcp:80
        0 Activating healthchecker for service [10.0.0.2]:tcp:80 for VS [10.0.0.1]:tcp:80
        0 Activating healthchecker for service [10.0.0.3]:tcp:80 for VS [10.0.0.1]:tcp:80
        0 IPVS: Can't initialize ipvs: No such file or directory; no \
        virtual server is served, trying again every 10 s",
    );
    // The checks run on meanwhile, and quietly it is looked for.
    world.run(25.0);
    world.expect_lines(
        "1 TCP_CHECK on service [10.0.0.2]:tcp:80 failed.
        1 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        1 TCP connection to [10.0.0.3]:tcp:80 success.",
    );
    world.expect_requests("");
    assert_eq!(world.searches(), 2);
    world.kernel.present = true;
    world.run(5.0);
    assert_eq!(world.directing, Some(true));
    world.expect_lines("30 IPVS is there now, programming the virtual servers");
    // What failed its check in between is not in it.
    world.expect_requests(
        "30 -A -t 10.0.0.1:80 -s rr
        30 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3",
    );
    world.run(60.0);
    assert_eq!(world.searches(), 1, "found once, looked for no more");
}

#[test]
fn the_module_is_loaded_when_that_is_all_it_takes() {
    let mut world = World::with(Kernel::default(), 1);
    world.modprobe = Modprobe::Loading;
    world.reload(PAIR);
    assert_eq!(world.directing, Some(true));
    world.expect_table(PAIR_TABLE);
}

#[test]
fn a_modprobe_that_never_ends_does_not_hold_up_the_search() {
    let mut world = World::with(Kernel::default(), 1);
    world.modprobe = Modprobe::Hanging;
    world.reload(PAIR);
    assert_eq!(world.directing, None, "not known yet");
    world.run(10.0);
    assert_eq!(world.directing, Some(false));
    world.kernel.present = true;
    world.run(10.0);
    assert_eq!(world.directing, Some(true));
    world.expect_table(PAIR_TABLE);
}

#[test]
fn after_a_stop_late_answers_find_nobody() {
    let mut world = World::new();
    world.set("10.0.0.2:80", Backend::Silent);
    world.reload(PAIR);
    world.run(2.0);
    let probe = world.last_probe();
    world.stop();
    world.forget();
    let request = Request::DelService(id());
    let error = Errno::ENOMEM;
    world.event(Event::Connected(probe));
    world.event(Event::Director(Err(Errno::ENOENT)));
    world.event(Event::ModuleLoaded {
        module: "ip_vs".to_owned(),
        success: false,
    });
    world.event(Event::IpvsFailed { request, error });
    world.expect_requests("");
    // That the table could not be cleared is still told.
    world.expect_lines(
        "2 IPVS cmd IP_VS_SO_SET_DEL(1156) error: Memory allocation problem(12) (10.0.0.1:tcp:80)",
    );
    assert_eq!(world.core.deadline(), None);
}

#[test]
fn an_ipvs_that_vanishes_is_found_missing_and_filled_again() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    world.kernel = Kernel::default();
    world.set("10.0.0.2:80", Backend::Refusing);
    // The refused deletion alone says nothing; making a missing service anew does.
    world.run(15.0);
    assert_eq!(world.directing, Some(false));
    world.kernel = Kernel::with_ipvs();
    world.run(10.0);
    assert_eq!(world.directing, Some(true));
    world.expect_table(
        "-A -t 10.0.0.1:80 -s rr
        -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3",
    );
}

#[test]
fn without_virtual_servers_ipvs_is_never_looked_at() {
    let mut world = World::with(Kernel::default(), 1);
    world.reload("");
    assert_eq!(world.directing, Some(true));
    assert_eq!(world.core.deadline(), None);
    // They come and go with the configuration, and so does the interest.
    world.reload(PAIR);
    assert_eq!(world.directing, Some(false));
    world.reload("");
    assert_eq!(world.directing, Some(true));
    assert_eq!(world.core.deadline(), None);
    assert_eq!(world.searches(), 2);
}

#[test]
fn a_refused_entry_is_told_and_tried_again_until_it_is_taken() {
    let mut world = World::running(PAIR);
    world.run(2.0);
    world.forget();
    world.kernel.refusing = Some(Errno::ENOMEM);
    world.set("10.0.0.2:80", Backend::Refusing);
    world.run(15.0);
    world.kernel.refusing = None;
    world.run(10.0);
    world.expect_lines(
        "6 TCP_CHECK on service [10.0.0.2]:tcp:80 failed.
        6 Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80
        6 IPVS cmd IP_VS_SO_SET_DELDEST(1160) error: Memory allocation problem(12) \
        (10.0.0.1:tcp:80 -> 10.0.0.2:80)
        16 IPVS cmd IP_VS_SO_SET_DELDEST(1160) error: Memory allocation problem(12) \
        (10.0.0.1:tcp:80 -> 10.0.0.2:80)",
    );
    world.expect_requests(
        "6 -d -t 10.0.0.1:80 -r 10.0.0.2:80
        16 -d -t 10.0.0.1:80 -r 10.0.0.2:80
        26 -d -t 10.0.0.1:80 -r 10.0.0.2:80",
    );
    assert_eq!(world.directing, Some(true));
    world.run(60.0);
    world.expect_requests("");
}

#[test]
fn a_scheduler_the_kernel_has_not_costs_its_own_service_only() {
    let two = format!("{PAIR}{}", PAIR.replace("10.0.0.1 80", "10.0.0.9 80"));
    let mut world = World::running(&two.replacen("lb_algo rr", "lb_algo mh", 1));
    world.expect_table(&PAIR_TABLE.replace("10.0.0.1", "10.0.0.9"));
    world.run(0.0);
    world.forget();
    world.run(10.0);
    // A child has looked for it again. The kernel is not asked: it would look itself, while we
    // wait.
    world.expect_requests("");
    assert_eq!(world.modules, ["ip_vs_mh", "ip_vs_rr", "ip_vs_mh"]);
    world.kernel.without = "none";
    world.run(10.0);
    world.expect_requests(
        "20 -A -t 10.0.0.1:80 -s mh
        20 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3
        20 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3",
    );
    world.run(60.0);
    world.expect_requests("");
}

#[test]
fn a_scheduler_the_kernel_has_not_is_mended_by_a_reload() {
    let two = format!("{PAIR}{}", PAIR.replace("10.0.0.1 80", "10.0.0.9 80"));
    let mut world = World::running(&two.replacen("lb_algo rr", "lb_algo mh", 1));
    world.run(10.0);
    // Mended by a reload at once, without waiting for the next look.
    world.forget();
    world.reload(&two);
    world.expect_requests(
        "10 -A -t 10.0.0.1:80 -s rr
        10 -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 3
        10 -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 3",
    );
}

#[test]
fn a_kernel_that_refuses_everything_does_not_fill_the_log() {
    let mut text = "virtual_server 10.0.0.1 80 {\nprotocol TCP\n".to_owned();
    for number in 1..=200 {
        text += &format!("real_server 10.0.1.{number} 80 {{\n}}\n");
    }
    text += "}";
    let mut world = World::running(&text);
    world.forget();
    world.kernel.refusing = Some(Errno::EPERM);
    world.reload(&text.replace("80 {\n}", "80 {\nweight 2\n}"));
    world.run(300.0);
    let lines = world.lines();
    let complaints = lines
        .iter()
        .filter(|line| line.contains("IPVS cmd"))
        .count();
    assert!(
        (10..=60).contains(&complaints),
        "{complaints} lines in five minutes"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("further errors were not logged"))
    );
}

#[test]
fn two_who_fight_over_an_entry_do_not_spin() {
    // Whatever we do to the service, the kernel says that it is not there.
    let mut world = World::running(PAIR);
    let service = world.kernel.table[&id()].0.clone();
    let mut requests = 0;
    for _ in 0..1000 {
        let mut out = Vec::new();
        let failed = Event::IpvsFailed {
            request: Request::SetService(service.clone()),
            error: Errno::ESRCH,
        };
        let now = world.now();
        world.core.on_event(now, failed, &mut out);
        requests += out.len();
    }
    assert!(
        requests <= 20,
        "{requests} requests for a thousand contradictions"
    );
}
