//! `track_tcp`, `track_ping`, `track_http`: what a `vrrp_script` may try in place of a program.
//! Hosts are addresses: a router that needs a name server to know how it does would fail with it.

use std::net::{IpAddr, SocketAddr};

use crate::config::report::Report;
use crate::config::track::{Reach, WebPage};
use crate::config::tree::Statement;

/// `track_tcp HOST PORT`
pub(super) fn tcp(statement: &Statement, report: &mut Report<'_>) -> Option<Reach> {
    let host = host(statement, report)?;
    let port = report.port(statement.argument(2)?)?;
    Some(Reach::Tcp(SocketAddr::new(host, port)))
}

/// `track_ping HOST`
pub(super) fn ping(statement: &Statement, report: &mut Report<'_>) -> Option<Reach> {
    host(statement, report).map(Reach::Ping)
}

/// `track_http URL`
pub(super) fn http(statement: &Statement, report: &mut Report<'_>) -> Option<Reach> {
    let word = statement.argument(1)?;
    let page = web_page(&word.text);
    if page.is_none() {
        report.reject(
            word,
            "a URL such as http://192.0.2.1:8080/path, with an address",
        );
    }
    page.map(Reach::Http)
}

fn host(statement: &Statement, report: &mut Report<'_>) -> Option<IpAddr> {
    let word = statement.argument(1)?;
    let host = word.text.parse().ok();
    if host.is_none() {
        report.reject(word, "an IP address");
    }
    host
}

fn web_page(url: &str) -> Option<WebPage> {
    let (scheme, rest) = url.split_once("://")?;
    let (tls, usual) = match scheme {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return None,
    };
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let to = match place.parse() {
        Ok(to) => to,
        Err(_) => {
            let bare = place
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            let is_bare = bare.is_some() || !place.contains(':');
            let host = bare.unwrap_or(place).parse().ok().filter(|_| is_bare)?;
            SocketAddr::new(host, usual)
        }
    };
    let is_clean = !path.contains(|letter: char| letter.is_control() || letter.is_whitespace());
    is_clean.then(|| WebPage {
        tls,
        to,
        path: if path.is_empty() { "/" } else { path }.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_address_and_maybe_a_port_and_a_path() {
        for (url, tls, to, path) in [
            ("http://10.0.0.1", false, "10.0.0.1:80", "/"),
            ("https://10.0.0.1/a?b", true, "10.0.0.1:443", "/a?b"),
            ("http://10.0.0.1:8080/", false, "10.0.0.1:8080", "/"),
            ("http://[2001:db8::1]/x", false, "[2001:db8::1]:80", "/x"),
            ("https://[2001:db8::1]:444", true, "[2001:db8::1]:444", "/"),
        ] {
            let to = to.parse().unwrap();
            let path = path.to_owned();
            assert_eq!(web_page(url), Some(WebPage { tls, to, path }), "{url}");
        }
        for wrong in [
            "10.0.0.1",
            "ftp://10.0.0.1/",
            "http://example.org/",
            "http://2001:db8::1/",
            "http://10.0.0.1:x/",
            "http://10.0.0.1/a b",
            "http://",
        ] {
            assert_eq!(web_page(wrong), None, "{wrong}");
        }
    }
}
