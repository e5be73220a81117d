//! Numbers in place of names that come again and again: to group by a number takes a third of the
//! time, and each line has three such names.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_models::invoice_schema;
use datafusion::error::DataFusionError;
use datafusion::physical_expr_common::binary_map::{ArrowBytesMap, OutputType};

/// The columns that get numbers, and what the number is called.
const NUMBERED: [(&str, &str); 3] =
    [("invoice_no", "invoice"), ("stock_code", "product"), ("country", "country")];

/// All names so far; each has the number of those that came before it.
pub(super) struct Names {
    schema: SchemaRef,
    maps: [ArrowBytesMap<i32, u32>; 3],
}

impl Names {
    pub(super) fn new() -> Self {
        let lines = invoice_schema();
        let fields = lines.fields().iter().map(|field| {
            match NUMBERED.iter().find(|(name, _)| name == field.name()) {
                Some((_, number)) => Arc::new(Field::new(*number, DataType::UInt32, false)),
                None => Arc::clone(field),
            }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { schema, maps: std::array::from_fn(|_| ArrowBytesMap::new(OutputType::Utf8)) }
    }

    /// `invoice_schema()` with `invoice`, `product` and `country` as numbers.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch of `invoice_schema()` with numbers in place of names.
    pub(super) fn number(&mut self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let mut columns = batch.columns().to_vec();
        for ((name, _), map) in NUMBERED.iter().zip(&mut self.maps) {
            let index = batch.schema_ref().index_of(name)?;
            columns[index] = numbers(map, &columns[index]);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The names of products and of countries, each as a table of number and name, with what the
    /// table is to be called.
    pub(super) fn tables(self) -> Result<[(&'static str, RecordBatch); 2], DataFusionError> {
        let [_, products, countries] = self.maps;
        Ok([
            ("product_codes", table("product", "stock_code", products)?),
            ("country_names", table("country", "name", countries)?),
        ])
    }
}

fn numbers(map: &mut ArrowBytesMap<i32, u32>, names: &ArrayRef) -> ArrayRef {
    let mut numbers = Vec::with_capacity(names.len());
    let mut next = u32::try_from(map.len()).expect("less than four thousand million names");
    map.insert_if_new(
        names,
        |_| {
            next += 1;
            next - 1
        },
        |number| numbers.push(number),
    );
    Arc::new(UInt32Array::from(numbers))
}

fn table(
    number: &str,
    name: &str,
    map: ArrowBytesMap<i32, u32>,
) -> Result<RecordBatch, DataFusionError> {
    let names = map.into_state();
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..names.len() as u32));
    Ok(RecordBatch::try_from_iter([(number, numbers), (name, names)])?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::UInt32Type;

    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut map = ArrowBytesMap::new(OutputType::Utf8);
        for (names, expected) in [
            (vec!["a", "b", "a"], [0, 1, 0]),
            (vec!["c", "b", ""], [2, 1, 3]),
            (vec!["", "a longer name than fits a view", "a"], [3, 4, 0]),
        ] {
            let names: ArrayRef = Arc::new(StringArray::from(names));
            let numbers = numbers(&mut map, &names);
            assert_eq!(numbers.as_primitive::<UInt32Type>().values(), &expected);
        }
        let table = table("number", "name", map).unwrap();
        let names: Vec<_> = table.column(1).as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["a", "b", "c", "", "a longer name than fits a view"]);
    }
}
