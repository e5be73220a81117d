//! Reading by condition.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int64Type;
use arus_store::{Condition, Error, Selection, TableWrite};
use chrono::{DateTime, Utc};

use crate::{batch, on_both, open_with, table_for};

on_both!(rows_by_condition, columns_that_cannot_be_asked_for);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Six runs; the third has not started, and two started in the same moment.
fn runs() -> RecordBatch {
    let started = [
        Some("2026-11-20T19:00:00Z"),
        Some("2026-11-21T19:00:00Z"),
        None,
        Some("2026-11-22T19:00:00.250Z"),
        Some("2026-11-22T19:00:00.250Z"),
        Some("0999-01-01T00:00:00Z"),
    ];
    let started: Vec<Option<i64>> =
        started.iter().map(|text| text.map(|text| at(text).timestamp_millis())).collect();
    let states =
        [Some("failed"), Some("success"), Some("it's \"%\""), Some("success"), None, Some("old")];
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(1..=6)) as ArrayRef),
        ("started", Arc::new(TimestampMillisecondArray::from(started).with_timezone("UTC"))),
        ("state", Arc::new(StringArray::from(states.to_vec()))),
    ])
}

async fn rows_by_condition(url: &str) {
    let rows = runs();
    let table = table_for("selection_runs", &rows, &["id"]);
    let store = open_with(url, &[&table]).await;
    store.write(&[TableWrite::Upsert { table: &table, rows: &rows }]).await.unwrap();
    let states =
        |texts: &[&'static str]| Condition::OneOf { column: "state", texts: texts.to_vec() };
    let between = |from, to| Condition::Between { column: "started", from: at(from), to: at(to) };
    let all = || Selection::default();
    let cases = [
        (all(), vec![1, 2, 3, 4, 5, 6]),
        (Selection { limit: Some(2), ..all() }, vec![1, 2]),
        (Selection { limit: Some(0), ..all() }, vec![]),
        (Selection { newest_by: Some("started"), ..all() }, vec![4, 5, 2, 1, 6, 3]),
        (Selection { newest_by: Some("id"), limit: Some(3), ..all() }, vec![6, 5, 4]),
        (Selection { conditions: vec![states(&["success"])], ..all() }, vec![2, 4]),
        (Selection { conditions: vec![states(&["old", "failed"])], ..all() }, vec![1, 6]),
        (Selection { conditions: vec![states(&["it's \"%\""])], ..all() }, vec![3]),
        (Selection { conditions: vec![states(&[])], ..all() }, vec![]),
        (
            Selection {
                conditions: vec![between("2026-11-21T19:00:00Z", "2026-11-22T19:00:00.250Z")],
                ..all()
            },
            vec![2, 4, 5],
        ),
        (
            Selection {
                conditions: vec![between("2026-11-21T19:00:00.001Z", "2026-11-22T19:00:00.249Z")],
                ..all()
            },
            vec![],
        ),
        (
            Selection {
                conditions: vec![
                    states(&["success", "failed"]),
                    between("0001-01-01T00:00:00Z", "2026-11-22T19:00:00.250Z"),
                ],
                newest_by: Some("started"),
                limit: Some(2),
            },
            vec![4, 2],
        ),
    ];
    for (selection, expected) in cases {
        let read = store.read_selection(&table, &selection).await.unwrap();
        let ids = read.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ids, expected, "{selection:?}");
        assert_eq!(read.schema(), rows.schema());
    }
    store.close().await;
}

async fn columns_that_cannot_be_asked_for(url: &str) {
    let rows = runs();
    let table = table_for("selection_refused", &rows, &["id"]);
    let store = open_with(url, &[&table]).await;
    let one_of = |column| Condition::OneOf { column, texts: vec!["x"] };
    let between = |column| Condition::Between {
        column,
        from: DateTime::UNIX_EPOCH,
        to: DateTime::UNIX_EPOCH,
    };
    let by = |condition| Selection { conditions: vec![condition], ..Selection::default() };
    let cases = [
        (by(one_of("id")), "column \"id\" is not text"),
        (by(one_of("State")), "no column \"State\""),
        (by(between("state")), "column \"state\" is not a timestamp"),
        (Selection { newest_by: Some("ended"), ..Selection::default() }, "no column \"ended\""),
    ];
    for (selection, part) in cases {
        let error = store.read_selection(&table, &selection).await.unwrap_err();
        assert!(matches!(error, Error::InvalidSelection { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    store.close().await;
}
