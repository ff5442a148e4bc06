//! What a reload would do: two configurations compared as the daemon compares them.
//!
//! The comparison works on canonical text, so a keyword cannot be forgotten here: whatever
//! [`print`](super::print()) writes is compared. Objects are paired by what they are to the
//! network: an instance by its [`InstanceKey`], a service by its [`ServiceKey`]; what is inside of
//! them and everything else by the words it begins with.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;

use super::lossless::visible;
use super::{Config, InstanceKey, ServiceKey, print};

/// Everything that differs, in the order of the new configuration; what goes comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub list: Vec<Change>,
    /// How many objects of each kind stay as they are, in the order of the file.
    pub kept: Vec<(String, usize)>,
}

/// One object of the file, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As it begins in the new configuration, or in the old one when it goes.
    pub object: String,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Added,
    Removed,
    /// It goes on with other settings.
    Changed(Vec<Operation>),
}

/// One difference inside of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The blocks around, from the outside in, each as it begins.
    pub inside: Vec<String>,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line or a block that was not there.
    Add(String),
    /// A line or a block that goes.
    Remove(String),
    /// A keyword gets another value.
    Set {
        keyword: String,
        from: String,
        to: String,
    },
    /// The object has another name now.
    Rename { from: String },
    /// The same lines or blocks in another order.
    Reorder,
}

/// Keywords whose values do not reach a terminal; the words after them are covered.
const SECRET: [&str; 3] = ["auth_pass", "key", "password"];
const COVERED: &str = "********";

/// What would change if `new` took the place of `old`.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let (old_text, new_text) = (print(old), print(new));
    let (old, new) = (objects(&old_text, old), objects(&new_text, new));
    let pairs = pair(&old, &new);
    let mut changes = Changes::default();
    for block in pairs.gone {
        changes.add(block, Verdict::Removed);
    }
    for (before, block) in pairs.stay_or_come {
        let Some(before) = before else {
            changes.add(block, Verdict::Added);
            continue;
        };
        let mut comparison = Comparison::default();
        if before.head != block.head {
            let from = visible(before.head);
            comparison.add(Step::Rename { from });
        }
        comparison.blocks(before, block);
        if comparison.operations.is_empty() {
            changes.keep(keyword(block.head));
        } else {
            changes.add(block, Verdict::Changed(comparison.operations));
        }
    }
    changes
}

impl Changes {
    /// Whether a reload would leave everything alone.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn add(&mut self, block: &Block<'_>, verdict: Verdict) {
        let mut object = visible(block.head);
        // Two services may differ in nothing else.
        let mut lines = block.lines.iter();
        if let Some(protocol) = lines.find_map(|line| line.strip_prefix("protocol ")) {
            object = format!("{object} ({protocol})");
        }
        self.list.push(Change { object, verdict });
    }

    fn keep(&mut self, keyword: &str) {
        match self.kept.iter_mut().find(|(known, _)| known == keyword) {
            Some((_, count)) => *count += 1,
            None => self.kept.push((keyword.to_owned(), 1)),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change { object, verdict } in &self.list {
            match verdict {
                Verdict::Added => writeln!(f, "{object} is added")?,
                Verdict::Removed => writeln!(f, "{object} is removed")?,
                Verdict::Changed(operations) => {
                    writeln!(f, "{object} changes:")?;
                    for operation in operations {
                        writeln!(f, "    {operation}")?;
                    }
                }
            }
        }
        if self.is_empty() {
            f.write_str("nothing changes")?;
        } else {
            f.write_str("everything else is kept")?;
        }
        for (index, (keyword, count)) in self.kept.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{count} {keyword}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.inside.is_empty() {
            write!(f, "{}: ", self.inside.join(", "))?;
        }
        match &self.step {
            Step::Add(line) => write!(f, "{line} is added"),
            Step::Remove(line) => write!(f, "{line} is removed"),
            Step::Set { keyword, from, to } if from == to => write!(f, "{keyword} changes"),
            Step::Set { keyword, from, to } => write!(f, "{keyword} from {from} to {to}"),
            Step::Rename { from } => write!(f, "renamed, it was {from}"),
            Step::Reorder => f.write_str("in another order"),
        }
    }
}

/// What makes a block of one configuration that of another.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Identity<'a> {
    Instance(InstanceKey),
    Service(ServiceKey),
    Words(&'a str),
}

/// A block of canonical text. A line outside of all blocks is one without anything in it.
#[derive(PartialEq, Eq, Hash)]
struct Block<'a> {
    identity: Identity<'a>,
    /// The line it begins with, without the brace.
    head: &'a str,
    lines: Vec<&'a str>,
    blocks: Vec<Self>,
}

/// What stands outside of all blocks in canonical text, in order.
fn objects<'a>(text: &'a str, config: &Config) -> Vec<Block<'a>> {
    let mut instances = config.instances.iter();
    let mut services = config.virtual_servers.iter();
    let Block { lines, blocks, .. } = Block::read(text);
    let mut objects: Vec<Block<'_>> = lines.into_iter().map(Block::new).collect();
    objects.extend(blocks);
    for block in &mut objects {
        let identity = match keyword(block.head) {
            "vrrp_instance" => instances.next().map(|one| Identity::Instance(one.key())),
            "virtual_server" => services
                .next()
                .map(|one| Identity::Service(one.key.clone())),
            _ => None,
        };
        if let Some(identity) = identity {
            block.identity = identity;
        }
    }
    objects
}

impl<'a> Block<'a> {
    fn new(head: &'a str) -> Self {
        Self {
            identity: Identity::Words(head),
            head,
            lines: Vec::new(),
            blocks: Vec::new(),
        }
    }

    fn read(text: &'a str) -> Self {
        let mut around: Vec<Self> = Vec::new();
        let mut block = Self::new("");
        for line in text.lines().map(str::trim_start) {
            if let Some(head) = line.strip_suffix(" {") {
                around.push(mem::replace(&mut block, Self::new(head)));
            } else if line != "}" {
                block.lines.push(line);
            } else if let Some(outer) = around.pop() {
                let closed = mem::replace(&mut block, outer);
                block.blocks.push(closed);
            }
        }
        block
    }
}

struct Pairs<'b, 'a> {
    /// Old blocks without a new one.
    gone: Vec<&'b Block<'a>>,
    /// Every new block, with its old one if there is one.
    stay_or_come: Vec<(Option<&'b Block<'a>>, &'b Block<'a>)>,
}

/// Of several blocks with one identity equal ones belong together, then those in the same order.
fn pair<'b, 'a>(old: &'b [Block<'a>], new: &'b [Block<'a>]) -> Pairs<'b, 'a> {
    let mut equal: HashMap<&Block<'_>, VecDeque<usize>> = HashMap::new();
    for (index, block) in old.iter().enumerate() {
        equal.entry(block).or_default().push_back(index);
    }
    let mut partners: Vec<Option<usize>> = new
        .iter()
        .map(|block| equal.get_mut(block)?.pop_front())
        .collect();
    let mut rest: Vec<usize> = equal.into_values().flatten().collect();
    rest.sort_unstable();
    let mut alike: HashMap<&Identity<'_>, VecDeque<usize>> = HashMap::new();
    for index in rest {
        alike
            .entry(&old[index].identity)
            .or_default()
            .push_back(index);
    }
    for (partner, block) in partners.iter_mut().zip(new) {
        if partner.is_none() {
            *partner = alike.get_mut(&block.identity).and_then(VecDeque::pop_front);
        }
    }
    let mut gone: Vec<usize> = alike.into_values().flatten().collect();
    gone.sort_unstable();
    let partners = partners.into_iter().zip(new);
    Pairs {
        gone: gone.into_iter().map(|index| &old[index]).collect(),
        stay_or_come: partners
            .map(|(partner, block)| (partner.map(|index| &old[index]), block))
            .collect(),
    }
}

/// Walks through an old and a new block side by side.
#[derive(Default)]
struct Comparison {
    inside: Vec<String>,
    operations: Vec<Operation>,
}

impl Comparison {
    fn add(&mut self, step: Step) {
        let inside = self.inside.clone();
        self.operations.push(Operation { inside, step });
    }

    fn blocks(&mut self, old: &Block<'_>, new: &Block<'_>) {
        self.lines(&old.lines, &new.lines);
        let pairs = pair(&old.blocks, &new.blocks);
        for block in &pairs.gone {
            self.add(Step::Remove(shown(block.head)));
        }
        let mut came = false;
        for (before, block) in &pairs.stay_or_come {
            match before {
                None => {
                    came = true;
                    self.add(Step::Add(shown(block.head)));
                }
                Some(before) if before == block => {}
                Some(before) => {
                    self.inside.push(shown(block.head));
                    self.blocks(before, block);
                    self.inside.pop();
                }
            }
        }
        let heads = |block: &Block<'_>| -> Vec<String> {
            block
                .blocks
                .iter()
                .map(|inner| inner.head.to_owned())
                .collect()
        };
        if pairs.gone.is_empty() && !came && heads(old) != heads(new) {
            self.add(Step::Reorder);
        }
    }

    fn lines(&mut self, old: &[&str], new: &[&str]) {
        let (gone, came) = (without(old, new), without(new, old));
        if gone.is_empty() && came.is_empty() && old != new {
            return self.add(Step::Reorder);
        }
        let only = |lines: &[&str], word: &str| {
            lines.iter().filter(|line| keyword(line) == word).count() == 1
        };
        // A keyword that stands once in each has another value; all else comes or goes.
        let set = |line: &str| {
            let word = keyword(line);
            let is_keyword = word
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            is_keyword && only(old, word) && only(new, word)
        };
        for line in &gone {
            if !set(line) {
                self.add(Step::Remove(shown(line)));
            }
        }
        for line in &came {
            let word = keyword(line);
            let before = gone.iter().find(|before| keyword(before) == word);
            self.add(match before {
                Some(before) if set(line) => Step::Set {
                    keyword: word.to_owned(),
                    from: value(before),
                    to: value(line),
                },
                Some(_) | None => Step::Add(shown(line)),
            });
        }
    }
}

/// The lines of `these` that `those` do not have as often, in order.
fn without<'a>(these: &[&'a str], those: &[&str]) -> Vec<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in those {
        *counts.entry(line).or_default() += 1;
    }
    let missing = these.iter().filter(|line| match counts.get_mut(**line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        Some(_) | None => true,
    });
    missing.copied().collect()
}

fn keyword(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// What follows the keyword.
fn value(line: &str) -> String {
    if SECRET.contains(&keyword(line)) {
        return COVERED.to_owned();
    }
    match line.split_once(' ') {
        Some((_, value)) => visible(value),
        None => "nothing".to_owned(),
    }
}

/// A line for people.
fn shown(line: &str) -> String {
    match keyword(line) {
        word if SECRET.contains(&word) => format!("{word} {COVERED}"),
        _ => visible(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AnyHost, load_text};

    fn config(text: &str) -> Config {
        let loaded = load_text("test.conf", text, &AnyHost);
        let problems = loaded.diagnostics.render(false);
        loaded.config.unwrap_or_else(|| panic!("{problems}"))
    }

    fn instance(name: &str, vrid: u8, more: &str) -> String {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n {more}\n
             virtual_ipaddress {{\n 10.0.0.{vrid}\n }}\n}}\n"
        )
    }

    fn changes(old: &str, new: &str) -> String {
        let (old, new) = (config(old), config(new));
        let there = diff(&old, &new);
        let back = diff(&new, &old);
        assert_eq!(there.is_empty(), back.is_empty());
        assert_eq!(
            there.is_empty(),
            old == new,
            "nothing is forgotten: {there}"
        );
        there.to_string()
    }

    #[test]
    fn a_configuration_and_itself_have_nothing_between_them() {
        let text = instance("A", 1, "priority 5") + &instance("B", 2, "");
        assert_eq!(changes(&text, &text), "nothing changes: 2 vrrp_instance\n");
        assert_eq!(changes("", ""), "nothing changes\n");
    }

    #[test]
    fn an_instance_is_what_it_is_to_its_peers_and_not_its_name() {
        assert_eq!(
            changes(&instance("A", 1, ""), &instance("B", 1, "")),
            "vrrp_instance B changes:\n    renamed, it was vrrp_instance A\n\
             everything else is kept\n"
        );
        assert_eq!(
            changes(&instance("A", 1, ""), &instance("A", 2, "")),
            "vrrp_instance A is removed\nvrrp_instance A is added\neverything else is kept\n"
        );
    }

    #[test]
    fn a_password_is_not_told() {
        let with = |word: &str| {
            let more = format!("authentication {{\n auth_type PASS\n auth_pass {word}\n }}");
            instance("A", 1, &more)
        };
        let told = changes(&with("secret"), &with("public"));
        assert!(
            told.contains("    authentication: auth_pass changes\n"),
            "{told}"
        );
        assert!(
            !told.contains("secret") && !told.contains("public"),
            "{told}"
        );
    }

    #[test]
    fn the_order_of_addresses_is_part_of_an_instance() {
        let with = |first: u8, second: u8| {
            format!(
                "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n
                 virtual_ipaddress {{\n 10.0.0.{first}\n 10.0.0.{second}\n }}\n}}\n"
            )
        };
        let told = changes(&with(1, 2), &with(2, 1));
        assert!(
            told.contains("    virtual_ipaddress: in another order\n"),
            "{told}"
        );
    }
}
