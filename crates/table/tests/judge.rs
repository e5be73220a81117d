//! Any history of keyed rows, cut into batches anyhow, spread over partitions by key, stopped and
//! started again anywhere: the tables, the changes told to a sink, and the aggregates must be those
//! of a plain judge, who keeps the last row of each key in a map and adds up by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use arus_table::{
    Aggregates, Applied, Changes, Grouping, KeyedTable, MessageTotals, TableOptions, TableQuery,
};
use proptest::prelude::*;

const AGGREGATES: [&str; 8] = [
    "count(*) as rows",
    "count(balance) as present",
    "sum(balance) as total",
    "avg(balance) as mean",
    "min(balance) as least",
    "max(balance) as most",
    "sum(balance) filter (where active) as of_active",
    "median(balance) as middle",
];

const GROUPINGS: [&[&str]; 5] =
    [&[], &["city"], &["city", "kind"], &["active"], &["kind", "rating", "city"]];

/// What a row says; its key and version apart.
#[derive(Clone, Debug, PartialEq)]
struct Values {
    city: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    balance: Option<i64>,
    rating: Option<i32>,
    weight: Option<f64>,
    opened: Option<i32>,
    active: Option<bool>,
}

#[derive(Clone, Debug)]
enum Event {
    Row {
        key: usize,
        version: i64,
        values: Values,
    },
    /// The row that the key had last, once more.
    Again {
        key: usize,
    },
    Delete {
        key: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Aggregates,
    Changes,
    /// A checkpoint, and a restart from it; `true`: with a new base.
    Restart(bool),
}

#[derive(Clone, Debug)]
struct Plan {
    text_keys: bool,
    partitions: usize,
    log: Vec<Event>,
    /// How many events of the log, and what is done after them.
    schedule: Vec<(usize, After)>,
}

fn values() -> impl Strategy<Value = Values> {
    fn some<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
        proptest::option::weighted(0.85, strategy)
    }
    (
        some((0..3_usize).prop_map(|at| ["Medan", "Bogor", ""][at].to_owned())),
        some((0..2_usize).prop_map(|at| ["savings", "deposit"][at].to_owned())),
        some("[a-zé]{0,6}"),
        some(-1000_i64..1000),
        some(0..3_i32),
        some(prop_oneof![Just(f64::NAN), Just(-0.0), Just(1.5)]),
        some(0..20_000_i32),
        some(any::<bool>()),
    )
        .prop_map(|(city, kind, name, balance, rating, weight, opened, active)| Values {
            city,
            kind,
            name,
            balance,
            rating,
            weight,
            opened,
            active,
        })
}

fn plan() -> impl Strategy<Value = Plan> {
    let event = prop_oneof![
        6 => (0..14_usize, 0..12_i64, values())
            .prop_map(|(key, version, values)| Event::Row { key, version, values }),
        2 => (0..14_usize).prop_map(|key| Event::Again { key }),
        2 => (0..14_usize).prop_map(|key| Event::Delete { key }),
    ];
    let after = prop_oneof![
        3 => Just(After::Nothing),
        2 => Just(After::Aggregates),
        2 => Just(After::Changes),
        2 => any::<bool>().prop_map(After::Restart),
    ];
    (
        any::<bool>(),
        1..4_usize,
        proptest::collection::vec(event, 0..150),
        proptest::collection::vec((0..30_usize, after), 0..20),
    )
        .prop_map(|(text_keys, partitions, log, schedule)| Plan {
            text_keys,
            partitions,
            log,
            schedule,
        })
}

fn schema(text_keys: bool) -> SchemaRef {
    let key = if text_keys { DataType::Utf8 } else { DataType::Int64 };
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("city", DataType::Utf8, true),
        Field::new("deleted", DataType::Boolean, false),
        Field::new("key", key, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("balance", DataType::Int64, true),
        Field::new("version", time, true),
        Field::new("rating", DataType::Int32, true),
        Field::new("weight", DataType::Float64, true),
        Field::new("opened", DataType::Date32, true),
        Field::new("active", DataType::Boolean, true),
    ]))
}

/// A message: a key, and a version with values unless it is a deletion.
type Message = (usize, Option<(i64, Values)>);

fn key_text(key: usize, text_keys: bool) -> String {
    if text_keys { format!("key-{key}").repeat(key % 3 + 1) } else { (key as i64 - 5).to_string() }
}

fn batch(messages: &[Message], text_keys: bool) -> RecordBatch {
    let keys = messages.iter().map(|(key, _)| key_text(*key, text_keys));
    let keys: ArrayRef = match text_keys {
        true => Arc::new(StringArray::from_iter_values(keys)),
        false => Arc::new(Int64Array::from_iter_values(keys.map(|key| key.parse().unwrap()))),
    };
    fn each<T>(messages: &[Message], get: fn(&Values) -> Option<T>) -> Vec<Option<T>> {
        let values = |message: &Message| message.1.as_ref().and_then(|(_, values)| get(values));
        messages.iter().map(values).collect()
    }
    let versions = messages.iter().map(|(_, row)| row.as_ref().map(|(version, _)| *version));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(each(messages, |values| values.city.clone()))),
        Arc::new(BooleanArray::from_iter(messages.iter().map(|(_, row)| Some(row.is_none())))),
        keys,
        Arc::new(StringArray::from(each(messages, |values| values.kind.clone()))),
        Arc::new(StringArray::from(each(messages, |values| values.name.clone()))),
        Arc::new(Int64Array::from(each(messages, |values| values.balance))),
        Arc::new(TimestampMillisecondArray::from_iter(versions).with_timezone("UTC")),
        Arc::new(Int32Array::from(each(messages, |values| values.rating))),
        Arc::new(Float64Array::from(each(messages, |values| values.weight))),
        Arc::new(Date32Array::from(each(messages, |values| values.opened))),
        Arc::new(BooleanArray::from(each(messages, |values| values.active))),
    ];
    RecordBatch::try_new(schema(text_keys), columns).unwrap()
}

/// Rows as text, by key.
fn texts(rows: &RecordBatch, key: usize) -> BTreeMap<String, String> {
    let text = |row: usize| {
        let values = rows.columns().iter().map(|column| match column.is_null(row) {
            true => "null".to_owned(),
            false => format!("{:?}", array_value_to_string(column, row).unwrap()),
        });
        values.collect::<Vec<_>>().join("|")
    };
    (0..rows.num_rows())
        .map(|row| (array_value_to_string(rows.column(key), row).unwrap(), text(row)))
        .collect()
}

/// The place of the key in a row of the table.
const KEY_OF_A_ROW: usize = 1;

fn query(text_keys: bool, aggregates: &[&str]) -> Arc<TableQuery> {
    let groupings = GROUPINGS.iter().map(|by| Grouping {
        name: by.join(" and "),
        group_by: by.iter().map(|column| (*column).to_owned()).collect(),
    });
    let options = TableOptions {
        key: "key".into(),
        version: "version".into(),
        deleted: "deleted".into(),
        groupings: groupings.collect(),
        aggregates: aggregates.iter().map(|text| (*text).into()).collect(),
    };
    Arc::new(TableQuery::plan(&schema(text_keys), options).unwrap())
}

#[derive(Default)]
struct Judge {
    rows: BTreeMap<usize, (i64, Values)>,
    last_sent: BTreeMap<usize, (i64, Values)>,
    messages: Vec<Values>,
}

impl Judge {
    /// What the event is as a message, if it is one.
    fn message(&mut self, event: &Event) -> Option<Message> {
        let message = match event {
            Event::Row { key, version, values } => (*key, Some((*version, values.clone()))),
            Event::Again { key } => (*key, Some(self.last_sent.get(key)?.clone())),
            Event::Delete { key } => (*key, None),
        };
        if let (key, Some(row)) = &message {
            self.last_sent.insert(*key, row.clone());
        }
        Some(message)
    }

    fn apply(&mut self, (key, row): &Message, applied: &mut Applied) {
        let Some((version, values)) = row else {
            match self.rows.remove(key) {
                Some(_) => applied.changed += 1,
                None => applied.unknown_deletes += 1,
            }
            return;
        };
        self.messages.push(values.clone());
        let same = |known: &Values| format!("{known:?}") == format!("{values:?}");
        match self.rows.get(key) {
            Some((known, _)) if version < known => applied.stale += 1,
            Some((known, held)) if version == known && same(held) => applied.duplicates += 1,
            _ => {
                self.rows.insert(*key, (*version, values.clone()));
                applied.changed += 1;
            }
        }
    }

    fn texts(&self, text_keys: bool) -> BTreeMap<String, String> {
        let messages: Vec<Message> =
            self.rows.iter().map(|(key, row)| (*key, Some(row.clone()))).collect();
        let rows = batch(&messages, text_keys);
        let columns: Vec<usize> = (0..rows.num_columns()).filter(|at| *at != 1).collect();
        texts(&rows.project(&columns).unwrap(), KEY_OF_A_ROW)
    }
}

/// A group's value as the output prints it; nulls come first.
fn group_value(values: &Values, column: &str) -> Option<String> {
    match column {
        "city" => values.city.clone(),
        "kind" => values.kind.clone(),
        "active" => values.active.map(|active| active.to_string()),
        "rating" => values.rating.map(|rating| rating.to_string()),
        other => unreachable!("{other} is no group column"),
    }
}

/// The rows of a grouping, added up by hand: group values, then aggregates, `None` for null.
fn add_up<'a>(values: impl Iterator<Item = &'a Values>, by: &[&str], medians: bool) -> Vec<Texts> {
    let mut groups: BTreeMap<Texts, Vec<&Values>> = BTreeMap::new();
    if by.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for values in values {
        let group = by.iter().map(|column| group_value(values, column)).collect();
        groups.entry(group).or_default().push(values);
    }
    let of_group = |(group, members): (Texts, Vec<&Values>)| {
        let mut balances: Vec<i64> = members.iter().filter_map(|one| one.balance).collect();
        balances.sort_unstable();
        let any = !balances.is_empty();
        let total: i64 = balances.iter().sum();
        let active: Vec<i64> = members
            .iter()
            .filter(|one| one.active == Some(true))
            .filter_map(|one| one.balance)
            .collect();
        let mut row = group;
        row.push(Some(members.len().to_string()));
        row.push(Some(balances.len().to_string()));
        row.push(any.then(|| total.to_string()));
        row.push(any.then(|| float(total as f64 / balances.len() as f64)));
        row.push(balances.first().map(i64::to_string));
        row.push(balances.last().map(i64::to_string));
        row.push((!active.is_empty()).then(|| active.iter().sum::<i64>().to_string()));
        if medians {
            let (low, high) = (balances.len().saturating_sub(1) / 2, balances.len() / 2);
            row.push(any.then(|| float((balances[low] + balances[high]) as f64 / 2.0)));
        }
        row
    };
    groups.into_iter().map(of_group).collect()
}

fn float(value: f64) -> String {
    array_value_to_string(&Float64Array::from(vec![value]), 0).unwrap()
}

fn output(rows: &RecordBatch) -> Vec<Texts> {
    let value = |column: &ArrayRef, row: usize| {
        (!column.is_null(row)).then(|| array_value_to_string(column, row).unwrap())
    };
    (0..rows.num_rows())
        .map(|row| rows.columns().iter().map(|column| value(column, row)).collect())
        .collect()
}

/// Values as the output prints them, `None` for null.
type Texts = Vec<Option<String>>;

/// The job under test.
struct Job {
    text_keys: bool,
    query: Arc<TableQuery>,
    messages_query: Arc<TableQuery>,
    tables: Vec<KeyedTable>,
    totals: Vec<MessageTotals>,
    aggregates: Aggregates,
    bases: Vec<Vec<RecordBatch>>,
    chains: Vec<Vec<Changes>>,
    sink: BTreeMap<String, String>,
    sink_of_groups: Vec<BTreeMap<Texts, Texts>>,
}

impl Job {
    fn new(plan: &Plan) -> Self {
        let query = query(plan.text_keys, &AGGREGATES);
        let messages_query = self::query(plan.text_keys, &AGGREGATES[..7]);
        let totals = || MessageTotals::new(Arc::clone(&messages_query)).unwrap();
        Self {
            text_keys: plan.text_keys,
            tables: (0..plan.partitions).map(|_| query.table()).collect(),
            totals: (0..plan.partitions).map(|_| totals()).collect(),
            aggregates: Aggregates::new(Arc::clone(&query)),
            bases: vec![Vec::new(); plan.partitions],
            chains: vec![Vec::new(); plan.partitions],
            sink: BTreeMap::new(),
            sink_of_groups: vec![BTreeMap::new(); GROUPINGS.len()],
            query,
            messages_query,
        }
    }

    fn apply(&mut self, messages: &[Message]) -> Applied {
        let mut applied = Applied::default();
        let partitions = self.tables.len();
        for partition in 0..partitions {
            let own = messages.iter().filter(|(key, _)| key % partitions == partition);
            let own: Vec<Message> = own.cloned().collect();
            let rows = batch(&own, self.text_keys);
            applied += self.tables[partition].apply(&rows).unwrap();
            let kept = own.iter().filter(|(_, row)| row.is_some()).count();
            assert_eq!(self.totals[partition].apply(&rows).unwrap(), kept);
        }
        applied
    }

    fn take_changes(&mut self) {
        for (table, chain) in self.tables.iter_mut().zip(&mut self.chains) {
            let changes = table.take_changes().unwrap();
            for (key, row) in texts(&changes.upserts, KEY_OF_A_ROW) {
                self.sink.insert(key, row);
            }
            for (key, _) in texts(&changes.deleted_keys, 0) {
                self.sink.remove(&key);
            }
            chain.push(changes);
            assert!(table.take_changes().unwrap().is_empty());
        }
    }

    fn restart(&mut self, new_base: bool) {
        self.take_changes();
        for partition in 0..self.tables.len() {
            if new_base {
                let rows = self.tables[partition].rows();
                self.bases[partition] = rows.map(Result::unwrap).collect();
                self.chains[partition].clear();
            }
            let base = self.bases[partition].iter().cloned();
            let mut table = KeyedTable::restore(Arc::clone(&self.query), base).unwrap();
            for changes in &self.chains[partition] {
                table.restore_changes(changes).unwrap();
            }
            assert!(table.take_changes().unwrap().is_empty(), "a restart changes nothing");
            self.tables[partition] = table;
            let partials = self.totals[partition].partials().unwrap();
            let query = Arc::clone(&self.messages_query);
            self.totals[partition] = MessageTotals::restore(query, &partials).unwrap();
        }
        let last = self.aggregates.last().to_vec();
        self.aggregates = Aggregates::restore(Arc::clone(&self.query), last).unwrap();
    }

    fn check(&mut self, judge: &Judge) {
        let expected = judge.texts(self.text_keys);
        let mut rows = BTreeMap::new();
        for table in &self.tables {
            let before = rows.len();
            for batch in table.rows() {
                rows.append(&mut texts(&batch.unwrap(), KEY_OF_A_ROW));
            }
            assert_eq!(rows.len() - before, table.len());
        }
        assert_eq!(rows, expected);
        self.check_aggregates(judge);
    }

    fn check_aggregates(&mut self, judge: &Judge) {
        let tables: Vec<&KeyedTable> = self.tables.iter().collect();
        let computed = self.aggregates.compute(&tables).unwrap();
        let backwards: Vec<&KeyedTable> = tables.iter().rev().copied().collect();
        let again = Aggregates::new(Arc::clone(&self.query)).compute(&backwards).unwrap().unwrap();
        assert!(self.aggregates.compute(&tables).unwrap().is_none());
        let partials: Vec<Vec<RecordBatch>> =
            self.totals.iter_mut().map(|totals| totals.partials().unwrap()).collect();
        let of_messages =
            Aggregates::new(Arc::clone(&self.messages_query)).of_messages(&partials).unwrap();
        for (at, by) in GROUPINGS.iter().enumerate() {
            let expected = add_up(judge.rows.values().map(|(_, values)| values), by, true);
            assert_eq!(output(&self.aggregates.last()[at]), expected, "by {by:?}");
            assert_eq!(output(&again[at].rows), expected, "by {by:?}, partitions backwards");
            let expected_of_messages = add_up(judge.messages.iter(), by, false);
            assert_eq!(output(&of_messages[at].rows), expected_of_messages, "messages by {by:?}");

            // A sink that is told of changed rows, and no others, and of groups that are gone has the
            // same.
            let Some(computed) = &computed else { continue };
            let sink = &mut self.sink_of_groups[at];
            for key in output(&computed[at].gone) {
                assert!(sink.remove(&key).is_some(), "{key:?} was never there");
            }
            for row in output(&computed[at].changed) {
                let before = sink.insert(row[..by.len()].to_vec(), row.clone());
                assert_ne!(before.as_ref(), Some(&row), "by {by:?}: it had not changed");
            }
            assert_eq!(sink.values().cloned().collect::<Vec<_>>(), expected, "the sink by {by:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_judge_agrees(plan in plan()) {
        let mut judge = Judge::default();
        let mut job = Job::new(&plan);
        let mut log = plan.log.iter();
        let rest = [(usize::MAX, After::Aggregates)];
        for (count, after) in plan.schedule.iter().chain(&rest) {
            let events: Vec<&Event> = log.by_ref().take(*count).collect();
            let mut expected = Applied::default();
            let mut messages = Vec::new();
            for event in events {
                if let Some(message) = judge.message(event) {
                    judge.apply(&message, &mut expected);
                    messages.push(message);
                }
            }
            let applied = job.apply(&messages);
            prop_assert_eq!(applied, expected);
            prop_assert_eq!(applied.rows(), messages.len());
            match after {
                After::Nothing => {}
                After::Aggregates => job.check(&judge),
                After::Changes => {
                    job.take_changes();
                    prop_assert_eq!(&job.sink, &judge.texts(plan.text_keys));
                }
                After::Restart(new_base) => job.restart(*new_base),
            }
        }
        job.check(&judge);
        job.take_changes();
        prop_assert_eq!(&job.sink, &judge.texts(plan.text_keys));
    }
}
