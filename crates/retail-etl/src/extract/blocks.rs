//! A file's text cut into blocks of whole records, each with its place in the file.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use memchr::memchr_iter;

use crate::Error;
use crate::extract::encoding::{Detector, EncodingChoice};
use crate::extract::records::whole_records;
use crate::quality::{Compression, Encoding};

/// Bytes of a block: some six thousand rows of the real data. What becomes of it on its way to the plans
/// stays in a core's cache; with smaller ones, threads wake each other more often.
pub(crate) const BLOCK_BYTES: usize = 512 << 10;
/// A record may be this long, bytes. Beyond it the file is no CSV, and would fill the memory.
const MAX_RECORD: usize = 16 << 20;
/// What Windows programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whole records.
pub(crate) struct Block {
    /// The text, as it is coded in the file.
    pub(crate) bytes: Vec<u8>,
    /// Where the first record that is not the header begins in it.
    pub(crate) start: usize,
    /// The line at `start`, from 1.
    pub(crate) line: u64,
    /// How the text is coded.
    pub(crate) encoding: Encoding,
}

/// Cuts a file's text into blocks.
pub(crate) struct Blocks<R> {
    input: R,
    path: PathBuf,
    compression: Compression,
    block_bytes: usize,
    /// What was read, but belongs to the next block.
    rest: Vec<u8>,
    is_start: bool,
    is_end: bool,
    line: u64,
    detector: Detector,
}

impl<R: Read> Blocks<R> {
    /// The blocks of `input`, the file at `path`.
    pub(crate) fn new(
        input: R,
        path: PathBuf,
        compression: Compression,
        encoding: EncodingChoice,
    ) -> Self {
        Self {
            input,
            path,
            compression,
            block_bytes: BLOCK_BYTES,
            rest: Vec::new(),
            is_start: true,
            is_end: false,
            line: 1,
            detector: Detector::new(encoding),
        }
    }

    /// The next block, in the memory of one that nobody needs any more; `None` at the end.
    pub(crate) fn next(&mut self, memory: Vec<u8>) -> Result<Option<Block>, Error> {
        let mut bytes = memory;
        bytes.clear();
        bytes.reserve(self.block_bytes + self.rest.len());
        bytes.append(&mut self.rest);
        let mut whole = 0;
        while whole == 0 && !self.is_end {
            self.fill(&mut bytes)?;
            if std::mem::take(&mut self.is_start) && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
                self.detector.saw_mark();
            }
            whole = whole_records(&bytes, self.is_end);
            if whole == 0 && bytes.len() > MAX_RECORD {
                return Err(Error::Text {
                    file: self.path.clone(),
                    line: self.line,
                    reason: "the row is longer than 16 MiB: is this a CSV file?".into(),
                });
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        self.rest.extend_from_slice(&bytes[whole..]);
        bytes.truncate(whole);
        let line = self.line;
        self.line += memchr_iter(b'\n', &bytes).count() as u64;
        let encoding = self.detector.look(&bytes);
        Ok(Some(Block { bytes, start: 0, line, encoding }))
    }

    /// Whether the last block was given already.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_end && self.rest.is_empty()
    }

    /// Reads one block's bytes more.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let mut filled = bytes.len();
        let full = filled + self.block_bytes;
        bytes.resize(full, 0);
        while filled < full {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) => {
                    self.is_end = true;
                    break;
                }
                Ok(more) => filled += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        bytes.truncate(filled);
        Ok(())
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        let action = match self.compression {
            Compression::None => "read",
            Compression::Gzip => "unpack (gzip; is the file whole?)",
            Compression::Zstd => "unpack (zstd; is the file whole?)",
        };
        Error::file(action, &self.path, source)
    }

    /// How the file turned out to be coded, and the reader.
    pub(crate) fn finish(self) -> (Encoding, R) {
        (self.detector.verdict(), self.input)
    }
}

#[cfg(test)]
mod tests;
