//! The files that both programs are given: those of the golden tests and the seeds, a small one
//! for every line of `snippets.txt`, and damaged ones from a generator with a fixed seed.

use std::fs;
use std::path::Path;

use keepalived::rand::Rand;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
}

const SNIPPETS: &str = include_str!("snippets.txt");

/// Every whole file is damaged once, and every so-manieth snippet. The seed makes them the same in
/// every run.
const DAMAGED_EVERY: usize = 6;
const SEED: u64 = 3;

/// What stands around a snippet: the heading, what comes before, what comes after.
const AROUND: &[(&str, &str, &str)] = &[
    ("file", "", ""),
    ("global_defs", "global_defs {\n", "}\n"),
    (
        "vrrp_instance",
        "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n",
        " virtual_ipaddress {\n 192.168.16.20\n }\n}\n",
    ),
    (
        "virtual_ipaddress",
        "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n",
        " }\n}\n",
    ),
    (
        "vrrp_instance of IPv6",
        "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n",
        " virtual_ipaddress {\n fe80::51\n fd00::20\n }\n}\n",
    ),
    (
        "vrrp_sync_group",
        "vrrp_instance A {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n \
         192.168.16.20\n }\n}\nvrrp_instance B {\n interface eth1\n virtual_router_id 52\n \
         virtual_ipaddress {\n 192.168.17.20\n }\n}\nvrrp_sync_group G {\n",
        "}\n",
    ),
    (
        "vrrp_script",
        "global_defs {\n enable_script_security\n script_user root\n}\nvrrp_script chk {\n",
        "}\nvrrp_instance V {\n interface eth0\n virtual_router_id 51\n track_script {\n chk\n }\n \
         virtual_ipaddress {\n 192.168.16.20\n }\n}\n",
    ),
    (
        "track_file",
        "track_file f {\n",
        "}\nvrrp_instance V {\n interface eth0\n virtual_router_id 51\n track_file {\n f\n }\n \
         virtual_ipaddress {\n 192.168.16.20\n }\n}\n",
    ),
    (
        "vrrp_track_process",
        "vrrp_track_process p {\n",
        "}\nvrrp_instance V {\n interface eth0\n virtual_router_id 51\n track_process {\n p\n }\n \
         virtual_ipaddress {\n 192.168.16.20\n }\n}\n",
    ),
    (
        "bfd_instance",
        "bfd_instance b {\n",
        "}\nvrrp_instance V {\n interface eth0\n virtual_router_id 51\n track_bfd {\n b\n }\n \
         virtual_ipaddress {\n 192.168.16.20\n }\n}\n",
    ),
    (
        "virtual_routes",
        "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n \
         192.168.16.20\n }\n virtual_routes {\n",
        " }\n}\n",
    ),
    (
        "virtual_rules",
        "vrrp_instance V {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n \
         192.168.16.20\n }\n virtual_rules {\n",
        " }\n}\n",
    ),
    (
        "virtual_server_group",
        "virtual_server_group G {\n",
        "}\nvirtual_server group G {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
         real_server 192.168.16.2 80 {\n }\n}\n",
    ),
    (
        "virtual_server",
        "virtual_server 192.168.16.20 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n",
        " real_server 192.168.16.2 80 {\n weight 1\n }\n}\n",
    ),
    (
        "real_server",
        "virtual_server 192.168.16.20 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
         real_server 192.168.16.2 80 {\n",
        " }\n}\n",
    ),
];

/// Checks, each in a server of its own.
const CHECKS: [&str; 7] = [
    "TCP_CHECK",
    "HTTP_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "MISC_CHECK",
];

pub(crate) fn cases() -> Vec<Case> {
    let written = written();
    let snippets = snippets();
    let spoilt: Vec<Case> = written
        .iter()
        .chain(snippets.iter().step_by(DAMAGED_EVERY))
        .map(|case| {
            let mut rng = Rand::new(SEED ^ hash(&case.name));
            let text = damaged(&String::from_utf8_lossy(&case.text), &mut rng);
            Case {
                name: format!("damaged {}", case.name),
                text: text.into_bytes(),
            }
        })
        .collect();
    let all = [written, snippets, spoilt];
    all.into_iter().flatten().collect()
}

/// What happens to one file does not depend on which others there are (FNV-1a).
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The configurations of the golden tests.
fn written() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "tests/config",
        "tests/config/seeds",
        "tests/inspect",
        "scripts/samples",
    ];
    let mut cases = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
            {
                cases.push(Case {
                    name: path.strip_prefix(root).unwrap().display().to_string(),
                    text: fs::read(&path).unwrap(),
                });
            }
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn snippets() -> Vec<Case> {
    let mut heading = "";
    let mut cases = Vec::new();
    let lines = SNIPPETS.lines().filter(|line| !line.is_empty());
    // The first lines say what the file is.
    for line in lines.skip_while(|line| line.starts_with("# ")) {
        if let Some(name) = line.strip_prefix('[') {
            heading = name.trim_end_matches(']');
            continue;
        }
        let mut text = String::new();
        let (before, after) = around(heading);
        text += &before;
        for part in line.split(';') {
            text += part.trim();
            text.push('\n');
        }
        text += &after;
        cases.push(Case {
            name: format!("{heading}: {line}"),
            text: text.into_bytes(),
        });
    }
    cases
}

fn around(heading: &str) -> (String, String) {
    if CHECKS.contains(&heading) {
        let (mut before, mut after) = around("real_server");
        // Without it, theirs complains about every script.
        let globals = "global_defs {\n enable_script_security\n script_user root\n}\n";
        before = format!("{globals}{before}{heading} {{\n");
        after = format!("}}\n{after}");
        if heading == "HTTP_GET" {
            after = format!("url {{\n path /index.html\n}}\n{after}");
        }
        return (before, after);
    }
    let found = AROUND.iter().find(|(name, ..)| *name == heading);
    let (_, before, after) = found.unwrap_or_else(|| panic!("no text for [{heading}]"));
    ((*before).to_owned(), (*after).to_owned())
}

/// A few of the mistakes that people make.
fn damaged(text: &str, rng: &mut Rand) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=below(rng, 2) {
        if lines.is_empty() {
            return String::new();
        }
        let at = below(rng, lines.len());
        let mut words: Vec<String> = lines[at].split_whitespace().map(str::to_owned).collect();
        let which = below(rng, words.len());
        let another = lines[below(rng, lines.len())].clone();
        match below(rng, 9) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, another),
            2 => lines.rotate_left(1),
            _ if words.is_empty() => {}
            3 => drop(words.remove(which)),
            4 => words.insert(
                which,
                another.split_whitespace().next().unwrap_or("x").to_owned(),
            ),
            5 => words[which] = ["0", "-1", "99999", "x", "1.5"][below(rng, 5)].to_owned(),
            6 => words[which] = words[which].chars().take(3).collect(),
            7 => words[which].push(char::from(b"x1_{}"[below(rng, 5)])),
            _ => words.push("{".to_owned()),
        }
        if let Some(line) = lines.get_mut(at).filter(|_| !words.is_empty()) {
            let changed = words.join(" ");
            if line.split_whitespace().collect::<Vec<_>>() != words {
                *line = changed;
            }
        }
    }
    lines.join("\n") + "\n"
}

fn below(rng: &mut Rand, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}
