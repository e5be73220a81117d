//! What must come of a log of bank customers, worked out in plain Rust (who is a customer in the
//! end, their balances, what became of the records), and what the consumer left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, Schema, TimestampMillisecondType,
};
use arus_kafka::inspect::FullRecord;
use arus_models::{AccountType, BankCustomer, TimestampUnit, bank_customer_schema};
use arus_store::TableSpec;
use serde::Deserialize;

use crate::Totals;
use crate::World;
use crate::judge::Place;
use crate::process::Program;

/// The records by their fate, and what they leave. As `bank-consumer` must see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The customers whose accounts are open, by number.
    pub customers: BTreeMap<i64, BankCustomer>,
    /// Records that told a customer's new state, or the same state again.
    pub updates: u64,
    /// Records without a value that closed an account.
    pub closures: u64,
    /// Records without a value for a customer who was not there.
    pub unknown_closures: u64,
    /// Records with an older `updated_at` than what was known of the customer: ignored.
    pub older: u64,
    /// Where the records are that cannot be read.
    pub unreadable: BTreeSet<Place>,
}

/// Reads records in the order of partition and offset. Of one customer all are in one partition.
///
/// # Panics
/// When a record's key is not the number of its customer.
pub fn ledger(records: &[FullRecord]) -> Ledger {
    let mut ledger = Ledger::default();
    for record in records {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let id: i64 = key.and_then(|key| key.parse().ok()).expect("the key is a number");
        let Some(payload) = &record.payload else {
            let known = ledger.customers.remove(&id).is_some();
            *if known { &mut ledger.closures } else { &mut ledger.unknown_closures } += 1;
            continue;
        };
        let Ok(customer) = BankCustomer::from_json(payload, TimestampUnit::Milliseconds) else {
            ledger.unreadable.insert((record.partition, record.offset));
            continue;
        };
        assert_eq!(customer.customer_id, id, "the key is the customer's number");
        let known = ledger.customers.get(&id);
        if known.is_some_and(|known| customer.updated_at < known.updated_at) {
            ledger.older += 1;
        } else {
            ledger.updates += 1;
            ledger.customers.insert(id, customer);
        }
    }
    ledger
}

/// The tables of aggregates, with the columns that they are grouped by.
pub const GROUPINGS: [(&str, &str); 3] = [
    ("bank_balance", "scope"),
    ("bank_balance_by_account_type", "account_type"),
    ("bank_balance_by_city", "city"),
];

/// One row of such a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Balances {
    /// The value of the group's column.
    pub group: String,
    /// How many customers.
    pub customers: i64,
    /// Rupiah in all.
    pub total: i64,
    /// On average.
    pub avg: f64,
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
    /// Half of the customers have less.
    pub median: f64,
}

/// The rows of a table of aggregates, by group.
///
/// # Panics
/// When there is no such grouping.
pub fn balances<'a>(
    customers: impl Iterator<Item = &'a BankCustomer>,
    column: &str,
) -> Vec<Balances> {
    let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for customer in customers {
        let group = match column {
            "scope" => "all".to_owned(),
            "account_type" => customer.account_type.name().to_owned(),
            "city" => customer.city.clone(),
            other => panic!("no grouping by {other}"),
        };
        groups.entry(group).or_default().push(customer.balance);
    }
    groups.into_iter().map(|(group, mut balances)| of_group(group, &mut balances)).collect()
}

fn of_group(group: String, balances: &mut [i64]) -> Balances {
    balances.sort_unstable();
    let count = balances.len();
    let total: i64 = balances.iter().sum();
    let (low, high) = (balances[(count - 1) / 2], balances[count / 2]);
    Balances {
        group,
        customers: count as i64,
        total,
        avg: total as f64 / count as f64,
        min: balances[0],
        max: balances[count - 1],
        median: (low as f64 + high as f64) / 2.0,
    }
}

/// Count and sum of the balances of all messages that tell one.
pub fn messages(records: &[FullRecord]) -> (i64, i64) {
    let read = |record: &FullRecord| {
        let payload = record.payload.as_deref()?;
        BankCustomer::from_json(payload, TimestampUnit::Milliseconds).ok()
    };
    let balances: Vec<i64> = records.iter().filter_map(read).map(|it| it.balance).collect();
    (balances.len() as i64, balances.iter().sum())
}

/// The closing figures of the consumer.
#[derive(Clone, Debug, Deserialize)]
pub struct BankSummary {
    /// Of its last run.
    pub run: Totals,
    /// Of all its runs.
    pub total: Totals,
    /// What became of the records of the last run.
    pub tallies: BTreeMap<String, u64>,
    /// How many customers there are.
    pub rows_kept: usize,
}

impl World {
    /// The consumer: all tables into the database.
    pub fn bank_consumer(&self) -> Program {
        self.program("bank-consumer")
            .env("DATABASE_URL", self.database_url())
            .with("--brokers", self.brokers())
            .with("--topic", self.topic())
            .with("--job", self.table())
            .with("--table-prefix", self.prefix())
            .with("--checkpoint", self.path("checkpoint").display())
            .with("--summary", self.path("consumer.json").display())
            .with("--sink", "database")
            .with("--trigger", "100ms")
    }

    /// What the consumer's epochs are kept under in the database.
    pub fn bank_job(&self) -> String {
        format!("{}bank_customers", self.prefix())
    }

    /// The closing figures of the last consumer.
    pub fn bank_summary(&self) -> BankSummary {
        self.json("consumer.json")
    }

    fn bank_table(&self, name: &str, key: &str, schema: Schema) -> RecordBatch {
        let name = format!("{}{name}", self.prefix());
        let spec = TableSpec { name, schema: Arc::new(schema), key: vec![key.to_owned()] };
        self.with_store(async |store| {
            store.read_table(&spec).await.unwrap_or_else(|error| panic!("{error}"))
        })
    }

    /// The table of customers, by number.
    pub fn bank_customers(&self) -> Vec<BankCustomer> {
        let schema = bank_customer_schema();
        let rows = self.bank_table("bank_customers", "customer_id", schema.as_ref().clone());
        let text = |at: usize, row| rows.column(at).as_string::<i32>().value(row).to_owned();
        let number = |at: usize, row| rows.column(at).as_primitive::<Int64Type>().value(row);
        (0..rows.num_rows())
            .map(|row| BankCustomer {
                customer_id: number(0, row),
                name: text(1, row),
                account_number: text(2, row),
                account_type: AccountType::from_name(&text(3, row)).expect("an account type"),
                city: text(4, row),
                balance: number(5, row),
                opened_on: rows
                    .column(6)
                    .as_primitive::<Date32Type>()
                    .value_as_date(row)
                    .expect("a date"),
                updated_at: rows.column(7).as_primitive::<TimestampMillisecondType>().value(row),
            })
            .collect()
    }

    /// A table of aggregates, by group.
    pub fn bank_balances(&self, table: &str, column: &str) -> Vec<Balances> {
        let rows = self.bank_table(table, column, balance_schema(column, true));
        let number = |at: usize, row| rows.column(at).as_primitive::<Int64Type>().value(row);
        let fraction = |at: usize, row| rows.column(at).as_primitive::<Float64Type>().value(row);
        (0..rows.num_rows())
            .map(|row| Balances {
                group: rows.column(0).as_string::<i32>().value(row).to_owned(),
                customers: number(1, row),
                total: number(2, row),
                avg: fraction(3, row),
                min: number(4, row),
                max: number(5, row),
                median: fraction(6, row),
            })
            .collect()
    }

    /// Count and sum of the one row over all messages.
    pub fn bank_naive_totals(&self) -> (i64, i64) {
        let rows = self.bank_table("bank_balance", "scope", balance_schema("scope", false));
        let number = |at: usize| rows.column(at).as_primitive::<Int64Type>().value(0);
        (number(1), number(2))
    }
}

impl World {
    /// The tables, the counts and the rejected topic must be what the judge says; gives that.
    #[track_caller]
    pub fn check_bank(&self) -> Ledger {
        let records = self.records();
        let expected = ledger(&records);
        self.check_bank_tables(&expected);
        self.check_bank_rejects(&records, &expected.unreadable);
        expected
    }

    /// The tables must be what these customers make.
    #[track_caller]
    pub fn check_bank_tables(&self, expected: &Ledger) {
        let found = self.bank_customers();
        assert_eq!(found.len(), expected.customers.len());
        for (found, expected) in found.iter().zip(expected.customers.values()) {
            assert_eq!(found, expected);
        }
        for (table, column) in GROUPINGS {
            let expected = balances(expected.customers.values(), column);
            assert_eq!(self.bank_balances(table, column), expected, "{table}");
        }
    }
}

fn balance_schema(column: &str, with_median: bool) -> Schema {
    let mut fields = vec![Field::new(column, DataType::Utf8, false)];
    for (name, data_type) in [
        ("customers", DataType::Int64),
        ("total_balance", DataType::Int64),
        ("avg_balance", DataType::Float64),
        ("min_balance", DataType::Int64),
        ("max_balance", DataType::Int64),
        ("median_balance", DataType::Float64),
    ] {
        if with_median || name != "median_balance" {
            fields.push(Field::new(name, data_type, true));
        }
    }
    Schema::new(fields)
}
