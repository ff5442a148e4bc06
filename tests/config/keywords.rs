//! No keyword that any keepalived had is unknown: `keywords.txt` has all of them by block, and each
//! is written into its block, alone on its line.

use std::fmt::Write as _;

use keepalived::config::{AnyHost, load_text};

const KEYWORDS: &str = include_str!("keywords.txt");

/// There are more; a list that shrinks says that a heading was lost.
const KEYWORDS_MIN: usize = 650;

const INSTANCE: &str = "vrrp_instance V {";
const SERVICE: &str = "virtual_server 192.0.2.1 80 {";
const SERVER: &str = "real_server 192.0.2.2 80 {";

/// The blocks around the lines of a heading, from the outside in.
fn around(heading: &str) -> Vec<String> {
    let named = |keyword: &str| vec![format!("{keyword} name {{")];
    let plain = |keyword: &str| format!("{keyword} {{");
    let inside = |outer: &[&str], keyword: &str| {
        let outer = outer.iter().map(|outer| (*outer).to_owned());
        outer.chain([plain(keyword)]).collect()
    };
    match heading {
        "file" => Vec::new(),
        "global_defs" | "garp_group" | "SSL" | "static_ipaddress" | "static_routes"
        | "static_rules" => vec![plain(heading)],
        "authentication" | "auth_hmac" | "virtual_ipaddress" | "virtual_routes"
        | "virtual_rules" => inside(&[INSTANCE], heading),
        "virtual_server" => vec![SERVICE.to_owned()],
        "real_server" => vec![SERVICE.to_owned(), SERVER.to_owned()],
        "url" => inside(&[SERVICE, SERVER, "HTTP_GET {"], "url"),
        "url of SSL_GET" => inside(&[SERVICE, SERVER, "SSL_GET {"], "url"),
        "host" => inside(&[SERVICE, SERVER, "SMTP_CHECK {"], "host"),
        check if check.ends_with("_CHECK") || check.ends_with("_GET") => {
            inside(&[SERVICE, SERVER], check)
        }
        block => named(block),
    }
}

/// What stands before a word on lines that are no statements.
fn before(heading: &str) -> &'static str {
    match heading {
        "virtual_ipaddress" | "static_ipaddress" => "192.0.2.3 ",
        "virtual_routes" | "static_routes" => "10.0.0.0/8 ",
        "virtual_rules" | "static_rules" => "from 10.0.0.0/8 ",
        _ => "",
    }
}

fn is_unknown(heading: &str, word: &str) -> bool {
    let blocks = around(heading);
    let mut text = blocks.join("\n");
    write!(text, "\n{}{word}\n", before(heading)).unwrap();
    text.push_str(&"}\n".repeat(blocks.len()));
    let diagnostics = load_text("keyword.conf", &text, &AnyHost).diagnostics;
    let unknown = [
        format!("unknown keyword `{word}`"),
        format!("unknown word `{word}`"),
        // A route takes what it does not know for its destination.
        format!("`{word}` is not an address"),
    ];
    let mut messages = diagnostics.iter().map(|problem| problem.message.as_str());
    messages.any(|message| unknown.iter().any(|start| message.starts_with(start)))
}

#[test]
fn no_keyword_of_any_keepalived_is_unknown() {
    let mut heading = "";
    let mut count = 0;
    let mut unknown = Vec::new();
    for line in KEYWORDS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            heading = name.trim_end_matches(']');
            assert!(
                is_unknown(heading, "nonsense"),
                "[{heading}] takes anything"
            );
            continue;
        }
        for word in line.split_whitespace() {
            count += 1;
            if is_unknown(heading, word) {
                unknown.push(format!("{heading}: {word}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(count >= KEYWORDS_MIN, "{count} keywords are listed");
}
