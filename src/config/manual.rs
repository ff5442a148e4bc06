//! The manual page `keepalived.conf(5)`, from the keyword tables.

use std::fmt::Write as _;

use super::expand::manual::CHAPTER;
use super::keywords::{Entry, SCOPES, Scope, Shape, Standing};

const HEAD: &str = r#".\" Made from the keyword tables in src/config/keywords; do not edit.
.TH KEEPALIVED.CONF 5
.nh
.ad l
.SH NAME
keepalived.conf \- configuration of keepalived
.SH DESCRIPTION
Read from /etc/keepalived/keepalived.conf at start and on SIGHUP.
.B keepalived \-t
checks it and exits with 0 when nothing is wrong.
.SS Statements
A statement is one line: a keyword and its arguments, separated by blanks. A block is a keyword
and its arguments, then its statements between
.B {
and
.BR } ;
the braces may stand on the same line or on lines of their own.
.B #
and
.B !
start a comment, in quotes they do not; write
.B \e#
or
.B \e!
for the character itself. Double quotes keep blanks, braces and comment characters inside one
argument. Keywords are case sensitive.
.PP
The file may be in any encoding; values keep their octets.
.SS Values
.TP
.B INT
A decimal number.
.TP
.B SEC
Seconds, with up to six decimals and without a unit.
.TP
.B BOOL
true, on, yes or false, off, no. A keyword without it means true.
.TP
.B IP
An IPv4 or IPv6 address.
.PP
What stands in brackets may be left out.
.SS Problems
Every problem is reported with its place. A statement that is wrong is ignored, or
replaced by what the message says, and the rest of the file is used. There is nothing to run when a
statement lacks an argument it needs; an interface does not exist, without dynamic_interfaces; a vrrp_instance
lacks its virtual_router_id, its interface (unicast instances: its source), or, in strict mode or version 3, its
addresses; or two instances that hear each other share one virtual_router_id on one interface.
.PP
A reload that finds nothing to run, a file without any statement, or a brace missing or too many, keeps
the configuration that runs; so does any error at all, with reload_check_config.
"#;

const KEYWORDS: &str = ".SH KEYWORDS\n";

/// What means something else than in keepalived, one line each.
const DIFFERENCES: &[&str] = &[
    "inet and inet6 in routes and rules take no word with them, and inet6 default is a route.",
    "A rule may have a single port as sport or dport.",
    "ip_proto is ipproto, as the manual page of keepalived says.",
    "A nexthop that is wrong drops its route.",
    "Unicast peers in strict mode, where the instance has an interface, are an error, and the \
     instance runs with them.",
    "unicast_ttl without a peer is ignored, multicast adverts keep their TTL of 255.",
    "owner_ignore_adverts off is honoured with priority 255.",
    "A second group in a vrrp_sync_group is ignored, and nothing else of its block.",
    "A second vrrp_script, vrrp_track_process or track_file of one name gets a warning; the first \
     is used, as it is by keepalived.",
    "A weight of a vrrp_script beyond 253 is 253.",
    "A virtual address that is given twice gets a warning; adverts have it twice, as those of \
     2.2.7.",
    "A vrrp_script or MISC_CHECK whose program is not there is an error; a script elsewhere is left \
     out with a warning, as one whose user does not exist.",
    "A route without dev is tracked, too.",
    "random_seed is honoured.",
    "An instance may track an interface that another one makes for itself with use_vmac.",
    "Virtual addresses that an advert of the interface has no room for are treated as excluded \
     ones, with a warning when the interface is known; the check of the file counts only those \
     beyond 255.",
    "Routes without an interface are tracked, too.",
    "A virtual address, route or rule that somebody removes is put back at once and announced, and \
     the instance stays master; at most once a second.",
    "Of several causes of FAULT all must go, also of several tracked interfaces.",
    "A configuration file that is not there is an error of -t, too, which exits with 4 then.",
    "A script that cannot be executed has failed.",
    "init_fail has an effect: such a script is down until it has risen.",
    "garp_master_refresh ends with the master, and there is never more than one of it.",
    "An advert with AH names the address it is sent from, also after that has changed.",
    "Who enters FAULT as master sends one advert of priority 0, not two.",
    "Warnings that do not count: native_ipv6, linkbeat_use_polling, lvs_sync_daemon_interface, \
     global_tracking, thread_timer_expired, vmac_garp_intvl, gw and or of a route, and an \
     lvs_sync_daemon without inst.",
    "alpha and inhibit_on_failure of a virtual_server may be followed by off, and are off then.",
    "A check of a real server without a port connects to the port of its service; where there is \
     none, the check is left out.",
    "host blocks of SMTP_CHECK connect to where they say and not to where the check says.",
    "A second virtual_server of one address and protocol, or of one mark, is skipped.",
    "A second virtual_server_group of one name is skipped.",
    "The quorum of servers that all have weight 0 needs no hysteresis.",
    "persistence_timeout 0 means none, with a warning.",
    "misc_timeout may have decimals.",
    "Warnings that do not count: nb_get_retry in any block of a service, nat_mask, hashed, lb_kind \
     in a real_server, connect_timeout in a MISC_CHECK, smtp_alert in a check.",
    "arp_ignore and arp_filter of an interface below a macvlan are given back at exit.",
    "nftables does what vrrp_iptables and vrrp_ipsets ask for; its sets go by interface number, with \
     and without nftables_ifindex.",
    "nftables_ipvs leaves a group alone that has a line without a port: no packet goes to port 0. \
     Marks that the configuration names are not given; the name of its table may change at a reload; \
     its tables are gone after a stop, and made again within lvs_audit_interval when somebody \
     deletes them. Ranges need Linux 5.6, counters 5.7; on a kernel without them the groups are \
     programmed address by address.",
    "A macvlan or ipvlan that another program deletes is made again at once, and its master stays \
     master.",
    "Unicast over an ipvlan is no error.",
    "Unicast adverts over IPv6 leave with hop limit 255, not 64.",
    "v3_checksum_as_v2 takes adverts with and without the pseudo header in the checksum, and no \
     others.",
    "A backup of version 3 does not adopt an interval of zero; a new master goes by its own.",
    "Only an advert that was sent starts the interval anew: packets that do not count cannot \
     silence a master.",
    "Two masters with AH that send the same number at the same time hear each other.",
    "Adverts refused are counted by sender and reason, and told once, then every ten minutes with \
     their number.",
    "Whoever sends valid adverts in masses is answered a hundred times a second at most; lines, \
     announcements and notify_master_rx_lower_pri are three in a second, and the rest is counted.",
    "HTTP_GET accepts a status without a reason phrase, header lines that end in a bare line feed, \
     a header of up to 65536 octets, and a connection that stays open after the body whose length \
     was announced or after its last chunk. Interim answers (100 Continue) come before the one that \
     counts. A content-length or chunk without a length, or a chunk with more octets than it says, \
     is a failure.",
    "DNS_CHECK waits for an answer to its own question.",
    "A whole answer to HTTP_GET may take ten times connect_timeout; a server that sends a little now \
     and then is down after that, and not up for ever.",
    "regex searches the body only, offsets count from its beginning, and a match may be 32768 octets \
     long. A regex that cannot be compiled is an error of the configuration. One that takes too many \
     steps fails the check.",
    "SSL_GET speaks TLS 1.2 and 1.3, and no older version; tls_verify, tls_ca and tls_expiry_warning \
     are not in keepalived.",
    "SMTP_CHECK accepts replies of several lines and replies without a text.",
    "PING_CHECK heeds fwmark, bindto and bind_if, and leaves net.ipv4.ping_group_range alone.",
    "A program of MISC_CHECK that was told to end and killed, and still is there, is waited for no \
     longer. The weight by misc_dynamic is kept when the configuration is read again.",
    "A FILE_CHECK heeds reverse with weight 0 from the start.",
    "genhash ends when the announced length has come.",
    "regex_stack and the options that only tune PCRE have no effect.",
    "After a failure on the way back HTTP_GET waits delay_before_retry, with fast_recovery too, and \
     delay_loop when that is 0.",
    "A check that fails says why, with a number, in a line of its own.",
    "Notify scripts of one instance, group or server run one after the other, and side by side only \
     where one takes longer than notify_timeout; notify_timeout, notify_kill and notify_coalesce are \
     not in keepalived.",
    "A pipe that a reload does not change stays open, and its reader runs on. Lines for a reader that \
     is slow wait, and those that were lost are counted.",
    "init_fail is honoured.",
    "A script that cannot be executed has failed.",
    "What scripts print is in the log with -D, fifty lines of each at most.",
    "A stop with -V tells no scripts, pipes and mails of STOP.",
    "Scripts are started by the path as written, with and without use_symlink_paths.",
    "A user or group of a script may be a number that nobody has a name for.",
    "A script that is left out for its owner or mode is told of with the place and the command that \
     puts it right.",
    "Mails go out over one connection, one after the other; one that the server does not take now is \
     tried again for an hour, and those of a stop go out within its second.",
    "A recipient that the mail server refuses does not keep the others from having the mail.",
    "smtp_alert_limit, and track_tcp, track_ping and track_http of a vrrp_script, are not in \
     keepalived.",
    "smtp_server is resolved when there is a mail, without holding anything up, and each of its \
     addresses is tried.",
    "The full name of this machine, for mails, is the one in /etc/hosts.",
    "A MISC_CHECK sends a mail when its result changes, not at its first success.",
    "The IPVS table is read before it is written: what is right in it stays with its connections, \
     what is wrong is set right, and destinations of our services that nobody configures are \
     removed.",
    "The IPVS table is read again every lvs_audit_interval seconds: what somebody else deleted comes \
     back; what he changed or added is told, and undone only with lvs_audit_undo.",
    "checker_share_probes is not in keepalived: without it every real server of every service is \
     tried by itself.",
    "lvs_drain_timeout is not in keepalived: a real server that leaves the configuration stays with \
     weight 0 while it has connections, for that many seconds at most.",
    "Without IPVS nothing ends: it is looked for every 10 seconds, and meanwhile instances with the \
     address of a service are in FAULT.",
    "Modules of schedulers and persistence engines are loaded by a child; a service whose module is \
     missing is left out, tried again, and the others are served.",
    "A reload of the configuration sends IPVS what has changed, thresholds too, and tells the number \
     of operations. It leaves timers of checks, lvs_timeouts and the sync daemon alone where they \
     did not change.",
    "A large configuration is read and applied in portions, and adverts go out in between.",
    "A real server that is down does not come back because its forwarding method or its failing \
     check was edited; the new check has to pass.",
    "A virtual_server that leaves the configuration, or loses its quorum by it, runs quorum_down \
     once.",
    "ha_suspend works with groups.",
    "A sorry_server that is a real_server of its service, too, is one destination.",
    "The sync daemon that follows an instance waits for IPVS, and the instance runs without it.",
    "A regex option that does not exist and a switch of the other hashing scheduler get a warning.",
];

const TAIL: &str = r".SH EXIT STATUS
Of
.BR keepalived\ \-t :
.TP
.B 0
Nothing is wrong. Warnings, about keywords that have no effect or do not work yet, do not count.
.TP
.B 2
A statement lacks an argument it needs.
.TP
.B 4
The file cannot be read.
.TP
.B 5
Anything else is wrong.
.TP
.B 6
A file that must be included is missing or cannot be read, or scripts are to run and
enable_script_security is not set.
.SH SEE ALSO
.BR keepalived (8)
";

/// The whole page, in the language of man pages.
pub fn manual() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(CHAPTER);
    line(&mut page, format_args!(".SS Differences from keepalived"));
    for difference in DIFFERENCES {
        line(&mut page, format_args!(".IP \\(bu 2\n{}", roff(difference)));
    }
    page.push_str(KEYWORDS);
    for scope in SCOPES {
        section(*scope, &mut page);
    }
    page.push_str(TAIL);
    page
}

fn section(scope: &dyn Scope, page: &mut String) {
    let title = match scope.name() {
        "" => "Outside of all blocks",
        name => name,
    };
    line(page, format_args!(".SS {title}"));
    for entry in scope.entries() {
        keyword(&entry, page);
    }
}

fn keyword(entry: &Entry, page: &mut String) {
    let block = match entry.shape {
        Shape::Line => "",
        Shape::Values | Shape::Block(_) => " { }",
    };
    let gap = if entry.arguments.is_empty() { "" } else { " " };
    let (name, arguments) = (roff(entry.name), roff(entry.arguments));
    line(page, format_args!(".TP\n.B {name}{gap}{arguments}{block}"));
    match entry.standing {
        Standing::Works => line(page, format_args!("{}", roff(entry.doc))),
        Standing::NoEffect => {
            line(
                page,
                format_args!("Accepted without effect. {}", roff(entry.doc)),
            );
        }
        Standing::Stored(why) => {
            let doc = roff(entry.doc);
            line(
                page,
                format_args!("{doc}\nWithout effect yet: {}.", roff(why)),
            );
        }
    }
}

/// A hyphen of the page is one of the keyboard, so that keywords can be searched and copied.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a string takes any text");
}
