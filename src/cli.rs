//! The command line: argv to [`Options`], or to an answer.
//!
//! One table of flags, in [`flags`], gives the parser, the usage and the option list of the manual
//! page. Words are read as `getopt_long` reads them, since scripts in the field rely on it: bundled
//! letters, `--name=value`, unambiguous beginnings of long names, options after other words.
//! What an option leads to is the daemon's business; nothing is opened or looked up here.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use crate::daemon::logging::printable;
use crate::daemon::options::Options;

mod flags;
pub mod genhash;

use flags::{Action, Argument, FLAGS, Flag};

/// The whole answer to a command line that does not start the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
    pub exit_code: u8,
}

impl Answer {
    /// Says it, and gives the code to exit with.
    pub fn print(&self) -> ExitCode {
        // Nobody may be listening, which does not change the answer.
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.exit_code)
    }

    const fn on_stderr(stderr: String, exit_code: u8) -> Self {
        Self {
            stdout: String::new(),
            stderr,
            exit_code,
        }
    }
}

/// Reads a command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Options, Answer> {
    let command_line: Vec<OsString> = args.into_iter().collect();
    let words = command_line.iter().skip(1).cloned().collect();
    Parser {
        words,
        next: 0,
        errors: String::new(),
        options: Options::new(command_line),
    }
    .run()
}

/// The usage text, made from the table.
pub fn usage() -> String {
    let mut text = String::from("Usage: keepalived [OPTION...]\n");
    for flag in FLAGS.iter().filter(|flag| !flag.hidden) {
        let head = flag.head();
        let mut margin = format!("  {head:<27}");
        if head.len() > 26 {
            let _ = writeln!(text, "  {head}");
            margin = " ".repeat(29);
        }
        for line in wrap(flag.doc, 50) {
            let _ = writeln!(text, "{margin}{line}");
            margin = " ".repeat(29);
        }
    }
    text
}

/// The option list of the manual page (man macros), made from the table.
pub fn manual() -> String {
    let mut text = String::new();
    for flag in FLAGS.iter().filter(|flag| !flag.hidden) {
        let mut names = Vec::new();
        if let Some(short) = flag.short {
            names.push(format!("\\fB\\-{short}\\fR"));
        }
        names.push(format!("\\fB\\-\\-{}\\fR", flag.long.replace('-', "\\-")));
        let argument = match flag.action.argument() {
            Argument::None => String::new(),
            Argument::Required(name) => format!("=\\fI{name}\\fR"),
            Argument::Optional(name) => format!("[=\\fI{name}\\fR]"),
        };
        let doc = flag.doc.replace('-', "\\-");
        let _ = writeln!(text, ".TP\n{}{argument}\n{doc}.", names.join(", "));
        if matches!(flag.action, Action::NotYet(_)) {
            text.push_str("Accepted; has no effect yet.\n");
        }
    }
    text
}

/// Breaks a text at blanks into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(String::from(word));
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// Reads the words one after the other.
struct Parser {
    words: Vec<OsString>,
    next: usize,
    /// What was wrong, one line each; with any, the daemon does not start.
    errors: String,
    options: Options,
}

impl Parser {
    fn run(mut self) -> Result<Options, Answer> {
        let mut only_words = false;
        while let Some(word) = self.take() {
            match word.as_bytes() {
                _ if only_words => self.options.unexpected.push(word),
                b"--" => only_words = true,
                [b'-', b'-', long @ ..] => self.long(long)?,
                [b'-', letters @ ..] if !letters.is_empty() => self.short(letters)?,
                _ => self.options.unexpected.push(word),
            }
        }
        if !self.errors.is_empty() {
            return Err(Answer::on_stderr(self.errors, EXIT_USAGE));
        }
        Ok(self.options)
    }

    fn take(&mut self) -> Option<OsString> {
        let word = self.words.get(self.next)?.clone();
        self.next += 1;
        Some(word)
    }

    /// `--name`, `--name=value`, `--name value`.
    fn long(&mut self, text: &[u8]) -> Result<(), Answer> {
        let equals = text.iter().position(|&byte| byte == b'=');
        let name = &text[..equals.unwrap_or(text.len())];
        let attached = equals.map(|at| OsString::from_vec(text[at + 1..].to_vec()));
        let flag = find_long(name);
        match flag.map(|flag| (flag, flag.action.argument())) {
            Some((flag, Argument::Required(_))) if attached.is_none() => {
                self.next_word_for(flag, &format!("--{}", flag.long))
            }
            Some((flag, argument)) if argument != Argument::None || attached.is_none() => {
                self.act(flag, attached.as_deref())
            }
            Some(_) | None => {
                self.complain("Unknown option", &format!("--{}", printable_bytes(text)));
                Ok(())
            }
        }
    }

    /// `-a`, `-abc`, `-fFILE`, `-f FILE`: letters up to one that takes an argument.
    fn short(&mut self, letters: &[u8]) -> Result<(), Answer> {
        let mut rest = letters;
        while let Some((&letter, after)) = rest.split_first() {
            rest = after;
            let Some(flag) = FLAGS
                .iter()
                .find(|flag| flag.short == Some(char::from(letter)))
            else {
                self.complain(
                    "Unknown option",
                    &format!("-{}", printable_bytes(&[letter])),
                );
                continue;
            };
            let attached = (!after.is_empty()).then(|| OsStr::from_bytes(after));
            match flag.action.argument() {
                Argument::None => self.act(flag, None)?,
                Argument::Required(_) if attached.is_none() => {
                    return self.next_word_for(flag, &format!("-{}", char::from(letter)));
                }
                Argument::Required(_) | Argument::Optional(_) => return self.act(flag, attached),
            }
        }
        Ok(())
    }

    /// The argument is the next word, whatever it looks like.
    fn next_word_for(&mut self, flag: &Flag, name: &str) -> Result<(), Answer> {
        let Some(word) = self.take() else {
            self.complain("Missing parameter for option", name);
            return Ok(());
        };
        self.act(flag, Some(&word))
    }

    fn act(&mut self, flag: &Flag, argument: Option<&OsStr>) -> Result<(), Answer> {
        let value = argument.unwrap_or_default();
        let mut answer = match flag.action {
            Action::Switch(set) => {
                set(&mut self.options);
                return Ok(());
            }
            Action::Value(_, set) => {
                set(&mut self.options, value);
                return Ok(());
            }
            Action::Pair(_, set) => {
                match self.take() {
                    Some(second) => set(&mut self.options, value, &second),
                    None => {
                        self.complain("Missing parameter for option", &format!("--{}", flag.long));
                    }
                }
                return Ok(());
            }
            Action::Optional(_, set) => {
                set(&mut self.options, argument);
                return Ok(());
            }
            Action::NotYet(_) => {
                let name = format!("--{}", flag.long);
                if !self.options.without_effect.contains(&name) {
                    self.options.without_effect.push(name);
                }
                return Ok(());
            }
            Action::Tell(tell) => tell(),
            Action::TellAbout(_, tell) => tell(value),
        };
        answer.stderr.insert_str(0, &self.errors);
        Err(answer)
    }

    fn complain(&mut self, what: &str, option: &str) {
        let _ = writeln!(self.errors, "{what} {option}");
    }
}

/// The option of this name, or the only one whose name begins so.
fn find_long(name: &[u8]) -> Option<&'static Flag> {
    if let Some(flag) = FLAGS.iter().find(|flag| flag.long.as_bytes() == name) {
        return Some(flag);
    }
    let mut fitting = FLAGS
        .iter()
        .filter(|flag| flag.long.as_bytes().starts_with(name));
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

/// Words for a message, whatever they are.
fn printable_bytes(text: &[u8]) -> String {
    printable(&String::from_utf8_lossy(text)).into_owned()
}

const EXIT_USAGE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::options::{Facility, Format, Report, Task};

    fn parse_words(line: &str) -> Result<Options, Answer> {
        parse(
            std::iter::once("keepalived")
                .chain(line.split_whitespace())
                .map(OsString::from),
        )
    }

    fn options(line: &str) -> Options {
        parse_words(line).unwrap()
    }

    fn error(line: &str) -> String {
        let answer = parse_words(line).unwrap_err();
        assert_eq!((answer.exit_code, answer.stdout.as_str()), (1, ""));
        answer.stderr
    }

    #[test]
    fn the_usual_command_lines_of_services_are_understood() {
        let started = options("-D -n --use-file=/etc/k.conf --pid /run/k.pid");
        assert_eq!(started.config_file, Some("/etc/k.conf".into()));
        assert_eq!(started.pid_file, Some("/run/k.pid".into()));
        assert!(started.foreground && !started.log_console && started.log_detail == 1);
        assert_eq!(started.command_line.len(), 6);

        let bundled = options("-nlDDf/etc/k.conf -S3 -P");
        assert!(bundled.foreground && bundled.log_console && !bundled.run_check);
        assert_eq!((bundled.log_detail, bundled.log_facility.number()), (2, 19));
        assert_eq!(bundled.config_file, Some("/etc/k.conf".into()));
        assert!(bundled.complaints.is_empty() && bundled.unexpected.is_empty());
    }

    #[test]
    fn optional_arguments_must_be_attached() {
        let test = options("-t /tmp/report -g/tmp/log");
        assert_eq!(test.task, Task::Test(Report::Stderr));
        assert_eq!(test.unexpected, ["/tmp/report"]);
        assert_eq!(test.log_file, Some("/tmp/log".into()));
        let test = options("--config-test=/tmp/report --log-file");
        assert_eq!(test.task, Task::Test(Report::File("/tmp/report".into())));
        assert_eq!(test.log_file, Some("/tmp/keepalived.log".into()));
    }

    #[test]
    fn two_files_are_compared_and_no_less() {
        for line in ["--diff a b", "--diff=a b"] {
            assert_eq!(options(line).task, Task::Diff("a".into(), "b".into()));
        }
        assert_eq!(error("--diff a"), "Missing parameter for option --diff\n");
        assert_eq!(error("--diff"), "Missing parameter for option --diff\n");
        assert_eq!(options("--print-config").task, Task::Print);
    }

    #[test]
    fn problems_are_told_as_text_or_json() {
        assert_eq!(options("-t").format, Format::Text);
        assert_eq!(options("-t --message-format=json").format, Format::Json);
        let told = options("--message-format xml");
        assert_eq!(told.complaints, ["Invalid message format 'xml'"]);
    }

    #[test]
    fn required_arguments_take_the_next_word_whatever_it_is() {
        assert_eq!(options("-f -n").config_file, Some("-n".into()));
        assert_eq!(options("--use-file --").config_file, Some("--".into()));
        assert_eq!(options("--use-file=").config_file, Some("".into()));
    }

    #[test]
    fn bad_input_is_told_in_the_words_that_scripts_know() {
        assert_eq!(error("-Z"), "Unknown option -Z\n");
        assert_eq!(error("-nZY"), "Unknown option -Z\nUnknown option -Y\n");
        assert_eq!(error("--zz -n"), "Unknown option --zz\n");
        assert_eq!(error("-f"), "Missing parameter for option -f\n");
        assert_eq!(error("-n --pid"), "Missing parameter for option --pid\n");
        assert_eq!(error("--vrrp=x"), "Unknown option --vrrp=x\n");
        assert_eq!(
            error("--log"),
            "Unknown option --log\n",
            "more than one begins so"
        );
    }

    #[test]
    fn long_names_may_be_cut_short() {
        assert_eq!(options("--use=a").config_file, Some("a".into()));
        assert!(!options("--vrrp").run_check, "vrrp_pid begins so too");
    }

    #[test]
    fn every_other_option_of_keepalived_is_noted() {
        let line = "--all -X -V -I -a -x -A s -s ns -m -Mpattern -e -i id --config-fd=3 -X -R -B";
        let noted = options(line);
        assert_eq!(
            noted.without_effect.join(" "),
            "--all --snmp --snmp-agent-socket --core-dump --core-dump-pattern --config-fd"
        );
        assert!(noted.unexpected.is_empty() && !noted.run_bfd && noted.release_vips);
    }

    #[test]
    fn facilities_and_masks_are_read_or_complained_about() {
        for (word, number) in [("0", 16), ("local7", 23), ("user", 1), ("daemon", 3)] {
            assert_eq!(options(&format!("-S {word}")).log_facility.number(), number);
        }
        for word in ["8", "foo", "local8", "local", "17"] {
            let told = options(&format!("-S {word}"));
            assert_eq!(told.complaints, [format!("Invalid log facility '{word}'")]);
            assert_eq!(told.log_facility, Facility::DAEMON);
        }
        for (word, mask) in [("0177", 0o177), ("0x3f", 0o77), ("63", 0o77), ("0", 0)] {
            assert_eq!(options(&format!("-u {word}")).umask, Some(mask));
        }
        let told = options("--umask=01777 -u 8x");
        assert_eq!(told.umask, None);
        assert_eq!(told.complaints[0], "Invalid --umask option 01777");
        assert_eq!(told.complaints.len(), 2);
    }

    #[test]
    fn answers_come_at_once_and_after_what_was_wrong() {
        let answer = parse_words("-Z -h --zz").unwrap_err();
        assert!(
            answer
                .stderr
                .starts_with("Unknown option -Z\nUsage: keepalived")
        );
        assert_eq!(answer.exit_code, 0);
        let answer = parse_words("--signum=JSON -f").unwrap_err();
        assert_eq!((answer.stdout.as_str(), answer.exit_code), ("36\n", 0));
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_in_names_and_escaped_in_messages() {
        let name = OsString::from_vec(b"/tmp/\xff\x1b".to_vec());
        let line = [
            OsString::from("keepalived"),
            OsString::from("-f"),
            name.clone(),
        ];
        assert_eq!(parse(line).unwrap().config_file, Some(name.into()));
        assert_eq!(error("--\u{1b}[2J"), "Unknown option --\\x1b[2J\n");
    }

    #[test]
    fn names_are_unique_and_every_option_is_described() {
        for (index, flag) in FLAGS.iter().enumerate() {
            let rest = &FLAGS[index + 1..];
            assert!(
                rest.iter().all(|other| other.long != flag.long),
                "{}",
                flag.long
            );
            let short = flag.short.is_some();
            assert!(rest.iter().all(|other| !short || other.short != flag.short));
            assert!(flag.hidden || !flag.doc.is_empty(), "{}", flag.long);
        }
    }

    #[test]
    fn the_usage_fits_a_terminal() {
        assert!(usage().lines().all(|line| line.len() <= 80), "{}", usage());
        assert!(usage().contains("\n  -t, --config-test[=FILE]   Check the configuration"));
    }
}
