//! Tables as they are made and as they are found.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arus_store::{Error, TableSpec, TableWrite};

use crate::{batch, is_postgres, on_both, open, open_with, table_for};

on_both!(
    names_come_out_as_they_went_in,
    tables_of_another_shape,
    a_table_made_by_two_at_once,
    a_table_of_a_schema,
    the_databases_own_words,
);

fn columns(names: &[&str]) -> RecordBatch {
    let column = |name| (name, Arc::new(Int64Array::from(vec![1])) as ArrayRef);
    batch(names.iter().copied().map(column).collect())
}

async fn names_come_out_as_they_went_in(url: &str) {
    let longest = "x".repeat(63);
    let names = [
        "InvoiceYear",
        "select",
        "a b",
        "avg(\"price\")",
        "it's",
        "größe",
        "a.b",
        "$1",
        "?",
        &longest,
    ];
    let rows = columns(&names);
    for table in ["Names", "order", "we\"ird'?$1 --", &longest] {
        let table = table_for(table, &rows, &["InvoiceYear", "avg(\"price\")"]);
        let store = open_with(url, &[&table]).await;
        store.write(&[TableWrite::Upsert { table: &table, rows: &rows }]).await.unwrap();
        let keys = rows.project(&[0, 3]).unwrap();
        store.ensure_table(&table).await.unwrap();
        assert_eq!(store.read_table(&table).await.unwrap(), rows);
        store.write(&[TableWrite::Delete { table: &table, keys: &keys }]).await.unwrap();
        assert_eq!(store.read_table(&table).await.unwrap().num_rows(), 0);
        store.reset_job("names", &[&table]).await.unwrap();
        store.close().await;
    }
}

async fn tables_of_another_shape(url: &str) {
    let there = columns(&["a", "b", "c"]);
    let table = table_for("shape", &there, &["a", "b"]);
    let store = open_with(url, &[&table]).await;
    store.write(&[TableWrite::Upsert { table: &table, rows: &there }]).await.unwrap();
    let one: ArrayRef = there.column(0).clone();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let other_type = batch(vec![("a", one.clone()), ("b", one.clone()), ("c", text)]);
    let cases: [(TableSpec, &str); 6] = [
        (table_for("shape", &columns(&["a", "b"]), &["a", "b"]), "column \"c\" is not expected"),
        (table_for("shape", &columns(&["a", "b", "c", "d"]), &["a"]), "column \"d\" is missing"),
        (table_for("shape", &columns(&["a", "B", "c"]), &["a"]), "column \"B\" is missing"),
        (table_for("shape", &other_type, &["a", "b"]), "column \"c\" is "),
        (table_for("shape", &there, &["a"]), "its key is (a, b), not (a)"),
        (table_for("shape", &there, &["a", "c"]), "its key is (a, b), not (a, c)"),
    ];
    for (spec, part) in cases {
        let error = store.ensure_table(&spec).await.unwrap_err();
        assert!(matches!(error, Error::TableShape { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("--reset"), "{text} should say {part}");
        assert!(text.contains(&store.describe()), "{text}");
    }
    // What was there stands as it was; another order of columns is the same shape.
    let turned = table_for("shape", &columns(&["c", "b", "a"]), &["b", "a"]);
    store.ensure_table(&turned).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), there);
    store.close().await;
}

async fn a_table_made_by_two_at_once(url: &str) {
    let rows = columns(&["a", "b"]);
    for round in 0..10 {
        let table = table_for(&format!("made_by_two_{round}"), &rows, &["a"]);
        let store = open(url).await;
        store.reset_job(&table.name, &[&table]).await.unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (url, table) = (url.to_string(), table.clone());
                tokio::spawn(async move {
                    let store = open(&url).await;
                    store.ensure_table(&table).await?;
                    let epoch = store.last_epoch("made_by_two").await;
                    store.close().await;
                    epoch
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        store.reset_job(&table.name, &[&table]).await.unwrap();
        store.close().await;
    }
}

/// On SQLite the dot is part of the name.
async fn a_table_of_a_schema(url: &str) {
    let rows = columns(&["a", "b"]);
    let one = table_for("Analytics of shape.windows", &rows, &["a"]);
    let other = table_for("windows", &rows, &["b"]);
    let store = open_with(url, &[&one, &other]).await;
    store.write(&[TableWrite::Upsert { table: &one, rows: &rows }]).await.unwrap();
    store.ensure_table(&one).await.unwrap();
    assert_eq!(store.read_table(&one).await.unwrap(), rows);
    assert_eq!(store.read_table(&other).await.unwrap().num_rows(), 0);
    store.close().await;
}

/// The types that users see with their own tools.
async fn the_databases_own_words(url: &str) {
    let yes: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let rows = batch(vec![("a", yes), ("b", Arc::new(StringArray::from(vec!["x"])))]);
    let table = table_for("own_words", &rows, &["b"]);
    let store = open_with(url, &[&table]).await;
    let other = table_for("own_words", &columns(&["a", "b"]), &["b"]);
    let error = store.ensure_table(&other).await;
    if is_postgres(url) {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("column \"a\" is boolean, not bigint"), "{text}");
    } else {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("column \"b\" is TEXT, not INTEGER"), "{text}");
    }
    store.close().await;
}
