use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};

use super::*;
use crate::tables::{MONEY_PRECISION, MONEY_SCALE};

/// The shape of `top_products`, with text that CSV must quote.
fn products() -> (&'static TableShape, RecordBatch) {
    let shape = &SHAPES[4];
    let money = Decimal128Array::from(vec![2_060_324_800, -1]);
    let columns: [ArrayRef; 6] = [
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec!["85123A", "m"])),
        Arc::new(StringArray::from(vec![Some("BOX, \"RED\" ŒUF"), None])),
        Arc::new(Int64Array::from(vec![1_234_567, -3])),
        Arc::new(Int64Array::from(vec![10, 0])),
        Arc::new(money.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap()),
    ];
    (shape, RecordBatch::try_new(shape.schema(), columns.to_vec()).unwrap())
}

#[test]
fn csv_is_plain() {
    let (shape, rows) = products();
    let text = String::from_utf8(csv::encode(shape, &rows).unwrap()).unwrap();
    let expected = "rank,stock_code,description,items,orders,revenue\n\
                    1,85123A,\"BOX, \"\"RED\"\" ŒUF\",1234567,10,206032.4800\n\
                    2,m,,-3,0,-0.0001\n";
    assert_eq!(text, expected);
}

#[test]
fn parquet_gives_back_what_it_got() {
    let (shape, rows) = products();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&super::parquet::encode(shape, &rows).unwrap()).unwrap();
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100);
    let read: Vec<RecordBatch> = reader.unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [rows]);
}
