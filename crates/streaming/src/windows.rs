//! Windows as an operator of the job loop.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arus_window::{
    Coordinator, CoordinatorSnapshot, OutputMode, PartitionSnapshot, PartitionState, PartitionTime,
    Updated, WindowQuery,
};

use crate::Error;
use crate::operator::{
    Beyond, Cut, Epoch, Extent, Foresight, Operator, Partition, Saved, TableRows,
};

/// Aggregates per window of event time.
pub struct Windows {
    query: Arc<WindowQuery>,
    mode: OutputMode,
    coordinator: Coordinator,
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
        Ok(Self { query, mode, coordinator })
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
        let open = saved.into_iter().next_back().and_then(|saved| one(saved.batches));
        let open = open.ok_or_else(foreign)?;
        let snapshot = PartitionSnapshot { largest_ms, open };
        Ok(PartitionState::restore(Arc::clone(&self.query), snapshot)?)
    }

    fn restore(&mut self, watermark_ms: Option<i64>, saved: Saved) -> Result<(), Error> {
        let [waiting, closed] =
            <[RecordBatch; 2]>::try_from(saved.batches).map_err(|_| foreign())?;
        let snapshot = CoordinatorSnapshot { watermark_ms, waiting, closed };
        self.coordinator = Coordinator::restore(Arc::clone(&self.query), self.mode, snapshot)?;
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
        let saved = open.iter().map(|open| Saved { batches: vec![open.clone()] }).collect();
        Ok(Some(Cut { extent: Extent::Whole, saved, taken: Partials { closed, open } }))
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

fn one(batches: Vec<RecordBatch>) -> Option<RecordBatch> {
    <[RecordBatch; 1]>::try_from(batches).ok().map(|[batch]| batch)
}

/// A checkpoint whose batches are not those of windows.
fn foreign() -> Error {
    arus_window::Error::Snapshot("its parts are of another kind of job".into()).into()
}
