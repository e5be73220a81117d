//! A table that is fed batch by batch while a plan reads it.

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

/// Batches that may wait for a plan, which then works through some of them before another thread takes its
/// core. More would only take memory: the slowest plan sets the pace.
const WAITING_BATCHES: usize = 8;

/// The end of the table that rows are put into. The table ends when this is dropped.
pub(super) struct Feeder(Sender<Result<RecordBatch, DataFusionError>>);

impl Feeder {
    /// Puts a batch in, waiting while the plan has too many to read.
    ///
    /// # Errors
    /// When the plan no longer reads: its stream is gone, or the table with it.
    pub(super) fn send(&self, batch: RecordBatch) -> Result<(), ()> {
        self.0.blocking_send(Ok(batch)).map_err(drop)
    }
}

/// A table of these columns that can be read once, and the end by which it is fed.
pub(super) fn feed(schema: &SchemaRef) -> (Feeder, Arc<dyn TableProvider>) {
    let builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(schema), WAITING_BATCHES);
    let feeder = Feeder(builder.tx());
    let stream = Mutex::new(Some(builder.build()));
    let lines = Lines { schema: Arc::clone(schema), stream };
    let table = StreamingTable::try_new(Arc::clone(schema), vec![Arc::new(lines)]);
    (feeder, Arc::new(table.expect("the partition has the table's columns")))
}

/// The one partition of the table.
struct Lines {
    schema: SchemaRef,
    /// Until somebody reads it.
    stream: Mutex<Option<SendableRecordBatchStream>>,
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
        let stream = self.stream.lock().expect("nobody panics while holding the stream").take();
        stream.unwrap_or_else(|| {
            let builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 1);
            let again = DataFusionError::Internal("the lines can be read once only".to_owned());
            builder.tx().try_send(Err(again)).expect("a new channel has room for one");
            builder.build()
        })
    }
}
