//! Windows as an operator of the job loop.
//!
//! Where many groups are open, a checkpoint holds those that got a row since the one before, and all
//! of them now and then: see [`crate::chain`].

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arus_window::{
    Coordinator, CoordinatorSnapshot, CutPartials, OutputMode, PartitionSnapshot, PartitionState,
    PartitionTime, Updated, WindowQuery,
};

use crate::Error;
use crate::chain::{Chain, LIMITS};
use crate::operator::{
    Beyond, Cut, Epoch, Extent, Foresight, Operator, Partition, Saved, TableRows,
};

/// Aggregates per window of event time.
pub struct Windows {
    query: Arc<WindowQuery>,
    mode: OutputMode,
    coordinator: Coordinator,
    /// Since the last checkpoint that held all open windows; `None` before the first one of this
    /// process.
    chain: Option<Chain>,
    /// After so many changes, and so many epochs, a checkpoint holds all again.
    limits: Chain,
}

/// Unfinished aggregates of each partition, by number.
#[derive(Debug)]
pub struct Partials {
    /// Of windows that the job's watermark has passed.
    closed: Vec<RecordBatch>,
    /// Of the others.
    open: Vec<RecordBatch>,
}

impl Windows {
    /// The operator of a query.
    ///
    /// # Errors
    /// When the windows cannot be given in this mode.
    pub fn new(query: Arc<WindowQuery>, mode: OutputMode) -> Result<Self, Error> {
        let coordinator = Coordinator::new(Arc::clone(&query), mode)?;
        Ok(Self { query, mode, coordinator, chain: None, limits: LIMITS })
    }

    /// Writes all open windows again after as many changes as there are rows, and always where there
    /// are fewer than `changes`, and after `epochs` epochs at the latest.
    #[must_use]
    pub fn with_chain_limits(self, changes: u64, epochs: u64) -> Self {
        Self { limits: Chain { epochs, changes }, ..self }
    }

    /// What a checkpoint holds of the open windows of each partition.
    fn saved(
        &mut self,
        open: &[RecordBatch],
        closed_ms: i64,
    ) -> Result<(Extent, Vec<Saved>), Error> {
        let rows = open.iter().map(|open| open.num_rows() as u64).sum();
        let mut changes = None;
        if rows >= self.limits.changes {
            let of = |open| CutPartials::changes(&self.query, open);
            changes = open.iter().map(of).collect::<Result<Option<Vec<_>>, _>>()?;
        }
        let (extent, parts) = match &changes {
            None => {
                self.chain = None;
                (Extent::Whole, open)
            }
            Some(changes) => {
                let count = changes.iter().map(|changes| changes.num_rows() as u64).sum();
                match Chain::extent(&mut self.chain, self.limits, count, rows) {
                    Extent::Whole => (Extent::Whole, open),
                    Extent::Changes => (Extent::Changes, &changes[..]),
                }
            }
        };
        let closed = RecordBatch::try_new(
            closed_schema(),
            vec![Arc::new(Int64Array::from(vec![closed_ms]))],
        );
        let closed = closed.map_err(arus_window::Error::from)?;
        let saved = |part: &RecordBatch| Saved { batches: vec![part.clone(), closed.clone()] };
        Ok((extent, parts.iter().map(saved).collect()))
    }
}

impl Partition for PartitionState {
    fn update(&mut self, rows: &RecordBatch, closed_ms: Option<i64>) -> Result<Updated, Error> {
        Ok(PartitionState::update(self, rows, closed_ms)?)
    }

    fn foresight(&self, closed_ms: Option<i64>) -> Foresight {
        Foresight::windows(Arc::clone(self.query()), self.watermark(), closed_ms)
    }

    fn largest_ms(&self) -> Option<i64> {
        self.watermark().largest_ms()
    }

    fn watermark_ms(&self) -> Option<i64> {
        PartitionState::watermark_ms(self)
    }

    fn latest_end_ms(&self) -> Option<i64> {
        PartitionState::latest_end_ms(self)
    }

    fn rows(&self) -> usize {
        self.open_rows()
    }

    fn size(&self) -> usize {
        PartitionState::size(self)
    }
}

impl Operator for Windows {
    type Partition = PartitionState;
    type Taken = Partials;

    fn description(&self) -> Vec<(String, String)> {
        let mut lines = self.query.description();
        lines.push(("output mode".to_owned(), format!("{:?}", self.mode).to_lowercase()));
        lines
    }

    fn needs_keys_in_place(&self) -> bool {
        false
    }

    fn columns_read(&self) -> Vec<String> {
        self.query.columns_read()
    }

    fn partition(&self) -> Result<PartitionState, Error> {
        Ok(PartitionState::new(Arc::clone(&self.query)))
    }

    fn restore_partition(
        &self,
        largest_ms: Option<i64>,
        saved: Vec<Saved>,
    ) -> Result<PartitionState, Error> {
        let cuts = saved.into_iter().map(cut_of).collect::<Result<Vec<_>, _>>()?;
        let open = CutPartials::put_together(&self.query, &cuts)?;
        let snapshot = PartitionSnapshot { largest_ms, open };
        Ok(PartitionState::restore(Arc::clone(&self.query), snapshot)?)
    }

    fn restore(&mut self, watermark_ms: Option<i64>, saved: Saved) -> Result<(), Error> {
        let [waiting, closed] =
            <[RecordBatch; 2]>::try_from(saved.batches).map_err(|_| foreign())?;
        let snapshot = CoordinatorSnapshot { watermark_ms, waiting, closed };
        self.coordinator = Coordinator::restore(Arc::clone(&self.query), self.mode, snapshot)?;
        self.chain = None;
        Ok(())
    }

    fn save(&self) -> Result<Saved, Error> {
        let CoordinatorSnapshot { waiting, closed, .. } = self.coordinator.snapshot();
        Ok(Saved { batches: vec![waiting, closed] })
    }

    fn share(&mut self, _: bool) -> Result<(), Error> {
        match self.coordinator.refuses_sharing() {
            None => Ok(()),
            Some(why) => Err(Error::Unsupported(format!("{why}; leave out --shared"))),
        }
    }

    fn reads_back(&self, _: &Partials) -> bool {
        false
    }

    fn delay_ms(&self) -> i64 {
        self.query.delay_ms()
    }

    fn watermark_ms(&self) -> Option<i64> {
        self.coordinator.watermark_ms()
    }

    fn advance(&mut self, partitions: &[PartitionTime]) {
        self.coordinator.advance(partitions.iter().copied());
    }

    fn raise_to(&mut self, watermark_ms: i64) {
        self.coordinator.raise_to(watermark_ms);
    }

    fn cut(
        &mut self,
        partitions: &mut [&mut PartitionState],
        needed: bool,
    ) -> Result<Option<Cut<Partials>>, Error> {
        let closed_ms = self.watermark_ms().unwrap_or(i64::MIN);
        let mut closed = Vec::with_capacity(partitions.len());
        for partition in partitions.iter_mut() {
            closed.push(partition.close(closed_ms)?);
        }
        if !needed && closed.iter().all(|closed| closed.num_rows() == 0) {
            return Ok(None);
        }
        let mut open = Vec::with_capacity(partitions.len());
        for partition in partitions.iter_mut() {
            open.push(partition.open_partials()?);
        }
        let (extent, saved) = self.saved(&open, closed_ms)?;
        Ok(Some(Cut { extent, saved, taken: Partials { closed, open } }))
    }

    fn finish(&mut self, taken: &Partials, beyond: Option<Beyond>) -> Result<Epoch, Error> {
        let made = match beyond {
            None => self.coordinator.epoch(&taken.closed, &taken.open)?,
            Some(beyond) => {
                self.coordinator.release(&taken.closed, &taken.open, beyond.closed_ms)?
            }
        };
        Ok(Epoch {
            tables: vec![TableRows::new(made.rows)],
            saved: self.save()?,
            closed_windows: made.closed_windows,
            open_windows: made.open_windows,
        })
    }

    fn open_rows(&self, taken: &Partials) -> Result<Option<RecordBatch>, Error> {
        Ok(Some(self.coordinator.open_rows(&taken.open)?))
    }
}

fn cut_of(saved: Saved) -> Result<CutPartials, Error> {
    let [open, closed] = <[RecordBatch; 2]>::try_from(saved.batches).map_err(|_| foreign())?;
    if closed.schema() != closed_schema() || closed.num_rows() != 1 {
        return Err(foreign());
    }
    Ok(CutPartials { open, closed_ms: closed.column(0).as_primitive::<Int64Type>().value(0) })
}

/// Up to when windows were closed, ms: one row.
fn closed_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("closed_ms", DataType::Int64, false)]))
}

/// A checkpoint whose batches are not those of windows.
fn foreign() -> Error {
    arus_window::Error::Snapshot("its parts are of another kind of job".into()).into()
}
