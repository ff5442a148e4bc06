//! SSL_GET against openssl's server, in several versions and with several certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::daemon::{Check, Daemon};
use crate::namespace::{Namespace, eventually};
use crate::servers::{linger, say, serve};

/// `openssl s_server`, ended when dropped.
struct Server(Child);

impl Server {
    fn start(port: u16, directory: &Path, certificate: &str, options: &[&str]) -> Self {
        let path = |kind: &str| directory.join(format!("{certificate}.{kind}"));
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-www",
                "-accept",
                &format!("127.0.0.1:{port}"),
            ])
            .arg("-cert")
            .arg(path("pem"))
            .arg("-key")
            .arg(path("key"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        eventually("openssl listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate of its own, valid for so many days.
fn certificate(directory: &Path, name: &str, subject: &str, days: &str) {
    let path = |kind: &str| directory.join(format!("{name}.{kind}"));
    let config = format!(
        "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = more\n\
         [name]\nCN = {subject}\n\
         [more]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:{subject}\n"
    );
    fs::write(path("conf"), config).unwrap();
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args([
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            days,
            "-config",
        ])
        .arg(path("conf"))
        .arg("-out")
        .arg(path("pem"))
        .arg("-keyout")
        .arg(path("key"))
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(port: u16, lines: &str) -> Check {
    Check::new(
        &format!("127.0.0.1 {port}"),
        &format!(
            "SSL_GET {{
                connect_timeout 2
                retry 0
                {lines}
                url {{
                    path /
                }}
            }}"
        ),
    )
}

#[test]
fn tls_servers_are_judged_by_what_they_speak_and_on_demand_by_who_they_are() {
    let _namespace = Namespace::enter_new();
    let folder = std::env::temp_dir().join(format!("probes-{}-tls", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let folder = Folder(folder);
    let directory = &folder.0;
    certificate(directory, "good", "www.example.org", "400");
    certificate(directory, "soon", "www.example.org", "5");
    certificate(directory, "other", "other.example.org", "400");
    let old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    let _servers = [
        Server::start(4431, directory, "good", &[]),
        Server::start(4432, directory, "good", &["-tls1_2"]),
        Server::start(4433, directory, "good", &old),
        Server::start(4434, directory, "other", &[]),
        Server::start(4435, directory, "soon", &[]),
        Server::start(
            4436,
            directory,
            "good",
            &["-tls1_2", "-cipher", "AES128-SHA"],
        ),
    ];
    serve("127.0.0.1:4441", |mut c| {
        say(&mut c, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        linger(c);
    });
    serve("127.0.0.1:4442", drop);
    serve("127.0.0.1:4443", linger);
    let ca = |name: &str| {
        let path = directory.join(format!("{name}.pem"));
        format!("sni_name www.example.org\ntls_ca {}", path.display())
    };
    let good = ca("good");
    let checks = [
        check(4431, "tls_compliant"),
        check(4432, "enable_sni\nvirtualhost www.example.org"),
        check(4433, ""),
        check(4434, &format!("tls_verify chain\n{}", ca("other"))),
        check(4435, "tls_expiry_warning 30"),
        check(4436, ""),
        check(4441, ""),
        check(4442, ""),
        check(4443, ""),
        check(4431, &format!("tls_verify name\n{good}")),
        check(4434, &format!("tls_verify name\n{}", ca("other"))),
        check(4434, &format!("tls_verify chain\n{good}")),
        check(4499, ""),
    ];
    let daemon = Daemon::start("tls", "", "TCP", &checks);
    daemon.expect(
        "Remote Web server [127.0.0.1]:tcp:4431 succeed on service.",
        2,
    );
    for line in [
        "Remote Web server [127.0.0.1]:tcp:4432 succeed on service.",
        "[127.0.0.1]:tcp:4433 by SSL_GET: reason 11, the server offers no TLS 1.2 or 1.3",
        "Remote Web server [127.0.0.1]:tcp:4434 succeed on service.",
        "The certificate of [127.0.0.1]:tcp:4435 expires in 4 days",
        "Remote Web server [127.0.0.1]:tcp:4435 succeed on service.",
        "[127.0.0.1]:tcp:4436 by SSL_GET: reason 12, no TLS cipher or key exchange in common",
        "SSL_CHECK on service [127.0.0.1]:tcp:4441 failed.",
        "[127.0.0.1]:tcp:4441 by SSL_GET: reason 10, the server does not speak TLS",
        "[127.0.0.1]:tcp:4442 by SSL_GET: reason 17, closed within the TLS handshake",
        "[127.0.0.1]:tcp:4443 by SSL_GET: reason 16, timed out in the TLS handshake",
        "[127.0.0.1]:tcp:4434 by SSL_GET: reason 103, certificate of another name",
        "[127.0.0.1]:tcp:4434 by SSL_GET: reason 102, certificate of an unknown issuer",
        "[127.0.0.1]:tcp:4499 by SSL_GET: reason 1, connection refused",
    ] {
        daemon.expect_once(line);
    }
}
