//! The table of one partition of the log: the last row of each key.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, make_array,
};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::util::bit_iterator::BitIndexIterator;

use crate::check::{check_present, check_shape, deletions, integers};
use crate::column::{Codes, Column, column, make_room};
use crate::index::{ABSENT, KeyIndex, index};
use crate::{Applied, Changes, Error, TableQuery};

/// The most rows of a batch of [`KeyedTable::rows`].
const ROWS_OF_A_BATCH: usize = 65_536;

/// The last row of each key of one partition.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{BooleanArray, Int64Array, RecordBatch};
/// # use arrow::datatypes::{DataType, Field, Schema};
/// # use arus_table::*;
/// # let input = Arc::new(Schema::new(vec![
/// #     Field::new("id", DataType::Int64, false),
/// #     Field::new("balance", DataType::Int64, true),
/// #     Field::new("version", DataType::Int64, true),
/// #     Field::new("deleted", DataType::Boolean, false),
/// # ]));
/// # let overall = Grouping { name: "overall".into(), group_by: vec![] };
/// # let query = Arc::new(TableQuery::plan(&input, TableOptions {
/// #     key: "id".into(), version: "version".into(), deleted: "deleted".into(),
/// #     groupings: vec![overall], aggregates: vec!["sum(balance) as total".into()],
/// # })?);
/// # let rows = |rows: &[(i64, Option<(i64, i64)>)]| RecordBatch::try_new(input.clone(), vec![
/// #     Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
/// #     Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1.map(|one| one.1)))),
/// #     Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1.map(|one| one.0)))),
/// #     Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.1.is_none())))),
/// # ]).unwrap();
/// // (id, Some((version, balance))), or (id, None) for a deletion
/// let mut table = KeyedTable::new(Arc::clone(&query));
/// let applied = table.apply(&rows(&[(1, Some((1, 10))), (2, Some((1, 20))), (1, Some((0, 5)))]))?;
/// assert_eq!((applied.changed, applied.stale), (2, 1));
/// let base: Vec<RecordBatch> = table.rows().collect::<Result<_, _>>()?;
/// table.take_changes()?;
///
/// // What changed since: for a sink, and for the next checkpoint.
/// table.apply(&rows(&[(2, None), (3, Some((1, 30)))]))?;
/// let changes = table.take_changes()?;
/// assert_eq!((changes.upserts.num_rows(), changes.deleted_keys.num_rows()), (1, 1));
///
/// // A base and a chain of changes make the same table.
/// let mut again = KeyedTable::restore(query, base)?;
/// again.restore_changes(&changes)?;
/// assert_eq!((again.len(), again.is_empty()), (table.len(), false));
/// assert!(again.take_changes()?.is_empty());
/// # Ok::<(), Error>(())
/// ```
pub struct KeyedTable {
    query: Arc<TableQuery>,
    keys: Box<dyn KeyIndex>,
    /// By slot.
    versions: Vec<i64>,
    /// The columns of a row but key and version.
    columns: Vec<Box<dyn Column>>,
    /// Per column of a row: where it is.
    parts: Vec<Part>,
    /// Which slots have a row. A slot without one may still have its key, to tell of the deletion.
    live: BooleanBufferBuilder,
    /// Which slots [`KeyedTable::take_changes`] has not told of yet.
    touched: BooleanBufferBuilder,
    rows: usize,
    stamp: u64,
    scratch: Scratch,
}

#[derive(Clone, Copy)]
enum Part {
    Key,
    Version,
    Column(usize),
}

/// Kept from batch to batch.
#[derive(Default)]
struct Scratch {
    /// The slot of each row.
    slots: Vec<u32>,
    /// Rows to be written, and where to.
    rows: Vec<u32>,
    into: Vec<u32>,
}

impl KeyedTable {
    /// A table of which nothing is known yet.
    pub fn new(query: Arc<TableQuery>) -> Self {
        let mut columns = Vec::new();
        let parts = query.row_columns.iter().map(|&at| {
            if at == query.key {
                return Part::Key;
            }
            if at == query.version {
                return Part::Version;
            }
            let field = query.input_schema().field(at);
            columns.push(column(field).expect("the query was planned with this column"));
            Part::Column(columns.len() - 1)
        });
        let parts = parts.collect();
        let key = query.input_schema().field(query.key);
        Self {
            keys: index(key).expect("the query was planned with this key"),
            versions: Vec::new(),
            columns,
            parts,
            live: BooleanBufferBuilder::new(0),
            touched: BooleanBufferBuilder::new(0),
            rows: 0,
            stamp: query.next_stamp(),
            scratch: Scratch::default(),
            query,
        }
    }

    /// A table as [`KeyedTable::rows`] gave it. Nothing counts as changed.
    ///
    /// # Errors
    /// When the rows are of another query.
    pub fn restore(
        query: Arc<TableQuery>,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<Self, Error> {
        let mut table = Self::new(query);
        for rows in batches {
            table.put(&rows)?;
        }
        Ok(table)
    }

    /// Goes on to where the table was when it gave these changes. They do not count as changed.
    ///
    /// # Errors
    /// When they are of another query.
    pub fn restore_changes(&mut self, changes: &Changes) -> Result<(), Error> {
        check_shape(self.query.key_schema(), &changes.deleted_keys)?;
        let gone = changes.deleted_keys.column(0);
        check_present(gone, None, self.query.key_schema().field(0).name())?;
        let all = BooleanArray::from(vec![true; gone.len()]);
        let mut slots = std::mem::take(&mut self.scratch.slots);
        self.keys.resolve(gone, Some(&all), &mut slots)?;
        slots.retain(|&slot| slot != ABSENT);
        for &slot in &slots {
            let slot = slot as usize;
            self.rows -= usize::from(self.live.get_bit(slot));
            self.live.set_bit(slot, false);
            self.touched.set_bit(slot, false);
        }
        self.release(&slots);
        self.scratch.slots = slots;
        self.put(&changes.upserts)
    }

    /// Applies rows ([`TableQuery::input_schema`]) in the order of the log.
    ///
    /// # Errors
    /// When the rows are of another shape, or one has no key or no version; nothing is applied
    /// then. [`Error::TooLarge`] leaves the table half done: it must not be used any more.
    pub fn apply(&mut self, rows: &RecordBatch) -> Result<Applied, Error> {
        let query = Arc::clone(&self.query);
        check_shape(query.input_schema(), rows)?;
        let deleted = deletions(rows.column(query.deleted));
        let name = |at: usize| query.input_schema().field(at).name();
        check_present(rows.column(query.key), None, name(query.key))?;
        check_present(rows.column(query.version), Some(&deleted), name(query.version))?;

        let mut scratch = std::mem::take(&mut self.scratch);
        self.keys.resolve(rows.column(query.key), Some(&deleted), &mut scratch.slots)?;
        self.grow();
        let arrays = query.row_columns.iter().map(|&at| rows.column(at));
        let batch = Batch {
            versions: integers(rows.column(query.version)),
            columns: self.others(arrays),
            deleted,
        };
        let applied = self.walk(&batch, &mut scratch)?;
        self.scratch = scratch;
        if applied.changed > 0 {
            self.stamp = query.next_stamp();
        }
        Ok(applied)
    }

    /// Decides row by row, in the order of the log; the values of rows that are kept are written
    /// column by column after.
    fn walk(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        let Scratch { slots, rows, into } = scratch;
        for (row, &slot) in slots.iter().enumerate() {
            let at = slot as usize;
            let known = slot != ABSENT && self.live.get_bit(at);
            if batch.deleted.value(row) {
                if known {
                    self.live.set_bit(at, false);
                    self.touched.set_bit(at, true);
                    self.rows -= 1;
                    applied.changed += 1;
                } else {
                    applied.unknown_deletes += 1;
                }
                continue;
            }
            let version = batch.versions[row];
            if known {
                if version < self.versions[at] {
                    applied.stale += 1;
                    continue;
                }
                if version == self.versions[at] {
                    // Seldom, so the columns are brought up to date for it.
                    self.write(&batch.columns, rows, into)?;
                    if self.holds(slot, &batch.columns, row) {
                        applied.duplicates += 1;
                        continue;
                    }
                }
            } else {
                self.live.set_bit(at, true);
                self.rows += 1;
            }
            self.versions[at] = version;
            self.touched.set_bit(at, true);
            rows.push(row as u32);
            into.push(slot);
            applied.changed += 1;
        }
        self.write(&batch.columns, rows, into)?;
        Ok(applied)
    }

    /// Puts rows ([`TableQuery::row_schema`]) in place, whatever is known of their keys.
    fn put(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let query = Arc::clone(&self.query);
        check_shape(query.row_schema(), rows)?;
        let place = |wanted: usize| query.row_columns.iter().position(|&at| at == wanted);
        let [key, version] = [query.key, query.version].map(place);
        let (key, version) = (key.expect("a row has its key"), version.expect("and its version"));
        check_present(rows.column(key), None, query.row_schema().field(key).name())?;
        check_present(rows.column(version), None, query.row_schema().field(version).name())?;
        let mut scratch = std::mem::take(&mut self.scratch);
        self.keys.resolve(rows.column(key), None, &mut scratch.slots)?;
        self.grow();
        let versions = integers(rows.column(version));
        for (&slot, &version) in scratch.slots.iter().zip(&versions) {
            let at = slot as usize;
            self.versions[at] = version;
            self.rows += usize::from(!self.live.get_bit(at));
            self.live.set_bit(at, true);
        }
        scratch.rows.extend(0..rows.num_rows() as u32);
        let columns = self.others(rows.columns().iter());
        scratch.into.extend_from_slice(&scratch.slots);
        self.write(&columns, &mut scratch.rows, &mut scratch.into)?;
        self.scratch = scratch;
        self.stamp = query.next_stamp();
        Ok(())
    }

    /// The keys touched since the last call, or since the table was restored, each once and with
    /// its present row. They are as many as there were keys at the most.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 2 GiB of one column.
    pub fn take_changes(&mut self) -> Result<Changes, Error> {
        let touched = BitIndexIterator::new(self.touched.as_slice(), 0, self.touched.len());
        let (upserts, gone): (Vec<u32>, Vec<u32>) =
            touched.map(|slot| slot as u32).partition(|&slot| self.live.get_bit(slot as usize));
        let changes = Changes {
            upserts: self.read_rows(&upserts)?,
            deleted_keys: RecordBatch::try_new(
                Arc::clone(self.query.key_schema()),
                vec![self.keys.read(&gone)?],
            )?,
        };
        self.release(&gone);
        let slots = self.touched.len();
        self.touched.truncate(0);
        self.touched.append_n(slots, false);
        Ok(changes)
    }

    /// All rows present ([`TableQuery::row_schema`]), in batches, in no order of meaning.
    pub fn rows(&self) -> impl Iterator<Item = Result<RecordBatch, Error>> + '_ {
        let mut slots = Vec::new();
        let mut live = self.live_slots();
        std::iter::from_fn(move || {
            live.next_chunk(ROWS_OF_A_BATCH, &mut slots).then(|| self.read_rows(&slots))
        })
    }

    /// How many keys have a row.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no key has one.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Memory, bytes. Not for hot paths.
    pub fn size(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.size()).sum();
        let Scratch { slots, rows, into } = &self.scratch;
        let scratch = slots.capacity() + rows.capacity() + into.capacity();
        self.keys.size()
            + columns
            + self.versions.capacity() * size_of::<i64>()
            + (self.live.capacity() + self.touched.capacity()) / 8
            + scratch * size_of::<u32>()
    }

    /// What a job's rows are planned by.
    pub fn query(&self) -> &Arc<TableQuery> {
        &self.query
    }

    /// Another number after every change.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(crate) fn live_slots(&self) -> LiveSlots<'_> {
        LiveSlots(BitIndexIterator::new(self.live.as_slice(), 0, self.live.len()))
    }

    /// The values of a column of a row, by its place there.
    pub(crate) fn read(&self, column: usize, slots: &[u32]) -> Result<ArrayRef, Error> {
        match self.parts[column] {
            Part::Key => self.keys.read(slots),
            Part::Column(at) => self.columns[at].read(slots),
            Part::Version => {
                let versions: Vec<i64> =
                    slots.iter().map(|&slot| self.versions[slot as usize]).collect();
                let field = self.query.row_schema().field(column);
                let data = ArrayData::builder(field.data_type().clone())
                    .len(versions.len())
                    .add_buffer(Buffer::from_vec(versions))
                    .build()?;
                Ok(make_array(data))
            }
        }
    }

    /// The codes of a column of a row, if it has them.
    pub(crate) fn codes(&self, column: usize) -> Option<Codes<'_>> {
        match self.parts[column] {
            Part::Column(at) => self.columns[at].codes(),
            Part::Key | Part::Version => None,
        }
    }

    fn read_rows(&self, slots: &[u32]) -> Result<RecordBatch, Error> {
        let columns =
            (0..self.parts.len()).map(|at| self.read(at, slots)).collect::<Result<_, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(self.query.row_schema()), columns)?)
    }

    /// Of a row's columns, those that are neither key nor version.
    fn others<'a>(&self, columns: impl Iterator<Item = &'a ArrayRef>) -> Vec<&'a ArrayRef> {
        let with_parts = columns.zip(&self.parts);
        with_parts.filter(|(_, part)| matches!(part, Part::Column(_))).map(|(one, _)| one).collect()
    }

    /// Makes all columns as long as the keys'.
    fn grow(&mut self) {
        let slots = self.keys.slots();
        let more = slots - self.versions.len();
        if more == 0 {
            return;
        }
        make_room(&mut self.versions, more);
        self.versions.resize(slots, 0);
        self.live.append_n(more, false);
        self.touched.append_n(more, false);
        for column in &mut self.columns {
            column.grow(slots);
        }
    }

    /// Writes rows into slots, and empties both lists.
    fn write(
        &mut self,
        columns: &[&ArrayRef],
        rows: &mut Vec<u32>,
        into: &mut Vec<u32>,
    ) -> Result<(), Error> {
        if !rows.is_empty() {
            for (column, array) in self.columns.iter_mut().zip(columns) {
                column.write(array, rows, into)?;
            }
        }
        rows.clear();
        into.clear();
        Ok(())
    }

    fn holds(&self, slot: u32, columns: &[&ArrayRef], row: usize) -> bool {
        self.columns.iter().zip(columns).all(|(column, array)| column.holds(slot, array, row))
    }

    fn release(&mut self, slots: &[u32]) {
        self.keys.release(slots);
        for column in &mut self.columns {
            column.release(slots);
        }
    }
}

/// The rows of a batch, as [`KeyedTable::walk`] needs them.
struct Batch<'a> {
    deleted: BooleanArray,
    versions: ScalarBuffer<i64>,
    columns: Vec<&'a ArrayRef>,
}

/// The slots that have a row, in order.
pub(crate) struct LiveSlots<'a>(BitIndexIterator<'a>);

impl LiveSlots<'_> {
    /// The next ones, `most` at the most; false at the end.
    pub(crate) fn next_chunk(&mut self, most: usize, slots: &mut Vec<u32>) -> bool {
        slots.clear();
        slots.extend(self.0.by_ref().take(most).map(|slot| slot as u32));
        !slots.is_empty()
    }
}
