//! The checks of real servers as text.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Printer, quoted};
use crate::config::Script;
use crate::config::check::{Check, Checker, Endpoint, Probe};
use crate::config::check::{HttpProbe, HttpVersion, MaskedOctet, Regex, Reply, TlsVerify, Url};
use crate::config::script::escaped_word;

impl Printer {
    pub(super) fn checker(&mut self, checker: &Checker) {
        let check = &checker.check;
        self.open(check.probe.keyword());
        if let Some(endpoint) = check.probe.endpoint() {
            self.endpoints(checker.to, endpoint);
        }
        self.probe(&check.probe);
        match check.probe {
            Probe::File { .. } => {}
            Probe::Bfd { .. } => self.word("alpha", check.alpha),
            _ => self.pace(check),
        }
        self.close();
    }

    fn endpoints(&mut self, to: SocketAddr, ours: &Endpoint) {
        let Endpoint {
            from,
            device,
            mark,
            timeout,
        } = ours;
        self.word("connect_ip", to.ip());
        self.maybe("connect_port", (to.port() != 0).then(|| to.port()));
        if let Some(from) = from {
            let any = from.ip().is_unspecified();
            self.maybe("bindto", (!any).then(|| from.ip()));
            self.maybe("bind_port", (from.port() != 0).then(|| from.port()));
        }
        self.maybe("bind_if", device.as_deref().map(quoted));
        self.maybe("fwmark", (*mark != 0).then_some(mark));
        self.seconds("connect_timeout", *timeout);
    }

    fn pace(&mut self, check: &Check) {
        self.word("retry", check.retry);
        self.seconds("delay_before_retry", check.delay_before_retry);
        self.seconds("delay_loop", check.delay_loop);
        self.seconds("warmup", check.warmup);
        self.word("alpha", check.alpha);
        self.word("log_all_failures", check.log_all_failures);
    }

    /// What only this kind of check has.
    fn probe(&mut self, probe: &Probe) {
        match probe {
            Probe::Tcp(_) | Probe::Ping(_) => {}
            Probe::Http(http) => self.http(http),
            Probe::Smtp { helo_name, .. } => self.word("helo_name", quoted(helo_name)),
            Probe::Dns { record, name, .. } => {
                self.word("type", record.word());
                self.word("name", quoted(name));
            }
            Probe::Misc {
                script,
                timeout,
                dynamic,
            } => {
                let Script { argv, user } = script.clone();
                self.word("misc_path", Script { argv, user: None });
                self.maybe("user", user);
                self.seconds("misc_timeout", *timeout);
                self.flag("misc_dynamic", *dynamic);
            }
            Probe::Udp {
                payload,
                reply,
                reply_length,
                ..
            } => {
                self.maybe("payload", payload.as_deref().map(hex));
                match reply {
                    Reply::NotNeeded => {}
                    Reply::Any => self.line("require_reply"),
                    Reply::Starting(octets) => self.word("require_reply", masked(octets)),
                }
                self.word("min_reply_length", reply_length.start());
                self.word("max_reply_length", reply_length.end());
            }
            Probe::File { track_file, weight } => {
                self.word("track_file", quoted(track_file));
                let reverse = if weight.reverse { " reverse" } else { "" };
                self.line(format_args!("weight {}{reverse}", weight.factor));
            }
            Probe::Bfd { instance } => self.word("name", quoted(instance)),
        }
    }

    fn http(&mut self, http: &HttpProbe) {
        let version = (http.version != HttpVersion::default()).then(|| http.version.word());
        self.maybe("http_protocol", version);
        // One name for all pages may have been given as such, and is given so here. Names that
        // differ are those of the hosts, except where the host is that of the real server.
        let mut names = http.urls.iter().map(|url| url.server_name.as_deref());
        let first = names.next().flatten();
        let by_host = !names.all(|name| name == first);
        if by_host {
            self.line("enable_sni");
        } else {
            self.maybe("sni_name", first.map(quoted));
        }
        let verify = http.trust.verify;
        self.maybe(
            "tls_verify",
            (verify != TlsVerify::None).then(|| verify.word()),
        );
        self.maybe("tls_ca", http.trust.authorities.as_deref().map(quoted));
        self.maybe("tls_expiry_warning", http.trust.expiry_warning);
        self.flag("fast_recovery", http.fast_recovery);
        for url in &http.urls {
            let inherited = by_host && url.server_name != url.host;
            self.url(url, if inherited { None } else { url.host.as_deref() });
        }
    }

    fn url(&mut self, url: &Url, host: Option<&str>) {
        self.open("url");
        self.word("path", quoted(&url.path));
        self.maybe("virtualhost", host.map(quoted));
        self.maybe("digest", url.digest.as_ref().map(|digest| hex(digest)));
        for range in &url.status {
            let (first, last) = (range.start(), range.end());
            if first == last {
                self.word("status_code", first);
            } else {
                self.line(format_args!("status_code {first}-{last}"));
            }
        }
        if let Some(regex) = &url.regex {
            self.regex(regex);
        }
        self.flag("tls_compliant", url.close_notify);
        self.close();
    }

    fn regex(&mut self, regex: &Regex) {
        self.line(format_args!("regex \"{}\"", escaped_word(&regex.pattern)));
        self.flag("regex_no_match", regex.absent);
        if !regex.options.is_empty() {
            let words: Vec<&str> = regex.options.iter().map(|option| option.word()).collect();
            self.word("regex_options", words.join(" "));
        }
        let least = (regex.least_offset != 0).then_some(regex.least_offset);
        self.maybe("regex_min_offset", least);
        self.maybe("regex_max_offset", regex.most_offset);
        if let Some((first, most)) = regex.stack {
            self.line(format_args!("regex_stack {first} {most}"));
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes any text");
        text
    })
}

/// Nibbles that do not matter are an x.
fn masked(octets: &[MaskedOctet]) -> String {
    let digit = |value: u8, mask: u8| match mask {
        0 => 'x',
        _ => char::from_digit(value.into(), 16).expect("a nibble is less than 16"),
    };
    octets
        .iter()
        .flat_map(|octet| {
            let (high, low) = (octet.value >> 4, octet.value & 0xf);
            [digit(high, octet.mask >> 4), digit(low, octet.mask & 0xf)]
        })
        .collect()
}
