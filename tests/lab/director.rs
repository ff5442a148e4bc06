//! The table in the kernel over a daemon's life: what is found, edited by hand, reloaded, flushed
//! and left, each as text of ipvsadm.

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::tables::{PAIR, VIP, service, shown};
use super::wait::{stays_so, wait_until};

crate::scenarios!(
    Ipvs,
    what_is_left_in_the_table_is_put_right,
    what_is_edited_by_hand_stays_unless_it_is_to_be_undone,
    a_reload_costs_what_has_changed,
    foreign_services_go_where_it_is_configured_and_stay_otherwise,
    the_table_of_another_namespace_is_programmed,
    a_scheduler_that_the_kernel_has_not_costs_its_own_service_alone,
    a_sorry_server_stands_in_and_goes,
);

const NAT: &str = "lb_algo rr;lb_kind NAT;protocol TCP";

/// What `PAIR` comes to.
const TABLE: &str = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 1
-a -t 10.1.0.100:80 -r 10.1.0.3:80 -m -w 2
";

const FOREIGN: &str = "-A -t 10.1.0.101:80 -s wlc\n";

fn director(lab: &mut Lab) -> Host {
    lab.host("director", "10.1.0.21/16")
}

fn pair() -> String {
    service(VIP, NAT, PAIR)
}

fn with_globals(globals: &str, text: &str) -> String {
    format!("global_defs {{\n    {globals}\n}}\n{text}")
}

fn table(director: &Host) -> String {
    shown(director, "ipvsadm -Sn")
}

fn ipvsadm(director: &Host, words: &str) {
    let words = words.split(' ');
    let words: Vec<&str> = std::iter::once("ipvsadm").chain(words).collect();
    director.run(&words);
}

#[track_caller]
fn wait_for_table(director: &Host, wanted: &str) {
    wait_until(seconds(5), &format!("the table is\n{wanted}"), || {
        table(director) == wanted
    });
}

/// How many operations the last configuration came to, which is said once.
#[track_caller]
fn wait_for_operations(daemon: &Daemon, times: usize, count: u32) {
    let line = "the number of IPVS operations of this configuration: ";
    wait_until(seconds(10), "the operations are counted", || {
        daemon.logged(line) == times
    });
    let log = daemon.log();
    let last = log.rsplit(line).next().and_then(|rest| rest.lines().next());
    assert_eq!(last, Some(count.to_string().as_str()));
}

/// A crash leaves the table; what is right in it is not touched.
fn what_is_left_in_the_table_is_put_right() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    let daemon = Daemon::start(&director, &pair());
    wait_for_operations(&daemon, 1, 3);
    wait_for_table(&director, TABLE);
    daemon.kill();
    assert_eq!(table(&director), TABLE, "a crash leaves the table");
    ipvsadm(&director, "-a -t 10.1.0.100:80 -r 10.1.0.7:80 -m");
    ipvsadm(&director, "-d -t 10.1.0.100:80 -r 10.1.0.3:80");
    ipvsadm(&director, "-A -t 10.1.0.101:80");

    let daemon = Daemon::start(&director, &pair());
    wait_for_table(&director, &format!("{TABLE}{FOREIGN}"));
    wait_for_operations(&daemon, 1, 2);
    daemon.stop();
    assert_eq!(table(&director), FOREIGN, "what is not ours stays");
}

fn what_is_edited_by_hand_stays_unless_it_is_to_be_undone() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    let daemon = Daemon::start(&director, &with_globals("lvs_audit_interval 1", &pair()));
    wait_for_table(&director, TABLE);
    // The everyday drain, and a server of somebody else.
    ipvsadm(&director, "-e -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 0");
    ipvsadm(&director, "-a -t 10.1.0.100:80 -r 10.1.0.7:80 -m -w 9");
    let edited = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 0
-a -t 10.1.0.100:80 -r 10.1.0.3:80 -m -w 2
-a -t 10.1.0.100:80 -r 10.1.0.7:80 -m -w 9
";
    daemon.wait_for_line("has weight 0 in place of 1, set by somebody else, leaving it");
    daemon.wait_for_line("10.1.0.7:80 was added by somebody else, leaving it");
    stays_so(seconds(2), "what was edited stays", || {
        table(&director) == edited
    });
    assert_eq!(daemon.logged("leaving it"), 2, "each is told once");

    // What is deleted comes back in any case.
    ipvsadm(&director, "-d -t 10.1.0.100:80 -r 10.1.0.3:80");
    daemon.wait_for_line("10.1.0.3:80 was deleted by somebody else, making it again");
    ipvsadm(&director, "-D -t 10.1.0.100:80");
    wait_for_table(&director, TABLE);

    let strict = "lvs_audit_interval 1\n    lvs_audit_undo";
    daemon.rewrite(&with_globals(strict, &pair()));
    daemon.signal("HUP");
    daemon.wait_for_line("Reload complete");
    ipvsadm(&director, "-e -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 0");
    ipvsadm(&director, "-a -t 10.1.0.100:80 -r 10.1.0.7:80 -m -w 9");
    daemon.wait_for_line("10.1.0.7:80 was added by somebody else, undoing it");
    wait_for_table(&director, TABLE);
    daemon.stop();
}

fn a_reload_costs_what_has_changed() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    let daemon = Daemon::start(&director, &pair());
    wait_for_operations(&daemon, 1, 3);
    daemon.signal("HUP");
    wait_for_operations(&daemon, 2, 0);
    daemon.rewrite(&pair().replace("weight 2", "weight 7"));
    daemon.signal("HUP");
    wait_for_operations(&daemon, 3, 1);
    wait_for_table(&director, &TABLE.replace("-w 2", "-w 7"));
    // The kernel's own words of counters and thresholds.
    let stats = "\
TCP  10.1.0.100:80                       0        0        0        0        0
  -> 10.1.0.2:80                         0        0        0        0        0
  -> 10.1.0.3:80                         0        0        0        0        0
";
    assert_eq!(shown(&director, "ipvsadm -Ln --stats"), stats);
    let limited = pair().replace(
        "weight 2",
        "weight 7\n        uthreshold 9\n        lthreshold 4",
    );
    daemon.rewrite(&limited);
    daemon.signal("HUP");
    wait_for_operations(&daemon, 4, 1);
    let thresholds = || {
        let text = shown(&director, "ipvsadm -Ln --thresholds");
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines
            .map(|words| words.join(" "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    wait_until(seconds(5), "the thresholds are set", || {
        thresholds().ends_with("-> 10.1.0.2:80 0 0 0 0\n-> 10.1.0.3:80 9 4 0 0")
    });
    daemon.stop();
}

fn foreign_services_go_where_it_is_configured_and_stay_otherwise() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    ipvsadm(&director, "-A -t 10.1.0.101:80");
    let daemon = Daemon::start(&director, &with_globals("lvs_flush", &pair()));
    wait_for_table(&director, TABLE);
    ipvsadm(&director, "-A -t 10.1.0.101:80");
    daemon.stop();
    assert_eq!(table(&director), FOREIGN);

    let daemon = Daemon::start(&director, &with_globals("lvs_flush_onstop", &pair()));
    wait_for_table(&director, &format!("{TABLE}{FOREIGN}"));
    daemon.stop();
    assert_eq!(table(&director), "", "flushed at the stop");

    // -I: nothing is removed, and the next one finds it in order.
    let daemon = Daemon::start_with(Make::Ours, &director, &pair(), &["-I"]);
    wait_for_table(&director, TABLE);
    daemon.stop();
    assert_eq!(table(&director), TABLE);
    let daemon = Daemon::start(&director, &pair());
    wait_for_operations(&daemon, 1, 0);
    daemon.stop();
    assert_eq!(table(&director), "");
}

fn the_table_of_another_namespace_is_programmed() {
    let mut lab = Lab::new();
    let daemons = director(&mut lab);
    let tables = lab.host("tables", "10.1.0.22/16");
    let namespace = format!("net_namespace_ipvs {}\n", tables.namespace());
    let daemon = Daemon::start(&daemons, &(namespace + &pair()));
    wait_for_table(&tables, TABLE);
    assert_eq!(table(&daemons), "");
    daemon.stop();
    assert_eq!(table(&tables), "");
}

fn a_scheduler_that_the_kernel_has_not_costs_its_own_service_alone() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    let odd = service(
        "10.1.0.99 80",
        "lb_algo twos;lb_kind NAT;protocol TCP",
        PAIR,
    );
    let daemon = Daemon::start(&director, &(odd + &pair()));
    wait_for_table(&director, TABLE);
    daemon.wait_for_line("ip_vs_twos");
    daemon.stop();
    assert_eq!(table(&director), "");
}

fn a_sorry_server_stands_in_and_goes() {
    let mut lab = Lab::new();
    let director = director(&mut lab);
    let node = lab.host("node", "10.1.0.2/16");
    let http = ["busybox", "httpd", "-f", "-p", "80", "-h", "/tmp"];
    let log = node.directory.join("http.log");
    let server = node.spawn(&http, &log);
    let settings = "delay_loop 1;lb_algo rr;lb_kind NAT;protocol TCP;sorry_server 10.1.0.9 8080";
    let check = "weight 3;TCP_CHECK {;connect_timeout 1;retry 0;}";
    let checked = format!("10.1.0.2 80 - {check}");
    let daemon = Daemon::start(&director, &service(VIP, settings, &[&checked]));
    let alive = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.2:80 -m -w 3
";
    wait_for_table(&director, alive);
    daemon.wait_for_line("TCP connection to [10.1.0.2]:tcp:80 success");
    drop(server);
    let sorry = "\
-A -t 10.1.0.100:80 -s rr
-a -t 10.1.0.100:80 -r 10.1.0.9:8080 -m -w 1
";
    wait_for_table(&director, sorry);
    daemon.wait_for_line("Lost quorum 1-0=1 > 0 for VS [10.1.0.100]:tcp:80");
    let _server = node.spawn(&http, &log);
    wait_for_table(&director, alive);
    daemon.stop();
}
