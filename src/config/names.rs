//! The names that `ip` knows for tables, scopes and the like, from the files of iproute2.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Host;
use super::tree::Statement;
use super::value;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameKind {
    Table,
    Scope,
    Protocol,
    Realm,
    TypeOfService,
    Group,
}

/// Every name, read from its files when the first of its kind is asked for.
pub(crate) struct Names {
    /// Those of the second count more.
    directories: [PathBuf; 2],
    known: HashMap<NameKind, HashMap<String, u32>>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            directories: ["/usr/share/iproute2".into(), "/etc/iproute2".into()],
            known: HashMap::new(),
        }
    }
}

impl Names {
    /// The directories are settings of the file itself, wherever in it they stand.
    pub(crate) fn new(statements: &[Statement]) -> Self {
        let mut names = Self::default();
        let globals = statements
            .iter()
            .filter(|statement| statement.keyword() == "global_defs");
        let lines = globals
            .filter_map(|statement| statement.block.as_ref())
            .flat_map(|block| &block.statements);
        for line in lines {
            let [usr, etc] = &mut names.directories;
            let directory = match line.keyword() {
                "iproute_usr_dir" => usr,
                "iproute_etc_dir" => etc,
                _ => continue,
            };
            if let Some(path) = line.argument(1) {
                *directory = PathBuf::from(path.text.as_str());
            }
        }
        names
    }

    /// The number a word stands for: itself, or that of its name.
    pub(crate) fn number(&mut self, kind: NameKind, word: &str, host: &dyn Host) -> Option<u32> {
        if let Some(number) = value::base_zero(word) {
            return u32::try_from(number)
                .ok()
                .filter(|number| *number <= kind.most());
        }
        let built_in = kind.built_in();
        if let Some((_, number)) = built_in.iter().find(|(name, _)| *name == word) {
            return Some(*number);
        }
        let directories = &self.directories;
        let known = self.known.entry(kind).or_insert_with(|| {
            let mut known = HashMap::new();
            for directory in directories {
                let file = directory.join(kind.file());
                read_names(&file, host, &mut known);
                for file in more_files(&file, host) {
                    read_names(&file, host, &mut known);
                }
            }
            known
        });
        known
            .get(word)
            .copied()
            .filter(|number| *number <= kind.most())
    }
}

/// `FILE.d/*.conf`, in order.
fn more_files(file: &Path, host: &dyn Host) -> Vec<PathBuf> {
    let mut directory = file.as_os_str().to_owned();
    directory.push(".d");
    let directory = PathBuf::from(directory);
    let listed = host.list(&directory).unwrap_or_default().into_iter();
    let paths = listed.map(|name| directory.join(name));
    let conf = paths.filter(|path| path.extension().is_some_and(|kind| kind == "conf"));
    let mut files: Vec<PathBuf> = conf.collect();
    files.sort();
    files
}

/// Lines of a number and a name; `#` starts a comment.
fn read_names(path: &Path, host: &dyn Host, known: &mut HashMap<String, u32>) {
    let Ok(bytes) = host.read(path) else {
        return;
    };
    for line in String::from_utf8_lossy(&bytes).lines() {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(value::base_zero);
        let number = number.and_then(|number| u32::try_from(number).ok());
        if let (Some(number), Some(name)) = (number, words.next()) {
            known.insert(name.to_owned(), number);
        }
    }
}

impl NameKind {
    fn file(self) -> &'static str {
        match self {
            Self::Table => "rt_tables",
            Self::Scope => "rt_scopes",
            Self::Protocol => "rt_protos",
            Self::Realm => "rt_realms",
            Self::TypeOfService => "rt_dsfield",
            Self::Group => "group",
        }
    }

    fn most(self) -> u32 {
        match self {
            Self::Scope | Self::Protocol | Self::TypeOfService => u8::MAX.into(),
            Self::Realm => u16::MAX.into(),
            Self::Table | Self::Group => u32::MAX,
        }
    }

    /// RT_TABLE_*, RT_SCOPE_* and RTPROT_* of the kernel.
    fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Table => &[("default", 253), ("main", 254), ("local", 255)],
            Self::Scope => &SCOPES,
            Self::Protocol => &[
                ("none", 0),
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("gated", 8),
                ("ra", 9),
                ("mrt", 10),
                ("zebra", 11),
                ("bird", 12),
                ("dnrouted", 13),
                ("xorp", 14),
                ("ntk", 15),
                ("dhcp", 16),
                ("keepalived", 18),
                ("babel", 42),
            ],
            Self::Realm | Self::TypeOfService | Self::Group => &[],
        }
    }
}

const SCOPES: [(&str, u32); 5] = [
    ("global", 0),
    ("site", 200),
    ("link", 253),
    ("host", 254),
    ("nowhere", 255),
];

/// The kernel's name of a scope; None for one that is only a number.
pub fn scope_name(scope: u8) -> Option<&'static str> {
    let found = SCOPES
        .iter()
        .find(|(_, number)| *number == u32::from(scope));
    found.map(|(name, _)| *name)
}

/// IP protocols by name, as far as anybody routes by them (IANA).
pub(crate) fn ip_protocol(word: &str) -> Option<u8> {
    if let Some(number) = value::base_zero(word) {
        return u8::try_from(number).ok();
    }
    const NAMES: [(&str, u8); 16] = [
        ("icmp", 1),
        ("igmp", 2),
        ("ipip", 4),
        ("tcp", 6),
        ("egp", 8),
        ("udp", 17),
        ("dccp", 33),
        ("ipv6", 41),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("ospf", 89),
        ("pim", 103),
        ("vrrp", 112),
        ("sctp", 132),
    ];
    let found = NAMES.iter().find(|(name, _)| *name == word);
    found.map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AnyHost;

    #[test]
    fn a_name_is_built_in_or_a_number_within_its_range() {
        let mut names = Names::new(&[]);
        for (kind, word, expected) in [
            (NameKind::Table, "main", Some(254)),
            (NameKind::Table, "0x100", Some(256)),
            (NameKind::Table, "unheard", None),
            (NameKind::Scope, "link", Some(253)),
            (NameKind::Scope, "256", None),
            (NameKind::Protocol, "bird", Some(12)),
            (NameKind::Realm, "65536", None),
        ] {
            assert_eq!(names.number(kind, word, &AnyHost), expected, "{word}");
        }
        assert_eq!(ip_protocol("vrrp"), Some(112));
        assert_eq!(ip_protocol("256"), None);
    }
}
