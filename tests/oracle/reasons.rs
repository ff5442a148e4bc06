//! Why a file may be refused by one of the two and not by the other.

/// A sign that a difference is meant, and why.
pub(crate) struct Reason {
    pub(crate) sign: Sign,
    pub(crate) why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sign {
    /// Words of a complaint; `*` stands for anything.
    Said(&'static str),
    /// Words of the file, which give a reason to all complaints about it.
    Wrote(&'static str),
}

impl Reason {
    pub(crate) fn explains(&self, complaint: &str, text: &str) -> bool {
        match self.sign {
            Sign::Said(words) => holds(complaint, words),
            Sign::Wrote(words) => text.contains(words),
        }
    }
}

fn holds(complaint: &str, words: &str) -> bool {
    let mut rest = complaint;
    let mut parts = words.split('*');
    parts.all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

const fn said(words: &'static str, why: &'static str) -> Reason {
    let sign = Sign::Said(words);
    Reason { sign, why }
}

const fn wrote(words: &'static str, why: &'static str) -> Reason {
    let sign = Sign::Wrote(words);
    Reason { sign, why }
}

const OLD: &str = "old keywords get a warning, which does not count";
const NEWER: &str = "a keyword of keepalived 2.3 or 2.4";
const AFTER: &str =
    "what 2.2.7 reads wrong from there on: a keyword of later ones that opens a block";
const FIREWALL: &str = "Debian builds keepalived without iptables";

/// What Debian's keepalived 2.2.7 refuses and we accept.
pub(crate) const THEIRS: &[Reason] = &[
    said("Unknown keyword 'nat_mask'", OLD),
    said("Unknown keyword 'nb_get_retry'", OLD),
    said("nb_get_retry is deprecated", OLD),
    said("Unknown keyword 'lvs_id'", OLD),
    said("Unknown keyword 'smtp_alert'", OLD),
    said("Unknown keyword 'lb_kind'", OLD),
    said("Unknown keyword 'connect_timeout'", OLD),
    said("vrrp_vmac_garp_intvl\" is deprecated", OLD),
    said("'linkbeat_use_polling' in vrrp instance deprecated", OLD),
    said(
        "lvs_sync_daemon_interface against a vrrp is deprecated",
        OLD,
    ),
    said("Please use global lvs_sync_daemon", OLD),
    said("global_tracking is deprecated", OLD),
    said("\"gw\" for routes is deprecated", OLD),
    said("hashed only applies to sh scheduler", OLD),
    said("Unknown keyword 'no_virtual_ipaddress'", NEWER),
    said("No VIP specified; at least one is sensible", NEWER),
    said("Unknown keyword 'v3_checksum_as_v2'", NEWER),
    said("Unknown keyword 'owner_ignore_adverts'", NEWER),
    said("Unknown keyword 'timer_expired_backup'", NEWER),
    said("Unknown keyword 'json_version'", NEWER),
    said("Unknown keyword 'iproute_etc_dir'", NEWER),
    wrote("auth_hmac {", AFTER),
    said("iptables not supported, using nftables", FIREWALL),
    said("Unknown keyword 'vrrp_ipsets'", FIREWALL),
    said(
        "Unknown umask bit IRWXG",
        "a bit of umask that 2.2.7 misspells",
    ),
    said(
        "Invalid smtp server mail.example.com",
        "names are looked up when there is mail to send",
    ),
    wrote("\u{feff}", "a byte order mark is skipped"),
    wrote(
        "Neither this comment nor a lone backslash",
        "a comment does not end a definition of several lines",
    ),
    wrote(
        "${_ENV UNSET_VARIABLE}",
        "a variable that is not set is empty, as in keepalived 2.4; ${_HASH} starts no comment",
    ),
    said(
        "persistence_timeout invalid",
        "persistence_timeout 0 says what everybody means by it",
    ),
    said(
        "number '0' outside range [1, 2678400]",
        "persistence_timeout 0 says what everybody means by it",
    ),
    said(
        "tracked interface vrrp.1 doesn't exist",
        "an interface that another instance makes is one",
    ),
    said(
        "Non-existent interface specified in configuration",
        "an interface that another instance makes is one",
    ),
    said(
        "cannot track route*with no interface specified",
        "a route is known by more than its interface",
    ),
];

/// What we refuse and Debian's keepalived 2.2.7 accepts.
pub(crate) const OURS: &[Reason] = &[
    wrote(
        "net_namespace ",
        "keepalived ends in a namespace that is not there, and says that all is well",
    ),
    said(
        "`global_defs` has no block",
        "a brace is missing, even at the end of the file",
    ),
    said(
        "no usable `misc_path`",
        "a server whose check is left out would count as up",
    ),
    said(
        "`track_group g` has no member",
        "keepalived 2.4 refuses it, too",
    ),
];
