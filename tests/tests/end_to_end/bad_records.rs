//! A gallery of bad records: nothing panics, and each is kept whole with its reason.

use std::time::Duration;

use arus_kafka::producer::{CountedProducer, Record};
use arus_runtime::clock::{Clock, SystemClock};
use arus_tests::World;

const GOOD: &str = concat!(
    r#"{"order_id":"7f2c1f52-0b5e-4c1d-9a57-1d2f6a0c9e11","customer_id":42,"#,
    r#""furniture":"Desk","color":"oak","price":1250000,"ts":1704067200000}"#
);

fn with(old: &str, new: &str) -> Vec<u8> {
    let changed = GOOD.replacen(old, new, 1);
    assert_ne!(changed, GOOD, "{old} is there");
    changed.into_bytes()
}

/// Name, value, and a part of the reason; none for a record that is good.
type Case = (&'static str, Option<Vec<u8>>, Option<&'static str>);

fn gallery(now_ms: i64) -> Vec<Case> {
    let nested = |levels: usize| {
        let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        with("{", &format!("{{\"note\":{lists},"))
    };
    let mut not_utf8 = GOOD.as_bytes().to_vec();
    not_utf8[40] = 0xff;
    let ts = |ts: &str| Some(with("1704067200000", ts));
    let price = |price: &str| Some(with("1250000", price));
    let tomorrow = (now_ms + 86_400_000).to_string();
    vec![
        ("good", Some(GOOD.into()), None),
        ("unknown fields", Some(with("{", "{\"shop\":{\"id\":[1,2]},")), None),
        ("white space", Some(with(",", " ,\n\t")), None),
        ("escapes", Some(with("oak", "\\u006fak")), None),
        (
            "huge unknown field",
            Some(with("{", &format!("{{\"x\":\"{}\",", "x".repeat(900_000)))),
            None,
        ),
        ("null value", None, Some("null")),
        ("empty", Some(vec![]), Some("empty")),
        ("blank", Some(b" \n".to_vec()), Some("empty")),
        ("no JSON", Some(b"one oak desk, please".to_vec()), Some("not JSON")),
        ("truncated", Some(GOOD.as_bytes()[..60].to_vec()), Some("not JSON")),
        ("one byte more", Some(with("}", "}}")), Some("not JSON")),
        ("number", Some(b"7".to_vec()), Some("not a JSON object")),
        ("list", Some(format!("[{GOOD}]").into_bytes()), Some("not a JSON object")),
        ("binary", Some((0..=255).collect()), Some("not")),
        ("not UTF-8", Some(not_utf8), Some("not UTF-8")),
        ("nested inside", Some(nested(10_000)), Some("nested deeper")),
        ("nested and open", Some("[".repeat(10_000).into_bytes()), Some("not a JSON object")),
        ("nested objects", Some("{\"a\":".repeat(10_000).into_bytes()), Some("nested deeper")),
        ("huge text", Some(format!("\"{}\"", "x".repeat(1_000_000)).into_bytes()), Some("not a")),
        ("just below 1 MB", Some(vec![b'x'; 999_900]), Some("not JSON")),
        ("huge color", Some(with("oak", &"o".repeat(1_000_000))), Some("color is 1000000 bytes")),
        ("2 MB", Some(vec![b' '; 2_000_000]), Some("empty")),
        ("unknown furniture", Some(with("Desk", "Lamp")), Some("furniture must be one of")),
        ("no color", Some(with("\"color\"", "\"colour\"")), Some("\"color\" is missing")),
        (
            "two prices",
            Some(with("\"ts\"", "\"price\":1,\"ts\"")),
            Some("\"price\" is there twice"),
        ),
        ("order without number", Some(with("7f2c1f52", "order")), Some("must be a UUID")),
        ("customer zero", Some(with(":42", ":0")), Some("customer_id must be 1 or more")),
        ("price as text", price("\"100\""), Some("price must be a whole number")),
        ("price null", price("null"), Some("price must be a whole number")),
        ("price with fraction", price("1.5"), Some("price must be a whole number")),
        ("price zero", price("0"), Some("price must be from 1")),
        ("price negative", price("-5"), Some("price must be from 1")),
        ("price of all money", price("9223372036854775807"), Some("price must be from 1")),
        ("price beyond i64", price("9223372036854775808"), Some("price must be a whole number")),
        ("ts negative", ts("-1704067200000"), Some("negative")),
        ("ts least", ts("-9223372036854775808"), Some("negative")),
        ("ts in seconds", ts("1704067200"), Some("looks like seconds")),
        ("ts as text", ts("\"2024-01-01\""), Some("ts must be a whole number")),
        ("ts too old", ts("946684799999"), Some("before the year 2000")),
        ("ts at the end of 9999", ts("253402300799999"), Some("ahead of the clock")),
        ("ts after 9999", ts("253402300800000"), Some("after the year 9999")),
        ("ts largest", ts("9223372036854775807"), Some("after the year 9999")),
        ("ts tomorrow", ts(&tomorrow), Some("--max-skew")),
    ]
}

#[test]
fn every_bad_record_is_kept_whole_with_its_reason() {
    let world = World::named("gallery").start();
    world.make_topic(3);
    let cases = gallery(SystemClock::new().wall_ms());
    let mut kafka = world.kafka();
    kafka.kafka_options = vec!["message.max.bytes=16000000".parse().expect("an option")];
    let producer = CountedProducer::new(&kafka).expect("the options are right");
    for (name, payload, _) in &cases {
        let record = Record {
            topic: world.topic(),
            partition: None,
            key: Some(name.as_bytes()),
            payload: payload.as_deref(),
            timestamp_ms: Some(1_704_067_200_000),
            headers: &[],
        };
        producer.send(record).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    producer.flush(Duration::from_secs(30)).all_delivered().expect("the broker takes all");

    let _ = world.draining().run().well();
    let rejected = world.records_of(".rejected");
    let mut good = 0;
    for (name, payload, reason) in &cases {
        let kept: Vec<_> =
            rejected.iter().filter(|it| it.key.as_deref() == Some(name.as_bytes())).collect();
        let Some(reason) = reason else {
            assert_eq!(kept.len(), 0, "{name} is good");
            good += 1;
            continue;
        };
        assert_eq!(kept.len(), 1, "{name} is kept, once");
        assert!(kept[0].payload == *payload, "{name} is kept whole");
        let told = String::from_utf8_lossy(kept[0].header("arus.reason").expect("a reason"));
        assert!(told.contains(reason) && told.len() < 300, "{name}: {told}");
        let origin = world.records().into_iter().find(|it| it.key == kept[0].key).expect("sent");
        let place = |name| String::from_utf8_lossy(kept[0].header(name).expect("a place"));
        assert_eq!(place("arus.partition"), origin.partition.to_string(), "{name}");
        assert_eq!(place("arus.offset"), origin.offset.to_string(), "{name}");
    }
    let run = world.summary().run;
    assert_eq!((run.read, run.rejected), (cases.len() as u64, (cases.len() - good) as u64));
    // One bad clock makes no honest row late.
    assert_eq!((run.counted, run.late), (good as u64, 0));
    let rows = world.rows(&["furniture"]);
    assert_eq!((rows.len(), rows[0].purchases), (1, good as i64));
    assert_eq!(rows[0].total_price, good as i64 * 1_250_000);
}

#[test]
fn seconds_are_read_when_told_so() {
    let world = World::named("seconds").in_memory().start();
    world.make_topic(1);
    let producer = CountedProducer::new(&world.kafka()).expect("the options are right");
    for ts in ["1704067200", "1704067200000"] {
        let payload = GOOD.replace("1704067200000", ts).into_bytes();
        let record = Record { topic: world.topic(), payload: Some(&payload), ..Record::default() };
        producer.send(record).expect("the broker takes it");
    }
    producer.flush(Duration::from_secs(30)).all_delivered().expect("the broker takes all");
    let _ = world.draining().with("--ts-unit", "s").run().well();
    let run = world.summary().run;
    assert_eq!((run.counted, run.rejected), (1, 1));
    assert_eq!(world.rows(&["furniture"])[0].window_start_ms, 1_704_067_200_000);
}
