//! Whether what a job left in a world is what the judge says.

use std::collections::{BTreeMap, BTreeSet};

use arus_kafka::inspect::FullRecord;

use crate::World;
use crate::judge::{self, Place, Question, Verdict};
use crate::rows;

impl World {
    /// The table, the late topic and the rejected topic must be what the judge says; gives that.
    #[track_caller]
    pub fn check(&self, question: &Question) -> Verdict {
        let verdict = self.check_aside(question);
        rows::assert_same("the table", &self.rows(question.group_by), &verdict.rows);
        verdict
    }

    /// The late topic and the rejected topic must be what the judge says. After a kill a record
    /// may be there twice.
    #[track_caller]
    pub fn check_aside(&self, question: &Question) -> Verdict {
        let records = self.records();
        let verdict = judge::expected(&records, question);
        let late = self.set_aside(".late", &records);
        assert_same_places("the late topic", late.keys(), verdict.late.keys());
        for (place, expected) in &verdict.late {
            for record in &late[place] {
                let header = |name| text(record, name);
                let found = judge::Lateness {
                    watermark_ms: header("arus.watermark_ms").parse().expect("ms"),
                    lateness_ms: header("arus.lateness_ms").parse().expect("ms"),
                    counted: header("arus.counted").parse().expect("true or false"),
                };
                assert_eq!(found, *expected, "{place:?}");
            }
        }
        let rejected = self.set_aside(".rejected", &records);
        assert_same_places("the rejected topic", rejected.keys(), verdict.rejected.keys());
        for (place, reason) in &verdict.rejected {
            for record in &rejected[place] {
                let told = text(record, "arus.reason");
                assert!(told.contains(reason.as_str()), "{place:?}: {told}, not {reason}");
            }
        }
        verdict
    }

    /// The rejected topic of the bank's consumer must hold what the ledger calls unreadable.
    #[track_caller]
    pub(crate) fn check_bank_rejects(&self, records: &[FullRecord], unreadable: &BTreeSet<Place>) {
        let rejected = self.set_aside(".rejected", records);
        assert_same_places("the rejected topic", rejected.keys(), unreadable.iter());
        for record in rejected.values().flatten() {
            assert!(!text(record, "arus.reason").is_empty(), "{record:?}");
        }
    }

    /// The records of a topic beside the job's, by the place that they came from. Each must be what
    /// it was there. After a kill a record may be there twice.
    fn set_aside(&self, suffix: &str, records: &[FullRecord]) -> BTreeMap<Place, Vec<FullRecord>> {
        let kept: BTreeMap<Place, &FullRecord> =
            records.iter().map(|record| ((record.partition, record.offset), record)).collect();
        let mut found: BTreeMap<Place, Vec<FullRecord>> = BTreeMap::new();
        for record in self.records_of(suffix) {
            assert_eq!(text(&record, "arus.topic"), self.topic());
            assert!(!text(&record, "arus.job").is_empty());
            let partition = text(&record, "arus.partition").parse().expect("a partition");
            let offset = text(&record, "arus.offset").parse().expect("an offset");
            let origin = kept.get(&(partition, offset)).expect("it came from the topic");
            assert_eq!(record.payload, origin.payload, "{partition}:{offset}");
            assert_eq!(record.key, origin.key, "{partition}:{offset}");
            let timestamp = origin.timestamp_ms.map(|ms| ms.to_string().into_bytes());
            let kept = record.header("arus.timestamp_ms");
            assert_eq!(kept, timestamp.as_deref(), "{partition}:{offset}");
            found.entry((partition, offset)).or_default().push(record);
        }
        found
    }
}

/// The topic must hold the records of these places and no others.
#[track_caller]
fn assert_same_places<'a>(
    what: &str,
    found: impl Iterator<Item = &'a Place>,
    expected: impl Iterator<Item = &'a Place>,
) {
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) = (found.collect(), expected.collect());
    let missing: Vec<_> = expected.difference(&found).collect();
    let others: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && others.is_empty(),
        "{what}: {} places, expected {}; missing {missing:?}, not expected {others:?}",
        found.len(),
        expected.len(),
    );
}

/// A header's text.
#[track_caller]
fn text(record: &FullRecord, header: &str) -> String {
    let value = record.header(header).unwrap_or_else(|| panic!("{header} is missing: {record:?}"));
    String::from_utf8(value.to_vec()).expect("headers are text")
}
