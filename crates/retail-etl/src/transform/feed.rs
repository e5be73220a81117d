//! A table that is fed batch by batch while several plans read it.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use tokio::sync::mpsc::Sender;

/// Batches that may wait for a plan. More would only take memory: the slowest plan sets the pace.
const WAITING_BATCHES: usize = 4;

/// The end of the table that rows are put into. The table ends when this is dropped.
pub(super) struct Feeder(Vec<Sender<Result<RecordBatch, DataFusionError>>>);

impl Feeder {
    /// Puts a batch in, waiting while a plan has too many to read.
    ///
    /// # Errors
    /// When a plan no longer reads.
    pub(super) fn send(&self, batch: &RecordBatch) -> Result<(), ()> {
        self.0.iter().try_for_each(|plan| plan.blocking_send(Ok(batch.clone())).map_err(drop))
    }
}

/// A table of these columns that `plans` plans can read, all of it each, and the end by which it is
/// fed.
pub(super) fn feed(schema: &SchemaRef, plans: usize) -> (Feeder, Arc<dyn TableProvider>) {
    let mut senders = Vec::with_capacity(plans);
    let mut streams = Vec::with_capacity(plans);
    for _ in 0..plans {
        let builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(schema), WAITING_BATCHES);
        senders.push(builder.tx());
        streams.push(builder.build());
    }
    let lines = Lines { schema: Arc::clone(schema), streams: Mutex::new(streams) };
    let table = StreamingTable::try_new(Arc::clone(schema), vec![Arc::new(lines)]);
    (Feeder(senders), Arc::new(table.expect("the partition has the table's columns")))
}

/// The one partition of the table.
struct Lines {
    schema: SchemaRef,
    /// One for each plan that has not begun.
    streams: Mutex<Vec<SendableRecordBatchStream>>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invoice lines")
    }
}

impl PartitionStream for Lines {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stream = self.streams.lock().expect("nobody panics while holding the streams").pop();
        stream.unwrap_or_else(|| {
            let builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 1);
            let reason = "more plans read the lines than were told of".to_owned();
            let again = Err(DataFusionError::Internal(reason));
            builder.tx().try_send(again).expect("a new channel has room for one");
            builder.build()
        })
    }
}
