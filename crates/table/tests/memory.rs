//! A table's memory follows the keys that it has, not those that it ever had.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_table::{KeyedTable, TableOptions, TableQuery};

const KEYS: usize = 10_000;

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("version", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
        Field::new("deleted", DataType::Boolean, false),
    ]))
}

/// Rows or deletions of one round's keys, which no other round has.
fn batch(round: usize, deleted: bool) -> RecordBatch {
    let keys = (0..KEYS).map(|key| format!("{:012}", key * 1_000 + round));
    let names = (0..KEYS).map(|key| (!deleted).then(|| format!("name {key} in {round}")));
    let numbers = || Int64Array::from_iter((0..KEYS as i64).map(|at| (!deleted).then_some(at)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(keys)),
        Arc::new(numbers()),
        Arc::new(StringArray::from_iter(names)),
        Arc::new(numbers()),
        Arc::new(BooleanArray::from(vec![deleted; KEYS])),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

#[test]
fn keys_that_come_and_go_leave_nothing() {
    let options = TableOptions {
        key: "key".into(),
        version: "version".into(),
        deleted: "deleted".into(),
        groupings: Vec::new(),
        aggregates: Vec::new(),
    };
    let query = Arc::new(TableQuery::plan(&input(), options).unwrap());
    let mut table = KeyedTable::new(query);
    let mut sizes = Vec::new();
    for round in 0..50 {
        assert_eq!(table.apply(&batch(round, false)).unwrap().changed, KEYS);
        assert_eq!(table.take_changes().unwrap().upserts.num_rows(), KEYS);
        sizes.push(table.size());
        assert_eq!(table.apply(&batch(round, true)).unwrap().changed, KEYS);
        assert_eq!(table.take_changes().unwrap().deleted_keys.num_rows(), KEYS);
        assert!(table.is_empty());
    }
    // Garbage of texts may wait for its compaction, so the second round's size is the measure.
    let (early, latest) = (sizes[1], sizes[49]);
    assert!(latest <= 2 * early, "from {early} to {latest} bytes");
}
