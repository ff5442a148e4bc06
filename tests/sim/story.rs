//! How stories are told: those of files, and those of seeds, which are made shorter when they end
//! badly.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::Path;

use crate::lan::{Lan, Tally};
use crate::random;
use crate::script::{Deed, Line, Script};

/// What seeds tell: a script for each, and an ending that must come true after it.
pub(crate) struct Kind {
    pub(crate) draw: fn(u64) -> Script,
    pub(crate) ending: fn(&mut Lan),
}

impl Kind {
    /// Every seed below a number, or the one that `SEED` names, with its transcript.
    pub(crate) fn each(&self, seeds: u64) {
        let wanted = std::env::var("SEED").ok();
        if let Some(seed) = wanted.and_then(|seed| seed.parse().ok()) {
            print!("{}", self.aloud(&(self.draw)(seed)));
            return;
        }
        for seed in 0..seeds {
            self.silently(seed);
        }
    }

    /// A story that goes wrong is told again, aloud.
    pub(crate) fn silently(&self, seed: u64) -> Tally {
        let script = (self.draw)(seed);
        self.tally(&script).unwrap_or_else(|| {
            self.aloud(&script);
            panic!("SEED={seed} goes wrong only when nobody listens");
        })
    }

    /// None when it goes wrong.
    fn tally(&self, script: &Script) -> Option<Tally> {
        let mut lan = Lan::silent(script.seed);
        let told = catch_unwind(AssertUnwindSafe(|| self.tell(script, &mut lan)));
        told.is_ok().then_some(lan.tally)
    }

    /// The transcript. What goes wrong is shown as the shortest story that does.
    pub(crate) fn aloud(&self, script: &Script) -> String {
        let mut lan = Lan::new(script.seed);
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.tell(script, &mut lan))) else {
            return lan.transcript();
        };
        let short = self.shortest(script);
        let mut lan = Lan::new(short.seed);
        let again = catch_unwind(AssertUnwindSafe(|| self.tell(&short, &mut lan)));
        eprintln!("SEED={}\n{short}\n{}", script.seed, lan.transcript());
        resume_unwind(again.err().unwrap_or(panic))
    }

    fn shortest(&self, script: &Script) -> Script {
        let before = take_hook();
        set_hook(Box::new(|_| {}));
        let short = script.shrunk(|shorter| self.tally(shorter).is_none());
        set_hook(before);
        short
    }

    fn tell(&self, script: &Script, lan: &mut Lan) {
        script.play(lan);
        (self.ending)(lan);
    }
}

#[test]
fn every_story_of_the_folder_comes_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/stories");
    let entries = std::fs::read_dir(folder).expect("there are stories");
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("a story").path();
        let text = std::fs::read_to_string(&path).expect("a story is a text");
        let script = Script::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let mut lan = Lan::new(script.seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| script.play(&mut lan))) {
            eprintln!("{}", path.display());
            resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count >= 5, "{count} stories");
}

/// Were it wrong that it ever rains, rain would be all that is left of a story.
#[test]
fn what_goes_wrong_is_shown_as_the_shortest_story_that_does() {
    let kind = Kind {
        draw: random::draw,
        ending: |lan| assert_eq!(lan.weather.loss, 0),
    };
    let rains = |line: &&Line| matches!(line.deed, Deed::Weather(weather) if weather.loss > 0);
    let mut stories = (0..).map(kind.draw);
    let script = stories.find(|script| script.lines.iter().filter(rains).count() > 4);
    let script = script.expect("it rains somewhere");
    let short = kind.shortest(&script);
    assert_eq!(short.lines.iter().filter(rains).count(), 1);
    assert_eq!(short.lines.len(), 1, "{short}");
}
