//! What the verdicts of checks lead to beside the table: scripts of servers and of the quorum, and
//! services that are checked only where their address is. Each story is told to Debian's keepalived
//! as well.

use std::fs;

use super::daemon::{Daemon, Make};
use super::network::{Background, Host, Lab, seconds};
use super::tables::{VIP, service, shown};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Ipvs,
    scripts_of_servers_and_of_the_quorum_are_those_of_debians_keepalived,
    a_suspended_service_keeps_the_last_word_of_its_checks,
);

const BOTH: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 1
-a -t 10.1.0.100:80 -r 10.1.0.3:80 -m -w 1
";
const SORRY: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.9:8080 -m -w 1
";
const ONE: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 1
";
const NONE: &str = "-A -t 10.1.0.100:80 -s rr\n";

const CHECK: &str = "TCP_CHECK {;connect_timeout 1;retry 0;}";

fn http(node: &Host) -> Background {
    let log = node.directory.join("http.log");
    let words = ["busybox", "httpd", "-f", "-p", "80", "-h", "/tmp"];
    node.spawn(&words, &log)
}

#[track_caller]
fn wait_for_table(director: &Host, wanted: &str) {
    let what = format!("the table is\n{wanted}");
    wait_until(seconds(20), &what, || {
        shown(director, "ipvsadm -Sn") == wanted
    });
}

fn scripts_of_servers_and_of_the_quorum_are_those_of_debians_keepalived() {
    let [theirs, ours] = [Make::Debian, Make::Ours].map(told);
    assert_eq!(ours, theirs);
}

/// What the scripts say in each chapter of the story; those of one moment are in no order.
fn told(make: Make) -> Vec<Vec<String>> {
    let mut lab = Lab::new();
    let director = lab.host("director", "10.1.0.21/16");
    let first = lab.host("first", "10.1.0.2/16");
    let second = lab.host("second", "10.1.0.3/16");
    let said = director.directory.join("said.txt");
    let script = format!("#!/bin/sh\necho \"$*\" >>{}\n", said.display());
    let script = director.write("say", &script);
    director.run(&["chmod", "755", &script.display().to_string()]);
    let say = |word: &str| format!("\"{} {word}\"", script.display());
    let server = |last: u8| {
        let (up, down) = (say(&format!("{last} up")), say(&format!("{last} down")));
        format!("10.1.0.{last} 80 - weight 1;notify_up {up};notify_down {down};{CHECK}")
    };
    let settings = format!(
        "delay_loop 1;lb_algo rr;lb_kind NAT;protocol TCP;omega;quorum 2;quorum_up {};\
         quorum_down {};sorry_server 10.1.0.9 8080",
        say("quorum up"),
        say("quorum down")
    );
    let servers = [server(2), server(3)];
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let global = "global_defs {\n    script_user root\n}\n";
    let config = format!("{global}{}", service(VIP, &settings, &servers));

    let mut chapters = Vec::new();
    let mut chapter = |lines: usize| {
        let all = || fs::read_to_string(&said).unwrap_or_default();
        let told: usize = chapters.iter().map(Vec::len).sum();
        let what = format!("{lines} more scripts of {make:?} have run");
        wait_until(seconds(20), &what, || all().lines().count() >= told + lines);
        let mut lines: Vec<String> = all().lines().skip(told).map(str::to_owned).collect();
        lines.sort();
        chapters.push(lines);
    };
    let _first = http(&first);
    let other = http(&second);
    let daemon = Daemon::start_make(make, &director, &config);
    wait_for_table(&director, BOTH);
    chapter(1);
    drop(other);
    wait_for_table(&director, SORRY);
    chapter(2);
    let _other = http(&second);
    wait_for_table(&director, BOTH);
    chapter(2);
    daemon.stop();
    chapter(3);
    assert_eq!(shown(&director, "ipvsadm -Sn"), "");
    chapters
}

fn a_suspended_service_keeps_the_last_word_of_its_checks() {
    for make in [Make::Debian, Make::Ours] {
        let mut lab = Lab::new();
        let director = lab.host("director", "10.1.0.21/16");
        let node = lab.host("node", "10.1.0.2/16");
        let settings = "delay_loop 1;lb_algo rr;lb_kind NAT;protocol TCP;ha_suspend";
        let server = format!("10.1.0.2 80 - weight 1;{CHECK}");
        let config = service(VIP, settings, &[&server]);
        let address = |what| director.ip(&["address", what, "10.1.0.100/32", "dev", "eth0"]);
        let stays = |table: &str| {
            let what = format!("nobody checks, with {make:?}");
            stays_so(seconds(3), &what, || {
                shown(&director, "ipvsadm -Sn") == table
            });
        };

        let daemon = Daemon::start_make(make, &director, &config);
        wait_for_table(&director, ONE);
        stays(ONE);
        address("add");
        wait_for_table(&director, NONE);
        address("del");
        let _server = http(&node);
        stays(NONE);
        address("add");
        wait_for_table(&director, ONE);
        daemon.stop();
    }
}
