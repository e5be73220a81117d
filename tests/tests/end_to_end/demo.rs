//! The demo: it ends by itself or by Ctrl-C, its numbers add up, and nothing is left running.

use std::process::Command;

use arus_tests::process::Finished;
use arus_tests::{LIMIT, World, wait_until};
use rustix::process::Signal;

/// The closing line's figures: produced, counted, late, rejected.
fn figures(ended: &Finished) -> [u64; 4] {
    let line = ended.stdout.lines().find(|line| line.starts_with("produced ")).expect("a summary");
    let words = line.split([' ', '+', '=']).filter(|word| !word.is_empty());
    let numbers: Vec<u64> = words.filter_map(|word| word.replace(',', "").parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("four figures: {line}"))
}

/// The demo's own programs name its folder on their command lines.
fn assert_nothing_is_left(folder: &str) {
    let listed = Command::new("ps").args(["-A", "-o", "args"]).output().expect("ps is there");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let left: Vec<&str> = listed.lines().filter(|line| line.contains(folder)).collect();
    assert_eq!(left, [""; 0]);
}

#[track_caller]
fn assert_adds_up(ended: &Finished) {
    let [produced, counted, late, rejected] = figures(ended);
    assert_eq!(produced, counted + late + rejected);
    assert!(produced > 1_000 && counted > 0 && late > 0, "{}", ended.stdout);
    for word in [
        "windows closed",
        "sqlite3 ",
        "demo-purchases.late",
        "bank            produced",
        " customers",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
}

#[test]
fn it_ends_by_itself_and_adds_up() {
    let world = World::named("demo").without_broker().start();
    let folder = world.path("demo-by-time").display().to_string();
    let demo = world.program("demo").with("--folder", &folder).with("--window", "2s");
    // More late records than usual, so that the few seconds hold some for certain.
    let ended = demo.with("--for", "5s").with("--late-fraction", 0.2).run().well();
    assert_adds_up(&ended);
    assert_nothing_is_left(&folder);
    // Rows came while it ran, as it has nothing to read them from but the plain console.
    assert!(ended.stdout.contains("Bed"), "{}", ended.stdout);
}

#[test]
fn it_ends_by_ctrl_c_and_adds_up() {
    let world = World::named("demo_stopped").without_broker().start();
    let folder = world.path("demo-by-signal").display().to_string();
    let demo = world.program("demo").with("--folder", &folder).with("--window", "1s");
    let demo = demo.with("--late-fraction", 0.2).with("--rate", 4_000).start();
    wait_until("a first row", LIMIT, || demo.stdout().contains("Bed").then_some(()));
    let ended = demo.stopped_by(Signal::INT).well();
    assert_adds_up(&ended);
    assert_nothing_is_left(&folder);
}

#[test]
fn it_empties_no_folder_that_is_not_its_own() {
    let world = World::named("demo_folder").without_broker().start();
    let folder = world.path("precious");
    std::fs::create_dir(&folder).expect("the world's folder is writable");
    std::fs::write(folder.join("diary"), "dear diary").expect("and this one");
    let demo = world.program("demo").with("--folder", folder.display()).with("--for", "1s");
    let sentence = demo.run().sentence();
    assert!(sentence.contains("precious") && sentence.contains("--folder"), "{sentence}");
    assert!(folder.join("diary").exists());
}
