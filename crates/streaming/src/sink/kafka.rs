//! Rows as JSON objects on a Kafka topic. At-least-once: an epoch that was being sent at a kill is
//! sent again.
//!
//! The record's key is a JSON object of the table's key columns, so that a compacted topic and
//! every reader that keeps the latest record per key see a row once. Timestamps in JSON are whole
//! milliseconds since the Unix epoch, the record's own timestamp is the last millisecond of the
//! window, and the header `epoch` tells the epoch.

use std::sync::Arc;

use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arus_kafka::KafkaArgs;
use arus_kafka::admin::{TopicSpec, ensure_topic};
use arus_kafka::producer::{CountedProducer, Record};

use super::{EpochOutput, Guarantee, OutputTable, Sink, cells};
use crate::Error;

/// What the sink needs of a producer.
trait Outbox: Send {
    fn send(&mut self, record: Record<'_>) -> Result<(), Error>;

    /// Waits for all answers; fails when a record was not taken.
    fn deliver(&mut self) -> Result<(), Error>;
}

impl Outbox for CountedProducer {
    fn send(&mut self, record: Record<'_>) -> Result<(), Error> {
        Ok(CountedProducer::send(self, record)?)
    }

    fn deliver(&mut self) -> Result<(), Error> {
        Ok(self.flush(self.delivery_timeout()).all_delivered()?)
    }
}

/// Rows to a topic of the table's name.
pub struct KafkaSink {
    outbox: Box<dyn Outbox>,
    table: OutputTable,
}

impl KafkaSink {
    /// A sink for the topic of the table's name; makes it with `partitions` partitions if it is
    /// absent. A row may wait for its acknowledgement for `patience`.
    ///
    /// # Errors
    /// When no broker answers, or the topic can neither be found nor made.
    pub fn new(
        kafka: &KafkaArgs,
        partitions: i32,
        table: OutputTable,
        patience: Duration,
    ) -> Result<Self, Error> {
        ensure_topic(kafka, &TopicSpec::new(table.name.clone(), partitions))?;
        let producer = CountedProducer::with_delivery_timeout(kafka, patience)?;
        Ok(Self { outbox: Box::new(producer), table })
    }

    fn json_lines(&self, rows: &RecordBatch) -> Result<Vec<Vec<u8>>, Error> {
        let failed = |reason: String| Error::Encode { sink: self.name(), reason };
        let mut text = Vec::new();
        let mut writer =
            WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut text);
        writer.write(rows).and_then(|()| writer.finish()).map_err(|e| failed(e.to_string()))?;
        drop(writer);
        // JSON escapes line ends within texts, so each line is one row.
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
        if lines.len() != rows.num_rows() {
            return Err(failed(format!("{} lines for {} rows", lines.len(), rows.num_rows())));
        }
        Ok(lines)
    }
}

/// The rows with timestamps as whole milliseconds.
fn with_integer_times(rows: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let schema = rows.schema();
    let mut fields = Vec::with_capacity(rows.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.num_columns());
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        match cells::timestamps_ms(column) {
            Some(times) => {
                fields.push(Field::new(field.name(), DataType::Int64, true));
                columns.push(Arc::new(arrow::array::Int64Array::from(times)));
            }
            // The JSON writer knows plain text and numbers; views and dictionaries become those.
            None if matches!(column.data_type(), DataType::Dictionary(..)) => {
                fields.push(Field::new(field.name(), DataType::Utf8, true));
                columns.push(cast(column, &DataType::Utf8)?);
            }
            None => {
                fields.push(field.as_ref().clone());
                columns.push(Arc::clone(column));
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

impl Sink for KafkaSink {
    fn name(&self) -> String {
        format!("topic {}", self.table.name)
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        if output.rows().num_rows() == 0 {
            return Ok(());
        }
        let failed = |error: arrow::error::ArrowError| Error::Encode {
            sink: self.name(),
            reason: error.to_string(),
        };
        let rows = with_integer_times(output.rows()).map_err(failed)?;
        let schema = rows.schema();
        let key: Result<Vec<_>, _> = self.table.key.iter().map(|k| schema.index_of(k)).collect();
        let keys = key.and_then(|key| rows.project(&key)).map_err(failed)?;
        let (keys, values) = (self.json_lines(&keys)?, self.json_lines(&rows)?);
        let windows = cells::windows(output.rows());
        let epoch = output.epoch.to_string();
        for (row, (key, value)) in keys.iter().zip(&values).enumerate() {
            self.outbox.send(Record {
                topic: &self.table.name,
                partition: None,
                key: Some(key),
                payload: Some(value),
                timestamp_ms: windows.as_ref().map(|windows| windows[row].1.saturating_sub(1)),
                headers: &[("epoch", epoch.as_bytes())],
            })?;
        }
        self.outbox.deliver()
    }

    /// Rows on a topic cannot be taken back: nothing is done, and readers keep the latest record
    /// per key.
    fn reset(&mut self) -> Result<(), Error> {
        tracing::warn!(topic = %self.table.name, "rows on a topic stay after a reset");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::TableRows;
    use crate::sink::OutputMode;
    use crate::sink::fixture::{purchases, table};
    use std::sync::Mutex;

    /// Topic, key, value, timestamp, headers.
    type Sent = (String, String, String, Option<i64>, Vec<(String, String)>);

    #[derive(Clone, Default)]
    struct Fake {
        sent: Arc<Mutex<Vec<Sent>>>,
        /// The record, counted from 0, from which on the broker takes none.
        takes: Option<usize>,
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    impl Outbox for Fake {
        fn send(&mut self, record: Record<'_>) -> Result<(), Error> {
            let headers =
                record.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
            self.sent.lock().unwrap().push((
                record.topic.to_owned(),
                text(record.key.unwrap()),
                text(record.payload.unwrap()),
                record.timestamp_ms,
                headers.collect(),
            ));
            Ok(())
        }

        fn deliver(&mut self) -> Result<(), Error> {
            match self.takes {
                Some(takes) if self.sent.lock().unwrap().len() > takes => {
                    Err(Error::Unsupported("not taken".to_owned()))
                }
                _ => Ok(()),
            }
        }
    }

    fn sink(fake: &Fake) -> KafkaSink {
        KafkaSink { outbox: Box::new(fake.clone()), table: table(OutputMode::Append) }
    }

    #[test]
    fn a_row_is_a_keyed_json_object_at_the_end_of_its_window() {
        let fake = Fake::default();
        let rows = purchases(&[(30_000, "Bed\n\"x\"", 12, 6_120_000)]);
        let mut sink = sink(&fake);
        sink.commit(EpochOutput { epoch: 7, tables: &[TableRows::new(rows.clone())] }).unwrap();
        sink.commit(EpochOutput { epoch: 8, tables: &[TableRows::new(purchases(&[]))] }).unwrap();
        let expected = (
            "purchase_windows".to_owned(),
            r#"{"window_start":30000,"furniture":"Bed\n\"x\""}"#.to_owned(),
            concat!(
                r#"{"window_start":30000,"window_end":60000,"furniture":"Bed\n\"x\"","#,
                r#""purchases":12,"total_price":6120000}"#
            )
            .to_owned(),
            Some(59_999),
            vec![("epoch".to_owned(), "7".to_owned())],
        );
        assert_eq!(*fake.sent.lock().unwrap(), [expected]);
    }

    #[test]
    fn a_commit_does_not_return_before_every_record_is_taken() {
        let fake = Fake { takes: Some(1), ..Fake::default() };
        let rows = purchases(&[(0, "Bed", 1, 1), (0, "Sofa", 1, 1)]);
        let error = sink(&fake)
            .commit(EpochOutput { epoch: 1, tables: &[TableRows::new(rows.clone())] })
            .unwrap_err();
        assert_eq!(error.to_string(), "not taken");
        assert_eq!(fake.sent.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_key_that_is_no_column_is_an_error() {
        let mut sink = sink(&Fake::default());
        sink.table.key = vec!["colour".to_owned()];
        let rows = purchases(&[(0, "Bed", 1, 1)]);
        let error = sink
            .commit(EpochOutput { epoch: 1, tables: &[TableRows::new(rows.clone())] })
            .unwrap_err()
            .to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
