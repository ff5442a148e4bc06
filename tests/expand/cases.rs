//! Texts, what they mean, and what an installed keepalived makes of them.

pub(crate) struct Case {
    pub(crate) text: &'static str,
    /// Every unknown keyword that must be found, in order.
    pub(crate) words: &'static [&'static str],
    pub(crate) theirs: Theirs,
}

#[derive(Clone, Copy)]
pub(crate) enum Theirs {
    Same,
    /// Differs, and is meant to; a comment says why.
    Words(&'static [&'static str]),
    /// It crashes, hangs, or has no such thing.
    Never,
}

const fn same(text: &'static str, words: &'static [&'static str]) -> Case {
    Case {
        text,
        words,
        theirs: Theirs::Same,
    }
}

const fn differs(
    text: &'static str,
    words: &'static [&'static str],
    theirs: &'static [&'static str],
) -> Case {
    Case {
        text,
        words,
        theirs: Theirs::Words(theirs),
    }
}

const fn ours(text: &'static str, words: &'static [&'static str]) -> Case {
    Case {
        text,
        words,
        theirs: Theirs::Never,
    }
}

pub(crate) const CASES: &[Case] = &[
    // Where a use ends.
    same(
        "$X=val\n${X}b\n$X-b\n$X.c\n$X,b\n$X)b\n[$X]\nx$X\n",
        &["valb", "$X-b", "$X.c", "val,b", "val)b", "[$X]", "xval"],
    ),
    same(
        "$X=val\n\"x${X}y\"\n\"$X\"\n\"$X z\"\n",
        &["xvaly", "$X", "val z"],
    ),
    // A definition: blanks around, comments, redefinition, an empty value.
    same(
        "  $X=  val  # no\na$X\n$X=b\na$X\n$X=\na${X}c\n",
        &["aval", "ab", "ac"],
    ),
    same("$X =val\n$Y=1\n$Y =2\n", &["$X", "1"]),
    same(
        "$_x=1\n$x_1Y=2\n$1=3\na$_x\nb${x_1Y}\n",
        &["$1=3", "a1", "b2"],
    ),
    // Looked up when used, not when defined.
    same("$A=${B}\n$B=1\na${A}\n$B=2\na${A}\n", &["a1", "a2"]),
    same("$VIP_1=one\n$N=1\nv_${VIP_${N}}\n", &["v_one"]),
    same("$A=1\n$B=2\n${A}${B}${A}\n", &["121"]),
    same("a$X\n$X=1\n", &["a$X"]),
    // It hangs.
    ours("$A=${B}\n$B=${A}\nx$A\n$S=a${S}\ny$S\n", &["x$", "ya$"]),
    // A literal comment character stays one.
    differs(
        "$A=x\\#y\n${A}z\n\"${A}z\"\nb${_HASH}c\n\"b${_HASH}c\"\nb${_BANG}c\nd\\#e\n",
        &["x#yz", "x#yz", "b#c", "b#c", "b!c", "d#e"],
        &["x", "x#yz", "b", "b#c", "b", "d#e", "xz", "xz", "d"],
    ),
    // Definitions of several lines.
    same("$M= \\\n  aa 1 \\\n  bb 2\n$M\ncc\n", &["aa", "bb", "cc"]),
    same("$M=aa  \\\n bb \\\n \\\n cc\nx$M\n", &["xaa", "bb", "cc"]),
    same("$M= \\\n aa \\\n\nbb\n$M\n", &["bb", "aa"]),
    same(
        "$M= \\\n @lb1 aa \\\n @x bb \\\n @^x cc\n$M\n",
        &["aa", "cc"],
    ),
    same("$M= \\\n $N=3 \\\n bb_${N}\n$M\nc$N\n", &["bb_3", "c3"]),
    same(
        "$M= \\\n aa \\\n ~SEQ(i, 1, 2) b$i\n$M\n",
        &["aa", "b1", "b2"],
    ),
    same(
        "$N= \\\n bb \\\n cc\n$M= \\\n aa \\\n $N \\\n dd\n$M\n",
        &["aa", "bb", "cc", "dd"],
    ),
    same(
        "$M= \\\n aa_$X \\\n bb_$X\n$X=1\n$M\n$X=2\n$M\n",
        &["aa_1", "bb_1", "aa_2", "bb_2"],
    ),
    // It corrupts its memory.
    ours("$M= \\\n aa \\\n bb\n$M post\n\"${M}\"\n", &["$M", "${M}"]),
    // All but the first of its processes end the definition at the comment.
    differs(
        "$M= \\\n aa \\\n # c\n bb\n$M\n",
        &["aa", "bb"],
        &["aa", "bb", "bb"],
    ),
    // What a condition drops is dropped whole.
    differs(
        "@x $M= \\\n aa \\\n bb\ncc\n",
        &["cc"],
        &["aa\\", "bb", "cc"],
    ),
    same("@lb1 $M= \\\n aa \\\n bb\n$M\n", &["aa", "bb"]),
    // Conditions.
    same(
        "@lb1 aa\n@x bb\n@^lb1 cc\n@^x dd\n@lb1\n@lb1 @lb1 ee\n",
        &["aa", "dd", "@lb1"],
    ),
    same(
        "  @lb1 $X=1\n@x $X=2\na$X\n@lb1 ~SEQ(i, 1, 2) b$i\n",
        &["a1", "b1", "b2"],
    ),
    // A condition that comes from a definition was one in 2.2; it is none in 2.4.
    differs(
        "$C=@lb1 aa\n$C\n$S=~SEQ(i, 1, 2) bb\n$S\n",
        &["@lb1", "~SEQ(i,"],
        &["aa", "~SEQ(i,"],
    ),
    same("${_INSTANCE}\n@lb a\n@lb1.example.com b\n", &["lb1"]),
    // Sequences.
    same(
        "~SEQ(i, 3) a$i\n~SEQ(i, 0) b$i\n~SEQ(i, -2) c$i\n",
        &["a1", "a2", "a3", "b1", "b0", "c-1", "c-2"],
    ),
    same(
        "~SEQ(i, 5, 3) a$i\n~SEQ(i, 1, 3, 8) b$i\n~SEQ(i, 9, -4, 1) c$i\n",
        &["a5", "a4", "a3", "b1", "b4", "b7", "c9", "c5", "c1"],
    ),
    same(
        "~SEQx(i, 9, 11) a$i\n~SEQ(i, 0x9, 012) b$i\n",
        &["a9", "aa", "ab", "b9", "b10"],
    ),
    same(
        "~SEQ( i , 1 , 2 )a$i\n$E=2\n~SEQ(i, 1, $E) b$i\n~SEQ(i, ${E}) c$i\nd$i\n",
        &["a1", "a2", "b1", "b2", "c1", "c2", "d2"],
    ),
    same(
        "~SEQ(i, 1, 2) ~SEQ(j, 1, 2) a${i}_$j\n",
        &["a1_1", "a1_2", "a2_1", "a2_2"],
    ),
    same(
        "~SEQ(i, 1, 2) ~LST(a, x, y) a${i}$a\n",
        &["a1x", "a1y", "a2x", "a2y"],
    ),
    same(
        "~SEQ(i, 1, 2) @lb1 a$i\n~SEQ(i, 1, 2) @x b$i\n",
        &["a1", "a2"],
    ),
    same(
        "$M= \\\n a$i \\\n b$i\n~SEQ(i, 1, 2) $M\n",
        &["a1", "b1", "a2", "b2"],
    ),
    same(
        "~LST({a, b}, {1,2}, {3}) a${a}_${b}z\n~LST(a,1,2) b$a\n",
        &["a1_2z", "a3_z", "b1", "b2"],
    ),
    same(
        "~SEQ(i, 1, -1, 3) a\n~SEQ(i, 1, 0, 3) a\n~SEQ(i) a\n~SEQx(i, -1, 2) a\nb\n",
        &["b"],
    ),
    same(
        "~LST({a,b},{1,2,3}) a\n~LST(a) a\n~LST(a, b c) a\nb\n",
        &["b"],
    ),
    // What follows a brace is a line of its own.
    // Of an unknown block only the braces are read.
    differs(
        "aa { $X=5\nb$X\n} ~SEQ(i,1,2) c$i\n$X\n",
        &["aa", "c1", "c2", "5"],
        &["aa", "b5", "c1", "c2", "5"],
    ),
    same("global_defs { @lb1 aa\n @x bb\n} @lb1 cc\n", &["aa", "cc"]),
    same("global_defs { aa } bb\n", &["aa", "bb"]),
    same("$X=global_defs { aa\n$X\n}\nbb\n", &["aa", "bb"]),
    // From outside.
    // Newer than 2.2.
    ours(
        "a${_ENV SITE}\nb${_ENV NO_SUCH_VARIABLE}\n",
        &["awest", "b"],
    ),
    same("a${_RANDOM 4 4}\n", &["a4"]),
    same("$_INSTANCE=mine\na$_INSTANCE\n", &["amine"]),
    ours("$_HASH=1${_HASH}\na${_HASH}b\n", &["a1#b"]),
];
