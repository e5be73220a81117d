//! When input counts as unchanged.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::quality::{Compression, Encoding, FileRead};

fn read(path: &Path) -> FileRead {
    let metadata = path.metadata().unwrap();
    FileRead {
        path: path.to_owned(),
        bytes: metadata.len(),
        modified_ns: source::modified_ns(&metadata),
        xxh3: source::hash(path).unwrap(),
        compression: Compression::None,
        encoding: Encoding::Utf8,
        rows: 0,
    }
}

fn touch(path: &Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[test]
fn what_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    fs::write(&a, "one").unwrap();
    fs::write(&b, "two").unwrap();
    let quality = Quality { files: vec![read(&a), read(&b)], ..Quality::default() };
    let print = Fingerprint::of(&quality);
    let inputs = [folder.path().to_string_lossy().into_owned()];
    let is_still = || print.is_still(&inputs).unwrap();
    assert!(is_still());

    touch(&a, 1);
    assert!(is_still(), "written to, but with the same bytes");
    fs::write(&a, "eno").unwrap();
    assert!(!is_still(), "other bytes of the same size");
    fs::write(&a, "one more").unwrap();
    assert!(!is_still(), "another size");
    fs::write(&a, "one").unwrap();
    assert!(is_still(), "as it was");

    let c = folder.path().join("c.csv");
    fs::write(&c, "three").unwrap();
    assert!(!is_still(), "one more file");
    fs::remove_file(&b).unwrap();
    assert!(!is_still(), "another file");
    fs::remove_file(&c).unwrap();
    assert!(!is_still(), "one file less");
    fs::remove_file(&a).unwrap();
    assert!(matches!(print.is_still(&inputs), Err(Error::NoInput { .. })));
}

#[test]
fn the_text_is_read_back() {
    let names = ["a.csv", "with space.csv", "line\nbreak \\n.csv", "é.csv"];
    let files = names.iter().enumerate().map(|(i, name)| FilePrint {
        name: (*name).to_owned(),
        bytes: i as u64,
        modified_ns: 1_600_000_000_000_000_000,
        xxh3: u128::MAX / 3 + i as u128,
    });
    let print = Fingerprint { files: files.collect() };
    let text = print.to_string();
    assert_eq!(text.lines().count(), names.len());
    assert_eq!(text.parse(), Ok(print));
    for text in ["x", "0 1 2", "g 1 2 a.csv", "0 -1 2 a.csv", "0 1 2 a\\"] {
        assert!(text.parse::<Fingerprint>().is_err(), "{text:?}");
    }
}
