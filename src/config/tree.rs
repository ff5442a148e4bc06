//! The joined text to statements and their blocks.
//!
//! The grammar gives words and braces; which block a brace belongs to is decided here. Balanced
//! braces alone decide as long as the file has as many of one as of the other. When one is
//! missing, the keyword tables say where: a keyword of a block that is not followed by its `{`
//! gets one if the file has a `}` too many, and a keyword that belongs to an outer block ends the
//! inner ones if the file has a `{` too many. So one forgotten brace costs one message and not
//! the rest of the file.

use pest::Parser;
use pest::iterators::Pair;
use pest_derive::Parser;

use super::diag::Problem;
use super::keywords::{Scope, Shape};
use super::source::Span;

/// A keyword with its arguments, and its block if it has one.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    /// Empty for a block that nobody asked for.
    pub(crate) words: Vec<Word>,
    pub(crate) block: Option<Block>,
}

#[derive(Debug)]
pub(crate) struct Word {
    /// Without quotes, `\#` and `\!` resolved.
    pub(crate) text: String,
    /// Quotes included.
    pub(crate) span: Span,
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
    outermost: Vec<Statement>,
    /// Open blocks from the outside in.
    frames: Vec<Frame>,
    /// Blocks inside the innermost frame that are not built any more.
    too_deep: usize,
    /// The last thing seen was a statement, so a brace now is its own.
    awaiting_block: bool,
    /// `{` without a `}` in the whole file that are not accounted for yet, and the reverse.
    missing_closes: usize,
    missing_opens: usize,
    problems: &'p mut Vec<Problem>,
}

/// No keyword nests deeper than five; what is deeper is noise, and dropping a tree costs stack.
const DEPTH_MAX: usize = 32;

/// Reads any text. Everything that is wrong with its shape is in `problems`.
pub(crate) fn parse(
    text: &str,
    root: &'static dyn Scope,
    problems: &mut Vec<Problem>,
) -> Vec<Statement> {
    let mut pairs = Grammar::parse(Rule::config, text).expect("the grammar accepts every text");
    let pieces = pairs.next().expect("a parse has its root").into_inner();
    let count = |rule| {
        let all = pieces.clone();
        all.filter(|piece| piece.as_rule() == rule).count()
    };
    let (opens, closes) = (count(Rule::open), count(Rule::close));
    let mut builder = Builder {
        root,
        outermost: Vec::new(),
        frames: Vec::new(),
        too_deep: 0,
        awaiting_block: false,
        missing_closes: opens.saturating_sub(closes),
        missing_opens: closes.saturating_sub(opens),
        problems,
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        match piece.as_rule() {
            Rule::statement => {
                builder.statement(piece, pieces.peek());
            }
            Rule::open => builder.open(&piece),
            Rule::close => builder.close(&piece),
            Rule::EOI
            | Rule::config
            | Rule::piece
            | Rule::argument
            | Rule::word
            | Rule::letter
            | Rule::escape
            | Rule::special
            | Rule::quoted
            | Rule::unclosed
            | Rule::comment
            | Rule::blanks => {}
        }
    }
    builder.finish()
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
    fn statement(&mut self, pair: Pair<'_, Rule>, next: Option<&Pair<'_, Rule>>) {
        if self.too_deep > 0 {
            return;
        }
        let words: Vec<Word> = pair
            .into_inner()
            .filter_map(|argument| self.word(&argument))
            .collect();
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
                Problem::error(head, message).help("the lines that follow are taken as its block"),
            );
            self.push_frame(head);
        }
    }

    /// Whether a keyword is that of a block, has no `{`, and what follows may be its lines.
    fn opens_unsaid(&self, keyword: &str, next: Option<&Pair<'_, Rule>>) -> bool {
        let Some(next) = next.filter(|next| next.as_rule() == Rule::statement) else {
            return false;
        };
        let first = next.clone().into_inner().next();
        let first = first.map_or("", |word| word.as_str());
        let around = self.shape(first).is_some();
        match self.shape(keyword) {
            Some(Shape::Block(scope)) => !around || scope.find(first).is_some(),
            Some(Shape::Values) => !around,
            Some(Shape::Line) | None => false,
        }
    }

    fn word(&mut self, pair: &Pair<'_, Rule>) -> Option<Word> {
        let span = span(pair);
        let text = pair.as_str();
        match pair.as_rule() {
            Rule::quoted => {
                let inside = text.get(1..text.len() - 1).unwrap_or_default();
                let text = inside.to_owned();
                Some(Word { text, span })
            }
            Rule::unclosed => {
                self.problems.push(
                    Problem::error(span, "this quote is not closed on its line")
                        .help("the words before it are used"),
                );
                None
            }
            _ => Some(Word {
                text: text.replace("\\#", "#").replace("\\!", "!"),
                span,
            }),
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
                    .note(frame.opened, "this block is not closed"),
            );
            self.attach(frame);
        }
    }

    fn open(&mut self, pair: &Pair<'_, Rule>) {
        let span = span(pair);
        self.full_width(pair, '{');
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

    fn close(&mut self, pair: &Pair<'_, Rule>) {
        self.full_width(pair, '}');
        self.awaiting_block = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        match self.frames.pop() {
            Some(frame) => self.attach(frame),
            None => self
                .problems
                .push(Problem::error(span(pair), "this `}` closes nothing")),
        }
    }

    fn full_width(&mut self, pair: &Pair<'_, Rule>, meant: char) {
        if !pair.as_str().is_ascii() {
            let message = format!("full-width `{}`", pair.as_str());
            let help = format!("write `{meant}`; it is read as one here");
            self.problems
                .push(Problem::error(span(pair), message).help(help));
        }
    }

    fn finish(mut self) -> Vec<Statement> {
        let unclosed = self.frames.len() + self.too_deep;
        if let (Some(frame), Some(outermost)) = (self.frames.last(), self.frames.first()) {
            let message = match unclosed {
                1 => "this block is not closed at the end of the file".to_owned(),
                many => format!("{many} blocks are not closed at the end of the file"),
            };
            let mut problem = Problem::error(frame.opened, message);
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
        let keyword = self.list().last().map(|last| last.keyword().to_owned());
        let scope = match keyword.and_then(|keyword| self.shape(&keyword)) {
            Some(Shape::Block(scope)) => Some(scope),
            Some(Shape::Line | Shape::Values) | None => None,
        };
        self.frames.push(Frame {
            scope,
            statements: Vec::new(),
            opened,
        });
        self.awaiting_block = false;
    }

    /// Gives a finished block to its statement, the last one of the block around it.
    fn attach(&mut self, frame: Frame) {
        let statements = frame.statements;
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

fn span(pair: &Pair<'_, Rule>) -> Span {
    let span = pair.as_span();
    Span {
        start: span.start(),
        end: span.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let statements = parse(text, &ROOT, &mut problems);
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
