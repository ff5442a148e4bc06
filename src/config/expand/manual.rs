//! The chapter of `keepalived.conf(5)` on what makes lines of lines.

pub(crate) const CHAPTER: &str = r#".SS Definitions
.TP
.BI $ NAME = text
From here on
.BI ${ NAME }
stands for the text, also inside double quotes. The braces may be left out before a blank, a comma, a closing
parenthesis and the end of the line. A name is made of letters, digits and underscores; no blank may
precede the equals sign. The text may use other definitions, which are looked up when it is used. A later
definition of the same name replaces it.
.TP
.BI $ NAME =\ \e
The text is the lines that follow, up to the first that does not end in a backslash; an empty line
ends it, too, and a line with nothing but a comment is passed over. It can only be used at the end of a line.
Its lines may be anything that the lines of a file may be.
.PP
A name that is not defined stays as it is, with a warning. These need no definition:
.TP
.B ${_PWD}
The directory of the file.
.TP
.B ${_INSTANCE}
The id of this machine: that of the option
.B \-i
or its name up to the first dot.
.TP
.B ${_ENV NAME}
A variable of the environment; nothing if it is not set.
.TP
.B ${_RANDOM [MIN [MAX]]}
Another number for each use, from 0 to 32767 unless told otherwise.
.TP
.B ${_HASH}, ${_BANG}
The characters # and !.
.PP
A definition may have one of these names, too; inside it the name keeps the meaning given here.
.SS Conditions
.TP
.BI @ ID\  line
A line for the machine with this id only.
.TP
.BI @^ ID\  line
A line for all others. A definition of several lines is dropped or kept as a whole.
.SS Sequences
.TP
.BI ~SEQ( NAME ,\ [ FIRST ,\ [ STEP ,]]\  LAST )\  line
The line once for each number, which
.BI ${ NAME }
stands for. Numbers are written as in C.
.B ~SEQx
gives them in hexadecimal. The line may begin with another sequence.
.TP
.BI ~LST( NAME ,\  VALUE ,\ ...)\  line
The line once for each value. Several names and values go together in braces:
.B ~LST({a, b}, {1, 2}, {3, 4}) $a $b
.SS Files
.TP
.BI include\  PATTERN
Reads the files of this name at this place, in order, anywhere in a file. The name may have the
wildcards *, ? and [...] and alternatives in braces; it is relative to the directory of the file that includes.
Executable files are refused. What cannot be read or found is told and passed over, except:
.TP
.B includer
A file that is there must be readable.
.TP
.B includem
There must also be a file of this name.
.TP
.B includew
There must also be one that matches the wildcards.
.TP
.B includeb
Each alternative must give a readable file.
.TP
.B includea
All of this.
.PP
A failure of these leaves nothing to run, and
.B keepalived \-t
exits with 6.
.B include_check
and the option
.B \-e
make the same of every include.
.PP
What follows a brace on its line is read like a line of its own. Files and definitions may be nested
32 deep; all that definitions and sequences make together is limited to 48 MiB, 128 octets counted
for the shortest line. The differences to keepalived: comment characters from \e# and from the names above stay characters,
definitions and files that contain themselves are told and left out, and of a definition that a condition
drops no line is left.
"#;
