//! The table, read: checks, servers, and what is said of them.

use super::behaviour::{self, Step};

pub(crate) struct Table {
    pub(crate) checks: Vec<Check>,
    pub(crate) rows: Vec<Row>,
}

/// How servers are checked, and what a good one does.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// As in the configuration file.
    pub(crate) text: String,
    pub(crate) good: Vec<Step>,
    /// keepalived has no such check.
    pub(crate) ours_alone: bool,
}

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) check: String,
    pub(crate) name: String,
    pub(crate) bad: Vec<Step>,
    pub(crate) verdict: Verdict,
    /// What keepalived says, where that is something else, and why.
    pub(crate) theirs: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Up,
    /// Up, with this weight in place of 1.
    Weight(u16),
    Down {
        /// Of ours, the number of the reason.
        reason: Option<u16>,
        /// How long one attempt lasts, in time-outs of its check.
        lasts: f64,
    },
}

impl Table {
    pub(crate) fn read() -> Self {
        let mut table = Self {
            checks: Vec::new(),
            rows: Vec::new(),
        };
        let lines = include_str!("table.txt").lines();
        let lines = lines.filter(|line| !line.starts_with('#'));
        let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
        for line in lines {
            match (line.is_empty(), blocks.last_mut()) {
                (false, Some(block)) => block.push(line),
                _ => blocks.push(Vec::new()),
            }
        }
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            match block[0].strip_prefix("check ") {
                Some(name) => table.checks.push(Check::read(name, &block[1..])),
                None => table.rows.push(Row::read(block)),
            }
        }
        table
    }

    pub(crate) fn check(&self, row: &Row) -> &Check {
        let found = self.checks.iter().find(|check| check.name == row.check);
        found.unwrap_or_else(|| panic!("no check of the name {}", row.check))
    }
}

impl Check {
    fn read(name: &str, lines: &[&str]) -> Self {
        let alone = name.strip_suffix(", ours alone");
        let (good, text): (Vec<&str>, Vec<&str>) = lines
            .iter()
            .partition(|line| line.trim_start().starts_with("good: "));
        let good = good.first().and_then(|line| line.split_once("good: "));
        Self {
            name: alone.unwrap_or(name).to_owned(),
            text: text.join("\n"),
            good: behaviour::parse(good.expect("a check says what is good").1),
            ours_alone: alone.is_some(),
        }
    }

    /// Additional attempts.
    pub(crate) fn retries(&self) -> u32 {
        self.value("retry ").map_or(0, |text| {
            text.parse().expect("retry is followed by a number")
        })
    }

    /// The word behind a keyword.
    pub(crate) fn value(&self, keyword: &str) -> Option<&str> {
        let mut lines = self.text.lines().map(str::trim_start);
        lines.find_map(|line| line.strip_prefix(keyword))
    }
}

impl Row {
    fn read(block: &[&str]) -> Self {
        let (check, name) = block[0].split_once(": ").expect("CHECK: name");
        let line = |number: usize| block.get(number).map(|line| line.trim());
        let theirs = line(3).and_then(|line| line.strip_prefix("keepalived: "));
        Self {
            check: check.to_owned(),
            name: name.to_owned(),
            bad: behaviour::parse(line(1).expect("a line of steps")),
            verdict: Verdict::read(line(2).expect("a line with the verdict")),
            theirs: theirs.map(Verdict::read),
        }
    }

    /// It is not the server that misbehaves.
    pub(crate) fn is_about_the_way(&self) -> bool {
        self.bad[0] == Step::NoWay
    }

    /// A program that prints all the time: an emulated machine is busy enough.
    pub(crate) fn is_loud(&self) -> bool {
        matches!(&self.bad[0], Step::Run(words) if words.contains("printf"))
    }

    pub(crate) fn theirs(&self) -> Verdict {
        self.theirs.unwrap_or(self.verdict)
    }
}

impl Verdict {
    /// `up`, `down 21`, `down 21 after 1`, and whatever stands behind a comma.
    fn read(text: &str) -> Self {
        let words = text.split(',').next().unwrap_or(text);
        let words: Vec<&str> = words.split_whitespace().collect();
        let down = |reason: Option<&str>, lasts: f64| Self::Down {
            reason: reason.map(|number| number.parse().expect("the number of a reason")),
            lasts,
        };
        match words[..] {
            ["up"] => Self::Up,
            ["weight", weight] => Self::Weight(weight.parse().expect("a weight")),
            ["down"] => down(None, 0.0),
            ["down", reason] => down(Some(reason), 0.0),
            ["down", reason, "after", lasts] => {
                down(Some(reason), lasts.parse().expect("a number of time-outs"))
            }
            _ => panic!("no verdict: {text}"),
        }
    }

    pub(crate) fn is_up(self) -> bool {
        !matches!(self, Self::Down { .. })
    }
}
