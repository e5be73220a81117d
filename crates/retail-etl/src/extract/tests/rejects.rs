//! Rows that cannot be read: where they go, and how many are too many.

use super::*;

#[test]
fn the_reject_file() {
    let world = World::with(format!(
        "{HEADER}\n\n{ROW}\nbad\n\
         \"1\",2,\"two\nlines, one \"\"field\"\"\",x,12/1/2010 8:26,1,,UK\n\
         {ROW}\n\
         1,2,3,4,5/32/2010 8:26,6,7,8\n"
    ));
    world.write("out/rejects.csv", "file,line,column,rule,reason,row\nthose of the last run\n");
    let (rows, quality) = world.extract().unwrap();
    assert_eq!((rows.len(), quality.rejected), (2, 3));
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
