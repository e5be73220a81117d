//! Rows as JSON objects on a Kafka topic. On a broker with transactions exactly once: an epoch's
//! rows, the job's offsets and the epoch's number are one transaction (`exact.rs`), and who reads
//! with `isolation.level=read_committed` sees each epoch once. On a broker without, at least once:
//! an epoch that was being sent at a kill is sent again.
//!
//! The record's key is a JSON object of the table's key columns, so that a compacted topic and
//! every reader that keeps the latest record per key see a row once. Timestamps in JSON are whole
//! milliseconds since the Unix epoch, the record's own timestamp is the last millisecond of the
//! window, and the header `epoch` tells the epoch.

mod exact;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arus_kafka::KafkaArgs;
use arus_kafka::admin::{self, TopicSpec, ensure_topic};
use arus_kafka::producer::{CountedProducer, Record};
use arus_kafka::transactions::{Opened, Transactions};

use self::exact::{Exact, KafkaPort};
use super::{EpochOutput, Guarantee, OutputTable, Sink, cells};
use crate::Error;
use crate::origin::Origin;

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

/// A row as it is sent.
struct Row {
    key: Vec<u8>,
    value: Vec<u8>,
    timestamp_ms: Option<i64>,
}

impl Row {
    /// Without headers; the key decides on the partition.
    fn record<'a>(&'a self, topic: &'a str) -> Record<'a> {
        Record {
            topic,
            partition: None,
            key: Some(&self.key),
            payload: Some(&self.value),
            timestamp_ms: self.timestamp_ms,
            headers: &[],
        }
    }
}

/// How rows get to the topic.
enum Way {
    /// In transactions, exactly once.
    Transactions(Exact),
    /// One by one, at least once.
    Plain(Box<dyn Outbox>),
}

/// Where the sink is, and whose.
#[derive(Clone, Copy, Debug)]
pub struct KafkaPlace<'a> {
    /// Which broker.
    pub kafka: &'a KafkaArgs,
    /// The topic's number of partitions, if it has to be made.
    pub partitions: i32,
    /// The job: its consumer group.
    pub job: &'a str,
    /// The topic that the job reads.
    pub source: &'a str,
    /// How long an absent broker is waited for.
    pub patience: Duration,
}

/// Rows to a topic of the table's name.
pub struct KafkaSink {
    kafka: KafkaArgs,
    partitions: i32,
    patience: Duration,
    table: OutputTable,
    way: Way,
}

impl KafkaSink {
    /// A sink for the topic of the table's name. The transactional id is `arus.` and the job's name:
    /// of the instances of a job the one that came last writes. Does not speak to the broker.
    ///
    /// # Errors
    /// When librdkafka does not take the options.
    pub fn new(place: KafkaPlace<'_>, table: OutputTable) -> Result<Self, Error> {
        let KafkaPlace { kafka, partitions, job, source, patience } = place;
        let transactions = Transactions::new(kafka, &format!("arus.{job}"), job, source)?;
        let topic = table.name.clone();
        let port = Box::new(KafkaPort { transactions, topic: topic.clone(), patience });
        let way = Way::Transactions(Exact::new(port, &topic, name(&topic)));
        Ok(Self { kafka: kafka.clone(), partitions, patience, table, way })
    }

    fn make_topic(&self) -> Result<(), Error> {
        ensure_topic(&self.kafka, &TopicSpec::new(self.table.name.clone(), self.partitions))?;
        Ok(())
    }

    /// What remains on a broker without transactions.
    fn fall_back(&mut self, opened: Opened) -> Result<(), Error> {
        if opened == Opened::NoTransactions {
            self.make_topic()?;
            tracing::warn!(
                topic = %self.table.name,
                "the broker has no transactions, so rows on this topic are at-least-once: after a kill \
                 those of the last epoch may come again"
            );
            let producer = CountedProducer::with_delivery_timeout(&self.kafka, self.patience)?;
            self.way = Way::Plain(Box::new(producer));
        }
        Ok(())
    }

    fn encode(&self, rows: &RecordBatch) -> Result<Vec<Row>, Error> {
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let failed = |error: arrow::error::ArrowError| Error::Encode {
            sink: self.name(),
            reason: error.to_string(),
        };
        let windows = cells::windows(rows);
        let rows = with_integer_times(rows).map_err(failed)?;
        let schema = rows.schema();
        let key: Result<Vec<_>, _> = self.table.key.iter().map(|k| schema.index_of(k)).collect();
        let keys = key.and_then(|key| rows.project(&key)).map_err(failed)?;
        let lines = self.json_lines(&keys)?.into_iter().zip(self.json_lines(&rows)?);
        let end = |row: usize| windows.as_ref().map(|windows| windows[row].1.saturating_sub(1));
        let rows = lines.enumerate();
        Ok(rows.map(|(row, (key, value))| Row { key, value, timestamp_ms: end(row) }).collect())
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

fn name(topic: &str) -> String {
    format!("topic {topic}")
}

impl Sink for KafkaSink {
    fn name(&self) -> String {
        name(&self.table.name)
    }

    fn guarantee(&self) -> Guarantee {
        match self.way {
            Way::Transactions(_) => Guarantee::ExactlyOnce,
            Way::Plain(_) => Guarantee::AtLeastOnce,
        }
    }

    fn commits_offsets(&self) -> bool {
        matches!(self.way, Way::Transactions(_))
    }

    fn waits_for_broker(&self) -> bool {
        true
    }

    fn take_over(&mut self, origin: &Origin, checkpoint: u64) -> Result<(), Error> {
        match &mut self.way {
            Way::Transactions(exact) => {
                let opened = exact.take_over(origin, checkpoint)?;
                self.fall_back(opened)
            }
            Way::Plain(_) => Ok(()),
        }
    }

    fn written_by(&mut self) -> Result<Option<Origin>, Error> {
        match &mut self.way {
            Way::Transactions(exact) => exact.written_by(),
            Way::Plain(_) => Ok(None),
        }
    }

    fn last_epoch(&mut self) -> Result<Option<u64>, Error> {
        let Way::Transactions(exact) = &mut self.way else { return Ok(None) };
        let Some(epoch) = Some(exact.epoch()?).filter(|&epoch| epoch > 0) else {
            self.make_topic()?;
            return Ok(None);
        };
        if admin::partitions(&self.kafka, &self.table.name)?.is_none() {
            let reason =
                format!("epoch {epoch} is noted, but there is no such topic: its rows are gone");
            return Err(Error::OtherOutput { sink: self.name(), reason });
        }
        Ok(Some(epoch))
    }

    fn commit(&mut self, output: EpochOutput<'_>) -> Result<(), Error> {
        let rows = self.encode(output.rows())?;
        match &mut self.way {
            Way::Transactions(exact) => exact.commit(output.epoch, &rows, output.next_offsets),
            Way::Plain(outbox) => {
                let epoch = output.epoch.to_string();
                let headers: [(&str, &[u8]); 1] = [("epoch", epoch.as_bytes())];
                for row in &rows {
                    outbox.send(Record { headers: &headers, ..row.record(&self.table.name) })?;
                }
                outbox.deliver()
            }
        }
    }

    /// Rows on a topic cannot be taken back, and readers keep the latest record per key: only the
    /// epoch is forgotten.
    fn reset(&mut self) -> Result<(), Error> {
        tracing::warn!(topic = %self.table.name, "rows on a topic stay after a reset");
        match &mut self.way {
            Way::Transactions(exact) => {
                let opened = exact.reset()?;
                self.fall_back(opened)
            }
            Way::Plain(_) => Ok(()),
        }
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
        KafkaSink {
            kafka: KafkaArgs::for_brokers("nowhere"),
            partitions: 1,
            patience: Duration::ZERO,
            table: table(OutputMode::Append),
            way: Way::Plain(Box::new(fake.clone())),
        }
    }

    #[test]
    fn a_row_is_a_keyed_json_object_at_the_end_of_its_window() {
        let fake = Fake::default();
        let rows = purchases(&[(30_000, "Bed\n\"x\"", 12, 6_120_000)]);
        let mut sink = sink(&fake);
        sink.commit(EpochOutput::new(7, &[TableRows::new(rows.clone())])).unwrap();
        sink.commit(EpochOutput::new(8, &[TableRows::new(purchases(&[]))])).unwrap();
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
        let error =
            sink(&fake).commit(EpochOutput::new(1, &[TableRows::new(rows.clone())])).unwrap_err();
        assert_eq!(error.to_string(), "not taken");
        assert_eq!(fake.sent.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_key_that_is_no_column_is_an_error() {
        let mut sink = sink(&Fake::default());
        sink.table.key = vec!["colour".to_owned()];
        let rows = purchases(&[(0, "Bed", 1, 1)]);
        let error = sink
            .commit(EpochOutput::new(1, &[TableRows::new(rows.clone())]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
