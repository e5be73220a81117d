//! Purchases as the streaming job decodes them.

use arrow::array::RecordBatch;
use arus_models::{PurchaseColumns, TimestampUnit};
use arus_streaming::decode::{Decoder, NO_VALUE, Record};
use arus_streaming::options::TimeUnitArg;

struct PurchaseDecoder(PurchaseColumns);

/// A decoder that keeps the named columns.
pub(crate) fn new(unit: TimeUnitArg, columns: &[String]) -> Box<dyn Decoder> {
    let unit = match unit {
        TimeUnitArg::Ms => TimestampUnit::Milliseconds,
        TimeUnitArg::S => TimestampUnit::Seconds,
    };
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    Box::new(PurchaseDecoder(PurchaseColumns::new(unit, &columns)))
}

impl Decoder for PurchaseDecoder {
    fn push(&mut self, record: &Record<'_>) -> Result<i64, String> {
        let payload = record.payload.ok_or(NO_VALUE)?;
        self.0.push_json(payload).map_err(|invalid| invalid.to_string())
    }

    fn finish(&mut self) -> RecordBatch {
        self.0.finish()
    }
}
