//! The batch job on a schedule: its months by a judge in plain Rust, and its runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use arus_store::TableSpec;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::World;
use crate::process::Program;

/// Seconds from one run to the next.
const EVERY_S: i64 = 10;

/// The invoices that come with the project.
pub fn invoices() -> PathBuf {
    crate::project().join("data/online-retail-dataset.csv")
}

/// How many different customers bought in each month, by year and month.
///
/// # Panics
/// When the file is not like the one of [`invoices`].
pub fn customers_by_month(invoices: &Path) -> BTreeMap<(i32, i32), i64> {
    let text = std::fs::read_to_string(invoices).expect("the invoices are there");
    let mut months: BTreeMap<(i32, i32), BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        // Commas are in descriptions only, which come before these.
        let mut cells = line.rsplit(',').skip(1);
        let (customer, _, date) = (cells.next(), cells.next(), cells.next());
        let mut parts = date.expect("there are eight cells").split(['/', ' ']);
        let mut number = || parts.next().and_then(|part| part.parse().ok()).expect("a date");
        let (month, _, year) = (number(), number(), number());
        let customers = months.entry((year, month)).or_default();
        customers.extend(customer.filter(|customer| !customer.is_empty()));
    }
    months.into_iter().map(|(month, customers)| (month, customers.len() as i64)).collect()
}

/// A run, as the history tells it.
#[derive(Clone, Debug, Deserialize)]
struct Run {
    run_id: String,
    state: String,
    scheduled_for: DateTime<Utc>,
    rows_in: Option<u64>,
    rows_out: Option<u64>,
    rows_rejected: Option<u64>,
}

impl World {
    /// The batch job every few seconds; what was missed is made up.
    pub fn etl_schedule(&self) -> Program {
        self.etl("schedule")
            .with("--cron", format!("*/{EVERY_S} * * * * *"))
            .with("--catchup", "all")
            .switch("--force")
            .with("--output", self.path("etl").display())
            .switch(&invoices().display().to_string())
    }

    fn etl(&self, command: &str) -> Program {
        self.program("retail-etl")
            .env("DATABASE_URL", self.database_url())
            .switch(command)
            .with("--table-prefix", self.prefix())
    }

    /// Each time that was due has had its run, which succeeded, but for the last one, which may have
    /// been stopped; and the table of months is what the judge says. Gives the number of runs.
    #[track_caller]
    pub fn check_etl(&self) -> usize {
        let history = self.etl("history").switch("--json").with("--limit", 1_000_000).run().well();
        let runs: Vec<Run> = serde_json::from_str(&history.stdout).expect("it is JSON");
        let mut runs: BTreeMap<DateTime<Utc>, Run> =
            runs.into_iter().map(|run| (run.scheduled_for, run)).collect();
        if let Some((at, run)) = runs.pop_last()
            && run.state == "success"
        {
            runs.insert(at, run);
        }
        assert!(!runs.is_empty(), "no run was made");
        for run in runs.values() {
            assert_eq!(run.state, "success", "{}", run.run_id);
            assert_eq!(run.rows_rejected, Some(0), "{}", run.run_id);
            assert!(run.rows_in > Some(0) && run.rows_out > Some(0), "{run:?}");
        }
        let times: Vec<i64> = runs.keys().map(DateTime::timestamp).collect();
        for pair in times.windows(2) {
            assert_eq!(pair[1] - pair[0], EVERY_S, "a run for each time: {pair:?}");
        }
        assert_eq!(self.months(), customers_by_month(&invoices()));
        runs.len()
    }

    /// The table of customers by month, by year and month.
    pub fn months(&self) -> BTreeMap<(i32, i32), i64> {
        let fields = [
            Field::new("InvoiceYear", DataType::Int32, false),
            Field::new("InvoiceMonth", DataType::Int32, false),
            Field::new("unique_customers", DataType::Int64, false),
        ];
        let table = TableSpec {
            name: format!("{}monthly_customers", self.prefix()),
            schema: Arc::new(Schema::new(fields.to_vec())),
            key: vec!["InvoiceYear".to_owned(), "InvoiceMonth".to_owned()],
        };
        let rows = self.with_store(async |store| {
            store.read_table(&table).await.unwrap_or_else(|error| panic!("{error}"))
        });
        let number = |at: usize, row| rows.column(at).as_primitive::<Int32Type>().value(row);
        let customers = rows.column(2).as_primitive::<Int64Type>();
        (0..rows.num_rows())
            .map(|row| ((number(0, row), number(1, row)), customers.value(row)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_knows_the_months() {
        let months = customers_by_month(&invoices());
        assert_eq!(months.len(), 13);
        assert_eq!((months[&(2010, 12)], months[&(2011, 1)], months[&(2011, 12)]), (41, 52, 62));
    }
}
