//! Attempts that fail, take too long, or are stopped.

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use super::{Running, text};
use crate::{Place, sample};

#[test]
fn tried_until_it_is_given_up() {
    let place = Place::new();
    let told = place.path().join("told.txt");
    let command = "echo \"$ARUS_STATE $ARUS_ATTEMPT $ARUS_JOB $ARUS_KIND $ARUS_RUN_ID \
                   [$ARUS_SCHEDULED_FOR] $ARUS_ERROR\" >> told.txt; grep -c 'run ended' \
                   \"$ARUS_LOG_FILE\" >> told.txt; exit 3";
    let flags = ["--retries", "2", "--retry-delay", "50ms", "--on-failure", command];
    let output = place.job(Path::new("absent.csv"), &flags).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.matches("attempt failed, it will be tried again").count(), 2, "{stderr}");
    assert!(stderr.contains("the --on-failure command failed"), "{stderr}");

    let [run] = place.history().try_into().unwrap();
    assert_eq!((text(&run, "state"), run["attempt"].as_u64()), ("failed", Some(3)));
    let error = text(&run, "error");
    assert!(error.contains("absent.csv"), "{error}");
    assert!(stderr.ends_with(&format!("error: {error}\n")), "{stderr}");
    let id = text(&run, "run_id");
    let told = std::fs::read_to_string(told).unwrap();
    assert_eq!(told, format!("failed 3 retail-etl manual {id} [] {error}\n1\n"));
    let log = std::fs::read_to_string(place.path().join(text(&run, "log_file"))).unwrap();
    assert_eq!(log.matches("run started").count(), 3, "{log}");
    let steps = place.run_of(&run)["steps"].as_array().unwrap().clone();
    assert!(steps.iter().all(|step| step["state"] == "failed"), "{steps:#?}");
}

#[test]
fn a_failure_that_passes() {
    let place = Place::new();
    let input = place.path().join("comes-later.csv");
    let flags = ["--retries", "1000", "--retry-delay", "20ms", "--on-failure", "touch alarm"];
    let run = Running::start(place.job(&input, &flags));
    place.until(|run| run["attempt"].as_u64() >= Some(2));
    std::fs::copy(sample(), &input).unwrap();
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    let [run] = place.history().try_into().unwrap();
    assert_eq!(text(&run, "state"), "success");
    assert!(run["attempt"].as_u64() > Some(1) && run["error"].is_null(), "{run:#}");
    assert!(!place.path().join("alarm").exists());
}

#[test]
fn only_the_newest_logs_stay() {
    let place = Place::new();
    for _ in 0..3 {
        place.run(&sample(), &["--force", "--sink", "csv", "--keep-logs", "2"]);
    }
    let runs = place.history();
    let stay = |run| place.path().join(text(run, "log_file")).exists();
    assert_eq!(runs.iter().map(stay).collect::<Vec<_>>(), [false, true, true]);
}

/// A file lies where the database's folder should be, until somebody clears it away.
#[test]
fn a_database_that_comes_back() {
    let mut place = Place::new();
    let folder = place.path().join("disk");
    std::fs::write(&folder, "no folder").unwrap();
    place.database = format!("sqlite://{}/results.db", folder.display());
    let flags = ["--retries", "1000", "--retry-delay", "50ms"];
    let mut run = Running::start(place.job(&sample(), &flags));
    run.until_it_says("attempt failed, it will be tried again");
    std::fs::remove_file(&folder).unwrap();
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    let [run] = place.history().try_into().unwrap();
    assert_eq!(text(&run, "state"), "success");
    assert!(run["attempt"].as_u64() > Some(1), "{run:#}");
    assert!(place.database().iter().all(Option::is_some));
}

/// Nobody listens at the server's address until the first attempt has failed.
#[test]
#[ignore = "needs PostgreSQL: set ARUS_TEST_POSTGRES_URL"]
fn a_postgres_server_that_comes_back() {
    let mut place = Place::on_postgres("comes_back");
    let (before, after) = place.database.split_once('@').unwrap();
    let (server, name) = after.split_once('/').unwrap();
    let (server, real) = (server.to_owned(), place.database.clone());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    place.database = format!("{before}@{address}/{name}");
    let flags = ["--retries", "1000", "--retry-delay", "50ms", "--retry-for", "100ms"];
    let mut command = place.program();
    command.arg("run").arg(sample()).args(["--output", "out", "--database-url", &place.database]);
    let mut run = Running::start({
        command.args(["--table-prefix", &place.prefix]).args(flags);
        command
    });
    run.until_it_says("attempt failed, it will be tried again");
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&server).unwrap();
            let (mut from_client, mut from_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (mut to_client, mut to_server) = (client, server);
            std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        }
    });
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    place.database = real;
    let [run] = place.history().try_into().unwrap();
    assert_eq!(text(&run, "state"), "success");
    assert!(run["attempt"].as_u64() > Some(1), "{run:#}");
}

/// Its input never comes, so the run hangs in the operating system.
#[test]
fn a_run_that_takes_too_long() {
    let place = Place::new();
    let pipe = place.pipe("pipe.csv");
    let sentence =
        place.refusal(&pipe, &["--timeout", "300ms", "--on-failure", "echo $ARUS_STATE > state"]);
    assert!(sentence.contains("longer than --timeout 300ms"), "{sentence}");
    let [run] = place.history().try_into().unwrap();
    assert_eq!(text(&run, "state"), "timed_out");
    assert!(sentence.contains(text(&run, "error")), "{run:#}");
    assert_eq!(place.run_of(&run)["steps"][0]["state"], "timed_out");
    assert_eq!(std::fs::read_to_string(place.path().join("state")).unwrap(), "timed_out\n");
    assert!(place.database().iter().all(Option::is_none), "nothing was loaded");
    place.run(&sample(), &["--timeout", "1h"]);
}

#[test]
fn a_stop_signal_is_no_failure() {
    let place = Place::new();
    for (signal, flags) in [("-TERM", &[][..]), ("-INT", &["--retries", "5"][..])] {
        let pipe = place.pipe(&format!("pipe{signal}.csv"));
        let all = [flags, &["--on-failure", "touch alarm"]].concat();
        let run = Running::start(place.job(&pipe, &all));
        let process = run.process();
        place.until(|run| run["state"] == "running" && text(run, "process").starts_with(&process));
        run.signal(signal);
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("error"), "{said}");
        assert_eq!(text(place.history().last().unwrap(), "state"), "interrupted");
    }
    // Between two attempts as well.
    let run = Running::start(
        place.job(Path::new("absent.csv"), &["--retries", "1", "--retry-delay", "1h"]),
    );
    place.until(|run| run["state"] == "retrying");
    run.signal("-TERM");
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(text(place.history().last().unwrap(), "state"), "interrupted");
    assert!(place.database().iter().all(Option::is_none) && !place.path().join("alarm").exists());
}
