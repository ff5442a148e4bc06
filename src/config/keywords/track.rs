//! `vrrp_script`, `vrrp_track_process`, `track_file`, and the `track_*` lines that name them.

use std::time::Duration;

use crate::config::diag::Problem;
use crate::config::report::Report;
use crate::config::script::{Script, ScriptUser, command, user};
use crate::config::source::Span;
use crate::config::track::{InitialFile, ParameterMatch, Reach, Weight};
use crate::config::tree::{Statement, Word};

use super::field::Field;
use super::root::inside;
use super::{Keyword, Table, reach};

/// Why `track_bfd` does not act yet.
pub(crate) const BFDS: &str = "no BFD session is held yet";

/// A name with the place where it was given.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl Named {
    pub(crate) fn new(word: &Word) -> Self {
        Self {
            name: word.text.to_string(),
            span: word.span,
        }
    }
}

/// What a `vrrp_script` says.
#[derive(Default)]
pub(crate) struct ScriptDraft {
    pub(crate) script: Option<Script>,
    /// In place of a script.
    pub(crate) reach: Option<Reach>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) weight: Weight,
    pub(crate) rise: Option<u32>,
    pub(crate) fall: Option<u32>,
    pub(crate) user: Option<ScriptUser>,
    pub(crate) starts_down: bool,
}

/// What a `vrrp_track_process` says.
#[derive(Default)]
pub(crate) struct ProcessDraft {
    pub(crate) process: Vec<String>,
    pub(crate) parameters: Option<ParameterMatch>,
    pub(crate) full_command: bool,
    pub(crate) weight: Weight,
    pub(crate) quorum: Option<u32>,
    pub(crate) quorum_max: Option<u32>,
    pub(crate) terminate_delay: Option<Duration>,
    pub(crate) fork_delay: Option<Duration>,
}

/// What a `track_file` says.
#[derive(Default)]
pub(crate) struct FileDraft {
    pub(crate) path: Option<String>,
    pub(crate) weight: Option<Weight>,
    pub(crate) initial: Option<InitialFile>,
}

/// One line of a `track_*` block.
#[derive(Clone)]
pub(crate) struct TrackedDraft {
    pub(crate) object: Named,
    /// None: that of the object.
    pub(crate) weight: Option<Weight>,
}

/// The `track_*` blocks of an instance or a group.
#[derive(Default)]
pub(crate) struct TracksDraft {
    pub(crate) interfaces: Vec<TrackedDraft>,
    pub(crate) scripts: Vec<TrackedDraft>,
    pub(crate) files: Vec<TrackedDraft>,
    pub(crate) processes: Vec<TrackedDraft>,
    pub(crate) bfds: Vec<TrackedDraft>,
}

/// What is tracked: the kinds differ in their weights and in what they forgive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrackKind {
    Interface,
    Script,
    File,
    Process,
    Bfd,
}

type ScriptRow = Keyword<ScriptDraft>;

#[rustfmt::skip]
pub(crate) static SCRIPT: Table<ScriptDraft> = Table {
    name: "vrrp_script",
    keywords: &[
        ScriptRow::line("script", "COMMAND", "What is run; its arguments are in quotes with it.",
            |draft, statement, report| draft.script = command(statement, report))
            .judging_itself(),
        ScriptRow::line("track_tcp", "HOST PORT",
            "In place of script, as the two below: this port has to take connections.",
            |draft, statement, report| draft.reach = reach::tcp(statement, report)),
        ScriptRow::line("track_ping", "HOST", "This address has to answer an ICMP echo.",
            |draft, statement, report| draft.reach = reach::ping(statement, report)),
        ScriptRow::line("track_http", "URL",
            "This page has to come, with a status of 200 to 299; its host is an address.",
            |draft, statement, report| draft.reach = reach::http(statement, report)),
        ScriptRow::line("interval", "SEC 0..4294", "It runs so often, every second unless given.",
            |draft, statement, report| period(&mut draft.interval, statement, report)),
        ScriptRow::line("timeout", "SEC 0..4294",
            "To run longer is to fail; as interval unless given.",
            |draft, statement, report| period(&mut draft.timeout, statement, report)),
        ScriptRow::line("weight", "INT -253..253 [reverse]",
            "0: FAULT while it fails. Above 0: added while it succeeds. Below 0: subtracted while \
             it fails.",
            script_weight).judging_itself(),
        ScriptRow::line("rise", "INT 1..", "Successes until it is up, 1 unless given.",
            |draft, statement, report| count(&mut draft.rise, statement, report)),
        ScriptRow::line("fall", "INT 1..", "Failures until it is down, 1 unless given.",
            |draft, statement, report| count(&mut draft.fall, statement, report)),
        ScriptRow::line("user", "USER [[:]GROUP]", "Whom it runs as.",
            |draft, statement, _| draft.user = user(statement.arguments())),
        ScriptRow::flag("init_fail", "Down until it has succeeded.",
            |draft| &mut draft.starts_down),
    ],
};

type ProcessRow = Keyword<ProcessDraft>;

#[rustfmt::skip]
pub(crate) static PROCESS: Table<ProcessDraft> = Table {
    name: "vrrp_track_process",
    keywords: &[
        ProcessRow::line("process", "NAME [PARAMETER]",
            "The process that is looked for; with parameters exactly that command line.",
            process).judging_itself(),
        ProcessRow::line("param_match", "[initial|partial]",
            "How parameters are compared, exactly without a word.",
            param_match),
        ProcessRow::line("weight", "INT -254..254 [reverse]", "As of a vrrp_script.",
            |draft, statement, report| {
                let read = weight(statement.arguments(), 254, report);
                draft.weight = read.unwrap_or(draft.weight);
            }).judging_itself(),
        ProcessRow::field("quorum", "INT 1..65535", "So many must run, 1 unless given.",
            Field::Number(|draft| &mut draft.quorum)),
        ProcessRow::field("quorum_max", "INT 0..65535", "No more may run.",
            Field::Number(|draft| &mut draft.quorum_max)),
        ProcessRow::line("delay", "SEC 0.000001..3600", "Both of the following.",
            |draft, statement, report| {
                let Some(word) = statement.argument(1) else {
                    return;
                };
                let delay = report.seconds(word, 0.000_001..=3600.0);
                draft.terminate_delay = delay.or(draft.terminate_delay);
                draft.fork_delay = delay.or(draft.fork_delay);
            }),
        ProcessRow::field("terminate_delay", "SEC 0.000001..3600",
            "Wait before a process that ended counts.",
            Field::Seconds(|draft| &mut draft.terminate_delay)),
        ProcessRow::field("fork_delay", "SEC 0.000001..3600",
            "Wait before a process that started counts.",
            Field::Seconds(|draft| &mut draft.fork_delay)),
        ProcessRow::flag("full_command", "Look at the whole command line.",
            |draft| &mut draft.full_command),
    ],
};

type FileRow = Keyword<FileDraft>;

#[rustfmt::skip]
pub(crate) static FILE: Table<FileDraft> = Table {
    name: "track_file",
    keywords: &[
        FileRow::field("file", "PATH", "It holds one number.",
            Field::Text(|draft| &mut draft.path)).first_counts(),
        FileRow::line("weight", "INT -254..254 [reverse]",
            "The number is multiplied by it, 1 unless given; 0: any other number is a FAULT.",
            |draft, statement, report| {
                let plain = Weight { value: 1, reverse: false };
                draft.weight = weight(statement.arguments(), 254, report).or(Some(plain));
            }).judging_itself(),
        FileRow::line("init_file", "[INT] [overwrite]",
            "Make the file at start, with this number or 0.",
            init_file).judging_itself(),
    ],
};

/// `interval` and `timeout`: 0 is read as 1 second.
fn period(into: &mut Option<Duration>, statement: &Statement, report: &mut Report<'_>) {
    const LEAST: Duration = Duration::from_millis(1);
    let Some(word) = statement.argument(1) else {
        return;
    };
    let Some(read) = report.seconds(word, 0.0..=4294.0) else {
        return;
    };
    *into = Some(if read < LEAST {
        report.reject(word, "from 0.001 to 4294 seconds, 1 is used");
        Duration::from_secs(1)
    } else {
        read
    });
}

/// `rise` and `fall`: what is wrong is 1.
fn count(into: &mut Option<u32>, statement: &Statement, report: &mut Report<'_>) {
    let Some(word) = statement.argument(1) else {
        return;
    };
    let number = report.lenient(word, 1..=i64::from(u32::MAX));
    *into = number.map_or(Some(1), |number| u32::try_from(number).ok());
}

/// Whatever is too much for a script is as much as it may be: the priority stops there anyway.
fn script_weight(draft: &mut ScriptDraft, statement: &Statement, report: &mut Report<'_>) {
    const MOST: i64 = 253;
    let words = statement.arguments();
    let Some(word) = words.first() else {
        return;
    };
    let all = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let Some(number) = report.lenient(word, all) else {
        return;
    };
    let clamped = number.clamp(-MOST, MOST);
    if clamped != number {
        report.reject(word, &format!("from -{MOST} to {MOST}, {clamped} is used"));
    }
    draft.weight = Weight {
        value: i32::try_from(clamped).unwrap_or(0),
        reverse: reverse(words, report),
    };
}

/// `INT [reverse]`, nothing behind it. What is out of range by one is at its end, what is further
/// out is not a weight.
pub(crate) fn weight(words: &[Word], most: i32, report: &mut Report<'_>) -> Option<Weight> {
    let value = weight_value(words.first()?, most, report)?;
    Some(Weight {
        value,
        reverse: reverse(words, report),
    })
}

/// Whether the word behind a weight is `reverse`; there is no other.
fn reverse(words: &[Word], report: &mut Report<'_>) -> bool {
    let Some(word) = words.get(1) else {
        return false;
    };
    let reverse = word.text == "reverse";
    if !reverse {
        report.reject(word, "reverse");
    }
    reverse
}

fn weight_value(word: &Word, most: i32, report: &mut Report<'_>) -> Option<i32> {
    const BEYOND: i32 = 254;
    let number = report.lenient(word, -i64::from(BEYOND)..=i64::from(BEYOND))?;
    let number = i32::try_from(number).ok()?;
    let clamped = number.clamp(-most, most);
    if clamped != number {
        report.reject(word, &format!("from -{most} to {most}, {clamped} is used"));
    }
    Some(clamped)
}

fn process(draft: &mut ProcessDraft, statement: &Statement, report: &mut Report<'_>) {
    if !draft.process.is_empty() {
        let message = "`process` is given twice, the first counts";
        return report.add(Problem::error(statement.span(), message));
    }
    let words = statement.arguments().iter();
    draft.process = words.map(|word| word.text.to_string()).collect();
    if draft.process.len() > 1 {
        draft.full_command = true;
        draft.parameters.get_or_insert(ParameterMatch::Exact);
    }
}

fn param_match(draft: &mut ProcessDraft, statement: &Statement, report: &mut Report<'_>) {
    let how = match statement.argument(1) {
        None => ParameterMatch::Exact,
        Some(word) => match word.text.as_str() {
            "initial" => ParameterMatch::Initial,
            "partial" => ParameterMatch::Partial,
            _ => return report.reject(word, "initial or partial"),
        },
    };
    draft.parameters = Some(how);
    draft.full_command = true;
}

fn init_file(draft: &mut FileDraft, statement: &Statement, report: &mut Report<'_>) {
    const MOST: i32 = 254;
    let mut initial = InitialFile {
        value: 0,
        overwrite: false,
    };
    for word in statement.arguments() {
        if word.text == "overwrite" {
            initial.overwrite = true;
            continue;
        }
        let number = report.lenient(word, i64::from(i32::MIN)..=i64::from(i32::MAX));
        let Some(number) = number.and_then(|number| i32::try_from(number).ok()) else {
            continue;
        };
        if !(-MOST..=MOST).contains(&number) {
            report.reject(word, "from -254 to 254, it is used all the same");
        }
        initial.value = number;
    }
    draft.initial = Some(initial);
}

impl TrackKind {
    fn weight_max(self) -> i32 {
        match self {
            Self::Interface | Self::Script | Self::Bfd => 253,
            Self::File | Self::Process => 254,
        }
    }

    /// Reads a `track_*` block: one object on each line.
    pub(crate) fn read(
        self,
        into: &mut Vec<TrackedDraft>,
        statement: &Statement,
        report: &mut Report<'_>,
    ) {
        for line in inside(statement) {
            let Some(name) = line.words.first() else {
                continue;
            };
            let first = into.iter().find(|other| other.object.name == name.text);
            if let Some(first) = first {
                let message = format!("`{}` is tracked twice, the first line counts", name.text);
                let problem = Problem::error(name.span, message);
                report.add(problem.note(first.object.span, "first given here"));
                continue;
            }
            if self == Self::Interface && report.interface(name).is_none() {
                continue;
            }
            if let Some(weight) = self.line_weight(line.arguments(), report) {
                into.push(TrackedDraft {
                    object: Named::new(name),
                    weight,
                });
            }
        }
    }

    /// The weight of a line, if it says one; None when the line is of no use.
    fn line_weight(self, words: &[Word], report: &mut Report<'_>) -> Option<Option<Weight>> {
        let [keyword, value, rest @ ..] = words else {
            if let Some(word) = words.first() {
                report.reject(word, "`weight` and a number, the line is ignored");
                return None;
            }
            return Some(None);
        };
        if keyword.text != "weight" {
            report.reject(keyword, "`weight`, the line is ignored");
            return None;
        }
        let reverse = match rest.first() {
            None => false,
            Some(word) => match word.text.as_str() {
                "reverse" => true,
                "noreverse" if self != Self::Interface => false,
                _ => {
                    report.reject(word, "reverse");
                    if matches!(self, Self::File | Self::Bfd) {
                        return None;
                    }
                    false
                }
            },
        };
        let value = weight_value(value, self.weight_max(), report);
        if self == Self::Interface {
            let value = value.unwrap_or(0);
            return Some(Some(Weight { value, reverse }));
        }
        Some(value.map(|value| Weight { value, reverse }))
    }
}
