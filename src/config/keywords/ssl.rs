//! `SSL`.

use crate::config::check::Ssl;

use super::field::Field;
use super::{Keyword, Table};

const WHY: &str = "a key with a password cannot be opened";

pub(crate) static SSL: Table<Ssl> = Table {
    name: "SSL",
    keywords: &[
        Keyword::field(
            "password",
            "STRING",
            "Opens the key.",
            Field::Text(|draft: &mut Ssl| &mut draft.password),
        )
        .once_only()
        .stored(WHY)
        .may_be_bare(),
        Keyword::field(
            "ca",
            "PATH",
            "File of certificate authorities.",
            Field::Text(|draft: &mut Ssl| &mut draft.ca),
        )
        .once_only()
        .may_be_bare(),
        Keyword::field(
            "certificate",
            "PATH",
            "File of the certificate that checks show.",
            Field::Text(|draft: &mut Ssl| &mut draft.certificate),
        )
        .once_only()
        .may_be_bare(),
        Keyword::field(
            "key",
            "PATH",
            "File of its key.",
            Field::Text(|draft: &mut Ssl| &mut draft.key),
        )
        .once_only()
        .may_be_bare(),
    ],
};
