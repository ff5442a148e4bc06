//! `track_*` lines to the objects they name, and weights that do not count.

use std::collections::HashMap;

use crate::config::diag::Problem;
use crate::config::keywords::track::{Named, TrackedDraft, TracksDraft};
use crate::config::report::Report;
use crate::config::source::Span;
use crate::config::suggest::nearest;
use crate::config::track::{Tracked, Tracks, Weight};

/// Objects of one kind by name: where they are defined, and their weight.
#[derive(Default)]
pub(crate) struct Objects {
    kind: &'static str,
    by_name: HashMap<String, (Span, Weight)>,
}

impl Objects {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            by_name: HashMap::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &Named, weight: Weight) {
        self.by_name.insert(name.name.clone(), (name.span, weight));
    }

    /// Lines whose object is defined before them; the others are reported.
    fn find(&self, lines: Vec<TrackedDraft>, report: &mut Report<'_>) -> Vec<Tracked> {
        let mut found = Vec::new();
        for line in lines {
            if let Some(weight) = self.weight(&line.object, report) {
                found.push(Tracked {
                    name: line.object.name,
                    weight: line.weight.unwrap_or(weight),
                });
            }
        }
        found
    }

    /// That of an object which is defined before the place that names it; else that is reported.
    pub(super) fn weight(&self, object: &Named, report: &mut Report<'_>) -> Option<Weight> {
        let Named { name, span } = object;
        let kind = self.kind;
        match self.by_name.get(name) {
            Some((defined, weight)) if defined.start < span.start => return Some(*weight),
            Some((defined, _)) => {
                let message = format!("`{kind} {name}` is defined only after this, ignored");
                let problem = Problem::error(*span, message).note(*defined, "defined here");
                report.add(problem.help("move it before the block that names it"));
            }
            None => {
                let message = format!("there is no usable `{kind} {name}`, ignored");
                let meant = nearest(name, self.by_name.keys().map(String::as_str));
                let help = meant.map(|meant| format!("did you mean `{meant}`?"));
                report.add(Problem::error(*span, message).maybe_help(help));
            }
        }
        None
    }
}

/// Everything that `track_*` lines may name.
pub(crate) struct Known {
    pub(crate) scripts: Objects,
    pub(crate) files: Objects,
    pub(crate) processes: Objects,
    pub(crate) bfds: Objects,
}

impl Known {
    /// `own` is the interface an instance watches anyway.
    pub(crate) fn tracks(
        &self,
        draft: TracksDraft,
        own: Option<&str>,
        report: &mut Report<'_>,
    ) -> Tracks {
        let mut interfaces = Vec::new();
        for line in draft.interfaces {
            let Named { name, span } = line.object;
            if Some(name.as_str()) == own {
                let message = format!("{name} is the interface of the instance, ignored");
                let help = "it is tracked unless `dont_track_primary` stands";
                report.add(Problem::error(span, message).help(help));
                continue;
            }
            interfaces.push(Tracked {
                name,
                weight: line.weight.unwrap_or_default(),
            });
        }
        Tracks {
            interfaces,
            scripts: self.scripts.find(draft.scripts, report),
            files: self.files.find(draft.files, report),
            processes: self.processes.find(draft.processes, report),
            bfds: self.bfds.find(draft.bfds, report),
        }
    }
}

/// What becomes of what is tracked with a weight where no weight can count: an object that would
/// only change the priority is not tracked, an interface or a file is tracked without weight.
pub(crate) fn without_weights(
    tracks: &mut Tracks,
    interfaces: bool,
    why: &str,
    span: Span,
    report: &mut Report<'_>,
) {
    let mut say = |name: &str, then: &str| {
        let message = format!("the weight of `{name}` does not count {why}, {then}");
        report.add(Problem::error(span, message));
    };
    let weighted = |tracked: &Tracked| tracked.weight.value != 0;
    if interfaces {
        for tracked in tracks.interfaces.iter_mut().filter(|one| weighted(one)) {
            say(&tracked.name, "0 is used");
            tracked.weight = Weight::default();
        }
    } else {
        drop_weighted(&mut tracks.interfaces, &mut say);
    }
    drop_weighted(&mut tracks.scripts, &mut say);
    drop_weighted(&mut tracks.bfds, &mut say);
    for tracked in tracks.files.iter_mut().filter(|one| one.weight.value == 1) {
        say(&tracked.name, "0 is used");
        tracked.weight = Weight::default();
    }
    drop_weighted(&mut tracks.files, &mut say);
}

fn drop_weighted(list: &mut Vec<Tracked>, say: &mut impl FnMut(&str, &str)) {
    list.retain(|tracked| {
        let stays = tracked.weight.value == 0;
        if !stays {
            say(&tracked.name, "it is not tracked");
        }
        stays
    });
}
