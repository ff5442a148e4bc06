//! Mails: ours and those of Debian's keepalived on the same story, to the same server.

use std::collections::BTreeMap;

use super::daemon::{Daemon, Make};
use super::network::{Host, Lab, seconds};
use super::post::{Letter, Post};
use super::wait::{note, wait_until};

pub(crate) mod routers {
    use super::*;
    crate::scenarios!(
        Namespaces,
        mails_on_routers_are_those_of_debians_keepalived,
        a_mail_server_with_a_name_that_is_away_gets_its_mail_later,
    );

    fn mails_on_routers_are_those_of_debians_keepalived() {
        let (theirs, ours) = (story(Make::Debian), story(Make::Ours));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>()
        );
        for (whom, letters) in &theirs {
            assert_eq!(&ours[whom], letters, "about {whom}");
        }
        let count: usize = theirs.values().map(Vec::len).sum();
        note(&format!("{count} mails, equal but for their dates"));
    }

    fn a_mail_server_with_a_name_that_is_away_gets_its_mail_later() {
        let mut lab = Lab::new();
        let place = lab.host("post", "192.168.16.25/24");
        let router = lab.host("router", "192.168.16.21/24");
        // Every namespace has an /etc/hosts of its own where there is one for it.
        let etc = format!("/etc/netns/{}", router.namespace());
        std::fs::create_dir_all(&etc).expect("we are root");
        std::fs::write(format!("{etc}/hosts"), "192.168.16.25 post.example.org\n")
            .expect("so are we");
        let config = GLOBAL
            .replace("192.168.16.25", "post.example.org")
            .split("vrrp_sync_group")
            .next()
            .expect("it has a beginning")
            .to_owned();
        let daemon = Daemon::start(&router, &(config + &instance("V1", "eth0", 51, 100, "")));
        wait_until(seconds(8), "it is master", || router.has("192.168.16.51"));
        daemon.wait_for_line("SMTP connection ERROR to [192.168.16.25]:25");
        let post = Post::open(&place);
        wait_until(seconds(20), "both mails have come", || {
            post.letters().len() == 2
        });
        let _ = std::fs::remove_dir_all(etc);
        daemon.stop();
    }
}

pub(crate) mod servers {
    use super::*;
    crate::scenarios!(Ipvs, mails_on_servers_are_those_of_debians_keepalived);

    /// The seed's configuration, with a mail server that is there and mails on everything.
    fn mails_on_servers_are_those_of_debians_keepalived() {
        let (theirs, ours) = (seed_story(Make::Debian), seed_story(Make::Ours));
        for (whom, letters) in &theirs {
            assert_eq!(ours.get(whom), Some(letters), "about {whom}");
        }
        assert_eq!(ours.len(), theirs.len());
        let count: usize = theirs.values().map(Vec::len).sum();
        note(&format!("{count} mails, equal but for their dates"));
    }
}

const GLOBAL: &str = "
global_defs {
    router_id lab
    notification_email {
        a@example.org
        b@example.org
    }
    notification_email_from ka@example.org
    smtp_server 192.168.16.25
    smtp_connect_timeout 3
    smtp_alert
}
vrrp_sync_group G {
    group {
        V1
        V2
    }
}
";
const INSTANCE: &str = "
vrrp_instance NAME {
    interface DEVICE
    virtual_router_id NUMBER
    priority PRIORITY
    STATEMENTS
    virtual_ipaddress {
        192.168.16.NUMBER
    }
}
";

fn instance(name: &str, device: &str, number: u8, priority: u8, statements: &str) -> String {
    INSTANCE
        .replace("NAME", name)
        .replace("DEVICE", device)
        .replace("NUMBER", &number.to_string())
        .replace("PRIORITY", &priority.to_string())
        .replace("STATEMENTS", statements)
}

fn routers() -> String {
    let quiet = "smtp_alert off";
    [
        GLOBAL.to_owned(),
        instance("V1", "eth0", 51, 100, ""),
        instance("V2", "eth1", 52, 100, ""),
        instance("V3", "eth1", 53, 100, ""),
        instance("V4", "eth1", 54, 100, quiet),
    ]
    .concat()
}

/// What a router mails: it starts, loses a cable and gets it back, hears a better router and
/// hears it no more.
fn story(make: Make) -> BTreeMap<String, Vec<Letter>> {
    let mut lab = Lab::new();
    let post = Post::open(&lab.host("post", "192.168.16.25/24"));
    let router = lab.host("router", "192.168.16.21/24");
    lab.second_cable(&router, "192.168.17.21/24");
    let rival = lab.host("rival", "192.168.16.22/24");
    lab.second_cable(&rival, "192.168.17.22/24");

    let daemon = Daemon::start_make(make, &router, &routers());
    let owns_all = |wanted: bool| {
        let mut all = ["eth0", "eth1", "eth1"].iter().zip(51..);
        all.all(|(device, last)| router.has_on(device, &format!("192.168.16.{last}")) == wanted)
    };
    let letters = |words: &str, count: usize| {
        let what = format!("{count} mails of {words}");
        wait_until(seconds(8), &what, || post.count(words) >= count);
    };
    wait_until(seconds(8), "it is master", || owns_all(true));
    letters("Entering BACKUP state", 4);
    letters("Entering MASTER state", 4);
    router.pull_second_cable();
    wait_until(seconds(5), "it has stepped back", || owns_all(false));
    letters("Entering FAULT state", 4);
    router.plug_second_cable();
    wait_until(seconds(9), "it is master again", || owns_all(true));
    letters("Entering MASTER state", 8);

    let better = instance("V3", "eth1", 53, 200, "");
    let rival = Daemon::start(&rival, &better);
    letters("V3 - Entering BACKUP state", 3);
    rival.stop();
    letters("V3 - Entering MASTER state", 3);
    finish(make, daemon, &post)
}

/// A web node dies and returns, then the master changes.
fn seed_story(make: Make) -> BTreeMap<String, Vec<Letter>> {
    let mut lab = Lab::new();
    let post = Post::open(&lab.host("post", "192.168.16.25/24"));
    let director = lab.host("director", "192.168.16.21/24");
    let rival = lab.host("rival", "192.168.16.22/24");
    let nodes: Vec<Host> = (2..5)
        .map(|last| lab.host(&format!("node{last}"), &format!("192.168.16.{last}/24")))
        .collect();
    let http = |node: &Host| {
        let log = node.directory.join("http.log");
        node.spawn(&["busybox", "httpd", "-f", "-p", "80"], &log)
    };
    let mut servers: Vec<_> = nodes.iter().map(|node| Some(http(node))).collect();

    let seed = include_str!("../config/seeds/000-master.conf");
    let config = seed
        .replace(
            "smtp_server 127.0.0.1",
            "smtp_server 192.168.16.25\n    smtp_alert",
        )
        .replace("nb_get_retry 3", "retry 1")
        .replace("delay_before_retry 3", "delay_before_retry 1");
    let daemon = Daemon::start_make(make, &director, &config);
    let letters = |words: &str, count: usize| {
        let what = format!("{count} mails of {words}");
        wait_until(seconds(20), &what, || post.count(words) >= count);
    };
    letters("VI_1 - Entering MASTER state", 1);
    let dead = "Realserver [192.168.16.2]:tcp:80 of virtual server [192.168.16.20]:tcp:80";
    servers[0] = None;
    letters(&format!("{dead} - DOWN"), 1);
    servers[0] = Some(http(&nodes[0]));
    letters(&format!("{dead} - UP"), 1);
    // Without any node the quorum is lost.
    for server in &mut servers {
        *server = None;
    }
    letters(" - DOWN", 5);
    for (server, node) in servers.iter_mut().zip(&nodes) {
        *server = Some(http(node));
    }
    letters(" - UP", 5);
    let better = seed.replace("priority 100", "priority 200");
    let better = better
        .split("virtual_server")
        .next()
        .expect("it has a beginning");
    let rival = Daemon::start(&rival, better);
    letters("VI_1 - Entering BACKUP state", 2);
    rival.stop();
    letters("VI_1 - Entering MASTER state", 2);
    finish(make, daemon, &post)
}

/// All letters by whom they are about, in their order and without their dates. The ends of
/// connections that theirs makes at the same time are in no order.
/// Shows F.42: the mails of the stop come, too.
fn finish(make: Make, daemon: Daemon, post: &Post) -> BTreeMap<String, Vec<Letter>> {
    daemon.stop();
    let mut letters = post.letters();
    for letter in &mut letters {
        let date = letter
            .fields
            .remove("Date")
            .expect("every letter has a date");
        assert_eq!(date.split(' ').count(), 6, "{date}");
    }
    if make == Make::Ours {
        // Theirs begins them and ends before they are sent.
        let stopping = |letter: &Letter| letter.fields["Subject"].ends_with("Stopping");
        assert!(letters.iter().any(stopping), "mails of the stop are sent");
        letters.retain(|letter| !stopping(letter));
        let mails = |commands: &[String]| {
            let begun = commands
                .iter()
                .filter(|command| command.starts_with("MAIL FROM"));
            begun.count()
        };
        let talks = post.conversations();
        let most = talks.iter().map(|talk| mails(&talk.commands)).max();
        assert!(most > Some(1), "one connection for a burst");
    }
    let mut about: BTreeMap<String, Vec<Letter>> = BTreeMap::new();
    for letter in letters {
        let subject = &letter.fields["Subject"];
        let whom = subject.rsplit_once(" - ").expect("all have one").0;
        about.entry(whom.to_owned()).or_default().push(letter);
    }
    about
}
