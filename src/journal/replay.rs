//! A journal told to new cores.

use super::{CHECK, EFFECT, INDENT, TITLE, VRRP, check, text, vrrp};
use crate::config::{AnyHost, Config, load_text};
use crate::time::Instant;
use crate::vrrp::{Effect, Standing, StateName};

/// What a journal came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs of both cores.
    pub inputs: u64,
    pub effects: u64,
    /// What was to be told of instances and groups.
    pub transitions: u64,
    /// Looks at what must always be true.
    pub checks: u64,
}

/// One input with all that belongs to it.
struct Entry<'a> {
    /// Of its first line, from one.
    number: usize,
    words: &'a str,
    block: String,
    effects: Vec<&'a str>,
}

/// Both cores of one daemon; None: it has not begun.
#[derive(Debug, Default)]
struct Daemon {
    vrrp: Option<vrrp::Replica>,
    check: Option<check::Replica>,
}

/// Tells new cores all that is in a journal, and looks whether they want the same done and whether
/// what must always be true of instances is. The error names the line.
///
/// A journal may end in the middle of an input: the disk was full, or the process was killed.
pub fn replay(journal: &str) -> Result<Replayed, String> {
    let mut done = Replayed::default();
    let mut daemon = Daemon::default();
    let entries = entries(journal)?;
    for (at, entry) in entries.iter().enumerate() {
        let at_line = |why: String| format!("line {}: {why}", entry.number);
        if entry.words == TITLE {
            daemon = Daemon::default();
            continue;
        }
        let is_last = at + 1 == entries.len();
        let Some(wanted) = daemon.tell(entry, &mut done).map_err(at_line)? else {
            if is_last && done.inputs > 0 {
                break;
            }
            return Err(at_line(format!("nobody understands: {}", entry.words)));
        };
        let is_cut = is_last && wanted.len() > entry.effects.len();
        let told = wanted.iter().map(String::as_str);
        let differ = told
            .zip(&entry.effects)
            .find(|(wanted, told)| wanted != *told);
        if let Some((wanted, told)) = differ {
            return Err(at_line(format!(
                "the core wants\n{wanted}\nand wanted\n{told}"
            )));
        }
        if wanted.len() != entry.effects.len() && !is_cut {
            let (now, then) = (wanted.join("\n"), entry.effects.join("\n"));
            return Err(at_line(format!(
                "the core wants\n{now}\nand wanted\n{then}"
            )));
        }
        done.inputs += 1;
        done.effects += u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    }
    Ok(done)
}

/// The configuration of an entry.
pub(super) fn config(block: &str) -> Option<Config> {
    load_text("journal", block, &AnyHost).config
}

fn entries(journal: &str) -> Result<Vec<Entry<'_>>, String> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // Half a line is none.
    let whole = journal.rfind('\n').map_or(0, |end| end + 1);
    let (whole, _) = journal.split_at(whole);
    for (line, number) in whole.lines().zip(1..) {
        let last = entries.last_mut();
        if let Some(text) = line.strip_prefix(INDENT) {
            let last = last.ok_or("it begins with an indented line")?;
            last.block += text;
            last.block.push('\n');
        } else if let Some(effect) = line.strip_prefix(EFFECT) {
            last.ok_or("it begins with an effect")?.effects.push(effect);
        } else {
            entries.push(Entry {
                number,
                words: line,
                block: String::new(),
                effects: Vec::new(),
            });
        }
    }
    match entries.first() {
        Some(first) if first.words == TITLE => Ok(entries),
        Some(_) | None => Err(format!("the first line is not \"{TITLE}\"")),
    }
}

impl Daemon {
    /// What the core wants done; None when the words mean nothing.
    fn tell(
        &mut self,
        entry: &Entry<'_>,
        done: &mut Replayed,
    ) -> Result<Option<Vec<String>>, String> {
        let mut words = entry.words.splitn(3, ' ');
        let (Some(now), Some(core), Some(words)) = (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        let Some(now) = text::instant(now) else {
            return Ok(None);
        };
        let begins = words.strip_prefix("begins ");
        match (core, begins) {
            (VRRP, Some(how)) => self.vrrp = vrrp::Replica::begin(how),
            (CHECK, Some(how)) => self.check = check::Replica::begin(how),
            (VRRP, None) => return self.tell_vrrp(now, words, entry, done),
            (CHECK, None) => {
                let mut effects = Vec::new();
                let Some(replica) = &mut self.check else {
                    return Ok(None);
                };
                let told = replica.tell(now, words, &entry.block, &mut effects);
                return Ok(told.map(|()| effects.iter().map(check::effect).collect()));
            }
            _ => return Ok(None),
        }
        let has_begun = if core == VRRP {
            self.vrrp.is_some()
        } else {
            self.check.is_some()
        };
        Ok(has_begun.then(Vec::new))
    }

    fn tell_vrrp(
        &mut self,
        now: Instant,
        words: &str,
        entry: &Entry<'_>,
        done: &mut Replayed,
    ) -> Result<Option<Vec<String>>, String> {
        let Some(replica) = &mut self.vrrp else {
            return Ok(None);
        };
        let mut effects = Vec::new();
        let told = replica.tell(now, words, &entry.block, &mut effects);
        if told.is_none() {
            return Ok(None);
        }
        let transitions = effects.iter();
        let transitions = transitions.filter(|effect| matches!(effect, Effect::Notify(_)));
        done.transitions += u64::try_from(transitions.count()).unwrap_or(u64::MAX);
        // In the middle of a turn: an owner that starts is master only when its timers have run.
        if replica.core.deadline().is_none_or(|at| at > now) {
            replica.core.standings().try_for_each(sound)?;
            done.checks += 1;
        }
        Ok(Some(effects.iter().map(vrrp::effect).collect()))
    }
}

/// Only a master has addresses, and a member is in the state of its group.
fn sound(instance: Standing<'_>) -> Result<(), String> {
    let is_master = instance.state == StateName::Master;
    let is_astray = instance.group.is_some_and(|group| group != instance.state);
    if (instance.owns && !is_master) || is_astray {
        return Err(format!("this must not be: {instance:?}"));
    }
    Ok(())
}
