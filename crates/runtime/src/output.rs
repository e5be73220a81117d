//! Standard output, when whoever reads it may have gone.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::Error;

/// Prints a line.
///
/// # Errors
/// As [`text`].
pub fn line(line: impl Display) -> Result<(), Error> {
    text(format_args!("{line}\n"))
}

/// Prints a text.
///
/// # Errors
/// When it cannot be written, as on a full disk. That nobody reads it any more (`| head`) is none.
pub fn text(text: impl Display) -> Result<(), Error> {
    write(io::stdout().lock(), text).map_err(Error::Output)
}

fn write(mut output: impl Write, text: impl Display) -> io::Result<()> {
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_go() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        write(writer, "closing line").unwrap();
    }

    #[test]
    fn trouble_is_told() {
        let mut room = [0; 3];
        let error = write(&mut room[..], "closing line").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert!(Error::Output(error).to_string().starts_with("cannot write to standard output: "));
    }
}
