//! The kernel's packet filter as the core sees it: tables of marks.

use std::collections::{BTreeMap, BTreeSet};

use keepalived::addr::Family;
use keepalived::errno::Errno;
use keepalived::wire::ipvs::ServiceId;
use keepalived::wire::nft::Table;
use keepalived::wire::nft::marks::{Element, Protocol, Request, Rules};

#[derive(Default)]
pub(crate) struct Filter {
    pub(crate) tables: BTreeMap<(Family, String), Marked>,
    /// The kernel has none for these.
    pub(crate) without: BTreeSet<Family>,
    /// Refuse everything with this.
    pub(crate) refusing: Option<Errno>,
    /// Refused because of what is there or not: nobody asks such a thing unless somebody else
    /// changes the tables.
    pub(crate) surprises: Vec<String>,
}

pub(crate) struct Marked {
    rules: Rules,
    elements: BTreeSet<Element>,
}

impl Filter {
    pub(crate) fn request(&mut self, request: &Request) -> Result<(), Errno> {
        let family = request.table().family;
        if self.without.contains(&family) {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some(error) = self.refusing {
            return Err(error);
        }
        let answer = self.apply(request);
        if answer.is_err() && !matches!(request, Request::Look(..)) {
            self.surprises.push(command(request));
        }
        answer
    }

    fn apply(&mut self, request: &Request) -> Result<(), Errno> {
        let Table { family, name } = request.table().clone();
        let key = (family, name);
        match request {
            Request::Try(..) => {}
            Request::Install {
                rules, elements, ..
            } => {
                let marked = Marked {
                    rules: rules.clone(),
                    elements: BTreeSet::new(),
                };
                self.tables.insert(key.clone(), marked);
                self.tables[&key].allows(elements)?;
                self.change(&key)?.elements.extend(elements);
            }
            Request::Extend(_, rules) => {
                let marked = self.change(&key)?;
                for protocol in &rules.protocols {
                    assert!(!marked.rules.protocols.contains(protocol), "a second map");
                    marked.rules.protocols.push(*protocol);
                }
            }
            Request::Add(_, elements) => {
                self.change(&key)?.allows(elements)?;
                self.change(&key)?.elements.extend(elements);
            }
            Request::Remove(_, elements) => {
                let marked = self.change(&key)?;
                for element in elements {
                    if !marked.elements.remove(element) {
                        return Err(Errno::ENOENT);
                    }
                }
            }
            Request::Look(_, protocols) => self.change(&key)?.has_maps(protocols.iter())?,
            Request::Uninstall(_) => {
                self.tables.remove(&key);
            }
        }
        Ok(())
    }

    fn change(&mut self, key: &(Family, String)) -> Result<&mut Marked, Errno> {
        self.tables.get_mut(key).ok_or(Errno::ENOENT)
    }

    /// The services that packets are marked for.
    pub(crate) fn targets(&self) -> BTreeSet<ServiceId> {
        let tables = self.tables.iter();
        let all = tables.flat_map(|(&(family, _), marked)| {
            let marks = marked.elements.iter().map(|element| element.mark);
            marks.map(move |mark| ServiceId::Fwmark { mark, family })
        });
        all.collect()
    }

    pub(crate) fn show(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((family, name), Marked { rules, elements }) in &self.tables {
            let Rules {
                priority,
                counters,
                protocols,
            } = rules;
            let counters = if *counters { ", counting" } else { "" };
            lines.push(format!(
                "{family} {name} at {priority}{counters}: {protocols:?}"
            ));
            lines.extend(elements.iter().map(describe));
        }
        lines
    }
}

impl Marked {
    fn allows(&self, elements: &[Element]) -> Result<(), Errno> {
        self.has_maps(elements.iter().map(|element| &element.protocol))?;
        for new in elements {
            let overlaps = |old: &Element| {
                let apart = old.last < new.first || new.last < old.first;
                (old.protocol, old.port) == (new.protocol, new.port) && !apart && old != new
            };
            if self.elements.iter().chain(elements).any(overlaps) {
                return Err(Errno::EEXIST);
            }
        }
        Ok(())
    }

    fn has_maps<'a>(&self, mut protocols: impl Iterator<Item = &'a Protocol>) -> Result<(), Errno> {
        if protocols.all(|protocol| self.rules.protocols.contains(protocol)) {
            Ok(())
        } else {
            Err(Errno::ENOENT)
        }
    }
}

/// A request in a few words.
pub(crate) fn command(request: &Request) -> String {
    let Table { family, name } = request.table();
    let list = |elements: &[Element]| {
        let all: Vec<_> = elements.iter().map(describe).collect();
        all.join(", ")
    };
    let (verb, what) = match request {
        Request::Try(..) => ("try", String::new()),
        Request::Install { elements, .. } => ("install", list(elements)),
        Request::Extend(_, rules) => ("extend", format!("{:?}", rules.protocols)),
        Request::Add(_, elements) => ("add", list(elements)),
        Request::Remove(_, elements) => ("remove", list(elements)),
        Request::Look(..) => ("look", String::new()),
        Request::Uninstall(_) => ("uninstall", String::new()),
    };
    format!("{verb} {family} {name} {what}")
        .trim_end()
        .to_owned()
}

fn describe(element: &Element) -> String {
    let Element {
        protocol,
        first,
        last,
        port,
        mark,
    } = element;
    let range = if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    };
    format!("{protocol:?} {range} {port}: {mark}")
}
