//! `distinct_numbers(n)`: how many different numbers there are, as `count(DISTINCT n)` says, told by
//! a list and a compressed bitmap for each group.
//!
//! DataFusion's own keeps a hash table of all pairs of group and number: for the invoices that each
//! product is in, half a million of them in the real data. But numbers are given as they are needed, so
//! nearly all of a group's come in order, and to find one is to look at the end of a list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field, FieldRef, UInt32Type};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use roaring::RoaringBitmap;

/// The function, to be registered.
pub(super) fn distinct_numbers() -> AggregateUDF {
    let signature = Signature::exact(vec![DataType::UInt32], Volatility::Immutable);
    AggregateUDF::from(DistinctNumbers { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistinctNumbers {
    signature: Signature,
}

impl AggregateUDFImpl for DistinctNumbers {
    fn name(&self) -> &str {
        "distinct_numbers"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "bitmap");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, false))])
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneBitmap(Bitmaps::default())))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Bitmaps::default()))
    }
}

/// The numbers of each group.
#[derive(Debug, Default)]
struct Bitmaps {
    groups: Vec<Numbers>,
    /// Numbers in all of them.
    numbers: usize,
}

impl Bitmaps {
    fn emit(&mut self, emit_to: EmitTo) -> Vec<Numbers> {
        let emitted = emit_to.take_needed(&mut self.groups);
        self.numbers -= emitted.iter().map(Numbers::count).sum::<usize>();
        emitted
    }
}

/// Different numbers.
#[derive(Debug, Default)]
struct Numbers {
    /// Those that were larger than all before, in order.
    ascending: Vec<u32>,
    /// The others: each is smaller than the last of these.
    others: RoaringBitmap,
}

impl Numbers {
    /// Whether the number is new.
    #[inline]
    fn insert(&mut self, number: u32) -> bool {
        match self.ascending.last() {
            Some(&last) if number == last => false,
            Some(&last) if number < last => self.insert_among(number),
            _ => {
                self.ascending.push(number);
                true
            }
        }
    }

    #[cold]
    fn insert_among(&mut self, number: u32) -> bool {
        self.ascending.binary_search(&number).is_err() && self.others.insert(number)
    }

    fn count(&self) -> usize {
        // Never more than u32 has numbers.
        self.ascending.len() + self.others.len() as usize
    }

    fn into_bitmap(mut self) -> RoaringBitmap {
        self.others.extend(self.ascending);
        self.others
    }
}

impl GroupsAccumulator for Bitmaps {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Numbers::default);
        let numbers = values[0].as_primitive::<UInt32Type>();
        for (row, &group) in group_indices.iter().enumerate() {
            let counts = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if counts && numbers.is_valid(row) {
                self.numbers += usize::from(self.groups[group].insert(numbers.value(row)));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let counts = self.emit(emit_to).into_iter().map(|numbers| numbers.count() as i64);
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut states = BinaryBuilder::new();
        let mut bytes = Vec::new();
        for numbers in self.emit(emit_to) {
            bytes.clear();
            numbers.into_bitmap().serialize_into(&mut bytes)?;
            states.append_value(&bytes);
        }
        Ok(vec![Arc::new(states.finish())])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Numbers::default);
        for (bytes, &group) in states[0].as_binary::<i32>().iter().flatten().zip(group_indices) {
            let numbers = &mut self.groups[group];
            for number in RoaringBitmap::deserialize_from(bytes)? {
                self.numbers += usize::from(numbers.insert(number));
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let each_its_own: Vec<usize> = (0..rows).collect();
        let mut bitmaps = Bitmaps::default();
        bitmaps.update_batch(values, &each_its_own, filter, rows)?;
        bitmaps.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Numbers>() + self.numbers * size_of::<u32>()
    }
}

/// The numbers of all rows.
#[derive(Debug)]
struct OneBitmap(Bitmaps);

impl Accumulator for OneBitmap {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        GroupsAccumulator::update_batch(&mut self.0, values, &vec![0; values[0].len()], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = self.0.groups.first().map_or(0, Numbers::count);
        Ok(ScalarValue::Int64(Some(count as i64)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.groups.resize_with(1, Numbers::default);
        let states = GroupsAccumulator::state(&mut self.0, EmitTo::All)?;
        Ok(vec![ScalarValue::try_from_array(&states[0], 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        GroupsAccumulator::merge_batch(&mut self.0, states, &vec![0; states[0].len()], 1)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{RecordBatch, UInt32Array};
    use arrow::datatypes::Int64Type;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use proptest::prelude::*;

    use super::*;

    /// Rows of group, number and whether it counts, in batches of 7, read by so many partitions.
    async fn both(rows: &[(u8, Option<u32>, bool)], partitions: usize, sql: &str) -> [String; 2] {
        let config = SessionConfig::new().with_target_partitions(partitions);
        let context = SessionContext::new_with_config(config);
        context.register_udaf(distinct_numbers());
        let batches: Vec<RecordBatch> = rows.chunks(7).map(batch).collect();
        let mut parts = vec![Vec::new(); partitions];
        for (index, batch) in batches.into_iter().enumerate() {
            parts[index % partitions].push(batch);
        }
        let table = MemTable::try_new(batch(&[]).schema(), parts).unwrap();
        context.register_table("numbers", Arc::new(table)).unwrap();
        let mut shown = [String::new(), String::new()];
        for (shown, counted) in shown.iter_mut().zip(["distinct_numbers(", "count(DISTINCT "]) {
            let sql = sql.replace("COUNTED(", counted);
            let rows = arus_plan::collect(context.clone(), sql).await.unwrap();
            *shown = pretty_format_batches(&[rows]).unwrap().to_string();
        }
        shown
    }

    fn batch(rows: &[(u8, Option<u32>, bool)]) -> RecordBatch {
        let group = rows.iter().map(|row| u32::from(row.0));
        let columns: [(&str, ArrayRef); 3] = [
            ("g", Arc::new(UInt32Array::from_iter_values(group))),
            ("n", Arc::new(UInt32Array::from_iter(rows.iter().map(|row| row.1)))),
            ("counts", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.2))))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, it)| (name, it, true)))
            .unwrap()
    }

    #[test]
    fn rows_become_states_of_their_own() {
        let values: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(vec![Some(7), None, Some(7), Some(8)]))];
        let filter = BooleanArray::from(vec![true, true, true, false]);
        let states = Bitmaps::default().convert_to_state(&values, Some(&filter)).unwrap();
        assert_eq!(states[0].len(), 4);
        let mut merged = Bitmaps::default();
        merged.merge_batch(&states, &[0, 1, 0, 1], 2).unwrap();
        let counts = merged.evaluate(EmitTo::All).unwrap();
        assert_eq!(counts.as_primitive::<Int64Type>().values(), &[1, 0]);
        assert_eq!(merged.numbers, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// DataFusion's own is the judge, in one partition and in two whose states are merged.
        #[test]
        fn as_many_as_count_distinct_says(
            rows in proptest::collection::vec(
                (0_u8..4, proptest::option::of(prop_oneof![0_u32..20, any::<u32>()]), any::<bool>()),
                0..80,
            ),
            partitions in 1_usize..3,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for sql in [
                "SELECT g, COUNTED(n) FILTER (WHERE counts) AS found FROM numbers GROUP BY g ORDER BY g",
                "SELECT COUNTED(n) AS found FROM numbers",
            ] {
                let [ours, theirs] = runtime.block_on(both(&rows, partitions, sql));
                prop_assert_eq!(ours, theirs, "{}", sql);
            }
        }
    }
}
