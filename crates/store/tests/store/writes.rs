//! Upserts, deletes and replacements.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arus_store::{Error, TableWrite};

use crate::{batch, on_both, open_with, table_for};

on_both!(
    upserting_twice_is_upserting_once,
    last_row_of_a_key_wins,
    deleting,
    replacing,
    loading_several,
    a_key_is_the_whole_row,
    all_or_nothing,
    batches_of_another_shape,
    text_keys_in_order_of_bytes,
);

fn rows(cells: &[(i64, &str, i64)]) -> RecordBatch {
    let a: Vec<i64> = cells.iter().map(|row| row.0).collect();
    let b: Vec<&str> = cells.iter().map(|row| row.1).collect();
    let c: Vec<i64> = cells.iter().map(|row| row.2).collect();
    batch(vec![
        ("a", Arc::new(Int64Array::from(a)) as ArrayRef),
        ("b", Arc::new(StringArray::from(b))),
        ("c", Arc::new(Int64Array::from(c))),
    ])
}

/// Enough rows for the big batch's way.
fn many(value: i64) -> RecordBatch {
    let cells: Vec<(i64, &str, i64)> = (0..5_000).map(|row| (row, "x", value)).collect();
    rows(&cells)
}

async fn upserting_twice_is_upserting_once(url: &str) {
    for (name, first, second) in [
        ("upsert_few", rows(&[(1, "x", 1), (2, "x", 1)]), rows(&[(1, "x", 1), (2, "x", 2)])),
        ("upsert_many", many(1), many(2)),
    ] {
        let table = table_for(name, &first, &["a", "b"]);
        let store = open_with(url, &[&table]).await;
        for batch in [&first, &first, &second, &second] {
            store.write(&[TableWrite::Upsert { table: &table, rows: batch }]).await.unwrap();
            assert_eq!(&store.read_table(&table).await.unwrap(), batch);
        }
        store.close().await;
    }
}

async fn last_row_of_a_key_wins(url: &str) {
    let few = rows(&[(1, "x", 1), (2, "x", 2), (1, "x", 3), (1, "y", 4), (1, "x", 5)]);
    let table = table_for("last_row", &few, &["a", "b"]);
    let store = open_with(url, &[&table]).await;
    let expected = rows(&[(1, "x", 5), (1, "y", 4), (2, "x", 2)]);
    store.write(&[TableWrite::Upsert { table: &table, rows: &few }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), expected);
    store.write(&[TableWrite::Replace { table: &table, rows: &few }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), expected);

    let twice = arrow::compute::concat_batches(&few.schema(), &[many(1), many(2)]).unwrap();
    store.write(&[TableWrite::Replace { table: &table, rows: &twice }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), many(2));
    store.close().await;
}

async fn deleting(url: &str) {
    let all = rows(&[(1, "x", 1), (1, "y", 2), (2, "x", 3), (2, "y", 4)]);
    let table = table_for("deleting", &all, &["a", "b"]);
    let store = open_with(url, &[&table]).await;
    // The batch names the key's columns in another order than the key, one key twice, one that is
    // absent.
    let keys = batch(vec![
        ("b", Arc::new(StringArray::from(vec!["y", "x", "y", "z"])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(vec![1, 2, 1, 9]))),
    ]);
    let writes = [
        TableWrite::Upsert { table: &table, rows: &all },
        TableWrite::Delete { table: &table, keys: &keys },
    ];
    store.write(&writes).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), rows(&[(1, "x", 1), (2, "y", 4)]));

    let keys = many(0).project(&[0, 1]).unwrap();
    let writes = [
        TableWrite::Replace { table: &table, rows: &many(1) },
        TableWrite::Delete { table: &table, keys: &keys.slice(0, 4_999) },
    ];
    store.write(&writes).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), rows(&[(4_999, "x", 1)]));

    let single = table_for("deleting_single", &all, &["c"]);
    let store = open_with(url, &[&single]).await;
    let keys = batch(vec![("c", Arc::new(Int64Array::from(vec![2, 3, 7])) as ArrayRef)]);
    let writes = [
        TableWrite::Upsert { table: &single, rows: &all },
        TableWrite::Delete { table: &single, keys: &keys },
    ];
    store.write(&writes).await.unwrap();
    assert_eq!(store.read_table(&single).await.unwrap(), rows(&[(1, "x", 1), (2, "y", 4)]));
    store.close().await;
}

async fn replacing(url: &str) {
    let first = rows(&[(1, "x", 1), (2, "x", 1)]);
    let table = table_for("replacing", &first, &["a"]);
    let batches = [first, rows(&[(2, "y", 2), (3, "y", 2)]), many(3), rows(&[])];
    for loading in [false, true] {
        let store = open_with(url, &[&table]).await;
        // Twice each: what is there already stays.
        for rows in batches.iter().flat_map(|batch| [batch, batch]) {
            let write = match loading {
                false => TableWrite::Replace { table: &table, rows },
                true => TableWrite::Load { table: &table, rows },
            };
            store.write(&[write]).await.unwrap();
            assert_eq!(&store.read_table(&table).await.unwrap(), rows);
        }
        store.close().await;
    }
}

/// Tables that are loaded in one transaction: each through a staging table of its own.
async fn loading_several(url: &str) {
    let (few, more) = (rows(&[(1, "x", 1)]), rows(&[(1, "x", 1), (2, "y", 2)]));
    let one = table_for("loading_one", &few, &["a"]);
    let two = table_for("loading_two", &few, &["b", "a"]);
    let store = open_with(url, &[&one, &two]).await;
    for (first, second) in [(&few, &more), (&more, &few)] {
        let writes = [
            TableWrite::Load { table: &one, rows: first },
            TableWrite::Load { table: &two, rows: second },
        ];
        store.write(&writes).await.unwrap();
        assert_eq!(&store.read_table(&one).await.unwrap(), first);
        assert_eq!(&store.read_table(&two).await.unwrap(), second);
    }
    store.close().await;
}

async fn a_key_is_the_whole_row(url: &str) {
    let only_keys = rows(&[(1, "x", 1), (2, "x", 1)]);
    let table = table_for("only_keys", &only_keys, &["c", "b", "a"]);
    let store = open_with(url, &[&table]).await;
    for _ in 0..2 {
        store.write(&[TableWrite::Upsert { table: &table, rows: &only_keys }]).await.unwrap();
    }
    assert_eq!(store.read_table(&table).await.unwrap(), only_keys);
    store.close().await;
}

/// The second write fails in the database: the first is not there, nor is the epoch.
async fn all_or_nothing(url: &str) {
    let some = rows(&[(1, "x", 1)]);
    let table = table_for("all_or_nothing", &some, &["a"]);
    let absent = table_for("all_or_nothing_absent", &some, &["a"]);
    let store = open_with(url, &[&table]).await;
    store.reset_job("all_or_nothing_absent", &[&absent]).await.unwrap();
    for batch in [&some, &many(1)] {
        let writes = [
            TableWrite::Upsert { table: &table, rows: batch },
            TableWrite::Upsert { table: &absent, rows: batch },
        ];
        let error = store.commit_epoch("all_or_nothing", None, 1, &writes).await.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert!(error.to_string().contains("all_or_nothing_absent"), "{error}");
        assert_eq!(store.last_epoch("all_or_nothing").await.unwrap(), None);
        assert_eq!(store.read_table(&table).await.unwrap().num_rows(), 0);
    }
    store.close().await;
}

async fn batches_of_another_shape(url: &str) {
    let good = rows(&[(1, "x", 1)]);
    let table = table_for("other_shape", &good, &["a"]);
    let store = open_with(url, &[&table]).await;
    let more = batch(vec![
        ("a", good.column(0).clone()),
        ("b", good.column(1).clone()),
        ("d", good.column(2).clone()),
    ]);
    let other_type = batch(vec![
        ("a", good.column(0).clone()),
        ("b", good.column(2).clone()),
        ("c", good.column(2).clone()),
    ]);
    let cases = [
        (good.project(&[0, 1]).unwrap(), "expected, each once"),
        (more, "\"d\" is not expected"),
        (other_type, "\"b\" is Int64"),
    ];
    for (rows, part) in cases {
        let write = TableWrite::Upsert { table: &table, rows: &rows };
        let error = store.write(&[write]).await.unwrap_err();
        assert!(matches!(error, Error::BatchShape { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let write = TableWrite::Delete { table: &table, keys: &good };
    assert!(matches!(store.write(&[write]).await, Err(Error::BatchShape { .. })));
    // Another order of columns is no other shape.
    let turned = good.project(&[2, 1, 0]).unwrap();
    store.write(&[TableWrite::Upsert { table: &table, rows: &turned }]).await.unwrap();
    assert_eq!(store.read_table(&table).await.unwrap(), good);
    store.close().await;
}

async fn text_keys_in_order_of_bytes(url: &str) {
    let given =
        rows(&[(1, "é", 1), (2, "a", 2), (3, "B", 3), (4, "", 4), (5, "A b", 5), (6, "AB", 6)]);
    let table = table_for("order_of_bytes", &given, &["b"]);
    let store = open_with(url, &[&table]).await;
    store.write(&[TableWrite::Upsert { table: &table, rows: &given }]).await.unwrap();
    let read = store.read_table(&table).await.unwrap();
    let order = read.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(order, [4, 5, 6, 3, 2, 1]);
    store.close().await;
}
