//! The fixed head of a Kafka record batch (format 2) and its checksum.
//!
//! Source: the record batch layout in Kafka's documentation, "Message format".

use std::sync::LazyLock;

use tansu_sans_io::record::deflated::Batch;

/// Bytes from the start of a batch to its first record.
pub(crate) const HEADER_BYTES: usize = 61;

/// Bytes in front of what the field "batch length" counts: base offset and that field.
const UNCOUNTED_BYTES: usize = 12;

/// The checksum covers everything from the attributes on.
const CHECKED_FROM: usize = 21;

/// What the broker needs to know of a batch without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Size of the whole batch, head included.
    pub(crate) bytes: u64,
    pub(crate) base_offset: i64,
    pub(crate) last_offset_delta: i32,
    pub(crate) max_timestamp: i64,
    /// -1 when the producer is not idempotent.
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
}

impl Header {
    /// The head of a batch that came over the network.
    pub(crate) fn of(batch: &Batch) -> Self {
        Self {
            bytes: (HEADER_BYTES + batch.record_data.len()) as u64,
            base_offset: batch.base_offset,
            last_offset_delta: batch.last_offset_delta,
            max_timestamp: batch.max_timestamp,
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
            base_sequence: batch.base_sequence,
        }
    }

    /// Reads the head from a file; nothing if these bytes cannot be one.
    pub(crate) fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let length = usize::try_from(i32::from_be_bytes(field(bytes, 8))).ok()?;
        let header = Self {
            bytes: (length + UNCOUNTED_BYTES) as u64,
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
        };
        let magic = bytes[16];
        let sane = magic == 2
            && length + UNCOUNTED_BYTES >= HEADER_BYTES
            && header.base_offset >= 0
            && header.last_offset_delta >= 0;
        sane.then_some(header)
    }

    /// Whether an idempotent producer numbered this batch.
    pub(crate) fn is_numbered(&self) -> bool {
        self.producer_id >= 0 && self.base_sequence >= 0
    }
}

fn field<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    bytes[start..start + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

/// Whether the bytes of a whole batch still have the checksum that its producer gave it.
pub(crate) fn checksum_holds(batch: &[u8]) -> bool {
    batch.len() >= HEADER_BYTES
        && u32::from_be_bytes(field(batch, 17)) == crc32c(&batch[CHECKED_FROM..])
}

/// CRC-32C (Castagnoli), a byte at a time: it checks one batch a partition when a file is opened.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |crc, _| (crc >> 1) ^ (POLYNOMIAL * (crc & 1)))
        })
    });
    let table = &*TABLE;
    !bytes.iter().fold(!0_u32, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_standard_text() {
        // The check value that catalogues of checksums give for CRC-32C.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn nonsense_is_no_header() {
        assert_eq!(Header::read(&[0; HEADER_BYTES]), None);
        assert_eq!(Header::read(&[0xff; HEADER_BYTES]), None);
    }
}
