//! Checks of real servers: nginx, exim and nsd, as Debian has them, which come, hang, go and come
//! back.

use std::env;
use std::fs;

use super::daemon::Daemon;
use super::network::{self, Background, Host, Lab, seconds};
use super::wait::wait_until;

crate::scenarios!(
    Namespaces,
    a_web_server_with_several_hosts_is_checked_in_every_way,
    a_mail_server_is_checked_by_its_words,
    a_name_server_is_asked_for_every_type,
);

/// A check of the server, and why it fails where it has to.
struct Row {
    port: u16,
    check: String,
    fails: Option<&'static str>,
}

/// A server on one host, and who checks it on another.
struct Trial {
    node: Host,
    command: Vec<String>,
    server: Option<Background>,
    rows: Vec<Row>,
    daemon: Daemon,
    _lab: Lab,
}

fn row(port: u16, check: &str, fails: &'static str) -> Row {
    Row {
        port,
        check: check.to_owned(),
        fails: Some(fails).filter(|words| !words.is_empty()),
    }
}

impl Trial {
    /// Files of the node, in which `@DIR` stands for its directory; the server's words; the checks.
    fn begin(files: &[(&str, &str)], command: &[&str], rows: Vec<Row>) -> Self {
        let mut lab = Lab::new();
        let node = lab.host("node", "10.1.0.2/16");
        let director = lab.host("director", "10.1.0.21/16");
        let directory = node.directory.display().to_string();
        for (name, text) in files {
            node.write(name, &text.replace(DIRECTORY, &directory));
        }
        let command = command
            .iter()
            .map(|word| word.replace(DIRECTORY, &directory));
        let mut config = String::new();
        for (number, row) in rows.iter().enumerate() {
            config += &format!(
                "virtual_server 10.9.0.{} 80 {{
                    delay_loop 1
                    warmup 0
                    alpha
                    protocol TCP
                    real_server 10.1.0.2 {} {{
                        {}
                    }}
                }}\n",
                number + 1,
                row.port,
                row.check.replace(DIRECTORY, &directory)
            );
        }
        let command: Vec<String> = command.collect();
        let server = Some(start(&node, &command));
        let daemon = Daemon::start(&director, &config);
        let trial = Self {
            node,
            command,
            server,
            rows,
            daemon,
            _lab: lab,
        };
        trial.wait_for("Adding", 1, |_| true);
        for (number, row) in trial.rows.iter().enumerate() {
            if let Some(words) = row.fails {
                let place = format!("to VS [10.9.0.{}]", number + 1);
                trial
                    .daemon
                    .wait_for_line(&format!("tcp:{} by {words}", row.port));
                assert_eq!(trial.daemon.logged(&place), 0, "{words}");
            }
        }
        trial
    }

    /// These checks have turned this way so many times and no more; not those that have to fail.
    #[track_caller]
    fn wait_for(&self, turn: &str, times: usize, which: fn(&Row) -> bool) {
        for (number, row) in self.rows.iter().enumerate() {
            if row.fails.is_some() || !which(row) {
                continue;
            }
            let server = format!("{turn} service [10.1.0.2]:tcp:{}", row.port);
            let service = format!("VS [10.9.0.{}]:tcp:80", number + 1);
            let what = format!("{times} times {turn} for {}", row.check);
            let count = || {
                let log = self.daemon.log();
                let lines = log.lines();
                let mine = lines.filter(|line| line.contains(&server) && line.contains(&service));
                mine.count()
            };
            wait_until(seconds(15), &what, || count() >= times);
            assert_eq!(count(), times, "{what}");
        }
    }

    fn is_told(&self, words: &str) {
        self.daemon.wait_for_line(words);
    }

    /// SIGTERM; gone when this returns.
    fn end(&mut self) {
        let mut server = self.server.take().expect("it runs");
        network::signal(server.pid(), "TERM");
        wait_until(seconds(10), "the server has ended", || {
            let ended = server.child().try_wait();
            ended.expect("it is our child").is_some()
        });
    }

    /// It goes, and comes back.
    fn go_and_return(&mut self) {
        self.end();
        self.wait_for("Removing", 1, |_| true);
        self.is_told("reason 1, connection refused");
        self.server = Some(start(&self.node, &self.command));
        self.wait_for("Adding", 2, |_| true);
    }

    /// It hangs for a while, and the kernel still takes its connections; for these reasons.
    fn hang(&mut self, reasons: &[&str]) {
        let pid = self.server.as_ref().expect("it runs").pid();
        let talks = |row: &Row| !row.check.starts_with("TCP_CHECK");
        network::signal(pid, "STOP");
        self.wait_for("Removing", 2, talks);
        for reason in reasons {
            self.is_told(reason);
        }
        network::signal(pid, "CONT");
        self.wait_for("Adding", 3, talks);
        self.wait_for("Removing", 1, |row| row.check.starts_with("TCP_CHECK"));
    }

    fn finish(mut self) {
        self.end();
        self.daemon.stop();
    }
}

/// A program of the cache, on the node.
pub(crate) fn start(node: &Host, command: &[String]) -> Background {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    node.spawn(&words, &node.directory.join("server.log"))
}

/// One process in the foreground, with everything it writes in its directory.
pub(crate) fn nginx_conf(servers: &str) -> String {
    format!(
        "
daemon off;
master_process off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{servers}
}}
"
    )
}

/// nginx with its files in a directory.
pub(crate) fn nginx(directory: &str) -> Vec<String> {
    let server = cached_server();
    let words = ["nginx", "-p", directory, "-c", "nginx.conf", "-e", "stderr"];
    let words = [&[server.as_str()], &words[..]].concat();
    words.into_iter().map(str::to_owned).collect()
}

/// A certificate or a key of the server, by the name of its file.
pub(crate) fn pem(name: &str) -> String {
    let path = format!("{}/tests/misbehaving/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).expect("it is part of the source")
}

/// Stands for the directory of the node.
const DIRECTORY: &str = "@DIR";

fn cached_server() -> String {
    env::var("LAB_SERVER").expect("LAB_SERVER starts Debian's servers: use scripts/lab")
}

const SERVERS: &str = "
server {
    listen 80 default_server;
    location / { return 404; }
    location /moved { return 301 /elsewhere; }
    location /busy { return 503; }
}
server {
    listen 80;
    server_name www.example.org;
    root @DIR;
    location /parts.html { ssi on; }
}
server {
    listen 443 ssl default_server;
    ssl_certificate other.pem;
    ssl_certificate_key other.key;
    location / { return 421; }
}
server {
    listen 443 ssl;
    server_name www.example.org;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    root @DIR;
}
server {
    listen 444 ssl;
    ssl_protocols TLSv1.2;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    root @DIR;
}
server {
    listen 445 ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate good.pem;
    ssl_certificate_key good.key;
    root @DIR;
}
";

/// Shows a page of three megabytes and one in chunks, three versions of the protocol, hosts by
/// name and by SNI, versions of TLS and whose certificate it is.
fn a_web_server_with_several_hosts_is_checked_in_every_way() {
    let large = "0123456789ab".repeat(262_144);
    let nginx_conf = nginx_conf(SERVERS);
    let (good, good_key) = (pem("good.pem"), pem("good.key"));
    let (other, other_key) = (pem("other.pem"), pem("other.key"));
    let files = [
        ("nginx.conf", nginx_conf.as_str()),
        ("index.html", "hello"),
        (
            "parts.html",
            "hello <!--# include virtual=\"/index.html\" -->",
        ),
        ("large", &large),
        ("good.pem", &good),
        ("good.key", &good_key),
        ("other.pem", &other),
        ("other.key", &other_key),
    ];
    let command = nginx(DIRECTORY);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut trial = Trial::begin(&files, &command, web_checks());
    trial.go_and_return();
    trial.hang(&[
        "by HTTP_GET: reason 20, timed out before the first octet",
        "by SSL_GET: reason 16, timed out in the TLS handshake",
    ]);
    trial.finish();
}

fn web_checks() -> Vec<Row> {
    let http = |lines: &str, url: &str| {
        format!("HTTP_GET {{\nconnect_timeout 2\nretry 0\n{lines}\nurl {{\n{url}\n}}\n}}")
    };
    let tls = |lines: &str| http(lines, "path /").replace("HTTP_GET", "SSL_GET");
    let hello = "path /\ndigest 5d41402abc4b2a76b9719d911017c592";
    let www = "virtualhost www.example.org";
    let named = "enable_sni\nvirtualhost www.example.org";
    let whole = "path /large\ndigest 1c1e7d57396fd3872b6152ef6c063db1";
    let parts = "path /parts.html\nregex \"^6\\r\\nhello \"";
    vec![
        row(80, "TCP_CHECK {\nconnect_timeout 2\n}", ""),
        row(80, &http(www, hello), ""),
        row(80, &http(&format!("{www}\nhttp_protocol 1.0C"), hello), ""),
        row(80, &http(&format!("{www}\nhttp_protocol 1.1"), hello), ""),
        row(80, &http(www, whole), ""),
        row(80, &http(&format!("{www}\nhttp_protocol 1.1"), parts), ""),
        row(80, &http("", "path /\nstatus_code 404"), ""),
        row(80, &http("", "path /moved\nstatus_code 301"), ""),
        row(80, &http("", hello), "HTTP_GET: reason 33, status 404"),
        row(
            80,
            &http("", "path /busy"),
            "HTTP_GET: reason 33, status 503",
        ),
        row(
            80,
            &http("", "path /moved"),
            "HTTP_GET: reason 33, status 301 (a redirect)",
        ),
        row(
            80,
            &tls(""),
            "SSL_GET: reason 10, the server does not speak TLS",
        ),
        row(443, &tls(named), ""),
        row(
            443,
            &tls(&format!("{named}\ntls_verify name\ntls_ca @DIR/good.pem")),
            "",
        ),
        row(
            443,
            &tls(&format!("{named}\ntls_verify chain\ntls_ca @DIR/other.pem")),
            "SSL_GET: reason 102",
        ),
        row(443, &tls(""), "SSL_GET: reason 33, status 421"),
        row(443, &http("", "path /"), "HTTP_GET: reason 33, status 400"),
        row(444, &tls("tls_compliant"), ""),
        row(445, &tls(""), ""),
    ]
}

/// Debian's exim looks for a user of its own.
const EXIM: &str = "
mkdir -p @DIR/spool && chown 65000:65000 @DIR/spool
(cat /etc/passwd; echo 'Debian-exim:x:65000:65000::/:/bin/false') >@DIR/passwd
(cat /etc/group; echo 'Debian-exim:x:65000:') >@DIR/group
mount --bind @DIR/passwd /etc/passwd && mount --bind @DIR/group /etc/group
exec \"$@\" -C @DIR/exim.conf -oX 25:26:27:28
";

const EXIM_CONF: &str = "
keep_environment =
primary_hostname = mail.example.org
spool_directory = @DIR/spool
log_file_path = @DIR/spool/%slog
pid_file_path = @DIR/exim.pid
tls_advertise_hosts =
rfc1413_query_timeout = 0s
smtp_banner = mail.example.org ready\\nat your service
acl_smtp_connect = ${if eq{$received_port}{26}{refuse}{ok}}
acl_smtp_helo = ${if eq{$received_port}{27}{refuse}{ok}}
begin acl
ok:
    accept
refuse:
    deny message = not today
";

/// Its greeting has two lines; on other ports it refuses the connection or HELO.
fn a_mail_server_is_checked_by_its_words() {
    let smtp = |lines: &str| format!("SMTP_CHECK {{\nconnect_timeout 2\nretry 0\n{lines}\n}}");
    let rows = vec![
        row(25, &smtp(""), ""),
        row(25, &smtp("helo_name check.example.org"), ""),
        row(
            28,
            "SMTP_CHECK {\nhost {\nconnect_port 25\n}\nretry 0\nconnect_timeout 2\n}",
            "",
        ),
        row(28, "TCP_CHECK {\nconnect_timeout 2\n}", ""),
        row(
            26,
            &smtp(""),
            "SMTP_CHECK: reason 50, greeting 550, expected 220",
        ),
        row(
            27,
            &smtp(""),
            "SMTP_CHECK: reason 51, answer 550 to HELO, expected 250",
        ),
    ];
    let files = [("exim.conf", EXIM_CONF), ("exim.sh", EXIM)];
    let server = cached_server();
    let shell = ["unshare", "-m", "sh", "@DIR/exim.sh"];
    let command = [&shell[..], &[server.as_str(), "exim4", "-bdf"]].concat();
    let mut trial = Trial::begin(&files, &command, rows);
    trial.go_and_return();
    trial.hang(&["by SMTP_CHECK: reason 40, no answer in time"]);
    trial.finish();
}

const NSD: &str = "
server:
    ip-address: 10.1.0.2
    username: \"\"
    chroot: \"\"
    pidfile: \"@DIR/nsd.pid\"
    zonesdir: \"@DIR\"
    database: \"\"
    xfrdfile: \"\"
    xfrdir: \"@DIR\"
    zonelistfile: \"@DIR/zone.list\"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: example.org
    zonefile: example.org.zone
";

const ZONE: &str = "
$TTL 60
@       IN SOA   ns hostmaster 1 3600 600 86400 60
        IN NS    ns
        IN MX    10 mail
        IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxIL
ns      IN A     10.1.0.2
mail    IN A     10.1.0.25
www     IN A     10.1.0.80
www     IN AAAA  fd00::80
alias   IN CNAME www
text    IN TXT   \"hello\"
";

/// Also names that are not there, and a zone that is somebody else's.
fn a_name_server_is_asked_for_every_type() {
    let dns = |kind: &str, name: &str| {
        format!("DNS_CHECK {{\nconnect_timeout 2\nretry 0\ntype {kind}\nname {name}\n}}")
    };
    let asked = [
        ("A", "www.example.org"),
        ("NS", "example.org"),
        ("CNAME", "alias.example.org"),
        ("SOA", "example.org."),
        ("MX", "example.org"),
        ("TXT", "text.example.org"),
        ("AAAA", "WWW.Example.ORG"),
        ("DNSKEY", "example.org"),
        // No such record, but the name is there.
        ("RRSIG", "www.example.org"),
    ];
    let asked = asked
        .into_iter()
        .map(|(kind, name)| row(53, &dns(kind, name), ""));
    let mut rows: Vec<Row> = asked.collect();
    let no_name = "DNS_CHECK: reason 60, the answer is error 3 (no such name)";
    let refused = "DNS_CHECK: reason 60, the answer is error 5 (refused)";
    rows.push(row(53, &dns("A", "nobody.example.org"), no_name));
    rows.push(row(53, &dns("SOA", "."), refused));
    rows.push(row(
        54,
        &dns("A", "www.example.org"),
        "DNS_CHECK: reason 1, connection refused",
    ));
    rows.push(row(53, "TCP_CHECK {\nconnect_timeout 2\n}", ""));
    let files = [("nsd.conf", NSD), ("example.org.zone", ZONE)];
    let server = cached_server();
    let command = [server.as_str(), "nsd", "-d", "-c", "@DIR/nsd.conf"];
    let mut trial = Trial::begin(&files, &command, rows);
    trial.go_and_return();
    trial.finish();
}
