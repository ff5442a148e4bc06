//! Lines of addresses, routes and rules: words that are options, each with its values behind it.

use std::net::IpAddr;
use std::slice;

use crate::addr::{Cidr, CidrError, Family};
use crate::config::diag::{Class, Problem};
use crate::config::names::NameKind;
use crate::config::report::Report;
use crate::config::suggest::nearest;
use crate::config::tree::{Statement, Word};

/// The words of a line that are not read yet.
pub(crate) struct Words<'s> {
    rest: slice::Iter<'s, Word>,
}

impl<'s> Words<'s> {
    /// The line is one of a value block: its first word is not a keyword.
    pub(crate) fn new(line: &'s Statement) -> Self {
        Self {
            rest: line.words.iter(),
        }
    }

    pub(crate) fn next(&mut self) -> Option<&'s Word> {
        self.rest.next()
    }

    pub(crate) fn peek(&self) -> Option<&'s Word> {
        self.rest.as_slice().first()
    }

    /// The next word, if it is this one.
    pub(crate) fn take(&mut self, wanted: &str) -> bool {
        let here = self.peek().is_some_and(|word| word.text == wanted);
        if here {
            self.rest.next();
        }
        here
    }

    /// The value of an option; without one there is nothing to run.
    pub(crate) fn value(&mut self, option: &Word, report: &mut Report<'_>) -> Option<&'s Word> {
        let value = self.rest.next();
        if value.is_none() {
            let message = format!("`{}` lacks its value", option.text);
            report.add(Problem::error(option.span, message).class(Class::Argument));
        }
        value
    }

    /// The value of an option as the name of an interface.
    pub(crate) fn interface(&mut self, option: &Word, report: &mut Report<'_>) -> Option<String> {
        let value = self.value(option, report)?;
        report.interface(value)
    }

    /// The value of an option as a strict number.
    pub(crate) fn within<N: TryFrom<i64>>(
        &mut self,
        option: &Word,
        (least, most): (i64, i64),
        report: &mut Report<'_>,
    ) -> Option<N> {
        let value = self.value(option, report)?;
        report.within(value, least, most)
    }
}

/// What a field of 32 bits holds.
pub(crate) const NUMBER: (i64, i64) = (0, u32::MAX as i64);

impl Report<'_> {
    /// A name of iproute2 or its number.
    pub(crate) fn named_number(
        &mut self,
        kind: NameKind,
        word: &Word,
        wanted: &str,
    ) -> Option<u32> {
        let host = self.host;
        let number = self.names.number(kind, &word.text, host);
        if number.is_none() {
            self.reject(word, wanted);
        }
        number
    }

    /// The same where it fits into an octet.
    pub(crate) fn named_octet(&mut self, kind: NameKind, word: &Word, wanted: &str) -> Option<u8> {
        let number = self.named_number(kind, word, wanted)?;
        u8::try_from(number).ok()
    }

    /// `IP[/LEN]`; a bad length is the full one.
    pub(crate) fn cidr(&mut self, word: &Word, dropped: &str) -> Option<Cidr> {
        match word.text.parse::<Cidr>() {
            Ok(cidr) => Some(cidr),
            Err(CidrError::Address) => {
                self.reject(word, &format!("an address, {dropped}"));
                None
            }
            Err(CidrError::Prefix) => {
                let (address, _) = word.text.split_once('/')?;
                let host = Cidr::host(address.parse().ok()?);
                self.reject(word, &format!("an address with its length, {host} is used"));
                Some(host)
            }
        }
    }

    /// An address and nothing behind it.
    pub(crate) fn plain_address(&mut self, word: &Word) -> Option<IpAddr> {
        let address = word.text.parse().ok();
        if address.is_none() {
            self.reject(word, "an IP address");
        }
        address
    }

    /// A strict number that fits into the type it becomes.
    pub(crate) fn within<N: TryFrom<i64>>(
        &mut self,
        word: &Word,
        least: i64,
        most: i64,
    ) -> Option<N> {
        N::try_from(self.strict(word, least..=most)?).ok()
    }

    /// A word of a line that means nothing there.
    pub(crate) fn unknown_word(&mut self, word: &Word, known: &[&'static str], then: &str) {
        let message = format!("unknown word `{}`, {then}", word.text);
        let meant = nearest(&word.text, known.iter().copied());
        let help = meant.map(|meant| format!("did you mean `{meant}`?"));
        self.add(Problem::error(word.span, message).maybe_help(help));
    }
}

/// The family of a line, which its first address decides.
#[derive(Clone, Copy, Default)]
pub(crate) struct LineFamily(pub(crate) Option<Family>);

impl LineFamily {
    /// None when the line is of another family already, which is reported.
    pub(crate) fn agree(
        &mut self,
        family: Family,
        word: &Word,
        report: &mut Report<'_>,
    ) -> Option<()> {
        match self.0 {
            Some(fixed) if fixed != family => {
                report.reject(word, &format!("of {fixed}, as the words before it"));
                None
            }
            _ => {
                self.0 = Some(family);
                Some(())
            }
        }
    }
}
