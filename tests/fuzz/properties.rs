//! What must hold for any text.

use std::time::{Duration, Instant};

use keepalived::config::{AnyHost, Config, Loaded, diff, load_bytes, load_text, print};

/// The limit, for 100 kB and an optimised build.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

pub(crate) fn check(text: &[u8], before: Option<&Config>) -> Result<Option<Config>, String> {
    let Loaded {
        config,
        diagnostics,
    } = quick("reading", || load_bytes("fuzz.conf", text, &AnyHost))?;
    let rendered = diagnostics.render(true) + &diagnostics.json();
    let drives = |letter: char| letter.is_control() && !"\n\t\u{1b}".contains(letter);
    if rendered.contains(drives) {
        return Err("a problem holds a control character".to_owned());
    }
    let Some(config) = config else {
        let silent = diagnostics.exit_code() == 0;
        return if silent {
            Err("nothing to run, and no error".to_owned())
        } else {
            Ok(None)
        };
    };
    let printed = quick("printing", || print(&config))?;
    let again = quick("reading again", || load_text("printed", &printed, &AnyHost))?;
    let Some(again) = again.config else {
        let problems = again.diagnostics.render(false);
        return Err(format!("what is printed is refused: {problems}\n{printed}"));
    };
    if again != config {
        let other = print(&again);
        return Err(format!(
            "what is printed is another:\n{printed}\nand again:\n{other}"
        ));
    }
    let same = quick("comparing", || diff(&config, &again))?;
    if !same.is_empty() {
        return Err(format!("it differs from itself: {same}"));
    }
    if let Some(before) = before {
        let there = quick("comparing", || diff(before, &config))?;
        let back = quick("comparing", || diff(&config, before))?;
        if there.is_empty() != back.is_empty() {
            return Err(format!("one way there is\n{there}, the other\n{back}"));
        }
    }
    Ok(Some(config))
}

fn quick<T>(what: &str, step: impl FnOnce() -> T) -> Result<T, String> {
    let start = Instant::now();
    let result = step();
    let took = start.elapsed();
    if took > SLOW {
        return Err(format!("{what} takes too long: {took:?}"));
    }
    Ok(result)
}
