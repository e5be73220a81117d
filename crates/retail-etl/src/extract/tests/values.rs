//! What comes of it: rows, warnings and fingerprints, and the same for any number of threads.

use chrono::Datelike;

use super::*;

#[test]
fn what_the_taker_says_ends_it() {
    for copies in [1, 100_000] {
        let text = format!("{HEADER}\n{}", format!("{ROW}\nbad\n").repeat(copies));
        let world = World::with(text);
        let clock = ManualClock::new(0);
        let error = extract(&world.options, &mut Progress::new(&clock, false), &mut |_| {
            Err(Error::Usage("enough".into()))
        });
        assert_eq!(error.unwrap_err().to_string(), "enough");
        assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0, "no half reject file");
    }
}

/// A file of many blocks, with bad rows and line breaks within fields all over it: any number of
/// threads gives the same rows in the same order, and the same reject file.
#[test]
fn any_number_of_threads_gives_the_same() {
    let options = InvoiceOptions { rows: 60_000, customers: 500 };
    let mut generator = InvoiceGenerator::new(1, options).unwrap();
    let mut text = INVOICE_CSV_HEADER.as_bytes().to_vec();
    for i in 0.. {
        if i % 1_000 == 999 {
            text.extend_from_slice(b"bad,row\n\n1,2,\"a\nb\",x,12/1/2010 8:26,1,,UK\n");
        }
        if !generator.next_row(&mut text) {
            break;
        }
    }
    let mut world = World::with(&text);
    let mut results = Vec::new();
    for threads in [1, 2, 3, 7] {
        world.options.threads = threads;
        let (rows, quality) = world.extract().unwrap();
        assert_eq!((quality.loaded, quality.rejected), (60_000, 120));
        results.push((rows, quality.warnings, fs::read(&world.options.rejects).unwrap()));
    }
    assert_eq!(world.rejects()[1][1], "1001");
    assert_eq!(world.rejects()[3][1], "2005", "1000 rows more and 4 lines");
    for other in &results[1..] {
        assert!(results[0] == *other);
    }
}

#[test]
fn warnings_are_counted_and_the_rows_loaded() {
    let lines = [
        ROW,
        "C536365,85123A,LANTERN,-6,12/1/2010 8:26,2.55,,United Kingdom",
        "536366,85123A,,6,12/1/2010 8:26,0.0,,United Kingdom",
        ROW,
        ROW,
    ];
    let (rows, quality) = World::with(format!("{HEADER}\n{}", lines.join("\n"))).extract().unwrap();
    assert_eq!((rows.len(), quality.rejected), (5, 0));
    let expected = Warnings { missing_customer: 2, cancelled: 1, zero_price: 1, duplicates: 2 };
    assert_eq!(quality.warnings, expected);
}

#[test]
fn the_fingerprint_of_a_run_knows_its_input_again() {
    let world = World::with(gzip(format!("{HEADER}\n{ROW}\n").as_bytes()));
    let (_, quality) = world.extract().unwrap();
    let print: Fingerprint = Fingerprint::of(&quality).to_string().parse().unwrap();
    assert!(print.is_still(&world.options.inputs).unwrap());
    world.write("a.csv", format!("{HEADER}\n{ROW}\n"));
    assert!(!print.is_still(&world.options.inputs).unwrap());
}

/// The sample that the project ships is what the generator makes by default, byte for byte, and
/// every row of it is good.
#[test]
fn the_sample_is_generated_and_clean() {
    let path = Path::new("../../data/online-retail-dataset.csv");
    let shipped = fs::read(path).unwrap();
    let mut made = Vec::new();
    generate::write_to(&GenerateArgs::default(), &mut made).unwrap();
    assert!(
        shipped == made,
        "data/online-retail-dataset.csv: make it with retail-etl generate --replace"
    );

    let mut world = World::new();
    world.options.inputs = vec![path.to_string_lossy().into_owned()];
    let (rows, quality) = world.extract().unwrap();
    assert_eq!((rows.len(), quality.rejected), (5_000, 0));
    assert_eq!(quality.warnings, judged(&shipped).1);
}

/// Rows and warnings of a CSV, found by other means: the `csv` crate and plain Rust.
fn judged(csv: &[u8]) -> (u64, Warnings) {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (invoice, price, customer) = (place("InvoiceNo"), place("UnitPrice"), place("CustomerID"));
    let (mut rows, mut warnings) = (0, Warnings::default());
    let mut seen = std::collections::HashSet::new();
    for row in reader.into_records() {
        let row = row.unwrap();
        rows += 1;
        warnings.missing_customer += u64::from(row[customer].is_empty());
        warnings.cancelled += u64::from(row[invoice].starts_with('C'));
        warnings.zero_price += u64::from(row[price].parse::<f64>().unwrap() == 0.0);
        warnings.duplicates +=
            u64::from(!seen.insert(row.iter().map(str::to_owned).collect::<Vec<_>>()));
    }
    (rows, warnings)
}

/// All of the real data is good, and its warnings are as counted by other means.
#[test]
#[ignore = "needs ../shared/data"]
fn the_real_data() {
    let path = Path::new("../../../shared/data/online-retail-dataset.csv.zst");
    let packed = fs::read(path).unwrap();
    let unpacked = zstd::decode_all(packed.as_slice()).unwrap();
    let (count, warnings) = judged(&unpacked);
    assert_eq!(count, 541_909);
    let mut world = World::new();
    world.options.inputs = vec![path.to_string_lossy().into_owned()];
    let (rows, quality) = world.extract().unwrap();
    assert_eq!((rows.len(), quality.rejected), (541_909, 0));
    assert_eq!(quality.warnings, warnings);
    assert_eq!(quality.files[0].encoding, Encoding::Utf8);
    same_values(&rows, &unpacked);
}

/// Every value of every row, read by the `csv` crate, `chrono` and the standard library.
fn same_values(rows: &[Row], csv: &[u8]) {
    let mut reader = csv::Reader::from_reader(csv);
    for (row, found) in reader.records().zip(rows) {
        let row = row.unwrap();
        let time = chrono::NaiveDateTime::parse_from_str(&row[4], "%m/%d/%Y %H:%M").unwrap();
        let expected = Row {
            invoice_no: row[0].to_owned(),
            stock_code: row[1].to_owned(),
            description: row[2].to_owned(),
            quantity: row[3].parse().unwrap(),
            date_ms: time.and_utc().timestamp_millis(),
            month: time.year() * 12 + time.month0() as i32,
            unit_price: (row[5].parse::<f64>().unwrap() * 10_000.0).round() as i64,
            customer_id: (!row[6].is_empty()).then(|| row[6].parse().unwrap()),
            country: row[7].to_owned(),
            cancelled: row[0].starts_with('C'),
        };
        assert_eq!(*found, expected);
    }
}

/// A row as it is written, in one of the forms that are declared.
fn row() -> impl Strategy<Value = Vec<String>> {
    let word = || prop_oneof!["[A-Za-z0-9]{1,8}", "[a-z,\"\n £é]{0,12}[a-z]"];
    let text = prop_oneof![word(), Just(String::new())];
    let date = prop_oneof![
        "([1-9]|1[0-2])/([1-9]|1[0-9]|2[0-8])/20[01][0-9] ([0-9]|1[0-9]|2[0-3]):[0-5][0-9]",
        "20[01][0-9]-0[1-9]-[01][1-9][ T][01][0-9]:[0-5][0-9]:[0-5][0-9]",
    ];
    let customer = prop_oneof!["[0-9]{5}", "[0-9]{5}\\.0", Just(String::new())];
    (
        word(),
        word(),
        text.clone(),
        "-?[0-9]{1,9}",
        date,
        "-?[0-9]{1,9}(\\.[0-9]{1,4})?",
        customer,
        text,
    )
        .prop_map(|row| vec![row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What the `csv` crate writes is read back, value by value.
    #[test]
    fn what_is_written_is_read_back(rows in proptest::collection::vec(row(), 1..40)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(HEADER.split(',')).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let world = World::with(writer.into_inner().unwrap());
        let (found, quality) = world.extract().unwrap();
        prop_assert_eq!(quality.rejected, 0);
        for (row, found) in rows.iter().zip(&found) {
            prop_assert_eq!(&found.invoice_no, &row[0]);
            prop_assert_eq!(&found.stock_code, &row[1]);
            prop_assert_eq!(&found.description, &row[2]);
            prop_assert_eq!(&found.country, &row[7]);
            prop_assert_eq!(found.quantity, row[3].parse::<i64>().unwrap());
            let customer_id = row[6].strip_suffix(".0").unwrap_or(&row[6]).parse::<i64>().ok();
            prop_assert_eq!(found.customer_id, customer_id);
        }
    }
}
