//! What is read: folders, encodings, compressions and headers.

use super::*;

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
        let (found, quality) = World::with(&bytes).extract().unwrap();
        assert_eq!(found.len(), 2, "{compression}");
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
        let (rows, quality) = world.extract().unwrap();
        assert_eq!(quality.files[0].encoding, encoding);
        assert_eq!(rows[30_000].description, expected);
        assert_eq!(quality.rejected, 0);
    }
    let mut world = World::with(described(b"\xa320"));
    world.options.encoding = EncodingChoice::Utf8;
    let (rows, quality) = world.extract().unwrap();
    assert_eq!((rows.len(), quality.rejected), (60_000, 1));
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
                "a.csv: the header has no columns {all} (it has InvoiceNo;StockCode): columns seem \
                 to be separated by semicolons: save the file with commas"
            ),
        ),
        (
            "InvoiceNo\tStockCode\n",
            format!(
                "a.csv: the header has no columns {all} (it has InvoiceNo\\tStockCode): columns \
                 seem to be separated by tabs: save the file with commas"
            ),
        ),
        (
            "Invoice\rNo,StockCode\r",
            format!(
                "a.csv: the header has no columns {} (it has Invoice\\rNo, StockCode): lines seem \
                 to end with CR alone: save the file with LF or CRLF",
                all.replace("StockCode, ", "")
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
    let (rows, quality) = world.extract().unwrap();
    assert_eq!(quality.rejected, 0);
    assert_eq!(texts(&rows, |row| &row.invoice_no), ["536365"]);
    assert_eq!(texts(&rows, |row| &row.country), ["UK"]);
    assert_eq!(rows[0].customer_id, Some(17_850));
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
        let (rows, quality) = world.extract().unwrap();
        assert_eq!(texts(&rows, |row| &row.invoice_no), expected, "{inputs:?}");
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

/// Decoders go from file to file: each file has columns in an order of its own, and products that were in
/// the one before.
#[test]
fn files_of_many_blocks_with_other_columns() {
    let world = World::new().reads("in");
    let rows = 30_000;
    let usual: String = (0..rows)
        .map(|row| format!("{row},P{},LANTERN,6,12/1/2010 8:26,3.39,17850,France\n", row % 700))
        .collect();
    world.write("in/1.csv", format!("{HEADER}\n{usual}"));
    let other: String = (0..rows)
        .map(|row| format!("EIRE,x,P{},{row},12/2/2010 8:26,LANTERN,1,,7\n", row % 900))
        .collect();
    let header =
        "Country,Extra,StockCode,InvoiceNo,InvoiceDate,Description,UnitPrice,CustomerID,Quantity";
    world.write("in/2.csv", format!("{header}\n{other}"));
    let mut world = world;
    world.options.threads = 2;
    let (found, quality) = world.extract().unwrap();
    assert_eq!((found.len(), quality.rejected), (2 * rows, 0));
    for (row, [one, other]) in (0..rows).map(|row| (row, [&found[row], &found[rows + row]])) {
        let said = |found: &Row| {
            let Row { invoice_no, stock_code, description, .. } = found.clone();
            (invoice_no, stock_code, description, found.quantity, found.unit_price)
        };
        let lantern = || "LANTERN".to_owned();
        let expected = (row.to_string(), format!("P{}", row % 700), lantern(), 6, 33_900);
        assert_eq!((said(one), one.country.as_str()), (expected, "France"));
        let expected = (row.to_string(), format!("P{}", row % 900), lantern(), 7, 10_000);
        assert_eq!((said(other), other.country.as_str()), (expected, "EIRE"));
        assert_eq!((one.customer_id, other.customer_id), (Some(17_850), None));
    }
}
