//! How a file's text is coded, found out while it streams by.
//!
//! The first line that is not plain ASCII decides for its file: if it is valid UTF-8 the file is
//! UTF-8, else ISO-8859-1. Lines before it are the same in both, so nothing has to be read again,
//! however late it comes. ISO-8859-1 text of any language is practically never valid UTF-8 by
//! chance. A later line of a UTF-8 file that is not valid is rejected rather than guessed at.

use std::borrow::Cow;

use clap::ValueEnum;
use memchr::memchr;

use crate::quality::Encoding;

/// `--encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingChoice {
    /// Found out for each file.
    Auto,
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// ISO-8859-1 (Latin-1).
    #[value(name = "iso-8859-1", alias = "latin-1")]
    Latin1,
}

/// What is known of a file's encoding so far.
pub(crate) struct Detector {
    decided: Option<Encoding>,
}

impl Detector {
    /// Knows what was said on the command line.
    pub(crate) fn new(choice: EncodingChoice) -> Self {
        let decided = match choice {
            EncodingChoice::Auto => None,
            EncodingChoice::Utf8 => Some(Encoding::Utf8),
            EncodingChoice::Latin1 => Some(Encoding::Latin1),
        };
        Self { decided }
    }

    /// A byte order mark was there: it is UTF-8, unless another was asked for.
    pub(crate) fn saw_mark(&mut self) {
        self.decided.get_or_insert(Encoding::Utf8);
    }

    /// Looks at the next whole lines, and says how they are coded.
    pub(crate) fn look(&mut self, lines: &[u8]) -> Encoding {
        if let Some(decided) = self.decided {
            return decided;
        }
        if lines.is_ascii() {
            return Encoding::Utf8;
        }
        let first = lines.iter().position(|byte| !byte.is_ascii()).expect("looked just now");
        let rest = &lines[first..];
        let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
        let decided = match std::str::from_utf8(line) {
            Ok(_) => Encoding::Utf8,
            Err(_) => Encoding::Latin1,
        };
        self.decided = Some(decided);
        decided
    }

    /// The verdict on the file; what is only ASCII is UTF-8.
    pub(crate) fn verdict(&self) -> Encoding {
        self.decided.unwrap_or(Encoding::Utf8)
    }
}

/// The bytes as UTF-8, as far as they can be.
pub(crate) fn to_utf8(bytes: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    if encoding == Encoding::Utf8 || bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    Cow::Owned(text.into_bytes())
}
