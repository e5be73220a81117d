//! However a file is cut into blocks, its records are the same.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::extract::records::{Field, Marks, Records};

/// Line, whether broken, text, fields: of every record, the places counted in the whole file.
type Found = (u64, bool, Vec<u8>, Vec<Field>);

fn records_of(text: &[u8], block_bytes: usize) -> (Vec<Found>, Encoding) {
    let path = PathBuf::from("a.csv");
    let mut blocks = Blocks::new(Cursor::new(text), path, Compression::None, EncodingChoice::Auto);
    blocks.block_bytes = block_bytes;
    let (mut found, mut fields, mut before) = (Vec::new(), Vec::new(), 0);
    while let Some(block) = blocks.next(Vec::new()).unwrap() {
        let mut marks = Marks::default();
        marks.find(&block.bytes);
        let mut records = Records::new(&block.bytes, block.line, 2, &marks);
        while let Some(record) = records.next(&mut fields) {
            let place = |field: &Field| Field {
                start: field.start + before,
                end: field.end + before,
                quoted: field.quoted,
            };
            found.push((
                record.line,
                record.broken,
                block.bytes[record.start..record.end].to_vec(),
                fields.iter().map(place).collect(),
            ));
        }
        before += block.bytes.len();
    }
    (found, blocks.finish().0)
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let (found, encoding) = records_of(b"\xef\xbb\xbfa,b\n\"c\"\n", 1 << 20);
    assert_eq!(found[0].2, b"a,b");
    assert_eq!((found.len(), encoding), (2, Encoding::Utf8));
    assert!(records_of(b"\xef\xbb\xbf", 1 << 20).0.is_empty());
}

#[test]
fn the_first_line_that_is_not_ascii_decides() {
    let cases: [(&[u8], Encoding); 6] = [
        (b"a\nb\n", Encoding::Utf8),
        (b"a\nb\xc2\xa3\n", Encoding::Utf8),
        (b"a\nb\xa3\n", Encoding::Latin1),
        // A later line does not change it: in UTF-8 it is rejected, in ISO-8859-1 it is text.
        (b"a\xc2\xa3\nb\xa3\n", Encoding::Utf8),
        (b"a\xa3\nb\xc2\xa3\n", Encoding::Latin1),
        // All of the first line counts.
        (b"a\xc2\xa3 \xa3\n", Encoding::Latin1),
    ];
    for (text, expected) in cases {
        for block_bytes in [1, 2, 3, 5, 1 << 20] {
            assert_eq!(records_of(text, block_bytes).1, expected, "{text:?} {block_bytes}");
        }
    }
}

#[test]
fn a_row_without_end_is_an_error_and_not_all_memory() {
    let endless = std::io::repeat(b'x');
    let mut blocks =
        Blocks::new(endless, PathBuf::from("a.csv"), Compression::None, EncodingChoice::Auto);
    let error = blocks.next(Vec::new()).err().unwrap().to_string();
    assert_eq!(error, "a.csv, line 1: the row is longer than 16 MiB: is this a CSV file?");
}

/// Any byte, but often one that means something.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), any::<u8>()]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_records(text in "[ab,\"\r\né£]{0,80}", block_bytes in 1_usize..90) {
        let whole = records_of(text.as_bytes(), 1 << 20);
        let cut = records_of(text.as_bytes(), block_bytes);
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn any_cut_of_any_bytes(
        bytes in proptest::collection::vec(byte(), 0..80),
        block_bytes in 3_usize..90,
    ) {
        prop_assert_eq!(records_of(&bytes, block_bytes), records_of(&bytes, 1 << 20));
    }
}
