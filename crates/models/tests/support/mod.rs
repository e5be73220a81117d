//! What the tests of all kinds of records share.

use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

/// Records, one JSON object in a line each, as arrow-json decodes them.
pub(crate) fn arrow_json(schema: SchemaRef, lines: &[u8]) -> RecordBatch {
    let count = lines.iter().filter(|&&byte| byte == b'\n').count();
    let mut decoder = ReaderBuilder::new(schema).with_batch_size(count.max(1)).build_decoder();
    let decoder = decoder.as_mut().expect("the schema is one that arrow-json reads");
    assert_eq!(decoder.decode(lines).expect("it is JSON"), lines.len());
    decoder.flush().expect("the records are whole").expect("there are records")
}

/// A change of some bytes: taken away, put in, doubled or replaced.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    kind: u8,
    place: prop::sample::Index,
    byte: u8,
    length: usize,
}

/// Up to three changes.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..4_u8, any::<prop::sample::Index>(), any::<u8>(), 1..20_usize)
        .prop_map(|(kind, place, byte, length)| Change { kind, place, byte, length });
    prop::collection::vec(change, 0..4)
}

/// The record after the changes.
pub(crate) fn changed(mut json: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for Change { kind, place, byte, length } in changes {
        let place = place.index(json.len() + 1);
        let end = (place + length).min(json.len());
        match kind {
            0 if place < json.len() => json[place] = byte,
            1 => drop(json.drain(place..end)),
            2 => json.insert(place, b"\",:{}[]\\ 019-.eE"[usize::from(byte) % 16]),
            _ => {
                let piece = json[place..end].to_vec();
                json.splice(place..place, piece);
            }
        }
    }
    json
}
