//! The rows in which a shared job keeps itself.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, PrimitiveArray,
    RecordBatch, StringArray,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Int32Type, Int64Type, Schema};
use arus_store::TableSpec;
use arus_window::PartitionTime;

/// How far a partition is, for the processes that do not hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRow {
    pub(crate) partition: i32,
    pub(crate) epoch: u64,
    /// The epoch that the chain of its states begins with.
    pub(crate) base: u64,
    pub(crate) next_offset: i64,
    pub(crate) watermark_ms: Option<i64>,
    /// The partition has given its windows that end by this time.
    pub(crate) closed_ms: Option<i64>,
    /// The last open window of its process ends then.
    pub(crate) open_until_ms: Option<i64>,
    /// It was idle, and ended at `end_offset` then.
    pub(crate) idle: bool,
    pub(crate) end_offset: Option<i64>,
}

/// A state of a partition, or of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateRow {
    pub(crate) shard: String,
    pub(crate) epoch: u64,
    /// A checkpoint, as in a file.
    pub(crate) bytes: Vec<u8>,
}

/// The tables, and rows for them.
pub(crate) struct Records {
    job: String,
    pub(crate) partitions: TableSpec,
    pub(crate) states: TableSpec,
}

impl Records {
    pub(crate) fn new(job: &str) -> Self {
        let spec = |name: &str, columns: &[(&str, DataType)], key: &[&str]| TableSpec {
            name: name.to_owned(),
            schema: Arc::new(Schema::new(
                columns
                    .iter()
                    .map(|(name, kind)| Field::new(*name, kind.clone(), true))
                    .collect::<Vec<_>>(),
            )),
            key: key.iter().map(ToString::to_string).collect(),
        };
        let partitions = [
            ("shard", DataType::Utf8),
            ("job", DataType::Utf8),
            ("kafka_partition", DataType::Int32),
            ("epoch", DataType::Int64),
            ("base", DataType::Int64),
            ("next_offset", DataType::Int64),
            ("watermark_ms", DataType::Int64),
            ("closed_ms", DataType::Int64),
            ("open_until_ms", DataType::Int64),
            ("idle", DataType::Boolean),
            ("end_offset", DataType::Int64),
        ];
        let states =
            [("shard", DataType::Utf8), ("epoch", DataType::Int64), ("state", DataType::Binary)];
        Self {
            job: job.to_owned(),
            partitions: spec("arus_partitions", &partitions, &["shard"]),
            states: spec("arus_states", &states, &["shard", "epoch"]),
        }
    }

    /// What a partition is called in both tables, and what its epoch is kept under.
    pub(crate) fn shard(&self, partition: i32) -> String {
        format!("{}/{partition}", self.job)
    }

    pub(crate) fn partition_rows<'a>(
        &self,
        rows: impl Iterator<Item = &'a PartitionRow>,
    ) -> RecordBatch {
        let rows: Vec<&PartitionRow> = rows.collect();
        let numbers = |of: fn(&PartitionRow) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| of(row)).collect::<Int64Array>())
        };
        let shards = rows.iter().map(|row| self.shard(row.partition));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(shards)),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &self.job))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.partition))),
            numbers(|row| Some(row.epoch as i64)),
            numbers(|row| Some(row.base as i64)),
            numbers(|row| Some(row.next_offset)),
            numbers(|row| row.watermark_ms),
            numbers(|row| row.closed_ms),
            numbers(|row| row.open_until_ms),
            Arc::new(rows.iter().map(|row| Some(row.idle)).collect::<BooleanArray>()),
            numbers(|row| row.end_offset),
        ];
        batch(&self.partitions, columns)
    }

    pub(crate) fn state_rows(&self, rows: &[StateRow]) -> RecordBatch {
        let epochs = rows.iter().map(|row| row.epoch as i64);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.shard))),
            Arc::new(Int64Array::from_iter_values(epochs)),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.bytes))),
        ];
        batch(&self.states, columns)
    }

    pub(crate) fn partition_keys(&self, shards: &[String]) -> RecordBatch {
        keys(&self.partitions, vec![Arc::new(StringArray::from_iter_values(shards))])
    }

    pub(crate) fn state_keys(&self, states: &[(String, u64)]) -> RecordBatch {
        let shards = StringArray::from_iter_values(states.iter().map(|(shard, _)| shard));
        let epochs = Int64Array::from_iter_values(states.iter().map(|(_, epoch)| *epoch as i64));
        keys(&self.states, vec![Arc::new(shards), Arc::new(epochs)])
    }
}

fn batch(table: &TableSpec, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(&table.schema), columns)
        .expect("columns are in the table's order")
}

fn keys(table: &TableSpec, columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = table.schema.fields()[..columns.len()].to_vec();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .expect("a key's columns come first")
}

fn column<'a, T: ArrowPrimitiveType>(rows: &'a RecordBatch, name: &str) -> &'a PrimitiveArray<T> {
    rows.column_by_name(name).expect("rows have the columns of their table").as_primitive::<T>()
}

impl PartitionRow {
    /// Rows as they were read.
    pub(crate) fn of(rows: &RecordBatch) -> Vec<Self> {
        let numbers = |name| column::<Int64Type>(rows, name);
        let partitions = column::<Int32Type>(rows, "kafka_partition");
        let idle = rows.column_by_name("idle").expect("as above").as_boolean();
        let [epoch, base, next_offset, watermark, closed, open_until, end] = [
            "epoch",
            "base",
            "next_offset",
            "watermark_ms",
            "closed_ms",
            "open_until_ms",
            "end_offset",
        ]
        .map(numbers);
        let read = |at: usize| Self {
            partition: partitions.value(at),
            epoch: epoch.value(at).unsigned_abs(),
            base: base.value(at).unsigned_abs(),
            next_offset: next_offset.value(at),
            watermark_ms: watermark.iter().nth(at).flatten(),
            closed_ms: closed.iter().nth(at).flatten(),
            open_until_ms: open_until.iter().nth(at).flatten(),
            idle: idle.value(at),
            end_offset: end.iter().nth(at).flatten(),
        };
        (0..rows.num_rows()).map(read).collect()
    }

    pub(crate) fn time(&self) -> PartitionTime {
        PartitionTime { watermark_ms: self.watermark_ms, idle: self.idle }
    }
}

impl StateRow {
    /// Rows as they were read.
    pub(crate) fn of(rows: &RecordBatch) -> Vec<Self> {
        let shards = rows.column(0).as_string::<i32>();
        let epochs = column::<Int64Type>(rows, "epoch");
        let states = rows.column(2).as_binary::<i32>();
        let read = |at: usize| Self {
            shard: shards.value(at).to_owned(),
            epoch: epochs.value(at).unsigned_abs(),
            bytes: states.value(at).to_vec(),
        };
        (0..rows.num_rows()).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let records = Records::new("totals");
        let row = |partition, idle: bool| PartitionRow {
            partition,
            epoch: 7,
            base: 3,
            next_offset: 40,
            watermark_ms: idle.then_some(-5),
            closed_ms: None,
            open_until_ms: Some(30_000),
            idle,
            end_offset: (!idle).then_some(41),
        };
        let rows = [row(0, false), row(2, true)];
        assert_eq!(PartitionRow::of(&records.partition_rows(rows.iter())), rows);
        let state = StateRow { shard: records.shard(2), epoch: 7, bytes: vec![0, 255, 1] };
        assert_eq!(StateRow::of(&records.state_rows(std::slice::from_ref(&state))), [state]);
        assert_eq!(records.shard(2), "totals/2");
    }
}
