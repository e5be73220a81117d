//! Every way that a row can be bad, as data; and what good rows become.

use std::path::Path;

use super::*;
use crate::invoice_lines::rows::{Row, rows};
use crate::quality::Encoding;

const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

fn decode_as(text: &[u8], encoding: Encoding) -> Decoded {
    let mut fields = Vec::new();
    let mut marks = Marks::default();
    marks.find(HEADER.as_bytes());
    let header = Records::new(HEADER.as_bytes(), 1, 0, &marks).next(&mut fields);
    assert!(header.is_some());
    let columns = Columns::find(Path::new("a.csv"), HEADER.as_bytes(), &fields).unwrap();
    let block = Block { bytes: text.to_vec(), start: 0, line: 2, encoding };
    let mut decoder = Decoder::new(0, DateFormat::Auto);
    decoder.begin(&columns);
    decoder.decode(&block)
}

fn decode(text: impl AsRef<[u8]>) -> Decoded {
    decode_as(text.as_ref(), Encoding::Utf8)
}

/// Rows, the rule that each breaks, and the reason.
static BAD_ROWS: [(&str, &Rule, &str); 33] = [
    (
        "536365,85123A,LANTERN,6,12/1/2010 8:26,2.55,17850",
        &rules::FIELDS,
        "the row has 7 fields, the header 8",
    ),
    (
        "536365,85123A,LANTERN, BIG,6,12/1/2010 8:26,2.55,17850,United Kingdom",
        &rules::FIELDS,
        "the row has 9 fields, the header 8",
    ),
    ("not a row at all", &rules::FIELDS, "the row has 1 field, the header 8"),
    ("   ", &rules::FIELDS, "the row has 1 field, the header 8"),
    (
        "536365,85123A,\"LANTERN,6,12/1/2010 8:26,2.55,17850,United Kingdom",
        &rules::QUOTES,
        "a quote begins a field of this line and is not closed before a comma or the line's end",
    ),
    (
        "536365,85123A,\"LANTERN\" BIG,6,12/1/2010 8:26,2.55,17850,UK",
        &rules::QUOTES,
        "a quote begins a field of this line and is not closed before a comma or the line's end",
    ),
    (
        ",85123A,LANTERN,6,12/1/2010 8:26,2.55,17850,UK",
        &rules::INVOICE_NUMBER,
        "InvoiceNo is empty",
    ),
    (
        "\"\",85123A,LANTERN,6,12/1/2010 8:26,2.55,17850,UK",
        &rules::INVOICE_NUMBER,
        "InvoiceNo is empty",
    ),
    (
        "  ,85123A,LANTERN,6,12/1/2010 8:26,2.55,17850,UK",
        &rules::INVOICE_NUMBER,
        "InvoiceNo is empty",
    ),
    ("536365,,LANTERN,6,12/1/2010 8:26,2.55,17850,UK", &rules::STOCK_CODE, "StockCode is empty"),
    ("536365,1,A,six,12/1/2010 8:26,2.55,17850,UK", &rules::QUANTITY, "\"six\" is not a number"),
    ("536365,1,A,,12/1/2010 8:26,2.55,17850,UK", &rules::QUANTITY, "\"\" is not a number"),
    (
        "536365,1,A,6.5,12/1/2010 8:26,2.55,17850,UK",
        &rules::QUANTITY,
        "\"6.5\" is not a whole number",
    ),
    (
        "536365,1,A,9999999999999999999,12/1/2010 8:26,2.55,17850,UK",
        &rules::QUANTITY,
        "\"9999999999999999999\" has too many digits",
    ),
    (
        "536365,1,A,6,,2.55,17850,UK",
        &rules::DATE,
        "\"\" is no date; declared are 12/1/2010 8:26, 2010-12-01 08:26:00 and \
      2010-12-01T08:26:00",
    ),
    (
        "536365,1,A,6,13/1/2010 8:26,2.55,17850,UK",
        &rules::DATE,
        "\"13/1/2010 8:26\" has no month from 1 to 12",
    ),
    (
        "536365,1,A,6,2/30/2011 8:26,2.55,17850,UK",
        &rules::DATE,
        "\"2/30/2011 8:26\" has a day that its month does not have",
    ),
    (
        "536365,1,A,6,2011-02-29T08:26:00,2.55,17850,UK",
        &rules::DATE,
        "\"2011-02-29T08:26:00\" has a day that its month does not have",
    ),
    (
        "536365,1,A,6,12/1/2010 25:26,2.55,17850,UK",
        &rules::DATE,
        "\"12/1/2010 25:26\" has a time that the clock does not show",
    ),
    (
        "536365,1,A,6,12/1/2010 8:26 h,2.55,17850,UK",
        &rules::DATE,
        "\"12/1/2010 8:26 h\" is no date like 12/1/2010 8:26",
    ),
    ("536365,1,A,6,12/1/2010 8:26,,17850,UK", &rules::PRICE, "\"\" is not a number"),
    ("536365,1,A,6,12/1/2010 8:26,cheap,17850,UK", &rules::PRICE, "\"cheap\" is not a number"),
    (
        "536365,1,A,6,12/1/2010 8:26,2.55555,17850,UK",
        &rules::PRICE,
        "\"2.55555\" has more than 4 digits after the point",
    ),
    ("536365,1,A,6,12/1/2010 8:26,\"2,55\",17850,UK", &rules::PRICE, "\"2,55\" is not a number"),
    (
        "536365,1,A,6,12/1/2010 8:26,999999999999999,17850,UK",
        &rules::PRICE,
        "\"999999999999999\" has too many digits",
    ),
    ("536365,1,A,6,12/1/2010 8:26,2.55,nobody,UK", &rules::CUSTOMER, "\"nobody\" is not a number"),
    (
        "536365,1,A,6,12/1/2010 8:26,2.55,17850.5,UK",
        &rules::CUSTOMER,
        "\"17850.5\" is not a whole number",
    ),
    ("536365,1,A,6,12/1/2010 8:26,2.55, ,UK", &rules::CUSTOMER, "\" \" is not a number"),
    (
        "536365,1,A,a very long text in place of a small number,12/1/2010 8:26,2.55,1,UK",
        &rules::QUANTITY,
        "\"a very long text in place of a small num…\" is not a number",
    ),
    (
        "536365,1,caf\0,6,12/1/2010 8:26,2.55,17850,UK",
        &rules::NUL,
        "the row holds a NUL character, which no database takes as text",
    ),
    (
        "536365,1,A,1000000000,12/1/2010 8:26,2.55,17850,UK",
        &rules::QUANTITY,
        "\"1000000000\" has too many digits",
    ),
    // The first rule of several that are broken.
    ("536365,1,A,x,y,z,w,UK", &rules::QUANTITY, "\"x\" is not a number"),
    (",,A,6,12/1/2010 8:26,2.55,17850,UK", &rules::INVOICE_NUMBER, "InvoiceNo is empty"),
];

/// The row in the middle of three is rejected for this rule and reason, and the others are loaded.
#[test]
fn bad_rows() {
    let good = "536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom";
    for (row, rule, reason) in BAD_ROWS {
        for newline in ["\n", "\r\n"] {
            let decoded = decode(format!("{good}{newline}{row}{newline}{good}{newline}"));
            assert_eq!((decoded.rows, decoded.lines.len()), (3, 2), "{row}");
            let [reject] = decoded.rejects.as_slice() else {
                panic!("{row}: {:?}", decoded.rejects)
            };
            assert_eq!(reject.broken, Broken { rule, reason: reason.to_owned() }, "{row}");
            assert_eq!((reject.line, reject.row.as_str()), (3, row));
        }
    }
    let tried: Vec<_> = BAD_ROWS.iter().map(|(_, rule, _)| rule.name).collect();
    for rule in rules::ALL {
        let untried = !tried.contains(&rule.name);
        assert_eq!(untried, rule.name == "encoding", "{} is tried elsewhere", rule.name);
    }
}

#[test]
fn a_row_that_is_not_utf8_in_a_file_that_is() {
    let row = b"1,2,\xa3 5,6,12/1/2010 8:26,2.55,17850,UK\n1,2,\xc2\xa3 5,6,12/1/2010 8:26,2,,UK\n";
    let decoded = decode(row);
    assert_eq!((decoded.rows, decoded.lines.len()), (2, 1));
    let [reject] = decoded.rejects.as_slice() else { panic!("{:?}", decoded.rejects) };
    assert_eq!(reject.broken.rule, &rules::ENCODING);
    assert_eq!(
        reject.broken.reason,
        "byte 5 of the row is not valid UTF-8, which the file is; convert the file, or say \
         --encoding iso-8859-1"
    );
    // Each byte is kept, as the letter that it is in ISO-8859-1.
    assert_eq!(reject.row, "1,2,£ 5,6,12/1/2010 8:26,2.55,17850,UK");
    assert_eq!(rows(&[decoded.lines])[0].description, "£ 5");
}

#[test]
fn latin1_is_read_as_what_it_is() {
    let decoded =
        decode_as(b"1,2,\xa3 5 caf\xe9 \xff,6,12/1/2010 8:26,2.55,17850,UK\n", Encoding::Latin1);
    assert_eq!(rows(&[decoded.lines])[0].description, "£ 5 café ÿ");
}

#[test]
fn good_rows() {
    let decoded = decode(
        "536365,85123A,\"A \"\"B\"\", C\nD\",6,12/1/2010 8:26,2.55,17850,United Kingdom\n\
         C536366,21,,-1,2011-01-02 03:04:05,-11062.06,,EIRE\n\
         \"A7\",22,é,\"6.0\",\"2011-01-02T03:04:05.678Z\",\"0\",17850.0,\n",
    );
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    let expected = [
        Row {
            invoice_no: "536365".into(),
            stock_code: "85123A".into(),
            description: "A \"B\", C\nD".into(),
            quantity: 6,
            date_ms: 1_291_191_960_000,
            month: 2010 * 12 + 11,
            unit_price: 25_500,
            customer_id: Some(17_850),
            country: "United Kingdom".into(),
            cancelled: false,
        },
        Row {
            invoice_no: "C536366".into(),
            stock_code: "21".into(),
            description: String::new(),
            quantity: -1,
            date_ms: 1_293_937_445_000,
            month: 2011 * 12,
            unit_price: -110_620_600,
            customer_id: None,
            country: "EIRE".into(),
            cancelled: true,
        },
        Row {
            invoice_no: "A7".into(),
            stock_code: "22".into(),
            description: "é".into(),
            quantity: 6,
            date_ms: 1_293_937_445_678,
            month: 2011 * 12,
            unit_price: 0,
            customer_id: Some(17_850),
            country: String::new(),
            cancelled: false,
        },
    ];
    assert_eq!(rows(&[decoded.lines]), expected);
    let Warnings { missing_customer, cancelled, zero_price, .. } = decoded.warnings;
    assert_eq!((missing_customer, cancelled, zero_price), (1, 1, 1));
}

/// The same values have the same hash, however they are written; any other value has another.
#[test]
fn hashes() {
    let hash = |row: &str| decode(row).lines.hash[0];
    let row = "536365,1,A,6,12/1/2010 8:26,2.55,17850,UK";
    for same in [
        "\"536365\",1,\"A\",6.0,2010-12-01T08:26:00,2.5500,17850.0,UK",
        "536365,1,A,6,2010-12-01 08:26:00,2.55,17850,UK",
    ] {
        assert_eq!(hash(row), hash(same), "{same}");
    }
    for other in [
        "536366,1,A,6,12/1/2010 8:26,2.55,17850,UK",
        "5363651,,A,6,12/1/2010 8:26,2.55,17850,UK".replace(",,", ",x,").as_str(),
        "53636,51,A,6,12/1/2010 8:26,2.55,17850,UK",
        "536365,1A,,6,12/1/2010 8:26,2.55,17850,UK",
        "536365,1,A,7,12/1/2010 8:26,2.55,17850,UK",
        "536365,1,A,6,12/1/2010 8:27,2.55,17850,UK",
        "536365,1,A,6,12/1/2010 8:26,2.551,17850,UK",
        "536365,1,A,6,12/1/2010 8:26,2.55,17851,UK",
        "536365,1,A,6,12/1/2010 8:26,2.55,,UK",
        "536365,1,A,6,12/1/2010 8:26,2.55,17850,",
    ] {
        assert_ne!(hash(row), hash(other), "{other}");
    }
}

/// What a row says of its invoice is there once, for those that follow one another and say the same.
#[test]
fn headers_of_rows() {
    let one = "536365,1,A,6,12/1/2010 8:26,2.55,17850,UK";
    let again = "536365,2,B,-1,12/1/2010 8:26,0,17850,UK";
    for other in [
        one.replace("536365", "536366"),
        one.replace("8:26", "8:27"),
        one.replace("17850", ""),
        one.replace("UK", "\"UK, \"\"GB\"\"\""),
    ] {
        let decoded = decode(format!("{one}\n{again}\nbad\n{one}\n{other}\n{other}\n{one}\n"));
        assert_eq!(decoded.lines.headers.lines, [3, 2, 1], "{other}");
    }
    // Of a row that is rejected nothing is taken over.
    let bad = "536366,1,A,x,12/1/2010 8:26,2.55,17850,UK";
    let decoded = decode(format!("{one}\n{bad}\n{}\n{one}\n", bad.replace('x', "1")));
    assert_eq!(decoded.lines.headers.lines, [1, 1, 1]);
    let invoices = rows(&[decoded.lines]).into_iter().map(|row| row.invoice_no);
    assert_eq!(invoices.collect::<Vec<_>>(), ["536365", "536366", "536365"]);
    // The same letters, once as they stand, once in quotes where two quotes are one.
    let plain = r#"536365,1,A,6,12/1/2010 8:26,2.55,17850,U""K"#;
    let quoted = r#"536365,1,A,6,12/1/2010 8:26,2.55,17850,"U""K""#;
    let decoded = decode(format!("{plain}\n{quoted}\n"));
    assert_eq!(decoded.lines.headers.lines, [1, 1]);
}

/// Of two rules about fields the one is told that comes first among all.
#[test]
fn the_first_of_two_broken_rules() {
    let good = ["536365", "1", "A", "6", "12/1/2010 8:26", "2.55", "17850", "UK"];
    // Bad values, by their places.
    let bad = [(0, ""), (1, ""), (3, "x"), (4, "x"), (5, "x"), (6, "x")];
    let ways = [
        &rules::INVOICE_NUMBER,
        &rules::STOCK_CODE,
        &rules::QUANTITY,
        &rules::DATE,
        &rules::PRICE,
        &rules::CUSTOMER,
    ];
    let place = |rule: &Rule| rules::ALL.iter().position(|other| *other == rule);
    assert!(ways.is_sorted_by_key(|rule| place(rule)));
    for (i, (first, value)) in bad.iter().enumerate() {
        for (second, other) in &bad[i + 1..] {
            let mut row = good;
            row[*first] = value;
            row[*second] = other;
            let decoded = decode(format!("{}\n{}\n", good.join(","), row.join(",")));
            assert_eq!(decoded.rejects[0].broken.rule, ways[i], "{row:?}");
        }
    }
}
