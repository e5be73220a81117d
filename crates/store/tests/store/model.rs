//! Random upserts, deletes and replacements leave what they leave in a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arus_store::TableWrite;

use crate::{batch, on_both, open_with, table_for};

on_both!(random_writes_against_a_map);

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

type Key = (i32, String);
type Values = (Option<i64>, Option<String>);

fn to_batch(rows: &[(Key, Values)]) -> RecordBatch {
    batch(vec![
        ("note", Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1.1.clone()))) as ArrayRef),
        ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0.1.clone())))),
        ("total", Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.1.0)))),
        ("day", Arc::new(Date32Array::from_iter_values(rows.iter().map(|r| r.0.0)))),
    ])
}

fn random_rows(numbers: &mut Numbers, keys: u64) -> Vec<(Key, Values)> {
    // Now and then enough for PostgreSQL's way for big batches.
    let most = if numbers.below(8) == 0 { 9_000 } else { 40 };
    let names = ["", "a", "A", "é", "it's", "\"", "a b"];
    (0..numbers.below(most))
        .map(|_| {
            let name = names[numbers.below(names.len() as u64) as usize].to_string();
            let key = (numbers.below(keys) as i32 - 3, name);
            let total = (numbers.below(5) > 0).then(|| numbers.below(u64::MAX) as i64);
            let note = (numbers.below(3) > 0).then(|| numbers.below(1_000).to_string());
            (key, (total, note))
        })
        .collect()
}

async fn random_writes_against_a_map(url: &str) {
    let seeds = match std::env::var("ARUS_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("ARUS_TEST_SEED is a number")],
        Err(_) => (1..=12).collect(),
    };
    for seed in seeds {
        println!("ARUS_TEST_SEED={seed}");
        one_run(url, seed).await;
    }
}

async fn one_run(url: &str, seed: u64) {
    let mut numbers = Numbers(seed);
    let keys = 2 + numbers.below(3_000);
    let mut map: BTreeMap<Key, Values> = BTreeMap::new();
    let job = "random_writes";
    let table = table_for(job, &to_batch(&[]), &["day", "name"]);
    let store = open_with(url, &[&table]).await;
    for epoch in 1..=25_u64 {
        let mut steps = Vec::new();
        for _ in 0..numbers.below(4) {
            let kind = numbers.below(9);
            let rows = random_rows(&mut numbers, keys);
            match kind {
                0 | 8 => map.clear(),
                1..=3 => rows.iter().for_each(|(key, _)| drop(map.remove(key))),
                _ => {}
            }
            if !(1..=3).contains(&kind) {
                map.extend(rows.iter().cloned());
            }
            steps.push((kind, to_batch(&rows), to_batch(&rows).project(&[1, 3]).unwrap()));
        }
        let writes: Vec<TableWrite<'_>> = steps
            .iter()
            .map(|(kind, rows, keys)| match kind {
                0 => TableWrite::Replace { table: &table, rows },
                8 => TableWrite::Load { table: &table, rows },
                1..=3 => TableWrite::Delete { table: &table, keys },
                _ => TableWrite::Upsert { table: &table, rows },
            })
            .collect();
        let previous = (epoch > 1).then(|| epoch - 1);
        store.commit_epoch(job, previous, epoch, &writes).await.unwrap();
        let expected: Vec<(Key, Values)> =
            map.iter().map(|(key, values)| (key.clone(), values.clone())).collect();
        let read = store.read_table(&table).await.unwrap();
        assert!(read == to_batch(&expected), "seed {seed}, epoch {epoch}");
    }
    store.close().await;
}
