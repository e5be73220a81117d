//! Records as data, and against the `csv` crate.

use proptest::prelude::*;

use super::*;

/// A record's line, and its fields with the quotes dealt with; `None`: it is broken.
type Found = (u64, Option<Vec<String>>);

/// The records, which are the same whatever width is expected.
fn records_of(text: &str) -> Vec<Found> {
    let found = records_expecting(text, 0);
    for width in 1..4 {
        assert_eq!(records_expecting(text, width), found, "{text:?} {width}");
    }
    found
}

fn records_expecting(text: &str, width: usize) -> Vec<Found> {
    let mut marks = Marks::default();
    marks.find(text.as_bytes());
    let mut records = Records::new(text.as_bytes(), 1, width, &marks);
    let (mut found, mut fields) = (Vec::new(), Vec::new());
    while let Some(record) = records.next(&mut fields) {
        assert!(record.start < record.end || fields.len() == 1, "{record:?}");
        let values = fields.iter().map(|field| {
            let value = &text[field.start..field.end];
            if field.quoted { value.replace("\"\"", "\"") } else { value.to_owned() }
        });
        found.push((record.line, (!record.broken).then(|| values.collect())));
    }
    assert_eq!(records.position().0, text.len());
    found
}

fn good(line: u64, fields: &[&str]) -> Found {
    (line, Some(fields.iter().map(|field| (*field).to_owned()).collect()))
}

#[test]
fn records() {
    let cases: [(&str, Vec<Found>); 24] = [
        ("", vec![]),
        ("\n\r\n\n", vec![]),
        ("\r", vec![]),
        ("a", vec![good(1, &["a"])]),
        ("a,b\n", vec![good(1, &["a", "b"])]),
        ("a,b\r\nc,d\r\n", vec![good(1, &["a", "b"]), good(2, &["c", "d"])]),
        ("a,b\nc,d\r", vec![good(1, &["a", "b"]), good(2, &["c", "d"])]),
        (",\n,", vec![good(1, &["", ""]), good(2, &["", ""])]),
        ("\n\na\n\r\n\nb\n", vec![good(3, &["a"]), good(6, &["b"])]),
        ("\"\"\n\"\",\"\"", vec![good(1, &[""]), good(2, &["", ""])]),
        ("\"a,b\",c\n", vec![good(1, &["a,b", "c"])]),
        ("\"a\"\"b\"\"\"\r\n", vec![good(1, &["a\"b\""])]),
        // Lines are those of an editor, also behind line breaks in quotes.
        ("\"a\nb\r\nc\",d\ne", vec![good(1, &["a\nb\r\nc", "d"]), good(4, &["e"])]),
        ("a,\"b\"", vec![good(1, &["a", "b"])]),
        ("a,\"b\"\r", vec![good(1, &["a", "b"])]),
        // Within a field a quote is text like any other.
        ("12\" ruler,b\"\nc", vec![good(1, &["12\" ruler", "b\""]), good(2, &["c"])]),
        (" \"a\",b\n", vec![good(1, &[" \"a\"", "b"])]),
        // A quote that is not closed costs its line.
        ("\"a,b\nc,d\ne", vec![(1, None), good(2, &["c", "d"]), good(3, &["e"])]),
        ("a,\"b\r\nc", vec![(1, None), good(2, &["c"])]),
        ("a,\"", vec![(1, None)]),
        ("\"a\"b,c\nd", vec![(1, None), good(2, &["d"])]),
        ("\"a\" ,c\nd", vec![(1, None), good(2, &["d"])]),
        // Here it looks closed, but what follows is neither a comma nor a line's end.
        ("\"a,b\nc,\"d\"\n", vec![(1, None), good(2, &["c", "d"])]),
        // One that spans lines is whole before the stray quote: the row goes to that one's line.
        ("\"a\nb\",\"c\nd,e", vec![(1, None), good(3, &["d", "e"])]),
    ];
    for (text, expected) in cases {
        assert_eq!(records_of(text), expected, "{text:?}");
    }
}

/// All ways to lay marks over the words and blocks that are looked at together.
#[test]
fn marks_at_every_place() {
    for length in 1..200 {
        let text = "x".repeat(length);
        let row = format!("{text},{text}\n\"{text},\",{text}\n");
        let expected = vec![good(1, &[&text, &text]), good(2, &[&format!("{text},"), &text])];
        assert_eq!(records_of(&row), expected, "{length}");
    }
}

#[test]
fn a_quoted_field_has_an_end() {
    let fits = format!("\"{}\"\nb\n", "\n".repeat(MAX_QUOTED - 2));
    let found = records_of(&fits);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], good(MAX_QUOTED as u64, &["b"]));

    let too_long = format!("\"x\n{}\"\nb\n", "y\n".repeat(MAX_QUOTED / 2));
    let found = records_of(&too_long);
    assert_eq!(found[0], (1, None));
    assert_eq!(found[1], good(2, &["y"]));
    // The quote at the end may yet be closed.
    assert_eq!(whole_records(too_long.as_bytes(), false), too_long.len() - "\"\nb\n".len());
}

#[test]
fn whole() {
    let cases = [
        ("", 0),
        ("a,b", 0),
        ("a\nb", 2),
        ("a\r\n", 3),
        ("a\r\nb\r", 3),
        ("a\n\"b\nc", 2),
        ("a\n\"b\nc\"\n", 8),
        ("a\n\"b\nc\"", 2),
        ("a\n\"b\nc\"\r", 2),
        ("a\n\"b\nc\"\"\n", 2),
        // Broken at once, whatever follows.
        ("a\n\"b\"c\nd", 7),
        ("5\" a\nb", 5),
    ];
    for (text, expected) in cases {
        assert_eq!(whole_records(text.as_bytes(), false), expected, "{text:?}");
        assert_eq!(whole_records(text.as_bytes(), true), text.len(), "{text:?}");
    }
}

fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
    let field = prop_oneof!["[a-zA-Z0-9 £é]{0,12}", "[a,\"\r\n é]{0,12}"];
    (1_usize..6).prop_flat_map(move |width| {
        let row = proptest::collection::vec(field.clone(), width);
        proptest::collection::vec(row, 0..20)
    })
}

proptest! {
    /// What the `csv` crate writes is read back, and it reads the same.
    #[test]
    fn what_the_csv_crate_writes(rows in rows(), crlf: bool) {
        let terminator =
            if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let found: Vec<_> = records_of(&text).into_iter().map(|(_, fields)| fields).collect();
        let expected: Vec<_> = rows.into_iter().map(Some).collect();
        prop_assert_eq!(found, expected);
    }

    /// Where no quote is broken, any text is read as the `csv` crate reads it.
    #[test]
    fn what_the_csv_crate_reads(text in "[a,\"\n é]{0,60}") {
        let found = records_of(&text);
        if found.iter().all(|(_, fields)| fields.is_some()) {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let judged: Vec<Option<Vec<String>>> = reader
                .records()
                .map(|record| Some(record.unwrap().iter().map(str::to_owned).collect()))
                .collect();
            let found: Vec<_> = found.into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(found, judged);
        }
    }
}
