//! Texts out of texts: their pieces are words, blanks, braces and quotes, so that what comes out
//! still looks like a configuration and gets past the first statement.

use keepalived::config::manual;
use keepalived::rand::Rand;

pub(crate) struct Mutator {
    corpus: Vec<Vec<Vec<u8>>>,
    /// Every keyword there is, and everything else that means something.
    words: Vec<Vec<u8>>,
    rng: Rand,
}

/// Longer texts are made now and then, never longer than this.
const LENGTH_MAX: usize = 100_000;

/// Lines and words with a meaning of their own.
const SPECIAL: [&str; 62] = [
    "{",
    "}",
    "\"",
    "'",
    "#",
    "!",
    "\\",
    "\\#",
    "\\\n",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\x0b",
    "｛",
    "｝",
    "“",
    "主",
    "\u{10ff80}",
    "\u{feff}",
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65536",
    "4294967296",
    "99999999999999999999",
    "0.000001",
    "1e9",
    ".",
    "-",
    "+",
    "5s",
    "0x10",
    "$X=",
    "$X={\\\n",
    "$X=$X $X\n",
    "$X",
    "${X}",
    "${_PWD}",
    "${_RANDOM 1 6}",
    "${_ENV HOME}",
    "${",
    "~SEQ(X, 1, 5) ",
    "~SEQ(X, 1, 999999999) ",
    "~LST(X, a, b) ",
    "~LST({X, Y}, {1, 2}) ",
    "@host ",
    "@^host ",
    "include *.conf\n",
    "include fuzz.conf\n",
    "10.0.0.1",
    "10.0.0.1/24",
    "fe80::1",
    "fd00::/64",
    "10.0.0.1-20",
    "eth0",
    "default",
    "weight",
    "true",
    "off",
];

impl Mutator {
    pub(crate) fn new(corpus: Vec<Vec<u8>>, rng: Rand) -> Self {
        let manual = manual();
        let keywords = manual.lines().filter_map(|line| line.strip_prefix(".B "));
        let keywords = keywords.filter_map(|line| line.split([' ', '\\']).next());
        let words = keywords.chain(SPECIAL);
        let mut words: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
        words.extend([vec![0xb1, 0xb1], vec![0xff], vec![0xf4, 0x8f, 0xbf, 0xbf]]);
        Self {
            corpus: corpus.iter().map(|text| pieces(text)).collect(),
            words,
            rng,
        }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut text = self.of_corpus();
        for _ in 0..=self.below(8) {
            self.change(&mut text);
        }
        if self.rng.chance(2) {
            let times = self.below(300) + 1;
            let repeated = self.stretch(&text);
            let at = self.below(text.len() + 1);
            text.splice(at..at, std::iter::repeat_n(repeated, times).flatten());
        }
        let mut text = text.concat();
        text.truncate(LENGTH_MAX);
        text
    }

    fn change(&mut self, text: &mut Vec<Vec<u8>>) {
        let at = self.below(text.len() + 1);
        let end = (at + self.below(6)).min(text.len());
        match self.below(9) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy = text[at..end].to_vec();
                let to = self.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            2 | 3 => {
                let word = self.word();
                text.insert(at, word);
            }
            4 | 5 if at < text.len() => text[at] = self.word(),
            6 => {
                let other = self.of_corpus();
                let stretch = self.stretch(&other);
                text.splice(at..at, stretch);
            }
            7 if at < text.len() => {
                let other = self.below(text.len());
                text.swap(at, other);
            }
            8 if at < text.len() && !text[at].is_empty() => {
                let octet = self.below(text[at].len());
                text[at][octet] = self.rng.next_u64().to_be_bytes()[0];
            }
            _ => text.insert(at, b"\n".to_vec()),
        }
    }

    fn word(&mut self) -> Vec<u8> {
        let index = self.below(self.words.len());
        self.words[index].clone()
    }

    fn of_corpus(&mut self) -> Vec<Vec<u8>> {
        let index = self.below(self.corpus.len());
        self.corpus[index].clone()
    }

    /// Some pieces that follow each other, most often whole lines.
    fn stretch(&mut self, text: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let start = self.below(text.len() + 1);
        let end = (start + self.below(120)).min(text.len());
        text[start..end].to_vec()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap()
    }
}

/// Words and blanks as runs, everything else octet by octet.
fn pieces(text: &[u8]) -> Vec<Vec<u8>> {
    let kind = |octet: &u8| match octet {
        b' ' | b'\t' => 1,
        b'\n' | b'{' | b'}' | b'"' | b'#' | b'!' => 0,
        _ => 2,
    };
    text.chunk_by(|one, other| kind(one) == kind(other) && kind(one) != 0)
        .map(<[u8]>::to_vec)
        .collect()
}
