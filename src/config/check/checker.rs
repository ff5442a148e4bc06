//! The checks of a real server: what is tried, how often, and what counts as an answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Script;

/// One check of a real server. All of a server's checks must pass for it to be up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checker {
    /// `connect_ip`, `connect_port`, else those of the server. The port of `PING_CHECK` is 0; what
    /// connects to nothing has [`Self::NOWHERE`].
    pub to: SocketAddr,
    /// One for all servers that agree in it: most differ in nothing but their address.
    pub check: Arc<Check>,
}

/// What is checked and how often, wherever it connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    pub probe: Probe,
    /// Additional attempts before a server that is up counts as down.
    pub retry: u32,
    pub delay_before_retry: Duration,
    /// From the end of one check to the start of the next. This and the other times are zero for
    /// `FILE_CHECK` and `BFD_CHECK`, which wait for what they are told.
    pub delay_loop: Duration,
    /// The first check comes after a second plus a random part of this.
    pub warmup: Duration,
    /// `alpha`: the server starts down.
    pub alpha: bool,
    pub log_all_failures: bool,
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// `TCP_CHECK`: up when the handshake completes.
    Tcp(Endpoint),
    /// `PING_CHECK`: up when an echo comes back.
    Ping(Endpoint),
    /// `HTTP_GET`, `SSL_GET`.
    Http(HttpProbe),
    /// `SMTP_CHECK`: up when the server greets and answers HELO.
    Smtp {
        endpoint: Endpoint,
        /// `helo_name`.
        helo_name: String,
    },
    /// `DNS_CHECK`: up when the answer is no error.
    Dns {
        endpoint: Endpoint,
        /// `type`.
        record: RecordType,
        /// `name`; `.` is the root.
        name: String,
    },
    /// `MISC_CHECK`: up when a program says so.
    Misc {
        /// `misc_path`, `user`.
        script: Script,
        /// `misc_timeout`: how long it may take.
        timeout: Duration,
        /// `misc_dynamic`: its exit code is a weight.
        dynamic: bool,
    },
    /// `UDP_CHECK`: down when the network says that nobody is there.
    Udp {
        endpoint: Endpoint,
        /// `payload`; None: a text of our own.
        payload: Option<Vec<u8>>,
        reply: Reply,
        /// `min_reply_length` to `max_reply_length`; asked only of a reply with a pattern.
        reply_length: RangeInclusive<u16>,
    },
    /// `FILE_CHECK`: the number in a file is up, down or a weight.
    File {
        /// Name of a `track_file`.
        track_file: String,
        /// Its own, else that of the `track_file`.
        weight: FileWeight,
    },
    /// `BFD_CHECK`: up while the session is.
    Bfd {
        /// Name of a `bfd_instance`.
        instance: String,
    },
}

/// Our end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `bindto`, `bind_port`.
    pub from: Option<SocketAddr>,
    /// `bind_if`.
    pub device: Option<String>,
    /// `fwmark`; 0 for none.
    pub mark: u32,
    /// `connect_timeout`.
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    pub endpoint: Endpoint,
    /// `SSL_GET`.
    pub tls: bool,
    /// `http_protocol`.
    pub version: HttpVersion,
    /// What is asked of the server's certificate.
    pub trust: TlsTrust,
    /// `fast_recovery`: the URLs of a server that comes back are tried without delay.
    pub fast_recovery: bool,
    /// Never empty; all of them must pass.
    pub urls: Vec<Url>,
}

/// `tls_verify` and what belongs to it. keepalived asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsTrust {
    pub verify: TlsVerify,
    /// `tls_ca`: a file of authorities; None: those of the `SSL` block, else of the system.
    pub authorities: Option<String>,
    /// `tls_expiry_warning`: so many days before the certificate expires there is a warning.
    pub expiry_warning: Option<u32>,
}

/// `tls_verify`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVerify {
    #[default]
    None,
    /// An authority vouches for the certificate today.
    Chain,
    /// And it bears the name that is asked for.
    Name,
}

/// `http_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    #[default]
    Http10,
    /// 1.0 with `Connection: close`.
    Http10Close,
    Http11,
}

/// One `url` of an HTTP check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    pub path: String,
    /// `virtualhost` of the URL, the check, the server or the service; None: the address.
    pub host: Option<String>,
    /// The name sent in the TLS handshake; None: none is sent.
    pub server_name: Option<String>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `status_code`: in order, without overlaps, within 100 to 599.
    pub status: Vec<RangeInclusive<u16>>,
    pub regex: Option<Regex>,
    /// `tls_compliant`: the connection is closed as TLS wants it.
    pub close_notify: bool,
}

/// What the body of an answer must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Regex {
    /// As written, escapes of the file resolved; not compiled yet.
    pub pattern: String,
    /// `regex_no_match`: it must not hold it.
    pub absent: bool,
    /// `regex_options`, in the order of [`RegexOption::ALL`], each once.
    pub options: Vec<RegexOption>,
    /// `regex_min_offset`, in octets: a match may start there.
    pub least_offset: u64,
    /// `regex_max_offset`: and not behind this.
    pub most_offset: Option<u64>,
    /// `regex_stack`: octets at the start and at most.
    pub stack: Option<(u64, u64)>,
}

/// Options of PCRE2 when it compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegexOption {
    AllowEmptyClass,
    AltBsux,
    AltCircumflex,
    AltVerbnames,
    AutoCallout,
    Caseless,
    DollarEndonly,
    Dotall,
    Dupnames,
    Extended,
    Firstline,
    MatchUnsetBackref,
    Multiline,
    NeverBackslashC,
    NeverUcp,
    NeverUtf,
    NoAutoCapture,
    NoAutoPossess,
    NoDotstarAnchor,
    NoStartOptimize,
    Ucp,
    Ungreedy,
    UseOffsetLimit,
    Utf,
}

/// `type` of `DNS_CHECK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecordType {
    A,
    Ns,
    Cname,
    #[default]
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

/// `require_reply` of `UDP_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Silence is fine.
    NotNeeded,
    Any,
    /// One that starts with these octets.
    Starting(Vec<MaskedOctet>),
}

/// An octet of which some bits do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskedOctet {
    /// The bits that matter, the others are zero.
    pub value: u8,
    /// Which those are; whole nibbles.
    pub mask: u8,
}

/// How the number in a file becomes a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileWeight {
    /// The number is multiplied by this; 0: any number but 0 is down.
    pub factor: i32,
    /// The other way round.
    pub reverse: bool,
}

impl Checker {
    /// Of `MISC_CHECK`, `FILE_CHECK` and `BFD_CHECK`.
    pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
}

impl Probe {
    /// The keyword of the check.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Http(HttpProbe { tls: false, .. }) => "HTTP_GET",
            Self::Http(HttpProbe { tls: true, .. }) => "SSL_GET",
            Self::Smtp { .. } => "SMTP_CHECK",
            Self::Dns { .. } => "DNS_CHECK",
            Self::Misc { .. } => "MISC_CHECK",
            Self::Udp { .. } => "UDP_CHECK",
            Self::File { .. } => "FILE_CHECK",
            Self::Bfd { .. } => "BFD_CHECK",
        }
    }

    /// None for a check that connects to nothing.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Tcp(endpoint)
            | Self::Ping(endpoint)
            | Self::Http(HttpProbe { endpoint, .. })
            | Self::Smtp { endpoint, .. }
            | Self::Dns { endpoint, .. }
            | Self::Udp { endpoint, .. } => Some(endpoint),
            Self::Misc { .. } | Self::File { .. } | Self::Bfd { .. } => None,
        }
    }
}

impl RegexOption {
    /// Every option with its word.
    pub const ALL: [(&'static str, Self); 24] = [
        ("allow_empty_class", Self::AllowEmptyClass),
        ("alt_bsux", Self::AltBsux),
        ("alt_circumflex", Self::AltCircumflex),
        ("alt_verbnames", Self::AltVerbnames),
        ("auto_callout", Self::AutoCallout),
        ("caseless", Self::Caseless),
        ("dollar_endonly", Self::DollarEndonly),
        ("dotall", Self::Dotall),
        ("dupnames", Self::Dupnames),
        ("extended", Self::Extended),
        ("firstline", Self::Firstline),
        ("match_unset_backref", Self::MatchUnsetBackref),
        ("multiline", Self::Multiline),
        ("never_backslash_c", Self::NeverBackslashC),
        ("never_ucp", Self::NeverUcp),
        ("never_utf", Self::NeverUtf),
        ("no_auto_capture", Self::NoAutoCapture),
        ("no_auto_possess", Self::NoAutoPossess),
        ("no_dotstar_anchor", Self::NoDotstarAnchor),
        ("no_start_optimize", Self::NoStartOptimize),
        ("ucp", Self::Ucp),
        ("ungreedy", Self::Ungreedy),
        ("use_offset_limit", Self::UseOffsetLimit),
        ("utf", Self::Utf),
    ];

    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, option)| *option == self);
        known.expect("every option has a word").0
    }
}

impl TlsVerify {
    /// Every kind with its word.
    pub const ALL: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("chain", Self::Chain),
        ("name", Self::Name),
    ];

    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, verify)| *verify == self);
        known.expect("every kind has a word").0
    }
}

impl HttpVersion {
    pub fn word(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http10Close => "1.0C",
            Self::Http11 => "1.1",
        }
    }
}

impl RecordType {
    /// Every type with its name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("A", Self::A),
        ("NS", Self::Ns),
        ("CNAME", Self::Cname),
        ("SOA", Self::Soa),
        ("MX", Self::Mx),
        ("TXT", Self::Txt),
        ("AAAA", Self::Aaaa),
        ("RRSIG", Self::Rrsig),
        ("DNSKEY", Self::Dnskey),
    ];

    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, record)| *record == self);
        known.expect("every type has a name").0
    }
}
