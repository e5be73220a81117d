//! The whole of it: files, one after the other, to lines, rejects and counts.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr_iter;

use crate::Error;
use crate::check::{Duplicates, FinishedRejects, RejectFile};
use crate::extract::blocks::{Block, Blocks};
use crate::extract::decode::{Decoded, Decoder};
use crate::extract::header::Columns;
use crate::extract::records::{Marks, Records};
use crate::extract::source::Source;
use crate::extract::{ExtractOptions, Progress, input, pipeline};
use crate::invoice_lines::InvoiceLines;
use crate::quality::{Compression, FileRead, Quality};

/// What came of reading.
#[derive(Debug)]
pub struct Extracted {
    /// Files, rows, rejects and warnings, counted.
    pub quality: Quality,
    /// The reject file, which has not got its name yet.
    pub rejects: FinishedRejects,
}

/// Reads the files, gives the good rows to `each`, a block at a time and in their order, and writes
/// rejected rows down.
///
/// # Errors
/// No input, a file that is no invoice CSV or cannot be read to its end, more rejected rows than
/// allowed (the reject file is there then), trouble with the reject file, and whatever `each` says;
/// what was given to `each` until then must not be used.
pub fn extract(
    options: &ExtractOptions,
    progress: &mut Progress<'_>,
    each: &mut dyn FnMut(InvoiceLines) -> Result<(), Error>,
) -> Result<Extracted, Error> {
    let files = input::find(&options.inputs)?;
    let decoders = 0..options.threads.max(1);
    let mut extraction = Extraction {
        options,
        progress,
        each,
        all_bytes: files.iter().map(|file| stored_bytes(file)).sum(),
        read: Arc::default(),
        decoders: decoders.map(|number| Decoder::new(number, options.date_format)).collect(),
        rejects: RejectFile::new(&options.rejects)?,
        duplicates: Duplicates::default(),
        quality: Quality::default(),
    };
    for file in files {
        if let Err(error) = extraction.file(file) {
            // Of too many rejected rows each must be there to be looked at.
            if matches!(error, Error::TooManyRejects { .. }) {
                extraction.rejects.finish()?.publish()?;
            }
            return Err(error);
        }
    }
    extraction.finish()
}

fn stored_bytes(file: &Path) -> u64 {
    // Only for the progress bar: whether the file can be read is told by opening it.
    file.metadata().map_or(0, |metadata| metadata.len())
}

struct Extraction<'a, 'p> {
    options: &'a ExtractOptions,
    progress: &'a mut Progress<'p>,
    each: &'a mut dyn FnMut(InvoiceLines) -> Result<(), Error>,
    all_bytes: u64,
    /// Bytes read, of all files, as they are stored.
    read: Arc<AtomicU64>,
    decoders: Vec<Decoder>,
    rejects: RejectFile,
    duplicates: Duplicates,
    quality: Quality,
}

impl Extraction<'_, '_> {
    fn file(&mut self, path: PathBuf) -> Result<(), Error> {
        let source = Source::open(&path, Arc::clone(&self.read))?;
        let (size, modified_ns, compression) =
            (source.size, source.modified_ns, source.compression);
        let mut blocks =
            Blocks::new(source.bytes, path.clone(), compression, self.options.encoding);
        let rows_before = self.quality.rows;
        let (first, columns) = first_block(&path, &mut blocks)?;
        let mut expected = match compression {
            Compression::None => rows_in(size, &first),
            _ => 0,
        };
        let mut decoders = std::mem::take(&mut self.decoders);
        decoders.iter_mut().for_each(|decoder| decoder.begin(&columns));
        pipeline::decode_all(&mut blocks, first, &mut decoders, &mut |decoded| {
            // Not before the decoders are at work.
            self.duplicates.expect(std::mem::take(&mut expected));
            self.take(&path, decoded)
        })?;
        self.decoders = decoders;
        let (encoding, bytes) = blocks.finish();
        let (bytes, xxh3) = bytes.finish(&path)?;
        if let Some(expected) = size.filter(|size| *size != bytes) {
            return Err(Error::Changed { file: path, expected, found: bytes });
        }
        let rows = self.quality.rows - rows_before;
        tracing::info!(file = %path.display(), rows, bytes, %compression, %encoding, "file read");
        self.quality.files.push(FileRead {
            path,
            bytes,
            modified_ns,
            xxh3,
            compression,
            encoding,
            rows,
        });
        Ok(())
    }

    /// Takes in what a block held.
    fn take(&mut self, path: &Path, decoded: Decoded) -> Result<(), Error> {
        let Decoded { lines, rows, rejects, warnings } = decoded;
        self.quality.add(rows, lines.len() as u64, &warnings);
        for reject in &rejects {
            *self.quality.rejected_by_rule.entry(reject.broken.rule.name).or_default() += 1;
        }
        self.rejects.add(path, &rejects)?;
        self.judge(false)?;
        self.duplicates.add(&lines.hash);
        self.progress.tell(self.read.load(Ordering::Relaxed), self.all_bytes);
        // Without lines there is nothing new in it either.
        if lines.is_empty() { Ok(()) } else { (self.each)(lines) }
    }

    /// Whether too many rows were rejected.
    fn judge(&self, is_end: bool) -> Result<(), Error> {
        let Quality { rows, loaded, rejected, .. } = self.quality;
        let rejects = || self.rejects.path().to_owned();
        match self.options.max_rejects {
            Some(limit) if limit.is_exceeded(rejected, rows, is_end) => {
                let limit = limit.to_string();
                Err(Error::TooManyRejects { rejected, rows, limit, rejects: rejects() })
            }
            _ if is_end && loaded == 0 && rejected > 0 => {
                Err(Error::AllRejected { rejected, rejects: rejects() })
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Extracted, Error> {
        self.progress.end();
        let judged = self.judge(true);
        let rejects = self.rejects.finish()?;
        if let Err(error) = judged {
            // They are why nothing is loaded, and must be there to be looked at.
            rejects.publish()?;
            return Err(error);
        }
        self.quality.warnings.duplicates = self.duplicates.count();
        Ok(Extracted { quality: self.quality, rejects })
    }
}

/// About how many rows there are in a file of so many bytes that begins so; 0 if nobody knows.
fn rows_in(bytes: Option<u64>, first: &Block) -> usize {
    let rows = memchr_iter(b'\n', &first.bytes).count() as u64;
    let rows = bytes.unwrap_or(0).saturating_mul(rows) / (first.bytes.len() as u64).max(1);
    usize::try_from(rows).unwrap_or(0)
}

/// The first block, behind its header, and where the header says that the columns are.
pub(super) fn first_block<R: Read>(
    path: &Path,
    blocks: &mut Blocks<R>,
) -> Result<(Block, Columns), Error> {
    let Some(mut block) = blocks.next(Vec::new())? else {
        return Err(Columns::absent(path));
    };
    let mut fields = Vec::new();
    let mut marks = Marks::default();
    marks.find(&block.bytes);
    let mut records = Records::new(&block.bytes, block.line, 0, &marks);
    if records.next(&mut fields).is_none() {
        return Err(Columns::absent(path));
    }
    let columns = Columns::find(path, &block.bytes, &fields)?;
    (block.start, block.line) = records.position();
    Ok((block, columns))
}
