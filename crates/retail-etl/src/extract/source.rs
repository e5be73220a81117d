//! A file as a stream of unpacked bytes; what is read of it is counted and hashed on the way.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;
use twox_hash::xxhash3_128::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

use crate::Error;
use crate::quality::Compression;

/// Bytes asked of the system at a time.
const READ_BYTES: usize = 256 << 10;

/// What the file's first bytes tell.
const PACKED: [(&[u8], Packed); 7] = [
    (&[0x1f, 0x8b], Packed::Known(Compression::Gzip)),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packed::Known(Compression::Zstd)),
    (b"BZh", Packed::Unknown("packed with bzip2: unpack it, or pack it with gzip or zstd")),
    (&[0xfd, b'7', b'z', b'X'], Packed::Unknown("packed with xz: unpack it first")),
    (b"PK\x03\x04", Packed::Unknown("a ZIP archive or Excel sheet: save the sheet as CSV")),
    (&[0xff, 0xfe], Packed::Unknown("UTF-16 text: save it as UTF-8")),
    (&[0xfe, 0xff], Packed::Unknown("UTF-16 text: save it as UTF-8")),
];

#[derive(Clone, Copy)]
enum Packed {
    Known(Compression),
    Unknown(&'static str),
}

/// xxh3-128 with its usual secret.
type FileHasher = RawHasher<&'static [u8; DEFAULT_SECRET_LENGTH]>;

fn new_hasher() -> FileHasher {
    RawHasher::new(SecretBuffer::default())
}

/// An open file.
pub(crate) struct Source {
    /// The unpacked bytes.
    pub(crate) bytes: Unpacked,
    /// How it is packed.
    pub(crate) compression: Compression,
    /// Its size when it was opened, bytes; `None` of what is no regular file.
    pub(crate) size: Option<u64>,
    /// When it was changed last, ns since the Unix epoch.
    pub(crate) modified_ns: i64,
}

impl Source {
    /// Opens the file. Bytes read of it, as they are stored, are added to `read`.
    pub(crate) fn open(path: &Path, read: Arc<AtomicU64>) -> Result<Self, Error> {
        let failed = |source| Error::file("read", path, source);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let mut stored =
            Stored { file, hasher: new_hasher(), bytes: 0, all: read, ahead: Vec::new() };
        let compression = stored.look_ahead(path)?;
        let bytes = match compression {
            Compression::None => Unpacked::Plain(Box::new(stored)),
            Compression::Gzip => Unpacked::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::new(stored).map_err(failed)?;
                Unpacked::Zstd(Box::new(decoder))
            }
        };
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { bytes, compression, size, modified_ns: modified_ns(&metadata) })
    }
}

/// When a file was changed last, ns since the Unix epoch; 0 where the system does not know.
pub(crate) fn modified_ns(metadata: &std::fs::Metadata) -> i64 {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The unpacked bytes of a file.
pub(crate) enum Unpacked {
    Plain(Box<Stored>),
    Gzip(Box<MultiGzDecoder<Stored>>),
    Zstd(Box<zstd::Decoder<'static, io::BufReader<Stored>>>),
}

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Plain(stored) => stored.read(into),
            Unpacked::Gzip(decoder) => decoder.read(into),
            Unpacked::Zstd(decoder) => decoder.read(into),
        }
    }
}

impl Unpacked {
    /// Bytes read as they are stored, and their hash; what a decoder left unread is read for it.
    pub(crate) fn finish(self, path: &Path) -> Result<(u64, u128), Error> {
        let mut stored = match self {
            Unpacked::Plain(stored) => *stored,
            Unpacked::Gzip(decoder) => decoder.into_inner(),
            Unpacked::Zstd(decoder) => decoder.finish().into_inner(),
        };
        io::copy(&mut stored, &mut io::sink())
            .map_err(|source| Error::file("read", path, source))?;
        Ok((stored.bytes, stored.hasher.finish_128()))
    }
}

/// The bytes of a file as they are stored.
pub(crate) struct Stored {
    file: File,
    hasher: FileHasher,
    bytes: u64,
    /// Of all files together.
    all: Arc<AtomicU64>,
    /// Read, but not given yet.
    ahead: Vec<u8>,
}

impl Stored {
    /// Tells from the first bytes how the file is packed.
    fn look_ahead(&mut self, path: &Path) -> Result<Compression, Error> {
        let mut first = [0; 4];
        let mut length = 0;
        while length < first.len() {
            match self.read_file(&mut first[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(source) => return Err(Error::file("read", path, source)),
            }
        }
        self.ahead.extend_from_slice(&first[..length]);
        let packed = PACKED.iter().find(|(magic, _)| self.ahead.starts_with(magic));
        match packed {
            None => Ok(Compression::None),
            Some((_, Packed::Known(compression))) => Ok(*compression),
            Some((_, Packed::Unknown(what))) => {
                Err(Error::Header { file: path.to_owned(), reason: format!("the file is {what}") })
            }
        }
    }

    fn read_file(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.file.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.hasher.write(&into[..read]);
        self.bytes += read as u64;
        self.all.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            let most = into.len().min(READ_BYTES);
            return self.read_file(&mut into[..most]);
        }
        let length = self.ahead.len().min(into.len());
        into[..length].copy_from_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        Ok(length)
    }
}

/// The xxh3-128 of a file, all of which is read for it.
pub(crate) fn hash(path: &Path) -> Result<u128, Error> {
    let failed = |source| Error::file("read", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = new_hasher();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish_128()),
            Ok(read) => hasher.write(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(failed(source)),
        }
    }
}
