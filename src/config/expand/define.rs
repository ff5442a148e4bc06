//! Definitions, of one line or of several.

use std::rc::Rc;

use crate::config::diag::Problem;

use super::directive::{self, Directive};
use super::text::Text;
use super::{Expander, Origin};

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Definition {
    /// Words within a line.
    Words(Text),
    /// Lines, of which there is at least one.
    Lines(Vec<Text>),
}

/// A definition of several lines, until its last one.
#[derive(Debug)]
pub(super) struct Collecting {
    /// None when a condition has dropped the definition.
    name: Option<String>,
    /// What stands on its own line.
    first: Text,
    lines: Vec<Text>,
}

impl Expander<'_> {
    /// A line for another machine. Further lines of a definition go with the first one.
    pub(super) fn drop_line(&mut self, text: &Text, origin: Origin) {
        let found = directive::directive(text.as_str());
        let defines = matches!(found, Some((Directive::Definition { .. }, _)));
        if defines && origin == Origin::File && text.as_str().ends_with('\\') {
            self.collecting = Some(Collecting {
                name: None,
                first: Text::default(),
                lines: Vec::new(),
            });
        }
    }

    /// `$NAME=value`, which may be the first line of several.
    pub(super) fn definition(&mut self, name: &str, value: Text, origin: Origin) {
        if !value.as_str().ends_with('\\') {
            self.define(name, Definition::Words(value));
            return;
        }
        let first = value.trimmed(value.len() - 1);
        if origin == Origin::Expansion {
            let spot = value.spot(&self.source, value.len() - 1..value.len());
            let message = "a definition of several lines cannot begin in an expansion";
            self.problems
                .push(Problem::error(spot, message).help("only this line of it is used"));
            self.define(name, Definition::Words(first));
            return;
        }
        self.collecting = Some(Collecting {
            name: Some(name.to_owned()),
            first: first.clone(),
            lines: Vec::new(),
        });
        self.collect_line(first);
    }

    /// A line that follows an open definition: the last one does not end in a backslash, or is
    /// empty. keepalived ends the definition at a line that is only a comment, but not in all of
    /// its processes; here such a line is passed over.
    pub(super) fn collect(&mut self, text: Text, empty: bool) {
        if empty {
            self.collected();
        } else if text.as_str().ends_with('\\') {
            self.collect_line(text.trimmed(text.len() - 1));
        } else if text.len() > 0 {
            self.collect_line(text);
            self.collected();
        }
    }

    pub(super) fn collect_line(&mut self, text: Text) {
        if let Some(collecting) = self.collecting.as_mut().filter(|_| text.len() > 0) {
            collecting.lines.push(text);
        }
    }

    pub(super) fn collected(&mut self) {
        let Some(Collecting {
            name: Some(name),
            first,
            lines,
        }) = self.collecting.take()
        else {
            return;
        };
        if lines.is_empty() {
            self.define(&name, Definition::Words(first));
        } else {
            self.define(&name, Definition::Lines(lines));
        }
    }

    pub(super) fn define(&mut self, name: &str, definition: Definition) {
        self.definitions
            .insert(name.to_owned(), Rc::new(definition));
    }
}
