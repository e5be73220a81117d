//! Behaviour as data: each file in `tests/cases` is a story of rows and looks at the table, to be
//! read as prose.
//!
//! Every case runs four ways and must give the same: rows in one batch or one by one between looks,
//! and after every look at the changes also a restart from an early base and the chain of changes.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arus_table::{Aggregates, Applied, Changes, Grouping, KeyedTable, TableOptions, TableQuery};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    step: Vec<Step>,
}

/// A row that arrives, or a look at what there is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Step {
    Row {
        /// `id vVERSION city balance`, or `id deleted`.
        row: String,
        /// What becomes of it.
        is: String,
    },
    Look {
        /// What [`KeyedTable::take_changes`] gives.
        changes: Vec<String>,
        /// `city customers total`.
        by_city: Option<Vec<String>>,
        /// Cities that had a row at the last look.
        #[serde(default)]
        gone_cities: Vec<String>,
        /// `customers total average least most median`.
        overall: Option<Vec<String>>,
    },
}

fn input() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("version", DataType::Int64, true),
        Field::new("city", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
        Field::new("deleted", DataType::Boolean, false),
    ]))
}

fn query(aggregates: &[&str], groupings: &[(&str, &[&str])]) -> Arc<TableQuery> {
    let options = TableOptions {
        key: "id".into(),
        version: "version".into(),
        deleted: "deleted".into(),
        groupings: groupings
            .iter()
            .map(|(name, by)| Grouping {
                name: (*name).into(),
                group_by: by.iter().map(|column| (*column).into()).collect(),
            })
            .collect(),
        aggregates: aggregates.iter().map(|text| (*text).into()).collect(),
    };
    Arc::new(TableQuery::plan(&input(), options).unwrap())
}

fn batch(rows: &[&str]) -> RecordBatch {
    let words: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
    let number = |word: &str| word.trim_start_matches('v').parse::<i64>().ok();
    let at = |place: usize| words.iter().map(move |words| words.get(place).copied());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(at(0).map(|word| number(word.unwrap())))),
        Arc::new(Int64Array::from_iter(at(1).map(|word| number(word.unwrap())))),
        Arc::new(StringArray::from_iter(at(2).map(|word| word.filter(|word| *word != "null")))),
        Arc::new(Int64Array::from_iter(at(3).map(|word| word.and_then(number)))),
        Arc::new(BooleanArray::from_iter(at(1).map(|word| Some(word == Some("deleted"))))),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

fn texts(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<ArrayFormatter<'_>> = rows
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..rows.num_rows())
        .map(|row| {
            let values = columns.iter().map(|column| column.value(row).to_string());
            values.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn change_texts(changes: &Changes) -> Vec<String> {
    let upserts = texts(&changes.upserts).into_iter().map(|row| row.replacen(' ', " v", 1));
    let deleted = texts(&changes.deleted_keys).into_iter().map(|key| format!("{key} deleted"));
    let mut all: Vec<String> = upserts.chain(deleted).collect();
    all.sort();
    all
}

struct Story {
    table: KeyedTable,
    by_city: Aggregates,
    overall: Aggregates,
    base: Vec<RecordBatch>,
    chain: Vec<Changes>,
}

impl Story {
    fn new() -> Self {
        let by_city =
            query(&["count(*) as customers", "sum(balance) as total"], &[("by_city", &["city"])]);
        let overall = query(
            &[
                "count(*)",
                "sum(balance)",
                "avg(balance)",
                "min(balance)",
                "max(balance)",
                "median(balance)",
            ],
            &[("overall", &[])],
        );
        Self {
            table: by_city.table(),
            by_city: Aggregates::new(by_city),
            overall: Aggregates::new(overall),
            base: Vec::new(),
            chain: Vec::new(),
        }
    }

    fn apply(&mut self, rows: &mut Vec<(&str, &str)>, one_by_one: bool) {
        let size = if one_by_one { 1 } else { rows.len().max(1) };
        for rows in rows.chunks(size) {
            let texts: Vec<&str> = rows.iter().map(|(row, _)| *row).collect();
            let applied = self.table.apply(&batch(&texts)).unwrap();
            let count = |what: &str| rows.iter().filter(|(_, is)| *is == what).count();
            let expected = Applied {
                changed: count("changed"),
                stale: count("stale"),
                duplicates: count("duplicate"),
                unknown_deletes: count("unknown delete"),
            };
            assert_eq!(expected.rows(), rows.len(), "a fate in the case is misspelt");
            assert_eq!(applied, expected, "{texts:?}");
        }
        rows.clear();
    }

    fn restart(&mut self) {
        let query = Arc::clone(self.table.query());
        self.table = KeyedTable::restore(query, self.base.iter().cloned()).unwrap();
        for changes in &self.chain {
            self.table.restore_changes(changes).unwrap();
        }
        if self.chain.len() > 2 {
            self.base = self.table.rows().map(Result::unwrap).collect();
            self.chain.clear();
        }
    }
}

fn run(case: &Case, one_by_one: bool, restarts: bool) {
    let mut story = Story::new();
    let mut waiting = Vec::new();
    for step in &case.step {
        let (changes, by_city, gone_cities, overall) = match step {
            Step::Row { row, is } => {
                waiting.push((row.as_str(), is.as_str()));
                continue;
            }
            Step::Look { changes, by_city, gone_cities, overall } => {
                (changes, by_city, gone_cities, overall)
            }
        };
        story.apply(&mut waiting, one_by_one);
        if let Some(expected) = by_city {
            let rows = story.by_city.compute(&[&story.table]).unwrap();
            let rows = rows.expect("the table changed").remove(0);
            assert_eq!(texts(&rows.rows), *expected);
            assert_eq!(texts(&rows.gone), *gone_cities);
            // Nothing changed since.
            assert!(story.by_city.compute(&[&story.table]).unwrap().is_none());
        }
        if let Some(expected) = overall {
            let rows = story.overall.compute(&[&story.table]).unwrap().unwrap().remove(0);
            assert_eq!(texts(&rows.rows), *expected);
        }
        let found = story.table.take_changes().unwrap();
        assert_eq!(change_texts(&found), *changes);
        story.chain.push(found);
        if restarts {
            story.restart();
        }
    }
    assert!(waiting.is_empty(), "a case ends with a look");
}

#[test]
fn cases() {
    let folder = Path::new("tests/cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    for file in files {
        let case: Case = toml::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for one_by_one in [false, true] {
            for restarts in [false, true] {
                println!("{}, one by one {one_by_one}, restarts {restarts}", file.display());
                run(&case, one_by_one, restarts);
            }
        }
    }
}
