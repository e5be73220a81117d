//! What is refused, and with which sentence.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arus_table::{Grouping, KeyedTable, MessageTotals, TableOptions, TableQuery};

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("version", DataType::Int64, true),
        Field::new("city", DataType::Utf8, true),
        Field::new("balance", DataType::Float64, true),
        Field::new("deleted", DataType::Boolean, false),
        Field::new("old_form", DataType::LargeUtf8, true),
    ]))
}

fn options() -> TableOptions {
    TableOptions {
        key: "id".into(),
        version: "version".into(),
        deleted: "deleted".into(),
        groupings: vec![Grouping { name: "by_city".into(), group_by: vec!["city".into()] }],
        aggregates: vec!["count(*)".into(), "sum(balance)".into()],
    }
}

/// The input without its last column, which no table can hold.
fn good() -> SchemaRef {
    Arc::new(input().project(&[0, 1, 2, 3, 4]).unwrap())
}

#[test]
fn plans() {
    type Change = fn(&mut TableOptions);
    let cases: [(Change, &str); 10] = [
        (
            |options| options.key = "di".into(),
            "there is no column \"di\"; the rows have id, version, city, balance, deleted",
        ),
        (
            |options| options.key = "balance".into(),
            "column \"balance\" is Float64, but the table's key must be whole numbers, dates, times \
             or Utf8",
        ),
        (
            |options| options.version = "city".into(),
            "column \"city\" is Utf8, but the table's version must be Int64 or a timestamp",
        ),
        (
            |options| options.deleted = "city".into(),
            "column \"city\" is Utf8, but the table's mark of deletions must be Boolean",
        ),
        (
            |options| options.version = "id".into(),
            "the table's key, version and mark of deletions are three columns, not \"id\" twice",
        ),
        (
            |options| options.groupings[0].group_by = vec!["deleted".into()],
            "there is no column \"deleted\"; the rows have id, version, city, balance",
        ),
        (
            |options| options.groupings.push(options.groupings[0].clone()),
            "two groupings are called \"by_city\": give one of them another name",
        ),
        (|options| options.aggregates.clear(), "groupings need an aggregate, such as count(*)"),
        (
            |options| options.aggregates.push("sum(balance)".into()),
            "the output would have two columns \"sum_balance\": name one of them, as in 'sum(price) \
             as total'",
        ),
        (
            |options| options.aggregates = vec!["balance + 1".into()],
            "cannot use \"balance + 1\" as an aggregate: it is no call of an aggregate function, \
             such as sum(price)",
        ),
    ];
    for (change, sentence) in cases {
        let mut options = options();
        change(&mut options);
        let error = TableQuery::plan(&good(), options).expect_err(sentence);
        assert_eq!(error.to_string(), sentence);
    }
    assert_eq!(
        TableQuery::plan(&input(), options()).unwrap_err().to_string(),
        "column \"old_form\" is LargeUtf8, which a table cannot hold: give it as a number, date, \
         time, Boolean or Utf8"
    );
}

#[test]
fn aggregates_over_messages_that_would_keep_each() {
    for (aggregate, bounded) in [
        ("avg(balance)", true),
        ("approx_median(balance)", true),
        ("approx_distinct(city)", true),
        ("median(balance)", false),
        ("count(distinct city)", false),
        ("array_agg(city)", false),
        ("string_agg(city, ',')", false),
    ] {
        let options = TableOptions { aggregates: vec![aggregate.into()], ..options() };
        let query = Arc::new(TableQuery::plan(&good(), options).unwrap());
        let refused = MessageTotals::new(query).err().map(|error| error.to_string());
        let sentence = format!(
            "{aggregate:?} over messages would have to keep every message ever read: leave it out, \
             or use an approximate one, such as approx_median"
        );
        assert_eq!(refused, (!bounded).then_some(sentence));
    }
}

fn rows(ids: Vec<Option<i64>>, versions: Vec<Option<i64>>, deleted: Vec<bool>) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(Int64Array::from(versions)),
        Arc::new(StringArray::new_null(deleted.len())),
        arrow::array::new_null_array(&DataType::Float64, deleted.len()),
        Arc::new(BooleanArray::from(deleted)),
    ];
    RecordBatch::try_new(good(), columns).unwrap()
}

#[test]
fn rows_that_do_not_fit() {
    let query = Arc::new(TableQuery::plan(&good(), options()).unwrap());
    let mut table = KeyedTable::new(Arc::clone(&query));
    let no_key = rows(vec![Some(1), None], vec![Some(1), None], vec![false, true]);
    assert_eq!(
        table.apply(&no_key).unwrap_err().to_string(),
        "row 1 of a batch has no \"id\": such rows must be set aside before the table"
    );
    let no_version = rows(vec![Some(1), Some(2)], vec![Some(1), None], vec![false, false]);
    assert_eq!(
        table.apply(&no_version).unwrap_err().to_string(),
        "row 1 of a batch has no \"version\": such rows must be set aside before the table"
    );
    assert!(table.is_empty(), "a batch is refused whole");
    assert!(table.take_changes().unwrap().is_empty());

    let narrow = no_key.project(&[0, 1]).unwrap();
    assert_eq!(
        table.apply(&narrow).unwrap_err().to_string(),
        "rows have the columns id Int64, version Int64, but the table's are id Int64, version \
         Int64, city Utf8, balance Float64, deleted Boolean"
    );
    assert!(KeyedTable::restore(query, [no_key]).is_err(), "saved rows have no mark of deletions");
}

#[test]
fn a_deletion_may_hold_anything_else() {
    let query = Arc::new(TableQuery::plan(&good(), options()).unwrap());
    let mut table = KeyedTable::new(query);
    let both = rows(vec![Some(1), Some(1)], vec![Some(7), Some(3)], vec![false, true]);
    assert_eq!(table.apply(&both).unwrap().changed, 2);
    assert_eq!(table.len(), 0);
}
