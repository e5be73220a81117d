//! Files in, batches, rejects and counts out: what `extract` makes of folders, encodings,
//! compressions, headers and bad rows.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use arus_models::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions, invoice_schema};
use arus_runtime::clock::ManualClock;
use proptest::prelude::*;
use tempfile::TempDir;

use super::fingerprint::Fingerprint;
use super::{EncodingChoice, ExtractOptions, MaxRejects, Progress, extract};
use crate::Error;
use crate::generate::{self, GenerateArgs};
use crate::quality::{Compression, Encoding, Quality, Warnings};

const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const ROW: &str = "536365,85123A,LANTERN,6,12/1/2010 8:26,2.55,17850,United Kingdom";

/// A folder with input in it, and what is asked of it.
struct World {
    folder: TempDir,
    options: ExtractOptions,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rejects = folder.path().join("out/rejects.csv");
        let inputs = vec![folder.path().join("a.csv").to_string_lossy().into_owned()];
        Self { folder, options: ExtractOptions::new(inputs, rejects) }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let world = Self::new();
        world.write("a.csv", text);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn reads(mut self, input: &str) -> Self {
        self.options.inputs = vec![self.path(input).to_string_lossy().into_owned()];
        self
    }

    fn extract(&self) -> Result<(RecordBatch, Quality), Error> {
        let clock = ManualClock::new(0);
        let mut batches = Vec::new();
        let quality = extract(&self.options, &mut Progress::new(&clock, false), &mut |batch| {
            assert!(batch.num_rows() > 0);
            batches.push(batch);
            Ok(())
        })?;
        let all = concat_batches(&invoice_schema(), &batches).unwrap();
        assert_eq!(quality.rows, quality.loaded + quality.rejected);
        assert_eq!(quality.loaded, all.num_rows() as u64);
        assert_eq!(quality.rejected, quality.rejected_by_rule.values().sum::<u64>());
        assert_eq!(quality.rows, quality.files.iter().map(|file| file.rows).sum::<u64>());
        assert_eq!(quality.rejected > 0, self.options.rejects.exists());
        Ok((all, quality))
    }

    /// The one sentence that it ends with.
    fn error(&self) -> String {
        let sentence = self.extract().unwrap_err().to_string();
        let folder = format!("{}/", self.folder.path().display());
        sentence.replace(&folder, "")
    }

    fn rejects(&self) -> Vec<Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_path(&self.options.rejects).unwrap();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
        rows.collect()
    }
}

fn strings<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    let values = batch.column_by_name(column).unwrap().as_string::<i32>();
    values.iter().map(|value| value.unwrap_or("(null)")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn every_compression_by_its_first_bytes_whatever_the_name() {
    let rows = format!("{HEADER}\n{ROW}\n{ROW}\n");
    let (one, other) = rows.split_at(100);
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let cases = [
        (rows.clone().into_bytes(), Compression::None),
        (gzip(rows.as_bytes()), Compression::Gzip),
        ([gzip(one), gzip(other)].concat(), Compression::Gzip),
        (zstd(rows.as_bytes()), Compression::Zstd),
        ([zstd(one), zstd(other)].concat(), Compression::Zstd),
    ];
    for (bytes, compression) in cases {
        let (batch, quality) = World::with(&bytes).extract().unwrap();
        assert_eq!(batch.num_rows(), 2, "{compression}");
        let [file] = quality.files.as_slice() else { panic!("{:?}", quality.files) };
        assert_eq!((file.compression, file.bytes), (compression, bytes.len() as u64));
        assert_eq!(file.xxh3, twox_hash::XxHash3_128::oneshot(&bytes));
        assert_eq!(quality.warnings.duplicates, 1);
    }
}

#[test]
fn packed_files_that_are_cut_or_of_another_kind() {
    let rows = format!("{HEADER}\n{}", format!("{ROW}\n").repeat(1_000));
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 7].to_vec();
    let cases: [(Vec<u8>, &str); 6] = [
        (cut(gzip(rows.as_bytes())), "cannot unpack (gzip; is the file whole?) a.csv: "),
        (cut(zstd(rows.as_bytes())), "cannot unpack (zstd; is the file whole?) a.csv: "),
        (
            b"BZh91AY&SY".to_vec(),
            "a.csv: the file is packed with bzip2: unpack it, or pack it with gzip or zstd",
        ),
        (b"\xfd7zXZ\0".to_vec(), "a.csv: the file is packed with xz: unpack it first"),
        (
            b"PK\x03\x04\x14".to_vec(),
            "a.csv: the file is a ZIP archive or Excel sheet: save the sheet as CSV",
        ),
        (b"\xff\xfeI\0n\0".to_vec(), "a.csv: the file is UTF-16 text: save it as UTF-8"),
    ];
    for (bytes, expected) in cases {
        let error = World::with(bytes).error();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn encodings_are_found_out_and_said() {
    let described = |text: &[u8]| {
        let before = b"1,2,plain,6,12/1/2010 8:26,2.55,17850,UK\n".repeat(30_000);
        let row = [b"1,2,".as_slice(), text, b",6,12/1/2010 8:26,2.55,17850,UK\n"].concat();
        [HEADER.as_bytes(), b"\n", &before, &row, &before].concat()
    };
    // However late the first letter beyond ASCII comes.
    let cases: [(&[u8], EncodingChoice, Encoding, &str); 5] = [
        (b"\xc2\xa320", EncodingChoice::Auto, Encoding::Utf8, "£20"),
        (b"\xa320", EncodingChoice::Auto, Encoding::Latin1, "£20"),
        (b"\xc2\xa320", EncodingChoice::Utf8, Encoding::Utf8, "£20"),
        (b"\xc2\xa320", EncodingChoice::Latin1, Encoding::Latin1, "Â£20"),
        (b"\xa320", EncodingChoice::Latin1, Encoding::Latin1, "£20"),
    ];
    for (text, choice, encoding, expected) in cases {
        let mut world = World::with(described(text));
        world.options.encoding = choice;
        let (batch, quality) = world.extract().unwrap();
        assert_eq!(quality.files[0].encoding, encoding);
        assert_eq!(strings(&batch, "description")[30_000], expected);
        assert_eq!(quality.rejected, 0);
    }
    let mut world = World::with(described(b"\xa320"));
    world.options.encoding = EncodingChoice::Utf8;
    let (batch, quality) = world.extract().unwrap();
    assert_eq!((batch.num_rows(), quality.rejected), (60_000, 1));
    assert_eq!(world.rejects()[1][1..4], ["30002", "", "encoding"]);
}

#[test]
fn headers() {
    let all = "InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, \
               Country";
    let cases = [
        ("", format!("a.csv: the file is empty: its first line must name {all}")),
        ("\n\r\n", format!("a.csv: the file is empty: its first line must name {all}")),
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,Country\n",
            format!(
                "a.csv: the header has no column CustomerID (it has InvoiceNo, StockCode, \
                 Description, Quantity, InvoiceDate, UnitPrice, Country): the first line must \
                 name {all}"
            ),
        ),
        (
            "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,CustomerID,Country\n",
            format!(
                "a.csv: the header has no columns InvoiceNo, UnitPrice (it has Invoice, \
                 StockCode, Description, Quantity, InvoiceDate, Price, CustomerID, Country): the \
                 first line must name {all}"
            ),
        ),
        (
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,\
             Quantity\n",
            "a.csv: the header names column Quantity more than once (InvoiceNo, StockCode, \
             Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country, Quantity): \
             leave one"
                .to_owned(),
        ),
        (
            "InvoiceNo;StockCode\n",
            format!(
                "a.csv: the header has no columns {all} (it has InvoiceNo;StockCode): the first \
                 line must name {all}"
            ),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(World::with(text).error(), expected, "{text:?}");
    }
}

#[test]
fn columns_in_any_order_and_others_beside_them() {
    let world = World::with(
        "\u{feff}\"Country\",Extra,CustomerID,UnitPrice, InvoiceDate ,Quantity,Description,\
         StockCode,InvoiceNo\r\nUK,x,17850,2.55,12/1/2010 8:26,6,LANTERN,85123A,536365\r\n",
    );
    let (batch, quality) = world.extract().unwrap();
    assert_eq!(quality.rejected, 0);
    assert_eq!(strings(&batch, "invoice_no"), ["536365"]);
    assert_eq!(strings(&batch, "country"), ["UK"]);
    let customers = batch.column_by_name("customer_id").unwrap().as_primitive::<Int64Type>();
    assert_eq!(customers.value(0), 17_850);
}

#[test]
fn folders_and_globs_in_the_order_of_names_each_file_once() {
    let file = |invoice: &str| format!("{HEADER}\n{}\n", ROW.replace("536365", invoice));
    let mut world = World::new();
    world.write("in/b.csv", file("2"));
    world.write("in/a.CSV.gz", gzip(file("1").as_bytes()));
    world.write("in/c.csv.zst", zstd(file("3").as_bytes()));
    world.write("in/README.md", "no invoices");
    world.write("in/.hidden.csv", "no invoices");
    world.write("in/folder.csv/d.csv", file("4"));
    let cases: [(&[&str], &[&str]); 7] = [
        (&["in"], &["1", "2", "3"]),
        // No pattern matches a hidden file that does not name its point.
        (&["in/*.csv"], &["2"]),
        (&["in/[bc].csv*"], &["2", "3"]),
        (&["in/**/*.csv"], &["2", "4"]),
        (&["in/c.csv.zst", "in/b.csv"], &["2", "3"]),
        (&["in", "in/b.csv", "in/*.csv"], &["1", "2", "3"]),
        (&["in/folder.csv/../b.csv", "in/b.csv"], &["2"]),
    ];
    for (inputs, expected) in cases {
        let paths = inputs.iter().map(|input| world.path(input).to_string_lossy().into_owned());
        world.options.inputs = paths.collect();
        let (batch, quality) = world.extract().unwrap();
        assert_eq!(strings(&batch, "invoice_no"), expected, "{inputs:?}");
        assert_eq!(quality.files.len(), expected.len());
    }
}

#[test]
fn input_that_is_not_there() {
    let world = World::new();
    world.write("empty/notes.txt", "");
    let no_file = "no such file; name a CSV file, a folder or a pattern, or make a sample with \
                   retail-etl generate";
    let cases = [
        ("b.csv", no_file),
        ("empty", "the folder holds no file named *.csv, *.csv.gz or *.csv.zst"),
        ("empty/*.csv", "the pattern matches no file"),
        ("a[.csv", "the pattern cannot be read (invalid range pattern)"),
    ];
    let mut world = world;
    for (input, reason) in cases {
        world = world.reads(input);
        assert_eq!(world.error(), format!("there is no input at {input}: {reason}"));
    }
}

#[test]
fn the_reject_file() {
    let world = World::with(format!(
        "{HEADER}\n\n{ROW}\nbad\n\
         \"1\",2,\"two\nlines, one \"\"field\"\"\",x,12/1/2010 8:26,1,,UK\n\
         {ROW}\n\
         1,2,3,4,5/32/2010 8:26,6,7,8\n"
    ));
    world.write("out/rejects.csv", "file,line,column,rule,reason,row\nthose of the last run\n");
    let (batch, quality) = world.extract().unwrap();
    assert_eq!((batch.num_rows(), quality.rejected), (2, 3));
    let by_rule: Vec<_> = quality.rejected_by_rule.iter().map(|(rule, n)| (*rule, *n)).collect();
    assert_eq!(by_rule, [("date", 1), ("fields", 1), ("quantity", 1)]);
    let file = world.path("a.csv").to_string_lossy().into_owned();
    let expected = [
        ["file", "line", "column", "rule", "reason", "row"],
        [&file, "4", "", "fields", "the row has 1 field, the header 8", "bad"],
        [
            &file,
            "5",
            "Quantity",
            "quantity",
            "\"x\" is not a number",
            "\"1\",2,\"two\nlines, one \"\"field\"\"\",x,12/1/2010 8:26,1,,UK",
        ],
        [
            &file,
            "8",
            "InvoiceDate",
            "date",
            "\"5/32/2010 8:26\" has a day that its month does not have",
            "1,2,3,4,5/32/2010 8:26,6,7,8",
        ],
    ];
    assert_eq!(world.rejects(), expected);
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1, "nothing hidden is left");

    // The next run has nothing to reject, and leaves no file of old rejects.
    world.write("a.csv", format!("{HEADER}\n{ROW}\n"));
    world.extract().unwrap();
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0);
}

#[test]
fn rejects_of_several_files_are_told_apart() {
    let world = World::new().reads("in");
    world.write("in/1.csv", format!("{HEADER}\n{ROW}\nbad\n"));
    world.write("in/2.csv", format!("{HEADER}\nbad\n{ROW}"));
    let (_, quality) = world.extract().unwrap();
    assert_eq!(quality.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(quality.warnings.duplicates, 1, "also over files");
    let places: Vec<_> = world.rejects()[1..].iter().map(|row| row[..2].to_vec()).collect();
    let place = |file: &str, line: &str| {
        vec![world.path(file).to_string_lossy().into_owned(), line.to_owned()]
    };
    assert_eq!(places, [place("in/1.csv", "3"), place("in/2.csv", "2")]);
}

#[test]
fn too_many_rejects_fail_the_run_and_their_file_is_there() {
    let rows = |good: usize, bad: usize| {
        format!("{HEADER}\n{}{}", "bad\n".repeat(bad), format!("{ROW}\n").repeat(good))
    };
    let said = |rejected: u64, of: u64, limit: &str| {
        Some(format!(
            "{rejected} of {of} rows were rejected, more than --max-rejects {limit} allows, so \
             nothing was loaded: see out/rejects.csv for each row and its reason"
        ))
    };
    let all = Some(
        "all 3 rows were rejected, so nothing was loaded: see out/rejects.csv for each row and \
         its reason"
            .to_owned(),
    );
    let cases = [
        (rows(99, 1), Some(MaxRejects::Percent(1.0)), None),
        (rows(98, 2), Some(MaxRejects::Percent(1.0)), said(2, 100, "1%")),
        (rows(98, 2), Some(MaxRejects::Rows(2)), None),
        (rows(98, 2), Some(MaxRejects::Rows(1)), said(2, 100, "1")),
        (rows(1, 2), None, None),
        (rows(0, 3), None, all.clone()),
        (rows(0, 3), Some(MaxRejects::Percent(100.0)), all),
        (rows(0, 0), Some(MaxRejects::Rows(0)), None),
    ];
    for (text, limit, expected) in cases {
        let mut world = World::with(text);
        world.options.max_rejects = limit;
        match expected {
            None => drop(world.extract().unwrap()),
            Some(expected) => {
                assert_eq!(world.error(), expected);
                assert!(world.rejects().len() > 1);
            }
        }
    }
}

/// A number is exceeded long before the end: no more is read or given than until then.
#[test]
fn a_number_of_rejects_ends_the_reading_early() {
    let mut world = World::with(format!("{HEADER}\n{}", format!("bad\n{ROW}\n").repeat(100_000)));
    world.options.max_rejects = Some(MaxRejects::Rows(10));
    let Err(Error::TooManyRejects { rows, .. }) = world.extract() else { panic!("it must fail") };
    assert!(rows < 100_000, "{rows}");
}

#[test]
fn trouble_with_the_reject_file_is_told() {
    let mut world = World::with(format!("{HEADER}\n{ROW}\nbad\n"));
    world.write("file", "in the way");
    world.options.rejects = world.path("file/rejects.csv");
    let error = world.error();
    assert!(error.starts_with("cannot read file/rejects.csv: "), "{error}");

    world.options.rejects = world.path("a.csv");
    assert_eq!(
        world.error(),
        "a.csv is no reject file of an earlier run, and would be replaced: choose another name by \
         --rejects"
    );
    assert!(world.path("a.csv").exists());
}

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
        let (batch, quality) = world.extract().unwrap();
        assert_eq!((quality.loaded, quality.rejected), (60_000, 120));
        results.push((batch, quality.warnings, fs::read(&world.options.rejects).unwrap()));
    }
    assert_eq!(world.rejects()[1][1], "1001");
    assert_eq!(world.rejects()[3][1], "2005", "1000 rows more and 4 lines");
    for other in &results[1..] {
        assert!(results[0] == *other);
    }
}

#[test]
fn warnings_are_counted_and_the_rows_loaded() {
    let rows = [
        ROW,
        "C536365,85123A,LANTERN,-6,12/1/2010 8:26,2.55,,United Kingdom",
        "536366,85123A,,6,12/1/2010 8:26,0.0,,United Kingdom",
        ROW,
        ROW,
    ];
    let (batch, quality) = World::with(format!("{HEADER}\n{}", rows.join("\n"))).extract().unwrap();
    assert_eq!((batch.num_rows(), quality.rejected), (5, 0));
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
    let (batch, quality) = world.extract().unwrap();
    assert_eq!((batch.num_rows(), quality.rejected), (5_000, 0));
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
    let (rows, warnings) = judged(&unpacked);
    assert_eq!(rows, 541_909);
    let mut world = World::new();
    world.options.inputs = vec![path.to_string_lossy().into_owned()];
    let (batch, quality) = world.extract().unwrap();
    assert_eq!((batch.num_rows(), quality.rejected), (541_909, 0));
    assert_eq!(quality.warnings, warnings);
    assert_eq!(quality.files[0].encoding, Encoding::Utf8);
    same_values(&batch, &unpacked);
}

/// Every value of every row, read by the `csv` crate, `chrono` and the standard library.
fn same_values(batch: &RecordBatch, csv: &[u8]) {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let [invoice, stock, description, country] =
        ["invoice_no", "stock_code", "description", "country"].map(|name| strings(batch, name));
    let quantity = column("quantity").as_primitive::<Int64Type>();
    let customer = column("customer_id").as_primitive::<Int64Type>();
    let date = column("invoice_date").as_primitive::<TimestampMillisecondType>();
    let price = column("unit_price").as_primitive::<arrow::datatypes::Decimal128Type>();
    let mut reader = csv::Reader::from_reader(csv);
    for (i, row) in reader.records().enumerate() {
        let row = row.unwrap();
        let text = |at: usize| if row[at].is_empty() { "(null)" } else { &row[at] };
        assert_eq!([invoice[i], stock[i], description[i]], [&row[0], &row[1], text(2)], "{i}");
        assert_eq!(country[i], &row[7], "{i}");
        assert_eq!(quantity.value(i), row[3].parse::<i64>().unwrap(), "{i}");
        let time = chrono::NaiveDateTime::parse_from_str(&row[4], "%m/%d/%Y %H:%M").unwrap();
        assert_eq!(date.value(i), time.and_utc().timestamp_millis(), "{i}");
        let units = row[5].parse::<f64>().unwrap() * 10_000.0;
        assert_eq!(price.value(i), units.round() as i128, "{i}");
        let expected = (!row[6].is_empty()).then(|| row[6].parse::<i64>().unwrap());
        assert_eq!(customer.is_valid(i).then(|| customer.value(i)), expected, "{i}");
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
        let (batch, quality) = world.extract().unwrap();
        prop_assert_eq!(quality.rejected, 0);
        let values = |name: &str| batch.column_by_name(name).unwrap().clone();
        let quantity = values("quantity");
        let customer = values("customer_id");
        for (i, row) in rows.iter().enumerate() {
            let text = |name: &str| strings(&batch, name)[i].to_owned();
            prop_assert_eq!(text("invoice_no"), row[0].as_str());
            prop_assert_eq!(text("stock_code"), row[1].as_str());
            let description = if row[2].is_empty() { "(null)" } else { &row[2] };
            prop_assert_eq!(text("description"), description);
            prop_assert_eq!(text("country"), row[7].as_str());
            let quantity = quantity.as_primitive::<Int64Type>().value(i);
            prop_assert_eq!(quantity, row[3].parse::<i64>().unwrap());
            let customer = customer.as_primitive::<Int64Type>();
            let expected = row[6].strip_suffix(".0").unwrap_or(&row[6]).parse::<i64>().ok();
            prop_assert_eq!(customer.is_valid(i).then(|| customer.value(i)), expected);
        }
    }
}
