//! The joined text to statements and their blocks.
//!
//! The grammar gives words and braces; which block a brace belongs to is decided here. Balanced
//! braces alone decide as long as the file has as many of one as of the other. When one is
//! missing, the keyword tables say where: a keyword of a block that is not followed by its `{`
//! gets one if the file has a `}` too many, and a keyword that belongs to an outer block ends the
//! inner ones if the file has a `{` too many. So one forgotten brace costs one message and not
//! the rest of the file.

use std::rc::Rc;

use pest::Parser;
use pest_derive::Parser;

use super::Host;
use super::diag::{Class, Problem};
use super::keywords::{Scope, Shape};
use super::source::Span;
use super::word::{self, Words, short};

pub(crate) use super::word::Word;

/// A keyword with its arguments, and its block if it has one.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    /// Empty for a block that nobody asked for.
    pub(crate) words: Words,
    pub(crate) block: Option<Block>,
}

#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Parser)]
#[grammar = "../grammar/config.pest"]
struct Grammar;

/// A block that is still open while the tree grows.
struct Frame {
    /// What the block allows; None where nothing is known about it.
    scope: Option<&'static dyn Scope>,
    statements: Vec<Statement>,
    /// The statement the block belongs to.
    opened: Span,
}

struct Builder<'p> {
    root: &'static dyn Scope,
    /// Of the whole text.
    words: Rc<Vec<Word>>,
    /// How many of them belong to statements so far.
    used: u32,
    outermost: Vec<Statement>,
    /// Open blocks from the outside in.
    frames: Vec<Frame>,
    /// Empty lists for blocks to come.
    spare: Vec<Vec<Statement>>,
    /// Blocks inside the innermost frame that are not built any more.
    too_deep: usize,
    /// The last thing seen was a statement, so a brace now is its own.
    awaiting_block: bool,
    /// `{` without a `}` in the whole file that are not accounted for yet, and the reverse.
    missing_closes: usize,
    missing_opens: usize,
    problems: &'p mut Vec<Problem>,
}

/// Nothing goes on from one line to the next, so the text can be parsed in portions: what the
/// parser needs for itself is many times its text, and stays in the processor's cache like this.
const PORTION: usize = 4 << 10;

/// Pieces that are put into the tree at a time.
const SHARE: usize = 512;

/// No keyword nests deeper than five; what is deeper is noise, and dropping a tree costs stack.
const DEPTH_MAX: usize = 32;

/// What the text is made of; as small as can be, since there is one for nearly every line.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Its words are those from the end of the statement before it up to this.
    Statement {
        end: u32,
    },
    Open(Brace),
    Close(Brace),
}

#[derive(Clone, Copy, Debug)]
struct Brace {
    at: u32,
    /// How many octets it has: more than one in a Chinese or Japanese input method.
    length: u8,
}

impl Brace {
    fn ascii(at: usize) -> Self {
        let at = short(at);
        Self { at, length: 1 }
    }

    fn span(self) -> Span {
        let start = self.at as usize;
        let end = start + usize::from(self.length);
        Span { start, end }
    }
}

/// Reads any text. Everything that is wrong with its shape is in `problems`.
pub(crate) fn parse(
    text: &Rc<String>,
    root: &'static dyn Scope,
    host: &dyn Host,
    problems: &mut Vec<Problem>,
) -> Vec<Statement> {
    let (pieces, words) = pieces(text, host, problems);
    let count = |kind: fn(&Piece) -> bool| pieces.iter().filter(|piece| kind(piece)).count();
    let opens = count(|piece| matches!(piece, Piece::Open(_)));
    let closes = count(|piece| matches!(piece, Piece::Close(_)));
    let mut builder = Builder {
        root,
        words: Rc::new(words),
        used: 0,
        outermost: Vec::new(),
        frames: Vec::new(),
        spare: Vec::new(),
        too_deep: 0,
        awaiting_block: false,
        missing_closes: opens.saturating_sub(closes),
        missing_opens: closes.saturating_sub(opens),
        problems,
    };
    let mut pieces = pieces.into_iter().peekable();
    let mut share = 0;
    while let Some(piece) = pieces.next() {
        share += 1;
        if share % SHARE == 0 {
            host.meanwhile();
        }
        match piece {
            Piece::Statement { end } => builder.statement(end, pieces.peek().copied()),
            Piece::Open(brace) => builder.open(brace),
            Piece::Close(brace) => builder.close(brace),
        }
    }
    builder.finish()
}

/// The pieces of a text and the words of all its statements.
struct Pieces<'t, 'p> {
    text: &'t Rc<String>,
    pieces: Vec<Piece>,
    words: Vec<Word>,
    problems: &'p mut Vec<Problem>,
}

fn pieces(
    text: &Rc<String>,
    host: &dyn Host,
    problems: &mut Vec<Problem>,
) -> (Vec<Piece>, Vec<Word>) {
    let mut found = Pieces {
        text,
        pieces: Vec::new(),
        words: Vec::new(),
        problems,
    };
    let mut start = 0;
    while start < text.len() {
        start = found.plain_lines(start);
        host.meanwhile();
        start = found.other_lines(start);
    }
    (found.pieces, found.words)
}

/// What an octet means to the grammar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a word.
    Ordinary,
    Blank,
    Newline,
    Open,
    Close,
    /// Starts a comment, a quote or an escape, or may be part of a full-width brace.
    Special,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Ordinary; 256];
    let mut octet = u8::MAX;
    loop {
        kinds[octet as usize] = match octet {
            b'\n' => Kind::Newline,
            b'{' => Kind::Open,
            b'}' => Kind::Close,
            b'#' | b'!' | b'"' | b'\\' | 0x80.. => Kind::Special,
            octet if word::is_blank(octet) => Kind::Blank,
            _ => Kind::Ordinary,
        };
        if octet == 0 {
            break kinds;
        }
        octet -= 1;
    }
};

/// Whether a line, which starts the text, is plain, and where the next one starts.
fn first_line(text: &[u8]) -> (bool, usize) {
    let mut plain = true;
    for (at, &byte) in text.iter().enumerate() {
        match KINDS[usize::from(byte)] {
            Kind::Newline => return (plain, at + 1),
            Kind::Special => plain = false,
            Kind::Ordinary | Kind::Blank | Kind::Open | Kind::Close => {}
        }
    }
    (plain, text.len())
}

impl Pieces<'_, '_> {
    /// Nearly all lines are letters and braces and nothing else: for them the grammar comes down
    /// to this, which takes a tenth of its time. Gives the start of the first line that is not
    /// read.
    fn plain_lines(&mut self, mut start: usize) -> usize {
        let end = self.text.len().min(start + PORTION);
        while start < end {
            match self.plain_line(start) {
                Some(next) => start = next,
                None => break,
            }
        }
        start
    }

    /// Reads a line if it is plain. Gives where the next one starts.
    fn plain_line(&mut self, start: usize) -> Option<usize> {
        let before = (self.pieces.len(), self.words.len());
        let text = self.text;
        let (mut word, mut words) = (None, before.1);
        for (&byte, at) in text.as_bytes()[start..].iter().zip(start..) {
            let kind = KINDS[usize::from(byte)];
            let piece = match kind {
                Kind::Ordinary => {
                    word.get_or_insert(at);
                    continue;
                }
                Kind::Special => {
                    self.pieces.truncate(before.0);
                    self.words.truncate(before.1);
                    return None;
                }
                Kind::Blank | Kind::Newline => None,
                Kind::Open => Some(Piece::Open(Brace::ascii(at))),
                Kind::Close => Some(Piece::Close(Brace::ascii(at))),
            };
            self.end_word(word.take(), at);
            if kind != Kind::Blank {
                self.end_statement(words);
                words = self.words.len();
            }
            self.pieces.extend(piece);
            if kind == Kind::Newline {
                return Some(at + 1);
            }
        }
        self.end_word(word, text.len());
        self.end_statement(words);
        Some(text.len())
    }

    fn end_word(&mut self, start: Option<usize>, end: usize) {
        if let Some(start) = start {
            self.words.push(Word::plain(self.text, Span { start, end }));
        }
    }

    /// Makes a statement of the words since then, if there are any.
    fn end_statement(&mut self, before: usize) {
        if self.words.len() > before {
            let end = short(self.words.len());
            self.pieces.push(Piece::Statement { end });
        }
    }

    /// What the grammar makes of a portion of the text, up to a plain line. Gives where it ends.
    fn other_lines(&mut self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut end = start;
        while end < bytes.len() && end < start + PORTION {
            let (plain, length) = first_line(&bytes[end..]);
            if plain {
                break;
            }
            end += length;
        }
        if end > start {
            self.by_grammar(start, end);
        }
        end
    }

    fn by_grammar(&mut self, start: usize, end: usize) {
        let portion = self.text.get(start..end);
        let portion = portion.expect("a portion ends at a line's end");
        let mut pairs = Grammar::parse(Rule::config, portion).expect("it accepts every text");
        for pair in pairs.next().expect("a parse has its root").into_inner() {
            let span = Span {
                start: start + pair.as_span().start(),
                end: start + pair.as_span().end(),
            };
            let brace = Brace {
                at: short(span.start),
                length: u8::try_from(span.end - span.start).unwrap_or(u8::MAX),
            };
            match pair.as_rule() {
                Rule::open => self.pieces.push(Piece::Open(brace)),
                Rule::close => self.pieces.push(Piece::Close(brace)),
                Rule::statement => self.statement(span),
                _ => {}
            }
        }
    }

    fn statement(&mut self, span: Span) {
        let before = self.words.len();
        word::split(self.text, span, &mut self.words, self.problems);
        self.end_statement(before);
    }
}

impl Statement {
    /// The keyword; empty for a block that nobody asked for.
    pub(crate) fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// Argument `number`, counted from 1.
    pub(crate) fn argument(&self, number: usize) -> Option<&Word> {
        self.words.get(number)
    }

    pub(crate) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// From the keyword to the last argument.
    pub(crate) fn span(&self) -> Span {
        let first = self.words.first().map(|word| word.span);
        let last = self.words.last().map(|word| word.span);
        first.unwrap_or_default().to(last.unwrap_or_default())
    }

    /// The keyword alone.
    pub(crate) fn head(&self) -> Span {
        self.words.first().map(|word| word.span).unwrap_or_default()
    }
}

impl Builder<'_> {
    fn statement(&mut self, end: u32, next: Option<Piece>) {
        let words = Words::new(&self.words, self.used, end);
        self.used = end;
        if self.too_deep > 0 {
            return;
        }
        let Some(first) = words.first() else {
            return;
        };
        let (keyword, head) = (first.text.clone(), first.span);
        if self.missing_closes > 0 {
            self.close_before(&keyword, head);
        }
        self.list().push(Statement { words, block: None });
        self.awaiting_block = true;
        if self.missing_opens > 0 && self.opens_unsaid(&keyword, next) {
            self.missing_opens -= 1;
            let message = format!("`{keyword}` has no `{{`");
            self.problems.push(
                Problem::error(head, message)
                    .class(Class::Braces)
                    .help("the lines that follow are taken as its block"),
            );
            self.push_frame(head);
        }
    }

    /// Whether a keyword is that of a block, has no `{`, and what follows may be its lines.
    fn opens_unsaid(&self, keyword: &str, next: Option<Piece>) -> bool {
        let Some(Piece::Statement { end }) = next else {
            return false;
        };
        let next = Words::new(&self.words, self.used, end);
        let first = next.first().map_or("", |word| word.text.as_str());
        let around = self.shape(first).is_some();
        match self.shape(keyword) {
            Some(Shape::Block(scope)) => !around || scope.find(first).is_some(),
            Some(Shape::Values) => !around,
            Some(Shape::Line) | None => false,
        }
    }

    /// Ends the innermost blocks when the keyword is not theirs but that of a block around them.
    fn close_before(&mut self, keyword: &str, head: Span) {
        while self.missing_closes > 0 {
            let mut around = self.frames.iter().rev().map(|frame| frame.scope);
            let Some(innermost) = around.next() else {
                return;
            };
            let knows = |scope: Option<&'static dyn Scope>| {
                scope.is_some_and(|scope| scope.find(keyword).is_some())
            };
            let around = around.chain([Some(self.root)]);
            if knows(innermost) || !around.into_iter().any(knows) {
                return;
            }
            let Some(frame) = self.frames.pop() else {
                return;
            };
            self.missing_closes -= 1;
            self.problems.push(
                Problem::error(head, format!("a `}}` is missing before `{keyword}`"))
                    .class(Class::Braces)
                    .note(frame.opened, "this block is not closed"),
            );
            self.attach(frame);
        }
    }

    fn open(&mut self, brace: Brace) {
        let span = brace.span();
        self.full_width(brace, '｛', '{');
        if self.frames.len() == DEPTH_MAX {
            if self.too_deep == 0 {
                let message = format!("blocks nested deeper than {DEPTH_MAX}, ignored");
                self.problems.push(Problem::error(span, message));
            }
            self.too_deep += 1;
            return;
        }
        if self.awaiting_block {
            let head = self.list().last().map(Statement::head);
            self.push_frame(head.unwrap_or(span));
            return;
        }
        self.problems
            .push(Problem::error(span, "a block that belongs to no keyword").help("it is skipped"));
        self.list().push(Statement::default());
        self.push_frame(span);
    }

    fn close(&mut self, brace: Brace) {
        self.full_width(brace, '｝', '}');
        self.awaiting_block = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        match self.frames.pop() {
            Some(frame) => self.attach(frame),
            None => {
                let problem = Problem::error(brace.span(), "this `}` closes nothing");
                self.problems.push(problem.class(Class::Braces));
            }
        }
    }

    fn full_width(&mut self, brace: Brace, written: char, meant: char) {
        if brace.length > 1 {
            let message = format!("full-width `{written}`");
            let help = format!("write `{meant}`; it is read as one here");
            self.problems
                .push(Problem::error(brace.span(), message).help(help));
        }
    }

    fn finish(mut self) -> Vec<Statement> {
        let unclosed = self.frames.len() + self.too_deep;
        if let (Some(frame), Some(outermost)) = (self.frames.last(), self.frames.first()) {
            let message = match unclosed {
                1 => "this block is not closed at the end of the file".to_owned(),
                many => format!("{many} blocks are not closed at the end of the file"),
            };
            let mut problem = Problem::error(frame.opened, message).class(Class::Braces);
            if unclosed > 1 {
                problem = problem.note(outermost.opened, "the outermost of them");
            }
            self.problems.push(problem);
        }
        while let Some(frame) = self.frames.pop() {
            self.attach(frame);
        }
        self.outermost
    }

    fn push_frame(&mut self, opened: Span) {
        let owner = self.list().last().map(|last| last.words.clone());
        let keyword = owner.as_ref().and_then(|words| words.first());
        let scope = match keyword.and_then(|word| self.shape(&word.text)) {
            Some(Shape::Block(scope)) => Some(scope),
            Some(Shape::Line | Shape::Values) | None => None,
        };
        self.frames.push(Frame {
            scope,
            statements: self.spare.pop().unwrap_or_default(),
            opened,
        });
        self.awaiting_block = false;
    }

    /// Gives a finished block to its statement, the last one of the block around it.
    fn attach(&mut self, frame: Frame) {
        let mut grown = frame.statements;
        // Exactly as long as it is: there are thousands of blocks.
        let mut statements = Vec::with_capacity(grown.len());
        statements.append(&mut grown);
        self.spare.push(grown);
        if let Some(owner) = self.list().last_mut() {
            owner.block = Some(Block { statements });
        }
        self.awaiting_block = false;
    }

    /// Where the next statement goes.
    fn list(&mut self) -> &mut Vec<Statement> {
        match self.frames.last_mut() {
            Some(frame) => &mut frame.statements,
            None => &mut self.outermost,
        }
    }

    /// What the innermost block says about a keyword.
    fn shape(&self, keyword: &str) -> Option<Shape> {
        let scope = match self.frames.last() {
            Some(frame) => frame.scope?,
            None => self.root,
        };
        scope.find(keyword).map(|entry| entry.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AnyHost;
    use crate::config::keywords::root::ROOT;
    use crate::rand::Rand;

    /// What the grammar has to do with, in pieces that meet each other at random.
    const PIECES: [&str; 16] = [
        "{",
        "}",
        "\"",
        "#",
        "!",
        "\\",
        "\n",
        " ",
        "\t",
        "\r",
        "word",
        "vrrp_instance",
        "｛",
        "｝",
        "“",
        "\u{10ffb1}",
    ];

    fn tree(text: &str) -> (Vec<Statement>, Vec<Problem>) {
        let mut problems = Vec::new();
        let statements = parse(&Rc::new(text.to_owned()), &ROOT, &AnyHost, &mut problems);
        (statements, problems)
    }

    /// Statements in order, each as `words[ {block}]`.
    fn shape(statements: &[Statement]) -> String {
        let all: Vec<String> = statements
            .iter()
            .map(|statement| {
                let words: Vec<&str> = statement
                    .words
                    .iter()
                    .map(|word| word.text.as_str())
                    .collect();
                let block = statement.block.as_ref();
                let block = block.map(|block| format!(" {{{}}}", shape(&block.statements)));
                words.join(",") + &block.unwrap_or_default()
            })
            .collect();
        all.join("; ")
    }

    fn clean(text: &str) -> String {
        let (statements, problems) = tree(text);
        assert!(problems.is_empty(), "{problems:?}");
        shape(&statements)
    }

    /// Plain lines are read without the grammar; it makes the same of them.
    #[test]
    fn a_plain_line_is_what_the_grammar_makes_of_it() {
        let mut rand = Rand::new(7);
        let parts = [
            "{",
            "}",
            " ",
            "\t",
            "\r",
            "\u{b}",
            "\u{1}",
            "$",
            "'",
            "word",
            "10.0.0.1/24",
        ];
        let count = u64::try_from(parts.len()).unwrap();
        for _ in 0..20_000 {
            let mut line = String::new();
            for _ in 0..rand.below(9) {
                line += parts[usize::try_from(rand.below(count)).unwrap()];
            }
            let text = Rc::new(line + "\n");
            let mut problems = Vec::new();
            let mut read = |by_hand: bool| {
                let mut found = Pieces {
                    text: &text,
                    pieces: Vec::new(),
                    words: Vec::new(),
                    problems: &mut problems,
                };
                if by_hand {
                    assert_eq!(found.plain_line(0), Some(text.len()));
                } else {
                    found.by_grammar(0, text.len());
                }
                let words = found.words.iter();
                let words =
                    words.map(|word| (word.text.to_string(), word.span.start, word.span.end));
                (format!("{:?}", found.pieces), words.collect::<Vec<_>>())
            };
            assert_eq!(read(true), read(false), "{text:?}");
            assert!(problems.is_empty());
        }
    }

    #[test]
    fn braces_may_stand_anywhere_outside_of_quotes() {
        let expected = "a,b {c,d; e {f}}; g";
        for text in [
            "a b {\nc d\ne {\nf\n}\n}\ng\n",
            "a b\n{\nc d\ne\n\n{ f } }\ng",
            "a b{c d\ne{f}}g",
            "a b # {\n { # }\n c d ! }\n e { f } } g",
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
        assert_eq!(clean("a \"b { c } # d\" {e}"), "a,b { c } # d {e}");
    }

    #[test]
    fn words_end_at_blanks_comments_and_quotes() {
        assert_eq!(clean("a\tb\rc\u{b}d\u{c}e"), "a,b,c,d,e");
        assert_eq!(clean("a#b\nc!d"), "a; c");
        assert_eq!(clean("a\\#b c\\!d e\\f \\"), "a#b,c!d,e\\f,\\");
        assert_eq!(clean("a\"b c\"d \"\" 'e f'"), "a,b c,d,,'e,f'");
    }

    #[test]
    fn an_open_quote_takes_the_rest_of_its_line_and_no_more() {
        let (statements, problems) = tree("a \"b { c # d\ne");
        assert_eq!(shape(&statements), "a; e");
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn plain_lines_are_what_the_grammar_makes_of_them() {
        let mut rng = Rand::new(2);
        for _ in 0..5_000 {
            let length = rng.below(40);
            let text: String = (0..length)
                .map(|_| PIECES[usize::try_from(rng.below(16)).unwrap()])
                .filter(|piece| !piece.contains(|letter| "\"#!\\".contains(letter)))
                .filter(|piece| piece.is_ascii())
                .collect();
            let other = text.replace('\n', "#\n") + "#";
            assert_eq!(shape(&tree(&text).0), shape(&tree(&other).0), "{text:?}");
        }
    }

    #[test]
    fn every_text_has_a_tree() {
        let mut rng = Rand::new(1);
        for _ in 0..5_000 {
            let length = rng.below(60);
            let text: String = (0..length)
                .map(|_| PIECES[usize::try_from(rng.below(16)).unwrap()])
                .collect();
            let (statements, problems) = tree(&text);
            assert!(problems.len() <= text.len() + 1, "{text:?}");
            assert!(shape(&statements).len() <= 4 * text.len(), "{text:?}");
        }
    }
}
