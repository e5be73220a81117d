//! Others agree with us: Apache Kafka's own producer, consumer and group tool, which share no code
//! with our client, and PostgreSQL's `psql`. `make test-real` runs these.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arus_kafka::inspect::FullRecord;
use arus_tests::bank;
use arus_tests::{LIMIT, World, judge, wait_until};
use rustix::process::Signal;

const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// 2024-01-01T00:00:00Z, ms since the Unix epoch.
const START_MS: i64 = 1_704_067_200_000;

/// Sends records with Kafka's producer: `KEY|VALUE`, where the value `NULL` is none.
fn send(world: &World, lines: &[String]) {
    let how = ["parse.key=true", "key.separator=|", "null.marker=NULL"];
    let how = how.map(|property| format!("--reader-property={property}"));
    let mut arguments = vec!["--topic", world.topic()];
    arguments.extend(how.iter().map(String::as_str));
    let _ = world.kafka_tool(PRODUCER, &arguments, &lines.join("\n"));
}

/// The records of a topic as Kafka's consumer shows them: `TIMESTAMP|PARTITION|OFFSET|KEY|VALUE`.
fn received(world: &World, topic: &str, count: usize) -> Vec<String> {
    let how = ["print.timestamp", "print.partition", "print.offset", "print.key", "print.value"];
    let how = how.map(|property| format!("--formatter-property={property}=true"));
    let count = count.to_string();
    // Uncommitted records of a transaction are nobody's.
    let mut arguments = vec!["--topic", topic, "--from-beginning", "--max-messages", &count];
    arguments.extend(["--timeout-ms", "30000", "--isolation-level", "read_committed"]);
    arguments.extend(how.iter().map(String::as_str));
    arguments
        .extend(["--formatter-property=key.separator=|", "--formatter-property=null.literal=NULL"]);
    world.kafka_tool(CONSUMER, &arguments, "").lines().map(str::to_owned).collect()
}

/// How Kafka's consumer must show our records.
fn shown(records: &[FullRecord], timestamps: &str) -> Vec<String> {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8(bytes.clone()).expect("ours are text"),
        None => "NULL".to_owned(),
    };
    let line = |record: &FullRecord| {
        let (partition, offset) = (record.partition, record.offset);
        let ms = record.timestamp_ms.expect("the broker keeps timestamps");
        let (key, value) = (text(&record.key), text(&record.payload));
        format!("{timestamps}:{ms}|Partition:{partition}|Offset:{offset}|{key}|{value}")
    };
    records.iter().map(line).collect()
}

/// The same lines, in whatever order: partitions have none among them.
#[track_caller]
fn assert_same_lines(what: &str, mut found: Vec<String>, mut expected: Vec<String>) {
    found.sort();
    expected.sort();
    let at = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    if let Some(at) = at {
        panic!("{what}: found {}\nexpected {}", found[at], expected[at]);
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

#[test]
#[ignore = "needs Apache Kafka's tools: make test-real"]
fn purchases_of_kafkas_own_producer_are_counted() {
    let world = World::named("peer_purchases").start();
    world.make_topic(3);
    let furniture = ["Chair", "Table", "Desk", "Sofa", "Bed"];
    let mut lines = Vec::new();
    let mut total = 0;
    for number in 0..1_000_i64 {
        let (customer, price) = (number % 37 + 1, 1_000 + number * 7);
        // One in twenty comes five seconds too late.
        let ts = START_MS + number * 10 - if number % 20 == 19 { 5_000 } else { 0 };
        let furniture = furniture[number as usize % 5];
        // In another order than ours, with a field that we do not know, and blanks.
        lines.push(format!(
            "{customer}|{{\"ts\": {ts}, \"price\": {price}, \"shop\": \"Bandung\", \"color\": \"red\", \
             \"furniture\": \"{furniture}\", \"customer_id\": {customer}, \
             \"order_id\": \"00000000-0000-4000-8000-{number:012}\"}}"
        ));
        total += price;
    }
    lines.extend(["5|not JSON".to_owned(), "6|NULL".to_owned()]);
    send(&world, &lines);
    let _ = world.draining().run().well();

    let verdict = world.check(&world.question());
    let summary = world.summary();
    assert_eq!((summary.run.read, summary.run.rejected), (1_002, 2));
    assert!(summary.run.late > 20, "{summary:?}");
    // What was counted and what was late is all that was sent, whoever reads the topic.
    let counted: i64 = verdict.rows.iter().map(|row| row.total_price).sum();
    let price = |record: &FullRecord| -> i64 {
        let value = record.payload.as_deref().expect("a late record is whole");
        let value: serde_json::Value = serde_json::from_slice(value).expect("it is JSON");
        value["price"].as_i64().expect("it has a price")
    };
    let late: i64 = world.records_of(".late").iter().map(price).sum();
    assert_eq!(counted + late, total);
}

#[test]
#[ignore = "needs Apache Kafka's tools: make test-real"]
fn customers_of_kafkas_own_producer_are_kept_and_closed() {
    let world = World::named("peer_bank").start();
    // Ours first, whose changes go on under the same keys.
    let _ = world.bank_producer().with("--count", 2_000).with("--bad-fraction", 0).run().well();
    let ours = partitions_of_keys(&world.records());
    let mut lines = Vec::new();
    for round in 1..=3 {
        for customer in 1..=100 {
            let updated_at = START_MS + 3_600_000 + round * 1_000;
            lines.push(format!(
                "{customer}|{{\"customer_id\": {customer}, \"name\": \"Siti {customer}\", \
                 \"account_number\": \"{customer:010}\", \"account_type\": \"savings\", \
                 \"city\": \"Bandung\", \"balance\": {}, \"opened_on\": \"2019-04-02\", \
                 \"updated_at\": {updated_at}}}",
                customer * 1_000 + round
            ));
        }
    }
    // One in ten is closed; one of them comes again.
    lines.extend((10..=100).step_by(10).map(|customer| format!("{customer}|NULL")));
    lines.push(lines[200 + 49].clone());
    send(&world, &lines);
    let _ = world.bank_consumer().with("--trigger", "available-now").run().well();

    let ledger = world.check_bank();
    let found: BTreeMap<i64, i64> =
        ledger.customers.values().map(|it| (it.customer_id, it.balance)).collect();
    for customer in 1..=100 {
        let is_open = customer % 10 != 0 || customer == 50;
        let expected = is_open.then_some(customer * 1_000 + 3);
        assert_eq!(found.get(&customer).copied(), expected, "customer {customer}");
    }
    // A key's records are in one partition, whoever sends them: only so they have an order.
    let all = partitions_of_keys(&world.records());
    assert!(all.values().all(|partitions| partitions.len() == 1));
    let both = (1..=100).filter(|customer| ours.contains_key(customer.to_string().as_bytes()));
    assert!(both.count() > 50);
}

fn partitions_of_keys(records: &[FullRecord]) -> HashMap<Vec<u8>, BTreeSet<i32>> {
    let mut found: HashMap<Vec<u8>, BTreeSet<i32>> = HashMap::new();
    for record in records {
        let key = record.key.clone().expect("a customer has a number");
        found.entry(key).or_default().insert(record.partition);
    }
    found
}

#[test]
#[ignore = "needs Apache Kafka's tools: make test-real"]
fn kafkas_own_consumer_reads_our_topics() {
    let world = World::named("peer_reads").start();
    // Unreadable ones may hold line ends, which its lines cannot show.
    let _ = world.producer().with("--count", 3_000).with("--bad-fraction", 0).run().well();
    let job = world.draining().with("--sink", "database,kafka");
    let _ = job.with("--output-topic", format!("{}.out", world.topic())).run().well();
    let cases =
        [("", "CreateTime", 3_000), (".late", "LogAppendTime", 50), (".out", "CreateTime", 15)];
    for (suffix, timestamps, least) in cases {
        let topic = format!("{}{suffix}", world.topic());
        let records = world.records_of(suffix);
        assert!(records.len() >= least, "{topic}: {}", records.len());
        let found = received(&world, &topic, records.len());
        assert_same_lines(&topic, found, shown(&records, timestamps));
    }

    let bank = World::named("peer_reads_bank").start();
    let _ = bank.bank_producer().with("--count", 3_000).with("--bad-fraction", 0).run().well();
    let records = bank.records();
    let found = received(&bank, bank.topic(), records.len());
    let closed = found.iter().filter(|line| line.ends_with("|NULL")).count();
    assert!(closed > 50, "{closed} closures");
    assert_same_lines(bank.topic(), found, shown(&records, "CreateTime"));
}

/// What Kafka's tool says of a job's group: the sums of its offsets and of its lag, over partitions.
fn position(world: &World) -> (u64, u64) {
    let said = world.kafka_tool(GROUPS, &["--describe", "--group", world.table()], "");
    let mut sums = (0, 0);
    for line in said.lines() {
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&world.table()) {
            assert_eq!(words[1], world.topic());
            let number = |at: usize| words[at].parse().unwrap_or(0_u64);
            sums = (sums.0 + number(3), sums.1 + number(5));
        }
    }
    sums
}

#[test]
#[ignore = "needs Apache Kafka's tools: make test-real"]
fn kafkas_own_group_tool_shows_offsets_and_lag() {
    let world = World::named("peer_groups").start();
    let _ = world.producer().run().well();
    let mut job = world.streaming().start();
    let is_listed = || {
        let said = world.kafka_tool(GROUPS, &["--list"], "");
        said.lines().any(|line| line == world.table())
    };
    wait_until("the group to be at the end", LIMIT, || {
        assert!(job.is_running(), "{}", job.stderr());
        (is_listed() && position(&world) == (20_000, 0)).then_some(())
    });
    let _ = job.stopped_by(Signal::TERM).well();
    let more = world.producer().with("--count", 500).with("--start-time", "2024-01-01T00:01:00Z");
    let _ = more.run().well();
    assert_eq!(position(&world), (20_000, 500));
    let _ = world.draining().run().well();
    assert_eq!(position(&world), (20_500, 0));
}

#[test]
#[ignore = "needs PostgreSQL and psql: make test-real"]
fn psql_reads_our_tables() {
    let world = World::named("peer_psql").start();
    assert!(world.database_url().starts_with("postgres"), "set ARUS_TEST_POSTGRES_URL");
    let _ = world.producer().run().well();
    let _ = world.draining().run().well();
    let table = world.table();
    let columns = |table: &str| {
        world.psql(&format!(
            "select column_name, data_type from information_schema.columns \
             where table_name = '{table}' order by ordinal_position"
        ))
    };
    let types = [
        ["window_start", "timestamp with time zone"],
        ["window_end", "timestamp with time zone"],
        ["furniture", "text"],
        ["purchases", "bigint"],
        ["total_price", "bigint"],
        ["avg_price", "double precision"],
        ["min_price", "bigint"],
        ["max_price", "bigint"],
    ];
    assert_eq!(columns(table), types);
    let found = world.psql(&format!(
        "select extract(epoch from window_start)::numeric * 1000, \
         extract(epoch from window_end)::numeric * 1000, furniture, purchases, total_price, \
         avg_price, min_price, max_price from {table} order by window_start, furniture"
    ));
    let expected = judge::expected(&world.records(), &world.question()).rows;
    assert_eq!(found.len(), expected.len());
    for (found, row) in found.iter().zip(&expected) {
        let whole = |at: usize| -> i64 {
            let text = found[at].split_once('.').map_or(found[at].as_str(), |(whole, _)| whole);
            text.parse().expect("a number")
        };
        assert_eq!([whole(0), whole(1)], [row.window_start_ms, row.window_end_ms]);
        assert_eq!(found[2], row.group[0]);
        let numbers = [row.purchases, row.total_price, row.min_price, row.max_price];
        assert_eq!([3, 4, 6, 7].map(whole), numbers);
        assert_eq!(found[5].parse(), Ok(row.avg_price));
    }
}

#[test]
#[ignore = "needs PostgreSQL and psql: make test-real"]
fn psql_reads_the_banks_tables() {
    let world = World::named("peer_psql_bank").start();
    assert!(world.database_url().starts_with("postgres"), "set ARUS_TEST_POSTGRES_URL");
    let _ = world.bank_producer().run().well();
    let _ = world.bank_consumer().with("--trigger", "available-now").run().well();
    let customers = bank::ledger(&world.records()).customers;
    let found = world.psql(&format!(
        "select customer_id, name, account_number, account_type, city, balance, opened_on, \
         (extract(epoch from updated_at) * 1000)::bigint from {}bank_customers \
         order by customer_id",
        world.prefix()
    ));
    let expected: Vec<Vec<String>> = customers
        .values()
        .map(|it| {
            vec![
                it.customer_id.to_string(),
                it.name.clone(),
                it.account_number.clone(),
                it.account_type.name().to_owned(),
                it.city.clone(),
                it.balance.to_string(),
                it.opened_on.to_string(),
                it.updated_at.to_string(),
            ]
        })
        .collect();
    assert_eq!(found, expected);
    let found = world.psql(&format!(
        "select scope, customers, total_balance, min_balance, max_balance from {}bank_balance",
        world.prefix()
    ));
    let all = &bank::balances(customers.values(), "scope")[0];
    let numbers = [all.customers, all.total, all.min, all.max].map(|number| number.to_string());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0][0].as_str(), &found[0][1..]), ("all", &numbers[..]));
}
