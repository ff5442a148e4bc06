//! What a server does with a connection or a datagram, as a line of words: steps with commas
//! between them.

use std::time::Duration;

/// One thing that a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nobody listens.
    Nobody,
    /// Its address is gone.
    Vanish,
    /// Nothing leads to its address.
    NoWay,
    /// Reads a request up to its empty line.
    Hear,
    HearLine,
    /// Whatever comes first.
    HearSome,
    Say(Vec<u8>),
    /// Says it octet by octet.
    Spell(Vec<u8>),
    /// The same again and again until nobody listens, with so much time in between.
    Repeat(Vec<u8>, Duration),
    /// Listens and does nothing.
    Hold,
    /// Breaks the connection off.
    Reset,
    /// Everything from here on is said in secret, with this certificate.
    Secure(String),
    /// Ends what is said in secret.
    Goodbye,
    /// Answers a datagram.
    Answer(Answer),
    /// What a program does, in words of the shell.
    Run(String),
    /// A program that nobody may execute.
    Forbid,
    /// What stands in the file.
    File(String),
}

/// How a datagram is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These octets.
    Octets(Vec<u8>),
    /// As a name server does, with this error code.
    Code(u8),
    /// The same without an error, but with something wrong.
    OtherId,
    OtherQuestion,
    Truncated,
    /// The query itself.
    Query,
    /// So many octets of it.
    Part(usize),
    /// Without an error, from another address.
    FromElsewhere,
    Silence,
}

/// The steps of a line.
pub(crate) fn parse(line: &str) -> Vec<Step> {
    let mut rest = line.trim();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let end = end_of_step(rest);
        let (step, more) = rest.split_at(end);
        steps.push(parse_step(step.trim()));
        rest = more.strip_prefix(',').unwrap_or(more).trim_start();
    }
    steps
}

/// The next comma outside of quotes.
fn end_of_step(text: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn parse_step(text: &str) -> Step {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "nobody" => Step::Nobody,
        "vanish" => Step::Vanish,
        "no-way" => Step::NoWay,
        "hear" if rest == "line" => Step::HearLine,
        "hear" if rest == "some" => Step::HearSome,
        "hear" => Step::Hear,
        "say" => Step::Say(octets(rest)),
        "spell" => Step::Spell(octets(rest)),
        "drip" => Step::Repeat(octets(rest), DRIP),
        "flood" => Step::Repeat(octets(rest), FLOOD),
        "hold" => Step::Hold,
        "reset" => Step::Reset,
        "secure" => Step::Secure(rest.to_owned()),
        "goodbye" => Step::Goodbye,
        "silence" => Step::Answer(Answer::Silence),
        "answer" => Step::Answer(parse_answer(rest)),
        "run" => Step::Run(words(rest)),
        "forbid" => Step::Forbid,
        "file" => Step::File(words(rest)),
        _ => panic!("no step of a server: {text}"),
    }
}

fn parse_answer(text: &str) -> Answer {
    let number = |prefix: &str| text.strip_prefix(prefix).and_then(|n| n.parse().ok());
    if let Some(code) = number("code ") {
        return Answer::Code(code);
    }
    if let Some(length) = number("of octets ") {
        return Answer::Part(usize::from(length));
    }
    match text {
        "" => Answer::Code(0),
        "with another id" => Answer::OtherId,
        "to another question" => Answer::OtherQuestion,
        "truncated" => Answer::Truncated,
        "with the query" => Answer::Query,
        "from elsewhere" => Answer::FromElsewhere,
        _ => Answer::Octets(octets(text)),
    }
}

fn words(text: &str) -> String {
    String::from_utf8(octets(text)).expect("a text")
}

/// `"text"`, or `1000 * "text"`; with `\r \n \" \\ \xNN`.
fn octets(text: &str) -> Vec<u8> {
    if let Some((count, text)) = text.split_once(" * ") {
        let count = count.parse().expect("a number of times");
        return octets(text).repeat(count);
    }
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let mut characters = inner.unwrap_or_else(|| panic!("no quotes: {text}")).chars();
    let mut octets = Vec::new();
    while let Some(character) = characters.next() {
        if character != '\\' {
            let octet = u8::try_from(character).expect("other octets are written as \\xNN");
            octets.push(octet);
            continue;
        }
        octets.push(match characters.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
            }
            Some(other) => u8::try_from(other).expect("an octet"),
            None => panic!("a backslash at the end: {text}"),
        });
    }
    octets
}

/// Between two waves: what is flooded is one machine with all others.
const FLOOD: Duration = Duration::from_millis(10);
/// Between two drops.
const DRIP: Duration = Duration::from_millis(100);
