//! Every table against the judge, in every place.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use retail_etl::tables::SHAPES;

use crate::judge::{Judge, Rows};
use crate::{Place, real, sample};

/// All tables of a run against the judge's, in all places.
#[track_caller]
fn assert_exact(place: &Place, judge: &Judge, top: usize) {
    let expected = judge.tables(top);
    let stored = place.database();
    for (shape, stored) in SHAPES.iter().zip(stored) {
        let expected = &expected[shape.name];
        assert_eq!(&place.csv(shape.name), expected, "CSV of {}", shape.name);
        assert_eq!(&place.parquet(shape.name), expected, "Parquet of {}", shape.name);
        assert_eq!(stored.as_ref(), Some(expected), "table {}", shape.name);
    }
}

/// A file that holds the input plainly, for the judge.
fn plain(place: &Place, input: &Path) -> std::path::PathBuf {
    if input.extension().is_none_or(|ending| ending != "zst") {
        return input.to_owned();
    }
    let path = place.path().join("plain.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    zstd::stream::copy_decode(std::fs::File::open(input).unwrap(), &mut file).unwrap();
    path
}

fn judged(input: &Path, place: &Place, flags: &[&str], top: usize) {
    let summary = place.run(input, flags);
    let mut judge = Judge::read(&plain(place, input));
    let rejected = judge.rejected;
    let rows = judge.loaded() + rejected;
    if flags.contains(&"--exclude-cancelled") {
        judge = judge.without_cancelled();
    }
    assert_exact(place, &judge, top);
    let group = |count: usize| arus_runtime::number::group_digits(count as u64);
    let told = format!(
        "{} = {} loaded + {} rejected",
        group(rows),
        group(rows - rejected),
        group(rejected)
    );
    assert!(summary.contains(&told), "{told} in {summary}");
}

#[test]
fn the_sample() {
    judged(&sample(), &Place::new(), &[], 20);
}

/// A line of one of few invoices, products and customers.
fn line() -> impl Strategy<Value = String> {
    let invoice = (prop_oneof!["", "C"], 1..40);
    let product =
        (1..8, prop_oneof![Just(""), Just("LANTERN"), Just("\"A, \"\"B\"\"\""), Just("é")]);
    let numbers = (-3..9, 1..5, 0..300);
    let customer = (prop_oneof![Just(String::new()), "[1-9]"], prop_oneof!["UK", "EIRE", ""]);
    (invoice, product, numbers, customer).prop_map(|(invoice, product, numbers, customer)| {
        let ((cancelled, invoice), (product, name)) = (invoice, product);
        let ((quantity, month, pence), (customer, country)) = (numbers, customer);
        format!(
            "{cancelled}{invoice},{product},{name},{quantity},{month}/1/2011 8:26,{}.{:02},{customer},\
             {country}\n",
            pence / 100,
            pence % 100
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 100, ..Default::default() })]

    /// Lines in any order, over some blocks: those of an invoice do not follow one another, and they
    /// disagree about the month, the customer and the country; products have several names.
    #[test]
    fn lines_that_disagree(
        lines in proptest::collection::vec(line(), 1..400),
        order in proptest::collection::vec((any::<Index>(), 1_usize..30), 1..2_000),
        excludes_cancelled: bool,
    ) {
        let place = Place::new();
        let input = place.path().join("lines.csv");
        let mut text = String::from(
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n",
        );
        // More than three blocks.
        while text.len() < 2_000_000 {
            for (line, times) in &order {
                text.push_str(&line.get(&lines).repeat(*times));
            }
        }
        std::fs::write(&input, text).unwrap();
        let flags = ["--top", "5", "--exclude-cancelled"];
        let flags = if excludes_cancelled { &flags[..] } else { &flags[..2] };
        let all_cancelled = lines.iter().all(|line| line.starts_with('C'));
        prop_assume!(!(excludes_cancelled && all_cancelled));
        judged(&input, &place, flags, 5);
    }
}

#[test]
fn the_sample_without_cancelled_invoices() {
    judged(&sample(), &Place::new(), &["--exclude-cancelled", "--top", "7"], 7);
}

#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn the_sample_on_postgres() {
    judged(&sample(), &Place::on_postgres("sample"), &["--top", "10000"], 10_000);
}

/// From `../shared/data/README.md`.
const REAL_MONTHS: [(&str, &str, usize, usize); 13] = [
    ("2010", "12", 948, 885),
    ("2011", "1", 783, 741),
    ("2011", "2", 798, 758),
    ("2011", "3", 1020, 974),
    ("2011", "4", 899, 856),
    ("2011", "5", 1079, 1056),
    ("2011", "6", 1051, 991),
    ("2011", "7", 993, 949),
    ("2011", "8", 980, 935),
    ("2011", "9", 1302, 1266),
    ("2011", "10", 1425, 1364),
    ("2011", "11", 1711, 1665),
    ("2011", "12", 686, 615),
];

fn months(count: impl Fn(&(&str, &str, usize, usize)) -> usize) -> Rows {
    let header = ["InvoiceYear", "InvoiceMonth", "unique_customers"].map(str::to_owned).to_vec();
    let rows = REAL_MONTHS
        .iter()
        .map(|month| vec![month.0.to_owned(), month.1.to_owned(), count(month).to_string()]);
    std::iter::once(header).chain(rows).collect()
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_real_data() {
    let place = Place::new();
    judged(&real(), &place, &["--top", "10000"], 10_000);
    assert_eq!(place.csv("monthly_customers"), months(|month| month.2));
    assert_eq!(place.csv("customer_cohorts").len(), 1 + 13 * 14 / 2, "the whole matrix");
}

#[test]
#[ignore = "needs ../shared/data"]
fn the_real_data_without_cancelled_invoices() {
    let place = Place::new();
    judged(&real(), &place, &["--exclude-cancelled"], 20);
    assert_eq!(place.csv("monthly_customers"), months(|month| month.3));
}

#[test]
fn run_twice_the_tables_are_the_same_and_other_rows_go() {
    let place = Place::new();
    place.run(&sample(), &["--top", "30"]);
    let first = place.database();
    place.run(&sample(), &["--top", "30", "--force"]);
    assert_eq!(place.database(), first);
    // Fewer rows than before: the others are gone, in the database too.
    place.run(&sample(), &["--top", "5", "--exclude-cancelled"]);
    assert_exact(&place, &Judge::read(&sample()).without_cancelled(), 5);
}

#[test]
fn a_part_of_the_sinks() {
    let place = Place::new();
    place.run(&sample(), &["--sink", "csv"]);
    let mut names: Vec<String> = std::fs::read_dir(place.output())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let mut expected: Vec<String> =
        SHAPES.iter().map(|shape| format!("{}.csv", shape.name)).collect();
    expected.sort();
    assert_eq!(names, expected);
    assert!(place.database().iter().all(Option::is_none), "no table was asked for");
}
