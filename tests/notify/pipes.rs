//! Lines of pipes, and who reads them.

use std::net::SocketAddr;

use keepalived::child::Kill;
use keepalived::config::{ServiceAddress, ServiceKey};
use keepalived::notify::{Notice, Pipe, State, Why};

use crate::world::World;

const CONFIG: &str = "
global_defs {
    enable_script_security
    script_user root
    PIPES
}
vrrp_instance V {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 10.0.0.100 }
    notify_deleted
}
virtual_server 10.0.0.1 80 {
    protocol TCP
    quorum_up \"/q up\"
    quorum_down \"/q down\"
    real_server 10.0.1.1 80 {
        weight 1
        notify_down /gone
    }
}
";
const ALL: &str = "notify_fifo /tmp/all\n notify_fifo_script \"/read it\"\n \
    vrrp_notify_fifo /tmp/vrrp\n lvs_notify_fifo /tmp/lvs";

fn world(pipes: &str) -> World {
    World::new(&CONFIG.replace("PIPES", pipes))
}

fn service() -> ServiceKey {
    ServiceKey::Address(ServiceAddress {
        protocol: keepalived::config::Protocol::Tcp,
        address: address("10.0.0.1:80"),
    })
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server_down() -> Notice {
    Notice::Server {
        service: service(),
        server: address("10.0.1.1:80"),
        up: false,
        why: Why::Checked,
    }
}

#[test]
fn every_pipe_has_the_lines_of_its_kind_to_the_letter() {
    let mut world = world(ALL);
    world.instance("V", State::Master, 150);
    world.instance("V", State::MasterHearsLower, 150);
    world.group("G", State::Backup);
    world.instance("V", State::BackupPriority, 140);
    world.instance("V", State::Deleted, 140);
    world.notice(server_down());
    world.notice(Notice::Service {
        service: service(),
        up: true,
        why: Why::Configured,
    });
    let of = |pipe| {
        let lines = world.lines.iter().filter(move |(known, _)| *known == pipe);
        lines.map(|(_, line)| line.as_str()).collect::<String>()
    };
    let routers = "INSTANCE \"V\" MASTER 150\nINSTANCE \"V\" MASTER_RX_LOWER_PRI 150\n\
        GROUP \"G\" BACKUP 0\nINSTANCE \"V\" BACKUP_PRIORITY 140\nINSTANCE \"V\" DELETED 140\n";
    let directors = "RS [10.0.1.1]:tcp:80 [10.0.0.1]:tcp:80 DOWN\nVS [10.0.0.1]:tcp:80 UP\n";
    assert_eq!(of(Pipe::Vrrp), routers);
    assert_eq!(of(Pipe::Lvs), directors);
    assert_eq!(of(Pipe::All), format!("{routers}{directors}"));
    assert_eq!(world.started, ["/read it /tmp/all", "/gone", "/q up"]);
}

#[test]
fn a_reload_touches_only_what_has_changed() {
    let mut world = world(ALL);
    assert_eq!(
        world.pipes,
        ["+All /tmp/all", "+Vrrp /tmp/vrrp", "+Lvs /tmp/lvs"]
    );
    world.pipes.clear();
    world.reload(&CONFIG.replace("PIPES", &ALL.replace("/tmp/vrrp", "/tmp/other")));
    assert_eq!(world.pipes, ["-Vrrp", "+Vrrp /tmp/other"]);
    assert_eq!(world.started.len(), 1, "who reads goes on reading");
    // One that has ended begins again, and another one takes its place.
    world.end("/read it /tmp/all");
    world.reload(&CONFIG.replace("PIPES", ALL));
    assert_eq!(world.started.len(), 2);
    world.reload(&CONFIG.replace("PIPES", &ALL.replace("/read it", "/read that")));
    assert_eq!(world.kills, [("/read it /tmp/all".to_owned(), Kill::Ask)]);
    assert_eq!(world.started[2], "/read that /tmp/all");
    world.pipes.clear();
    world.close();
    assert_eq!(world.pipes, ["-All", "-Vrrp", "-Lvs"]);
}

#[test]
fn states_are_written_again_after_a_reload_where_that_is_wanted() {
    let pipes = "vrrp_notify_fifo /tmp/vrrp\n fifo_write_vrrp_states_on_reload";
    let mut world = world(pipes);
    world.instance("V", State::Master, 150);
    world.instance("V", State::MasterHearsLower, 150);
    world.lines.clear();
    world.reload(&CONFIG.replace("PIPES", pipes));
    world.reloaded();
    let lines: Vec<_> = world.lines.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["INSTANCE \"V\" MASTER 150\n"]);
    world.reload(
        &CONFIG
            .replace("PIPES", pipes)
            .replace("vrrp_instance V", "vrrp_instance W"),
    );
    world.reloaded();
    assert_eq!(world.lines.len(), 1, "who is gone is not told of");
}
